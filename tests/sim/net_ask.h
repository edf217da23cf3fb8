/* net_ask.h: what the makers of requests share. */
#ifndef TESTS_SIM_NET_ASK_H
#define TESTS_SIM_NET_ASK_H

#include "tests/sim/net_client.h"

enum { NET_NO_SESSION_ID = 7 }; /* below all session ids of the model, by its making */

static inline uint64_t below(struct net_client *client, uint64_t bound)
{
    return prng_below(&client->run->prng, bound);
}

static inline bool chance(struct net_client *client, uint64_t odds)
{
    return prng_one_in(&client->run->prng, odds);
}

/* Some sessions are asked for more often than others. */
struct net_session *net_ask_session(struct net_client *client, uint32_t *index);

/* A request under way with room for item_count items. */
struct net_request *net_ask_new(struct net_client *client, uint16_t type, uint32_t item_count);
/* Its frame; or only the header, with body_bytes put by net_ask_bytes() behind it. */
void net_ask_send(struct net_client *client, const struct net_request *request,
                  const ProtobufCMessage *message);
void net_ask_header(struct net_client *client, const struct net_request *request,
                    uint32_t body_bytes);
/* Room for byte_count bytes more to be sent. */
uint8_t *net_ask_bytes(struct net_client *client, uint32_t byte_count);

void net_ask_appends(struct net_client *client);
void net_ask_retries(struct net_client *client);
void net_ask_wrong_appends(struct net_client *client);
void net_ask_pulls(struct net_client *client);

#endif

/* net_model.h: the obvious node: every message that a client ever sent, and for every session
 * what is known to be at each seq. It learns only from replies.
 *
 * A message is known by its number, which travels in client_ms and makes its body. What was once
 * seen at a seq, by an ack or a pull, must be there in every later answer, crash or not. */
#ifndef TESTS_SIM_NET_MODEL_H
#define TESTS_SIM_NET_MODEL_H

#include "tests/lib/prng.h"

#include <imlog/imlog.h>

enum { NET_SESSIONS_MAX = 32, NET_KEYS_MAX = 24, NET_KEY_TEXT_BYTES = 24 };

struct net_message {
    uint32_t session; /* index */
    uint32_t body_bytes;
    uint64_t sender_id;
    uint64_t client_msg_id; /* 0: none, and then it is sent once */
    uint16_t type;
    uint32_t attempt_count;
    uint32_t unresolved_count; /* attempts that may have stored it, for all the clients know */
    bool stored;               /* an attempt was answered as the one that stored it */
    uint64_t seq;              /* 0: not known to be stored */
    uint64_t msg_id;
    uint64_t server_ms;
};

struct net_slot {
    uint32_t number; /* of the message; 0: not known yet */
    uint64_t msg_id;
};

struct net_session {
    uint64_t id;
    enum imlog_kind kind;
    struct net_slot *slots; /* by seq - 1 */
    uint32_t slot_capacity;
    uint64_t latest_seq; /* the newest that was ever said to be there */
};

struct net_key {
    char text[NET_KEY_TEXT_BYTES];
    uint64_t id;   /* 0: not known */
    bool answered; /* durably, for all time */
    bool created;  /* some answer said that its request made it */
};

struct net_model {
    struct net_message *messages; /* by number - 1 */
    uint32_t message_count;
    uint32_t message_capacity;
    struct net_session sessions[NET_SESSIONS_MAX];
    uint32_t session_count;
    struct net_key keys[NET_KEYS_MAX];
    uint32_t key_count;
};

void net_model_init(struct net_model *model, struct prng *prng);
void net_model_deinit(struct net_model *model);

/* Returns the new message's number. */
uint32_t net_model_add(struct net_model *model, const struct net_message *message);
struct net_message *net_model_message(struct net_model *model, uint32_t number);
/* The session of an id, or NULL. */
struct net_session *net_model_session(struct net_model *model, uint64_t session_id);

/* An answer says that this message is at this seq. */
void net_model_learn(struct net_model *model, uint32_t number, uint64_t seq, uint64_t msg_id,
                     uint64_t server_ms);
/* An answer shows this message of the session. */
void net_model_see(struct net_model *model, struct net_session *session,
                   const struct imlog_message *message);
/* An answer says that a session's newest seq is this. */
void net_model_latest(struct net_session *session, uint64_t latest_seq);

/* An answer gives a key this id. */
void net_model_resolved(struct net_model *model, uint32_t key, uint64_t id);

/* The end: every session is known from 1 to its newest seq, and every message that must be
 * stored is. */
void net_model_check_whole(struct net_model *model);

#endif

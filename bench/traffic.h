/* traffic.h: the messages that every system under test is given: the same sizes, sessions and
 * bytes for all of them.
 *
 * Bodies are slices of a pool of random bytes, so that nothing compresses and making one costs
 * nothing. Sessions are first_session .. first_session + sessions - 1, drawn uniformly or taken
 * in rounds (every session gets its k-th message before any gets the next). client_msg_ids are
 * unique over runs too, so that no message of a second run on the same data counts as a retry.
 * Not thread-safe: one a thread. */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <imlog/error.h>
#include <stdbool.h>
#include <stdint.h>

struct options;

struct traffic {
    uint64_t random_state;
    uint64_t session_first_id;
    uint64_t session_count;
    uint64_t next_client_msg_id;
    uint64_t made_count;
    uint64_t left_count; /* messages still to be sent; UINT64_MAX: until the time is up */
    bool in_rounds;
    uint32_t body_bytes;
    uint8_t *pool;
};

struct traffic_message {
    uint64_t session_id;
    uint64_t sender_id;
    uint64_t client_msg_id;
    const uint8_t *body; /* body_bytes of them; borrowed until traffic_deinit() */
};

int traffic_init(struct traffic *traffic, const struct options *options, struct imlog_why *why);
void traffic_deinit(struct traffic *traffic);

/* How many of wanted_count messages are still to be sent; they count as sent from now on. */
uint32_t traffic_take(struct traffic *traffic, uint32_t wanted_count);

/* Nothing more is to be sent. */
void traffic_stop(struct traffic *traffic);

uint64_t traffic_session(struct traffic *traffic);
void traffic_make(struct traffic *traffic, struct traffic_message *message);

#endif

/* traffic.c: making messages, cheaply. */
#include "bench/traffic.h"

#include "bench/fail.h"
#include "bench/options.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    TRAFFIC_POOL_BYTES = 1024 * 1024, /* bodies start anywhere in these */
    TRAFFIC_SENDERS = 1000 * 1000,
    TRAFFIC_RUN_SHIFT = 40, /* a client_msg_id is a random run number and a counter */
};

/* SplitMix64 (Steele, Lea, Flood 2014): one addition and three mixing steps. */
static uint64_t traffic_random(struct traffic *traffic)
{
    uint64_t mixed = traffic->random_state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* Uniform in [0, bound). */
static uint64_t traffic_below(struct traffic *traffic, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)traffic_random(traffic) * bound) >> 64);
}

int traffic_init(struct traffic *traffic, const struct options *options, struct imlog_why *why)
{
    uint64_t seeds[2];
    size_t pool_bytes = TRAFFIC_POOL_BYTES + (size_t)options->body_bytes + sizeof(uint64_t);

    if (getrandom(seeds, sizeof(seeds), 0) != (ssize_t)sizeof(seeds)) {
        return fail(why, -errno, "reading random bytes");
    }
    *traffic = (struct traffic){
        .random_state = seeds[0],
        .session_first_id = options->first_session,
        .session_count = options->sessions,
        .next_client_msg_id = ((seeds[1] << TRAFFIC_RUN_SHIFT) | 1),
        .left_count = options->messages > 0 ? options->messages : UINT64_MAX,
        .in_rounds = options->in_rounds,
        .body_bytes = options->body_bytes,
        .pool = malloc(pool_bytes),
    };
    if (traffic->pool == NULL) {
        return fail(why, -ENOMEM, "%zu bytes of message bodies", pool_bytes);
    }
    for (size_t at = 0; at + sizeof(uint64_t) <= pool_bytes; at += sizeof(uint64_t)) {
        uint64_t bytes = traffic_random(traffic);
        memcpy(traffic->pool + at, &bytes, sizeof(bytes));
    }
    return 0;
}

void traffic_deinit(struct traffic *traffic)
{
    free(traffic->pool);
    traffic->pool = NULL;
}

uint32_t traffic_take(struct traffic *traffic, uint32_t wanted_count)
{
    if (traffic->left_count == UINT64_MAX) {
        return wanted_count;
    }
    if (wanted_count > traffic->left_count) {
        wanted_count = (uint32_t)traffic->left_count;
    }
    traffic->left_count -= wanted_count;
    return wanted_count;
}

void traffic_stop(struct traffic *traffic)
{
    traffic->left_count = 0;
}

uint64_t traffic_session(struct traffic *traffic)
{
    if (traffic->in_rounds) {
        return traffic->session_first_id + traffic->made_count++ % traffic->session_count;
    }
    return traffic->session_first_id + traffic_below(traffic, traffic->session_count);
}

void traffic_make(struct traffic *traffic, struct traffic_message *message)
{
    IMLOG_ASSERT(traffic->pool != NULL);
    uint64_t bits = traffic_random(traffic);

    message->session_id = traffic_session(traffic);
    message->sender_id = 1 + (bits >> 32) % TRAFFIC_SENDERS;
    message->client_msg_id = traffic->next_client_msg_id++;
    message->body = traffic->pool + (bits & (TRAFFIC_POOL_BYTES - 1));
}

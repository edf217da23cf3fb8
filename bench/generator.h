/* generator.h: a closed loop of requests over many connections, in one thread with one epoll.
 *
 * Every connection has `window` slots; a slot is one request under way, or waiting to be. Its
 * next request is meant to be sent at the moment its answer came; the latency runs from there.
 * What is sent and how is a generator_protocol's business: the same loop drives imlog and its
 * peers, so that none of them has the better generator.
 *
 * The loop shares the machine with the server it loads, so it is lean: one clock call and one
 * epoll turn for all answers that came together, no allocation once it runs. */
#ifndef BENCH_GENERATOR_H
#define BENCH_GENERATOR_H

#include "bench/meter.h"
#include "bench/traffic.h"

#include <imlog/error.h>
#include <stdbool.h>
#include <stdint.h>

struct generator;
struct generator_lane;

/* One request. */
struct generator_slot {
    struct generator_lane *lane;
    struct generator_slot *next; /* in a list of the lane or of its protocol */
    uint64_t intended_ns;
    uint32_t message_count; /* 0: waits for its next request */
};

struct generator_slots { /* a first-in-first-out list */
    struct generator_slot *first;
    struct generator_slot *last;
};

/* One connection. */
struct generator_lane {
    struct generator *generator;
    void *connection;               /* the protocol's */
    struct generator_slots waiting; /* refused by start(), tried again after the next poll() */
    struct generator_slots sent;    /* for protocols that answer in order */
    uint64_t received_bytes;        /* the protocol's, of an unfinished answer: bytes, */
    uint32_t answered_count;        /* messages of it answered, */
    uint32_t refused_count;         /* and how many of those with an error */
    int socket;
    bool wants_out; /* epoll watches for room to send */
};

struct generator_protocol {
    /* Sets lane->connection and lane->socket. */
    int (*open)(struct generator_lane *lane, struct imlog_why *why);
    void (*close)(struct generator_lane *lane);
    /* Begins a request of slot->message_count messages. 0; IMLOG_EBUSY: not before the next
     * poll(); any other error ends the run. */
    int (*start)(struct generator_lane *lane, struct generator_slot *slot);
    /* Sends and receives what can be now, calling generator_answer() for every answer. An error
     * ends the run. */
    int (*poll)(struct generator_lane *lane);
    /* Sends what can be now; may receive as poll() does. */
    int (*flush)(struct generator_lane *lane);
    /* Bytes wait to be sent. */
    bool (*unsent)(const struct generator_lane *lane);
};

struct generator {
    const struct generator_protocol *protocol;
    const struct options *options;
    void *context; /* the protocol's */
    struct meter meter;
    struct traffic traffic;

    struct generator_lane *lanes;
    struct generator_slot *slots;
    uint64_t now_ns; /* of the answers being handled; 0: ask the clock */
    uint64_t pending_count;
    uint64_t answer_count;
    int start_error; /* the first of starting a request; ends the run */
    int epoll;
};

/* Connects, runs the load, waits for the last answers, closes. Returns 0 or an error with why;
 * refused messages are the meter's errors, not an error of this. */
int generator_run(struct generator *generator, const struct generator_protocol *protocol,
                  const struct options *options, void *context, struct imlog_why *why);

/* For poll(): a request ended. error: 0, or what all of its messages got; message_count: how
 * many messages the answer was for or had. Starts the slot's next request within the call. */
void generator_answer(struct generator_slot *slot, int error, uint32_t message_count);

void generator_slots_push(struct generator_slots *slots, struct generator_slot *slot);
/* NULL when empty. */
struct generator_slot *generator_slots_pop(struct generator_slots *slots);

#endif

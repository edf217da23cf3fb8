/* engine_load.h: appending to shards in process, a thread a shard. engine-append measures it;
 * engine-pull fills its sessions with it. */
#ifndef BENCH_ENGINE_LOAD_H
#define BENCH_ENGINE_LOAD_H

#include "bench/meter.h"
#include "bench/traffic.h"

#include <imlog/imlog.h>
#include <stdint.h>

struct engine_shard;
struct engine_load;
struct options;

/* One append under way, or waiting to be accepted. */
struct engine_load_slot {
    struct imlog_append append; /* first: done() gets back to the slot by it */
    struct engine_load *load;
    struct engine_load_slot *next;
    uint64_t intended_ns;
    bool taken; /* holds a message that is still to be appended */
};

/* One shard's load. */
struct engine_load {
    const struct options *options;
    struct imlog_shard *shard;
    uint32_t shard_index;
    uint32_t shard_count;
    struct meter meter;
    struct traffic traffic;
    struct engine_load_slot *slots;
    struct engine_load_slot *waiting;
    uint64_t pending_count;
    uint64_t now_ns;           /* of the answers being handled; 0: ask the clock */
    struct imlog_stats before; /* of the counted time */
    struct imlog_stats after;
};

/* Takes the shard's share of options->window and options->messages. */
int engine_load_init(struct engine_load *load, const struct options *options, uint32_t shard_index,
                     struct imlog_why *why);
void engine_load_deinit(struct engine_load *load);

/* Runs on the shard's thread until time or messages are used up and nothing is under way. */
int engine_load_run(struct engine_load *load, struct engine_shard *opened, uint64_t started_ns,
                    struct imlog_why *why);

#endif

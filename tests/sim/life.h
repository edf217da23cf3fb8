/* life.h: a shard's life under random traffic, disturbed or not: what the runs are made of. */
#ifndef TESTS_SIM_LIFE_H
#define TESTS_SIM_LIFE_H

#include "tests/lib/world.h"

/* What the traffic is like; odds are "one in so many". */
struct traffic {
    uint32_t session_count;
    uint32_t huge_odds;    /* a body of any size there is */
    uint32_t large_odds;   /* up to an eighth of that */
    uint32_t poll_percent; /* of the steps: let the shard work */
    uint32_t clock_odds;   /* the wall clock jumps, either way */
    uint32_t hold_odds;    /* one operation takes very long */
    uint32_t rest_odds;    /* a pause, long enough for a watermark */
};

typedef void life_watch_fn(void *arg, const struct disk_moment *moment);

struct life {
    struct world *world;
    life_watch_fn *watch;
    void *watch_arg;
    struct traffic traffic;
    uint64_t client_msg_id;
    int64_t held_count; /* allocations before it began */
    bool heal_late;     /* what fails goes on failing until it is closed */
};

/* A world with options, weather and traffic of that seed. */
void life_create(struct life *life, uint64_t seed);
void life_destroy(struct life *life);
/* Called for every operation of the disk, and may crash it or arm faults; NULL: no one. */
void life_watch(struct life *life, life_watch_fn *watch, void *arg);

/* Open the shard. While the world is disturbed that may fail; it must say why, and succeed once
 * all is well again, with everything there that was acked. */
void life_open(struct life *life);
void life_steps(struct life *life, uint64_t step_count);
/* The disturbances end; what is under way ends; then it is closed, or crashes. */
void life_end(struct life *life);

/* The end of all: opened once more it must have everything, and go on working. */
void life_judge(struct life *life);
/* The same as far as the first reopening goes; the shard stays open. */
void life_judge_briefly(struct life *life);

#endif

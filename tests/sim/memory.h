/* memory.h: every allocation of the engine and the request path, in the simulator's build. */
#ifndef TESTS_SIM_MEMORY_H
#define TESTS_SIM_MEMORY_H

#include <stdint.h>

/* Called before each allocation; NULL: none. It may call memory_fail(). */
void memory_watch(void (*watch)(void *arg), void *arg);

enum memory_failing {
    MEMORY_FINE,
    MEMORY_FAIL_ONCE, /* the allocation that is watched now, or else the next */
    MEMORY_FAIL_ALL,
};

void memory_fail(enum memory_failing failing);

/* Allocations and maps that were not given back yet: a closed shard leaves none. */
int64_t memory_held_count(void);

/* In a process just forked: what it shares with its parent (the hot rings, which are mapped twice
 * from one file) becomes its own. */
void memory_unshare(void);

#endif

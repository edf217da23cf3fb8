/* scenarios.c: the list. */
#include "tests/sim/scenario.h"

#include <stddef.h>

const struct scenario scenarios[] = {
    {"life", "some lives of a shard: crashes, errors, full disks, clocks, all at random", life_run,
     60},
    {"damage", "bytes at rest change: each costs what it hit and nothing else", damage_run, 20},
    {"net", "a node of some threads and shards; its clients' connections are slow, stuck and cut",
     net_run, 20},
    {"crash", "a crash at every I/O of a workload, with every kind of persistence",
     crash_points_run, 0},
    {"errors", "every I/O of a workload fails in every way, once and for ever", io_errors_run, 0},
    {"memory", "every allocation of a workload fails, once and for ever", no_memory_run, 0},
    {"reader", "a directory read from outside, and every I/O and allocation of that fails",
     reader_run, 0},
    {NULL, NULL, NULL, 0},
};

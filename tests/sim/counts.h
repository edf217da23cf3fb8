/* counts.h: what a campaign did, over all its processes: whoever reads "0 violations" must see
 * of how much. */
#ifndef TESTS_SIM_COUNTS_H
#define TESTS_SIM_COUNTS_H

#include "tests/sim/net_counts.h"

#include <stdatomic.h>
#include <stdint.h>

#define SIM_COUNTS(X)                                                                              \
    X(runs)                                                                                        \
    X(crash_points)                                                                                \
    X(second_crashes)                                                                              \
    X(io_faults)                                                                                   \
    X(allocation_faults)                                                                           \
    X(io_operations)                                                                               \
    X(appends_acked)                                                                               \
    X(appends_unknown)                                                                             \
    X(retries)                                                                                     \
    X(pulls)                                                                                       \
    X(messages_checked)                                                                            \
    X(checkpoints)                                                                                 \
    X(segments)                                                                                    \
    X(damages)                                                                                     \
    X(damaged_messages)                                                                            \
    SIM_NET_COUNTS(X)

struct sim_counts {
#define X(name) _Atomic uint64_t name;
    SIM_COUNTS(X)
#undef X
};

/* Shared by all processes of the campaign. */
extern struct sim_counts *sim_counts;

#define SIM_COUNT(name, count) ((void)atomic_fetch_add(&sim_counts->name, (uint64_t)(count)))

#endif

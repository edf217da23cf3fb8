/* planted_faults.h: every fault that <imlog/planted.h> can switch on, and what it gets wrong. */
#ifndef TESTS_SIM_PLANTED_FAULTS_H
#define TESTS_SIM_PLANTED_FAULTS_H

#include <stdbool.h>

/* clang-format off */
#define PLANTED_FAULTS(X) \
    X(ack_at_submit,           "log: a batch counts as durable when its write starts") \
    X(ack_after_any_write,     "log: a completed write makes older ones under way durable too")
/* clang-format on */

enum planted_fault {
    PLANTED_nothing,
#define X(name, what) PLANTED_##name,
    PLANTED_FAULTS(X)
#undef X
        PLANTED_FAULT_COUNT
};

extern enum planted_fault planted_active;

#endif

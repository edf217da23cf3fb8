/* meter.h: what one run counts, between the end of its warm-up and its end.
 *
 * A run is bounded by time (seconds after a warm-up) or by messages (then all of it counts, and
 * it ends with its last answer). A request is counted at the moment of its answer. Its latency
 * runs from the moment it was *meant* to be sent: when its place in the window became free, not
 * when the system under test at last took it. Not thread-safe: one a thread, then merge. */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include "bench/histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct meter {
    uint64_t begin_ns; /* what is answered in [begin_ns, end_ns) counts */
    uint64_t end_ns;
    uint64_t last_ns; /* of the newest answer that counted */
    bool by_messages; /* no end_ns; the run ends with its last answer */
    uint64_t request_count;
    uint64_t message_count;
    uint64_t error_count; /* messages or requests refused, in the warm-up too */
    int first_error;
    struct histogram latency_ns; /* once a message; once a request if it has none */
};

struct options;

/* The run starts now. */
void meter_start(struct meter *meter, const struct options *options, uint64_t now_ns);

void meter_answer(struct meter *meter, uint64_t now_ns, uint64_t intended_ns,
                  uint32_t message_count);
void meter_error(struct meter *meter, int error, uint32_t message_count);

/* Adds another thread's meter of the same run. */
void meter_merge(struct meter *meter, const struct meter *from);

/* How long the counted part was. */
double meter_seconds(const struct meter *meter);

#endif

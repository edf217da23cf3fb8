/* histogram.h: how often each latency occurred, in buckets that keep their relative width.
 *
 * Every power of two is cut in 128 buckets, so a quantile is at most 1/128 too high and never
 * too low, from 1 ns to the end of uint64_t, in a fixed 58 KiB. Recording is a shift and an
 * addition: it must not weigh on what is measured. Not thread-safe: one a thread, then merge. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_BUCKET_COUNT = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    uint64_t total_count;
    uint64_t value_max;
    uint64_t bucket_counts[HISTOGRAM_BUCKET_COUNT];
};

void histogram_init(struct histogram *histogram);

/* count values of the same size, such as the messages of one request. */
void histogram_record(struct histogram *histogram, uint64_t value, uint64_t count);

/* Adds what `from` recorded. */
void histogram_merge(struct histogram *histogram, const struct histogram *from);

/* The value that share (0 .. 1) of all recorded values do not exceed; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif

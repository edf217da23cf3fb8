/* histogram.c: log-linear buckets.
 *
 * A value below 256 is its own bucket. A larger one is shifted right until 8 significant bits
 * are left; the shift and those bits name its bucket, so buckets are numbered without holes:
 *     value   0 .. 255    shift 0   buckets   0 .. 255
 *     value 256 .. 511    shift 1   buckets 256 .. 383
 *     value 512 .. 1023   shift 2   buckets 384 .. 511   and so on. */
#include "bench/histogram.h"

#include <imlog/assert.h>
#include <string.h>

static uint32_t histogram_shift(uint64_t value)
{
    uint32_t significant_bits = value == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(value);
    uint32_t kept_bits = HISTOGRAM_SUB_BITS + 1;

    return significant_bits > kept_bits ? significant_bits - kept_bits : 0;
}

static uint32_t histogram_bucket(uint64_t value)
{
    uint32_t shift = histogram_shift(value);

    return (shift << HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t histogram_bucket_end(uint32_t bucket)
{
    uint32_t sub_count = 1U << HISTOGRAM_SUB_BITS;
    uint32_t shift = bucket < 2 * sub_count ? 0 : (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t kept = bucket - (shift << HISTOGRAM_SUB_BITS);

    return (kept << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_init(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

void histogram_record(struct histogram *histogram, uint64_t value, uint64_t count)
{
    histogram->bucket_counts[histogram_bucket(value)] += count;
    histogram->total_count += count;
    if (value > histogram->value_max) {
        histogram->value_max = value;
    }
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKET_COUNT; bucket++) {
        histogram->bucket_counts[bucket] += from->bucket_counts[bucket];
    }
    histogram->total_count += from->total_count;
    if (from->value_max > histogram->value_max) {
        histogram->value_max = from->value_max;
    }
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
    IMLOG_ASSERT(share >= 0.0 && share <= 1.0);
    if (histogram->total_count == 0) {
        return 0;
    }
    double exact = share * (double)histogram->total_count;
    uint64_t wanted_count = (uint64_t)exact;
    if ((double)wanted_count < exact || wanted_count == 0) {
        wanted_count++;
    }
    uint64_t seen_count = 0;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKET_COUNT; bucket++) {
        seen_count += histogram->bucket_counts[bucket];
        if (seen_count >= wanted_count) {
            uint64_t end = histogram_bucket_end(bucket);
            return end < histogram->value_max ? end : histogram->value_max;
        }
    }
    return histogram->value_max;
}

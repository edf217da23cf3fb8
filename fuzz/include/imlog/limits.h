/* limits.h: stands in for include/imlog/limits.h in the engine that whole-shard fuzz targets
 * open: the same constants, the large ones so small that a data directory of several sealed
 * segments is some 200 KB, and is made, opened, read and closed a thousand times a second. The
 * code is the same, and what lies on disk has the same format. */
#ifndef IMLOG_LIMITS_H
#define IMLOG_LIMITS_H

#include <assert.h>
#include <stdint.h>

enum {
    IMLOG_BLOCK_BYTES = 4096,
    IMLOG_BODY_BYTES_DEFAULT = 2 * 1024,
    IMLOG_BODY_BYTES_MAX = 4 * 1024,
    IMLOG_KEY_BYTES_MAX = 255,
    IMLOG_SHARDS_MAX = 256,

    IMLOG_BATCH_FILL_BYTES = 4 * 1024,
    IMLOG_BATCH_BYTES_MAX = IMLOG_BODY_BYTES_MAX + 2 * IMLOG_BLOCK_BYTES,
    IMLOG_WRITES_IN_FLIGHT_MAX = 4,

    IMLOG_SEGMENT_BYTES_MIN = 32 * 1024,
    IMLOG_SEGMENT_BYTES_DEFAULT = 32 * 1024,
    IMLOG_SEGMENT_BYTES_MAX = 1024 * 1024,

    IMLOG_HOT_BYTES_MIN = 64 * 1024,
    IMLOG_HOT_BYTES_DEFAULT = 64 * 1024,

    IMLOG_CACHE_BYTES_MIN = 64 * 1024,
    IMLOG_CACHE_BYTES_DEFAULT = 64 * 1024,

    IMLOG_DEDUPE_MESSAGES_DEFAULT = 64,
    IMLOG_DEDUPE_MESSAGES_MAX = 1024,

    IMLOG_PULL_MESSAGES_MAX = 64,
    IMLOG_PULL_BYTES_DEFAULT = 16 * 1024,

    IMLOG_FRAME_BYTES_MAX = 64 * 1024,
    IMLOG_REQUEST_ITEMS_MAX = 64,
    IMLOG_REPLY_BYTES_MAX = 64 * 1024,
};

#define IMLOG_RESOLVED_ID_MIN (UINT64_C(1) << 48)

static_assert(IMLOG_BATCH_BYTES_MAX % IMLOG_BLOCK_BYTES == 0, "batches are whole blocks");
static_assert(IMLOG_BATCH_FILL_BYTES < IMLOG_BATCH_BYTES_MAX, "a full batch fits the bound");
static_assert(IMLOG_SEGMENT_BYTES_MIN >= 2 * IMLOG_BATCH_BYTES_MAX, "a segment holds a batch");
static_assert(IMLOG_HOT_BYTES_MIN >= 3 * IMLOG_BATCH_BYTES_MAX,
              "one batch fills while another is in flight");

#endif

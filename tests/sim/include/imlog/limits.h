/* limits.h: stands in for include/imlog/limits.h in the simulator's build of the engine and the
 * node: the same constants, the large ones about 32 times smaller. Segments fill, seal and leave
 * RAM within a hundred messages, so a run of milliseconds meets what takes a real node hours;
 * the code is the same. What lies on disk has the same format. */
#ifndef IMLOG_LIMITS_H
#define IMLOG_LIMITS_H

#include <assert.h>
#include <stdint.h>

enum {
    IMLOG_BLOCK_BYTES = 4096,
    IMLOG_BODY_BYTES_DEFAULT = 8 * 1024,
    IMLOG_BODY_BYTES_MAX = 32 * 1024,
    IMLOG_KEY_BYTES_MAX = 255,
    IMLOG_SHARDS_MAX = 256,

    IMLOG_BATCH_FILL_BYTES = 16 * 1024,
    IMLOG_BATCH_BYTES_MAX = IMLOG_BODY_BYTES_MAX + 2 * IMLOG_BLOCK_BYTES,
    IMLOG_WRITES_IN_FLIGHT_MAX = 4,

    IMLOG_SEGMENT_BYTES_MIN = 128 * 1024,
    IMLOG_SEGMENT_BYTES_DEFAULT = 256 * 1024,
    IMLOG_SEGMENT_BYTES_MAX = 1024 * 1024 * 1024,

    IMLOG_HOT_BYTES_MIN = 128 * 1024,
    IMLOG_HOT_BYTES_DEFAULT = 256 * 1024,

    IMLOG_CACHE_BYTES_MIN = 256 * 1024,
    IMLOG_CACHE_BYTES_DEFAULT = 512 * 1024,

    IMLOG_DEDUPE_MESSAGES_DEFAULT = 4096,
    IMLOG_DEDUPE_MESSAGES_MAX = 64 * 1024 * 1024,

    IMLOG_PULL_MESSAGES_MAX = 250,
    IMLOG_PULL_BYTES_DEFAULT = 32 * 1024,

    IMLOG_FRAME_BYTES_MAX = 256 * 1024,
    IMLOG_REQUEST_ITEMS_MAX = 256,
    IMLOG_REPLY_BYTES_MAX = 256 * 1024,
};

#define IMLOG_RESOLVED_ID_MIN (UINT64_C(1) << 48)

static_assert(IMLOG_BATCH_BYTES_MAX % IMLOG_BLOCK_BYTES == 0, "batches are whole blocks");
static_assert(IMLOG_BATCH_FILL_BYTES < IMLOG_BATCH_BYTES_MAX, "a full batch fits the bound");
static_assert(IMLOG_SEGMENT_BYTES_MIN >= 2 * IMLOG_BATCH_BYTES_MAX, "a segment holds a batch");
static_assert(IMLOG_HOT_BYTES_MIN >= 3 * IMLOG_BATCH_BYTES_MAX,
              "one batch fills while another is in flight");
static_assert(IMLOG_FRAME_BYTES_MAX > IMLOG_BODY_BYTES_MAX, "a maximal message fits a frame");

#endif

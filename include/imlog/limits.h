/* limits.h: every bound of imlog, and how they relate. Numbers live here once; the documents
 * name these symbols. */
#ifndef IMLOG_LIMITS_H
#define IMLOG_LIMITS_H

#include <assert.h>

enum {
    /* Direct-I/O unit of the on-disk format: batches, heads and footers start on it. */
    IMLOG_BLOCK_BYTES = 4096,

    /* Message bodies. The default limit is a setting; the maximum is a property of the format. */
    IMLOG_BODY_BYTES_DEFAULT = 64 * 1024,
    IMLOG_BODY_BYTES_MAX = 1024 * 1024,

    /* String keys given to resolve. */
    IMLOG_KEY_BYTES_MAX = 255,

    IMLOG_SHARDS_MAX = 256,

    /* One group commit stops filling at this size (a single larger message travels alone). */
    IMLOG_BATCH_FILL_BYTES = 256 * 1024,
    /* No batch is larger: one maximal message, its header, padding. */
    IMLOG_BATCH_BYTES_MAX = IMLOG_BODY_BYTES_MAX + 2 * IMLOG_BLOCK_BYTES,
    /* Batch writes under way at once in a shard. */
    IMLOG_WRITES_IN_FLIGHT_MAX = 4,

    IMLOG_SEGMENT_BYTES_MIN = 4 * 1024 * 1024,
    IMLOG_SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024,
    IMLOG_SEGMENT_BYTES_MAX = 1024 * 1024 * 1024,

    /* RAM for the newest log bytes, a power of two. */
    IMLOG_HOT_BYTES_MIN = 4 * 1024 * 1024,
    IMLOG_HOT_BYTES_DEFAULT = 128 * 1024 * 1024,

    /* RAM for blocks read back from segments. */
    IMLOG_CACHE_BYTES_MIN = 4 * 1024 * 1024,
    IMLOG_CACHE_BYTES_DEFAULT = 32 * 1024 * 1024,

    /* Messages with a client_msg_id that a shard remembers for retries. */
    IMLOG_DEDUPE_MESSAGES_DEFAULT = 1024 * 1024,
    IMLOG_DEDUPE_MESSAGES_MAX = 64 * 1024 * 1024,

    /* One pull. */
    IMLOG_PULL_MESSAGES_MAX = 1000,
    IMLOG_PULL_BYTES_DEFAULT = 1024 * 1024,

    /* Frames (net). */
    IMLOG_FRAME_BYTES_MAX = 4 * 1024 * 1024,
    IMLOG_REQUEST_ITEMS_MAX = 4096,
    IMLOG_REPLY_BYTES_MAX = 4 * 1024 * 1024,
};

/* Ids from resolve start here; ids chosen by the backend stay below. All stay below 2^53, so
 * that JSON readers with double-precision numbers keep them exact. */
#define IMLOG_RESOLVED_ID_MIN (UINT64_C(1) << 48)

static_assert(IMLOG_BATCH_BYTES_MAX % IMLOG_BLOCK_BYTES == 0, "batches are whole blocks");
static_assert(IMLOG_BATCH_FILL_BYTES < IMLOG_BATCH_BYTES_MAX, "a full batch fits the bound");
static_assert(IMLOG_SEGMENT_BYTES_MIN >= 2 * IMLOG_BATCH_BYTES_MAX, "a segment holds a batch");
static_assert(IMLOG_HOT_BYTES_MIN >= 3 * IMLOG_BATCH_BYTES_MAX,
              "one batch fills while another is in flight");
static_assert(IMLOG_FRAME_BYTES_MAX > IMLOG_BODY_BYTES_MAX, "a maximal message fits a frame");

#endif

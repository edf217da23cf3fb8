/* log.h: a shard's log for writing: group commit, durability, segment roll.
 *
 * Records go into the batch that is filling, in RAM (ring.h). Natural batching: when no write is
 * under way, what has gathered is written at once; while one is, the next batch fills. A batch
 * that reached IMLOG_BATCH_FILL_BYTES may be written beside others, up to
 * IMLOG_WRITES_IN_FLIGHT_MAX. durable_lsn rises in log order only, whatever order writes
 * complete in.
 *
 *     records --put--> filling batch --close--> queued --submit--> in flight --> durable
 *
 * Failed write (P6): the log is degraded for good. Nothing is written any more, durable_lsn
 * stays, reads go on. Full disk (P7): only preparing the *next* segment can meet it, so every
 * batch that was accepted has its space already; put is refused until one could be prepared.
 *
 * When traffic pauses, an empty batch carries the watermark past the last record, so that
 * recovery can tell damage to it from a torn tail. */
#ifndef ENGINE_LOG_LOG_H
#define ENGINE_LOG_LOG_H

#include "engine/format/batch.h"
#include "engine/format/record.h"
#include "engine/log/media.h"
#include "engine/log/prepare.h"
#include "engine/log/ring.h"

#include <imlog/imlog.h>
#include <imlog/planted.h>

enum {
    LOG_QUEUE_BATCHES = 64, /* closed and not yet durable; a power of two */
    LOG_UNWRITTEN_BYTES_MAX = 16 * 1024 * 1024,
};

#define LOG_IDLE_WATERMARK_NS UINT64_C(20000000) /* a pause this long gets a watermark */

struct log_batch {
    struct imlog_io_op op;
    struct iovec parts[2]; /* the segment's head block, if this is its first batch; the batch */
    struct segment *segment;
    uint8_t *head_block; /* owned while in flight, or NULL */
    struct log *log;
    uint64_t lsn;
    uint32_t batch_bytes;
    uint64_t started_ns;
    bool done;
    int32_t result;
};

struct log {
    struct imlog_io *io;
    struct media media;
    struct ring ring;
    struct prepare prepare;
    void (*report)(void *arg, enum imlog_severity severity, const char *line);
    void *report_arg;
    uint8_t uuid[16];
    uint64_t salt;
    uint16_t shard_index;

    uint64_t epoch;
    uint64_t chain;         /* header checksum of the last closed batch */
    struct segment *active; /* takes batches */
    uint8_t *head_block;    /* for the active segment's first batch; owned, NULL once closed */
    uint64_t fill_lsn;      /* of the batch that is filling */
    uint32_t fill_bytes;    /* records in it */
    uint32_t fill_count;
    uint32_t fill_offset;     /* in the active segment */
    uint64_t known_lsn;       /* after recovery: all below was durable before, by somebody's word */
    uint32_t torn_end_offset; /* after recovery: up to here there are stale bytes behind it */
    uint64_t hot_floor_lsn;   /* nothing below is in the ring, for reasons besides its size */
    uint64_t pinned_lsn;      /* readers hold views from here on; UINT64_MAX: none */

    struct log_batch queue[LOG_QUEUE_BATCHES];
    uint32_t queue_head; /* oldest not durable */
    uint32_t queue_next; /* next to submit */
    uint32_t queue_tail; /* next to close into */
    uint32_t in_flight;

    uint64_t durable_lsn;
    uint64_t records_end_lsn; /* end of the last batch with records */
    uint64_t watermark_lsn;   /* highest durable_lsn carried by a closed batch */
    uint64_t idle_since_ns;   /* 0: not idle */
    uint64_t clock_ms;        /* the node's time, kept by the store; goes into headers */
    bool degraded;

    struct {
        uint64_t batches;
        uint64_t batch_bytes;
        uint64_t batch_write_ns;
    } stats;
};

/* Where a record came to lie. */
struct log_position {
    uint64_t lsn;
    uint32_t segment;
    uint32_t offset;
};

struct log_options {
    struct imlog_io *io;
    const char *directory; /* DIR/shard-NNN, copied */
    uint32_t shard_index;
    const uint8_t *uuid;
    uint64_t salt;
    uint64_t segment_bytes;
    uint64_t hot_bytes; /* a power of two */
    void (*report)(void *arg, enum imlog_severity severity, const char *line);
    void *report_arg;
};

/* Memory and an empty segment table. Then recover (recover.h), then log_start(). */
int log_init(struct log *log, const struct log_options *options);
/* Waits for what is under way (blocking), frees. What was not flushed is dropped. */
void log_deinit(struct log *log);

/* After recovery: make what it found durable, have an active segment (footer_bytes as for
 * log_room()), and open the new epoch with an empty batch. Blocking. On a full disk it succeeds
 * without an active segment. */
int log_start(struct log *log, uint64_t footer_bytes);

/* Make sure that `bytes` of records (record_bytes() each) fit the filling batch together,
 * rolling to the next segment where the active one has no room for them and then a footer of
 * footer_bytes. After 0, log_put() of that many bytes cannot fail.
 * IMLOG_EBUSY, IMLOG_EDISKFULL, IMLOG_EDEGRADED, -ENOMEM. */
int log_room(struct log *log, uint32_t bytes, uint64_t footer_bytes);

/* Put one record (see record_encode) into the filling batch. */
struct log_position log_put(struct log *log, const struct record_header *header, const void *first,
                            uint32_t first_bytes, const void *second, uint32_t second_bytes);

/* End of everything put so far, padding included: durable once durable_lsn reached it. */
static inline uint64_t log_end_lsn(const struct log *log)
{
    return log->fill_lsn + (log->fill_count > 0 ? batch_padded_bytes(log->fill_bytes) : 0);
}

/* Start the writes that may start now. */
void log_turn(struct log *log);

/* See imlog_shard_wait_ns(). */
uint64_t log_wait_ns(const struct log *log, uint64_t now_ns);

/* Whether [lsn, ...) is in RAM. */
static inline bool log_is_hot(const struct log *log, uint64_t lsn)
{
    uint64_t ring_bytes = log->ring.ring_bytes;
    if (IMLOG_PLANTED(hot_for_too_long))
        ring_bytes += 2 * IMLOG_BLOCK_BYTES;
    return lsn >= log->hot_floor_lsn &&
           lsn + ring_bytes >=
               log->fill_lsn + batch_padded_bytes(log->fill_bytes) + IMLOG_BLOCK_BYTES;
}

/* All below is out of RAM. */
uint64_t log_hot_floor(const struct log *log);

/* Write out everything put, and wait for it (blocking). 0 or IMLOG_EDEGRADED. */
int log_flush(struct log *log);

/* Give up writing after an error elsewhere in the shard (a footer that could not be written). */
void log_degrade(struct log *log, const char *what, int error);

/* One line to whoever listens. */
void log_report(const struct log *log, enum imlog_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

/* log.c: filling, writing and retiring batches. See log.h for the rules it keeps. */
#define _GNU_SOURCE
#include "engine/log/log.h"

#include "engine/base/assert.h"
#include "engine/io/blocking.h"

#include <errno.h>
#include <imlog/planted.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert((LOG_QUEUE_BATCHES & (LOG_QUEUE_BATCHES - 1)) == 0, "indexes wrap by mask");

static struct log_batch *log_batch_at(struct log *log, uint32_t index)
{
    return &log->queue[index & (LOG_QUEUE_BATCHES - 1)];
}

void log_report(const struct log *log, enum imlog_severity severity, const char *format, ...)
{
    if (log->report == NULL)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    log->report(log->report_arg, severity, line);
}

int log_init(struct log *log, const struct log_options *options)
{
    memset(log, 0, sizeof(*log));
    log->io = options->io;
    log->report = options->report;
    log->report_arg = options->report_arg;
    memcpy(log->uuid, options->uuid, sizeof(log->uuid));
    log->salt = options->salt;
    log->shard_index = (uint16_t)options->shard_index;
    log->pinned_lsn = UINT64_MAX;
    int error = media_init(&log->media, options->io, options->directory, options->shard_index);
    if (error == 0)
        error = prepare_init(&log->prepare, options->io, &log->media, options->segment_bytes);
    if (error == 0)
        error = ring_init(&log->ring, options->hot_bytes);
    if (error < 0)
        log_deinit(log);
    return error;
}

void log_deinit(struct log *log)
{
    while (log->in_flight > 0 && log->io->ops->poll(log->io, UINT64_MAX) >= 0)
        continue;
    for (uint32_t i = log->queue_next; i != log->queue_tail; i++)
        free(log_batch_at(log, i)->head_block); /* closed, and never to be written */
    free(log->head_block);
    prepare_deinit(&log->prepare);
    if (log->media.directory != NULL)
        media_deinit(&log->media);
    ring_deinit(&log->ring);
}

/* ---- durability ----------------------------------------------------------------------- */

void log_degrade(struct log *log, const char *what, int error)
{
    if (log->degraded)
        return;
    log->degraded = true;
    log_report(log, IMLOG_ERROR,
               "shard %u: %s failed (%s); appends are refused from now on and reads go on: check "
               "the disk, then restart the node to reopen the shard from what is on media",
               log->shard_index, what, imlog_error_text(error));
}

/* Retire what is durable, in log order. */
static void log_retire(struct log *log)
{
    while (!log->degraded && log->queue_head != log->queue_next) {
        struct log_batch *batch = log_batch_at(log, log->queue_head);
        if (!batch->done)
            return;
        uint64_t whole_bytes = batch->parts[0].iov_len + batch->parts[1].iov_len;
        bool short_is_fine = IMLOG_PLANTED(short_write_is_whole) && batch->result >= 0;
        bool failed_is_fine = IMLOG_PLANTED(failed_write_is_acked) && batch->result < 0;
        if (!short_is_fine && !failed_is_fine &&
            (batch->result < 0 || (uint64_t)batch->result != whole_bytes)) {
            if (IMLOG_PLANTED(failed_batch_skipped) && ++log->queue_head)
                continue;
            log_degrade(log, "a log write", batch->result < 0 ? batch->result : -EIO);
            return;
        }
        log->durable_lsn = batch->lsn + batch->batch_bytes;
        log->queue_head++;
    }
}

static void handle_batch_written(struct imlog_io_op *op, int32_t result)
{
    struct log_batch *batch =
        (struct log_batch *)(void *)((char *)op - offsetof(struct log_batch, op));
    struct log *log = batch->log;
    batch->done = true;
    batch->result = result;
    if (IMLOG_PLANTED(ack_out_of_order) && batch->lsn >= log->durable_lsn)
        log->durable_lsn = batch->lsn + batch->batch_bytes;
    free(batch->head_block);
    batch->head_block = NULL;
    log->in_flight--;
    log->stats.batches++;
    log->stats.batch_bytes += batch->batch_bytes;
    log->stats.batch_write_ns += log->io->ops->monotonic_ns(log->io) - batch->started_ns;
    log_retire(log);
}

static void log_submit(struct log *log)
{
    struct log_batch *batch = log_batch_at(log, log->queue_next);
    bool first = batch->head_block != NULL;
    uint64_t offset = first ? 0 : segment_offset_of_lsn(batch->segment, batch->lsn);
    batch->op.done = handle_batch_written;
    batch->started_ns = log->io->ops->monotonic_ns(log->io);
    int error = log->io->ops->write(log->io, &batch->op, batch->segment->file,
                                    first ? batch->parts : batch->parts + 1, first ? 2 : 1, offset,
                                    IMLOG_PLANTED(log_write_not_durable) ? 0 : IMLOG_IO_DURABLE);
    if (error < 0) {
        log_degrade(log, "starting a log write", error);
        return;
    }
    log->queue_next++;
    log->in_flight++;
    if (IMLOG_PLANTED(ack_at_submit))
        log->durable_lsn = batch->lsn + batch->batch_bytes;
}

/* ---- batches -------------------------------------------------------------------------- */

/* Closing a batch must not fail for lack of memory, or what was taken could wait for ever: the
 * block that a segment's first batch needs is there before the segment is. 0 or -ENOMEM. */
static int log_reserve_head(struct log *log)
{
    if (log->head_block == NULL)
        log->head_block = aligned_alloc(IMLOG_BLOCK_BYTES, IMLOG_BLOCK_BYTES);
    return log->head_block == NULL ? -ENOMEM : 0;
}

static void log_encode_head(const struct log *log, const struct segment *segment, uint64_t chain,
                            uint64_t epoch, uint8_t *block)
{
    struct segment_head head = {.shard_index = log->shard_index,
                                .salt = log->salt,
                                .number = segment->number,
                                .segment_bytes = segment->segment_bytes,
                                .base_lsn = segment->base_lsn,
                                .prev_checksum = chain,
                                .epoch = epoch};
    memcpy(head.uuid, log->uuid, sizeof(head.uuid));
    segment_head_encode(block, &head);
}

/* The head block of the active segment, to be written with its first batch. */
static uint8_t *log_take_head(struct log *log)
{
    uint8_t *block = log->head_block;
    IMLOG_ASSERT(block != NULL);
    log->head_block = NULL;
    log_encode_head(log, log->active, log->chain, log->epoch, block);
    return block;
}

static bool log_queue_full(const struct log *log)
{
    return log->queue_tail - log->queue_head == LOG_QUEUE_BATCHES;
}

/* Close the filling batch (it may be empty: a watermark) and queue it. */
static void log_close_batch(struct log *log)
{
    IMLOG_ASSERT(!log_queue_full(log));
    struct log_batch *batch = log_batch_at(log, log->queue_tail);
    uint8_t *memory = ring_at(&log->ring, log->fill_lsn);
    bool first = log->fill_offset == IMLOG_BLOCK_BYTES;
    uint8_t *head_block = first ? log_take_head(log) : NULL;

    struct batch_header header = {.shard_index = log->shard_index,
                                  .segment = log->active->number,
                                  .offset = log->fill_offset,
                                  .lsn = log->fill_lsn,
                                  .epoch = log->epoch,
                                  .records_bytes = log->fill_bytes,
                                  .record_count = log->fill_count,
                                  .prev_checksum = log->chain,
                                  .durable_lsn = log->durable_lsn,
                                  .wall_ms = log->clock_ms};
    log->chain = batch_seal(memory, header, log->salt);

    uint32_t batch_bytes = batch_padded_bytes(log->fill_bytes);
    *batch = (struct log_batch){
        .parts = {{.iov_base = head_block, .iov_len = first ? IMLOG_BLOCK_BYTES : 0},
                  {.iov_base = memory, .iov_len = batch_bytes}},
        .segment = log->active,
        .head_block = head_block,
        .log = log,
        .lsn = log->fill_lsn,
        .batch_bytes = batch_bytes,
    };
    log->queue_tail++;
    log->watermark_lsn = log->durable_lsn;
    log->fill_lsn += batch_bytes;
    log->fill_offset += batch_bytes;
    if (log->fill_count > 0)
        log->records_end_lsn = log->fill_lsn;
    log->active->end_lsn = log->fill_lsn;
    log->active->batch_count++;
    log->fill_bytes = 0;
    log->fill_count = 0;
}

/* Make the prepared file the active segment. The filling batch must be closed. */
static int log_roll(struct log *log)
{
    IMLOG_ASSERT(log->fill_count == 0);
    /* One that holds nothing would be a file that was never used, with one behind it that was. */
    IMLOG_ASSERT(log->active == NULL || log->fill_offset > IMLOG_BLOCK_BYTES);
    if (log->prepare.state != PREPARE_READY)
        return log->prepare.state == PREPARE_FAILED && prepare_may_retry(&log->prepare)
                   ? IMLOG_EDISKFULL
                   : IMLOG_EBUSY;
    int error = log_reserve_head(log);
    if (error < 0)
        return error;
    uint32_t number = log->prepare.number;
    struct segment *segment = media_add(&log->media, number, log->prepare.segment_bytes,
                                        log->fill_lsn, log->prepare.file);
    if (segment == NULL)
        return -ENOMEM;
    (void)prepare_take(&log->prepare);
    segment->first_chain = log->chain;
    if (log->active != NULL)
        segment_move(log->active, SEGMENT_ROLLED);
    log->active = segment;
    log->fill_offset = IMLOG_BLOCK_BYTES;
    return 0;
}

/* Whether the active segment still takes batches of so many bytes (padded), a watermark behind
 * them, the footer and the trailer. */
static bool log_fits_active(const struct log *log, uint64_t batches_bytes, uint64_t footer_bytes)
{
    return log->active != NULL &&
           log->fill_offset + batches_bytes + footer_bytes + 2 * IMLOG_BLOCK_BYTES <=
               log->active->segment_bytes;
}

static uint64_t log_unwritten_bytes_max(const struct log *log)
{
    uint64_t half = log->ring.ring_bytes / 2;
    return half < LOG_UNWRITTEN_BYTES_MAX ? half : LOG_UNWRITTEN_BYTES_MAX;
}

int log_room(struct log *log, uint32_t bytes, uint64_t footer_bytes)
{
    if (log->degraded)
        return IMLOG_EDEGRADED;
    bool filled = log->fill_count > 0 && log->fill_bytes + bytes > IMLOG_BATCH_FILL_BYTES;
    /* A batch that is full is closed where it is; the records then begin one behind it. */
    uint64_t batches_bytes =
        filled ? (uint64_t)batch_padded_bytes(log->fill_bytes) + batch_padded_bytes(bytes)
               : batch_padded_bytes(log->fill_bytes + bytes);
    bool roll = !log_fits_active(log, batches_bytes, footer_bytes);
    if (log_queue_full(log))
        return IMLOG_EBUSY; /* even when this needs no slot now: close must always find one */
    uint64_t end_lsn =
        log->fill_lsn + batch_padded_bytes(log->fill_bytes) + batch_padded_bytes(bytes);
    if (end_lsn - log->durable_lsn > log_unwritten_bytes_max(log))
        return IMLOG_EBUSY;
    if (end_lsn > log->ring.ring_bytes && end_lsn - log->ring.ring_bytes > log->pinned_lsn)
        return IMLOG_EBUSY;
    if ((filled || roll) && log->fill_count > 0) {
        log_close_batch(log);
        if (log_queue_full(log))
            return IMLOG_EBUSY;
    }
    return roll ? log_roll(log) : 0;
}

struct log_position log_put(struct log *log, const struct record_header *header, const void *first,
                            uint32_t first_bytes, const void *second, uint32_t second_bytes)
{
    uint32_t at = (uint32_t)sizeof(struct batch_header) + log->fill_bytes;
    struct log_position position = {
        .lsn = log->fill_lsn + at, .segment = log->active->number, .offset = log->fill_offset + at};
    log->fill_bytes += record_encode(ring_at(&log->ring, log->fill_lsn) + at, *header, log->salt,
                                     position.lsn, first, first_bytes, second, second_bytes);
    log->fill_count++;
    return position;
}

/* ---- turns ---------------------------------------------------------------------------- */

static bool log_wants_watermark(const struct log *log)
{
    return log->queue_head == log->queue_tail && log->fill_count == 0 &&
           log->records_end_lsn > log->watermark_lsn && log->active != NULL;
}

/* After a pause, let an empty batch say that all before it is durable. */
static void log_idle_turn(struct log *log)
{
    if (!log_wants_watermark(log)) {
        log->idle_since_ns = 0;
        return;
    }
    uint64_t now_ns = log->io->ops->monotonic_ns(log->io);
    if (log->idle_since_ns == 0)
        log->idle_since_ns = now_ns;
    else if (now_ns - log->idle_since_ns >= LOG_IDLE_WATERMARK_NS && log_fits_active(log, 0, 0))
        log_close_batch(log);
}

static void log_prepare_turn(struct log *log)
{
    struct prepare *prepare = &log->prepare;
    uint32_t last = log->media.segment_count == 0
                        ? 0
                        : log->media.segments[log->media.segment_count - 1]->number;
    if (prepare->state == PREPARE_FAILED && !prepare_may_retry(prepare))
        log_degrade(log, "preparing the next segment", prepare->error);
    else
        prepare_turn(prepare, last + 1);
}

void log_turn(struct log *log)
{
    if (log->degraded)
        return;
    log_prepare_turn(log);
    if (log->queue_head == log->queue_tail && log->fill_count > 0)
        log_close_batch(log);
    else
        log_idle_turn(log);
    while (!log->degraded && log->queue_next != log->queue_tail &&
           log->in_flight < IMLOG_WRITES_IN_FLIGHT_MAX)
        log_submit(log);
}

uint64_t log_wait_ns(const struct log *log, uint64_t now_ns)
{
    if (log->degraded)
        return UINT64_MAX;
    if (log->queue_head == log->queue_tail && log->fill_count > 0)
        return 0;
    if (log->queue_next != log->queue_tail && log->in_flight < IMLOG_WRITES_IN_FLIGHT_MAX)
        return 0;
    uint64_t wait_ns = prepare_wait_ns(&log->prepare, now_ns);
    if (log_wants_watermark(log)) {
        uint64_t due_ns =
            (log->idle_since_ns == 0 ? now_ns : log->idle_since_ns) + LOG_IDLE_WATERMARK_NS;
        uint64_t idle_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        wait_ns = idle_ns < wait_ns ? idle_ns : wait_ns;
    }
    return wait_ns;
}

int log_flush(struct log *log)
{
    while (!log->degraded && (log->queue_head != log->queue_tail || log->fill_count > 0)) {
        log_turn(log);
        int rc = log->io->ops->poll(log->io, log->in_flight > 0 ? UINT64_MAX : 0);
        if (rc < 0)
            return rc;
    }
    return log->degraded ? IMLOG_EDEGRADED : 0;
}

uint64_t log_hot_floor(const struct log *log)
{
    uint64_t end_lsn = log->fill_lsn + batch_padded_bytes(log->fill_bytes) + IMLOG_BLOCK_BYTES;
    uint64_t floor_lsn = end_lsn > log->ring.ring_bytes ? end_lsn - log->ring.ring_bytes : 0;
    return floor_lsn > log->hot_floor_lsn ? floor_lsn : log->hot_floor_lsn;
}

/* ---- starting to write ---------------------------------------------------------------- */

/* Without an active segment nothing can be written: wait for the next file. On a full disk, go
 * on without: reads can be served, and appends start when there is space. */
static int log_start_segment(struct log *log)
{
    while (log->prepare.state != PREPARE_READY) {
        log_prepare_turn(log);
        if (log->degraded)
            return log->prepare.error;
        if (log->prepare.state == PREPARE_FAILED)
            return IMLOG_EDISKFULL;
        int rc = log->io->ops->poll(log->io, UINT64_MAX); /* a step of it is under way */
        if (rc < 0)
            return rc;
    }
    return log_roll(log);
}

/* What follows the log's end was never acked. Zeros in its place keep stale bytes out of the
 * segment for good: room behind a footer is zeros, and verify can say so. */
static int log_wipe_torn(struct log *log, int file)
{
    const struct iovec *zeros = &log->prepare.zeros;
    uint64_t offset = log->fill_offset;
    while (offset < log->torn_end_offset && !IMLOG_PLANTED(stale_tail_believed)) {
        uint64_t rest = log->torn_end_offset - offset;
        uint64_t part = rest < PREPARE_ZERO_BYTES ? rest : PREPARE_ZERO_BYTES;
        int error = blocking_write(log->io, file, zeros->iov_base, part, offset, 0);
        if (error < 0)
            return error;
        offset += part;
    }
    return 0;
}

/* The write that began a segment may have been torn in its head, and whole in its batch. The batch
 * counts, so the head must too. */
static int log_mend_head(struct log *log, const struct segment *segment)
{
    int error = log_reserve_head(log);
    if (error < 0)
        return error;
    log_encode_head(log, segment, segment->first_chain, log->epoch - 1, log->head_block);
    return blocking_write(log->io, segment->file, log->head_block, IMLOG_BLOCK_BYTES, 0,
                          IMLOG_IO_DURABLE);
}

/* Write once more, durably, what nobody's watermark covers of a segment. It is in the ring. */
static int log_rewrite_tail(struct log *log, const struct segment *segment)
{
    uint64_t lsn = log->known_lsn > segment->base_lsn ? log->known_lsn : segment->base_lsn;
    int error = lsn == segment->base_lsn ? log_mend_head(log, segment) : 0;
    while (error == 0 && lsn < segment->end_lsn && log_is_hot(log, lsn)) {
        uint64_t rest = segment->end_lsn - lsn;
        uint64_t part = rest < IMLOG_BATCH_FILL_BYTES ? rest : IMLOG_BATCH_FILL_BYTES;
        error = blocking_write(log->io, segment->file, ring_at(&log->ring, lsn), part,
                               segment_offset_of_lsn(segment, lsn), IMLOG_IO_DURABLE);
        lsn += part;
    }
    return error;
}

/* A sync failed. It may have dropped what it was to make durable, and the next one, when the log
 * is opened again, succeed without it, though everything still reads well. So that this cannot
 * take back what somebody reads then, write it again; the opening has failed all the same. */
static void log_rewrite(struct log *log)
{
    for (uint32_t i = 0; i < log->media.segment_count; i++) {
        const struct segment *segment = log->media.segments[i];
        if (segment->state != SEGMENT_SEALED && segment->end_lsn > log->known_lsn)
            (void)log_rewrite_tail(log, segment); /* and if that fails, that was all there was */
    }
}

/* What recovery read may be in a cache only: durable before anyone sees it, in the segments
 * behind the active one too. */
static int log_settle(struct log *log)
{
    for (uint32_t i = log->media.segment_count; i-- > 0;) {
        struct segment *segment = log->media.segments[i];
        if (segment->state == SEGMENT_SEALED || IMLOG_PLANTED(recovered_tail_not_synced))
            continue;
        int error = segment == log->active ? log_wipe_torn(log, segment->file) : 0;
        if (error == 0 && segment->head_torn && segment->end_lsn > segment->base_lsn)
            error = log_mend_head(log, segment);
        if (error < 0)
            return error;
        error = blocking_sync(log->io, segment->file);
        if (error < 0) {
            log_rewrite(log);
            return error;
        }
    }
    return log->active == NULL ? 0 : blocking_sync_directory(log->io, log->media.directory);
}

int log_start(struct log *log, uint64_t footer_bytes)
{
    int made_durable = log_settle(log);
    if (made_durable < 0)
        return made_durable;
    if (!log_fits_active(log, IMLOG_BLOCK_BYTES, footer_bytes)) {
        int error = log_start_segment(log);
        if (error == IMLOG_EDISKFULL) {
            log_report(log, IMLOG_WARNING,
                       "shard %u: no space for the next segment; appends wait for it",
                       log->shard_index);
            return 0;
        }
        if (error < 0)
            return error;
    }
    int error = log_reserve_head(log); /* an active segment may have lost its only batch */
    if (error < 0)
        return error;
    log_close_batch(log);
    return log_flush(log);
}

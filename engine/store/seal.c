/* seal.c: see seal.h. */
#include "engine/store/seal.h"

#include "engine/base/assert.h"
#include "engine/store/footer.h"
#include "engine/store/store.h"

#include <errno.h>
#include <imlog/planted.h>
#include <stdlib.h>

static struct segment *seal_next(const struct seal *seal)
{
    const struct store *store = seal->store;
    /* Rolled segments are few and have their index in RAM: look from the oldest of those. */
    for (struct extents *extents = store->oldest; extents != NULL; extents = extents->newer) {
        struct segment *segment = media_segment(&store->log.media, extents->segment);
        if (segment->state == SEGMENT_ROLLED)
            return segment->end_lsn <= store->log.durable_lsn || IMLOG_PLANTED(sealed_too_early)
                       ? segment
                       : NULL;
    }
    return NULL;
}

bool seal_has_work(const struct seal *seal)
{
    return seal->state != SEAL_IDLE || (!seal->store->log.degraded && seal_next(seal) != NULL);
}

static void seal_stop(struct seal *seal)
{
    free(seal->blocks);
    free(seal->trailer);
    seal->blocks = NULL;
    seal->trailer = NULL;
    seal->state = SEAL_IDLE;
}

static void seal_fail(struct seal *seal, int error)
{
    seal_stop(seal);
    log_degrade(&seal->store->log, "writing a segment footer", error);
}

static void handle_seal_written(struct imlog_io_op *op, int32_t result);

static void seal_write(struct seal *seal, enum seal_state state, uint8_t *bytes,
                       uint64_t byte_count, uint64_t offset)
{
    struct imlog_io *io = seal->store->io;
    seal->part = (struct iovec){.iov_base = bytes, .iov_len = byte_count};
    seal->op.done = handle_seal_written;
    seal->state = state;
    int error = io->ops->write(io, &seal->op, seal->segment->file, &seal->part, 1, offset,
                               IMLOG_PLANTED(footer_not_durable) ? 0 : IMLOG_IO_DURABLE);
    if (error < 0)
        seal_fail(seal, error);
}

static void handle_seal_written(struct imlog_io_op *op, int32_t result)
{
    struct seal *seal = (struct seal *)(void *)((char *)op - offsetof(struct seal, op));
    if (result < 0 || (uint64_t)result != seal->part.iov_len) {
        seal_fail(seal, result < 0 ? result : -EIO);
        return;
    }
    seal->footer_bytes_total += (uint64_t)result;
    if (seal->state == SEAL_FOOTER) {
        segment_trailer_encode(seal->blocks, seal->trailer, seal->store->log.salt);
        seal_write(seal, SEAL_TRAILER, seal->blocks, IMLOG_BLOCK_BYTES,
                   seal->segment->segment_bytes - IMLOG_BLOCK_BYTES);
        return;
    }
    seal->segment->trailer = seal->trailer;
    seal->trailer = NULL;
    segment_move(seal->segment, SEGMENT_SEALED);
    seal_stop(seal);
}

/* The chain's state at the end of a segment is where the next one began: it was rolled for that. */
static uint64_t seal_last_checksum(const struct seal *seal)
{
    return media_segment(&seal->store->log.media, seal->segment->number + 1)->first_chain;
}

static int seal_begin(struct seal *seal, struct extents *extents)
{
    struct log *log = &seal->store->log;
    uint64_t byte_count;
    int error = extents_sort(extents);
    if (error < 0)
        return error;
    seal->trailer = calloc(1, sizeof(*seal->trailer));
    if (seal->trailer == NULL)
        return -ENOMEM;
    struct segment *segment = seal->segment;
    *seal->trailer = (struct segment_trailer){
        .shard_index = log->shard_index,
        .number = segment->number,
        .end_offset = (uint32_t)segment_offset_of_lsn(segment, segment->end_lsn),
        .base_lsn = segment->base_lsn,
        .end_lsn = segment->end_lsn,
        .last_checksum = seal_last_checksum(seal),
        .batch_count = segment->batch_count,
        .epoch = log->epoch,
    };
    error = footer_encode(extents, log->salt, seal->trailer, &seal->blocks, &byte_count);
    if (error < 0)
        return error;
    if (seal->trailer->end_offset + byte_count + IMLOG_BLOCK_BYTES > segment->segment_bytes) {
        log_degrade(log, "sealing a segment whose footer does not fit it", IMLOG_ECORRUPT);
        return IMLOG_ECORRUPT; /* room for it was kept: the file is not what it was */
    }
    if (byte_count == 0) { /* no message at all: only the trailer */
        segment_trailer_encode(seal->blocks, seal->trailer, log->salt);
        seal_write(seal, SEAL_TRAILER, seal->blocks, IMLOG_BLOCK_BYTES,
                   segment->segment_bytes - IMLOG_BLOCK_BYTES);
    } else {
        seal_write(seal, SEAL_FOOTER, seal->blocks, byte_count, seal->trailer->end_offset);
    }
    return 0;
}

void seal_turn(struct seal *seal)
{
    if (seal->state != SEAL_IDLE || seal->store->log.degraded)
        return;
    struct segment *segment = seal_next(seal);
    if (segment == NULL)
        return;
    seal->segment = segment;
    seal->starved = seal_begin(seal, store_extents(seal->store, segment->number)) < 0;
    if (seal->starved)
        seal_stop(seal); /* a later turn tries again */
}

void seal_deinit(struct seal *seal)
{
    IMLOG_ASSERT(seal->state == SEAL_IDLE);
    seal_stop(seal);
}

/* recover.c: the segments from the origin on, in order, until the log's end. */
#define _GNU_SOURCE
#include "engine/log/recover.h"

#include "engine/base/assert.h"
#include "engine/base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct recovery {
    struct log *log;
    const struct log_fold *fold;
    struct log_recovered *recovered;
    struct imlog_why *why;
    uint64_t end_lsn; /* where the next segment must begin */
    uint64_t chain;
    bool chain_known;
    uint64_t scan_epoch; /* of the last batch accepted */
    uint64_t epoch;      /* highest known */
    uint64_t durable_lsn;
    struct segment *segment; /* being scanned */
    uint32_t blind_number;   /* segment file with unreadable bytes behind end_lsn; 0: none */
    uint64_t blind_end;      /* they lie before this offset of it */
    int error;               /* of a fold call inside a record callback */
};

static void handle_record(void *arg, const struct record *record, uint64_t offset,
                          bool payload_valid)
{
    struct recovery *recovery = arg;
    struct log_position position = {.lsn = segment_lsn_of_offset(recovery->segment, offset),
                                    .segment = recovery->segment->number,
                                    .offset = (uint32_t)offset};
    recovery->recovered->records++;
    if (recovery->error == 0)
        recovery->error =
            recovery->fold->record(recovery->fold->arg, record, &position, payload_valid);
}

static void recovery_keep_hot(struct recovery *recovery, const struct scan *scan,
                              const struct scan_item *item, bool intact)
{
    struct log *log = recovery->log;
    uint64_t bytes = item->end_offset - item->offset;
    if (intact)
        memcpy(ring_at(&log->ring, item->lsn), scan->image + item->offset, bytes);
    else
        log->hot_floor_lsn = item->lsn + bytes;
}

static int recovery_damage(struct recovery *recovery, const struct scan *scan,
                           const struct scan_item *item)
{
    uint32_t salvaged = scan_salvage(scan, item, handle_record, recovery);
    uint32_t lost_records = item->header_valid && item->header.record_count > salvaged
                                ? item->header.record_count - salvaged
                                : 0;
    recovery_keep_hot(recovery, scan, item, false);
    if (recovery->error < 0)
        return recovery->error;
    return recovery->fold->damage(recovery->fold->arg, recovery->segment, item, lost_records);
}

/* Everything up to the scan's end. */
static int recovery_scan(struct recovery *recovery, struct scan *scan)
{
    struct scan_item item;
    for (;;) {
        enum scan_verdict verdict = scan_next(scan, &item);
        int error = 0;
        if (verdict == SCAN_END)
            break;
        if (item.offset == IMLOG_BLOCK_BYTES && item.header_valid) /* known better than before */
            recovery->segment->first_chain = item.header.prev_checksum;
        recovery->segment->end_lsn = segment_lsn_of_offset(recovery->segment, item.end_offset);
        recovery->segment->batch_count += item.header_valid;
        if (item.header_valid && item.header.wall_ms > recovery->recovered->newest_wall_ms)
            recovery->recovered->newest_wall_ms = item.header.wall_ms;
        if (verdict == SCAN_BATCH) {
            recovery_keep_hot(recovery, scan, &item, true);
            error = scan_records(scan, &item, handle_record, recovery);
            error = recovery->error < 0 ? recovery->error : error;
            if (error == IMLOG_ECORRUPT)
                error = recovery_damage(recovery, scan, &item);
        } else {
            error = recovery_damage(recovery, scan, &item);
        }
        if (error < 0)
            return error;
    }
    recovery->end_lsn = segment_lsn_of_offset(recovery->segment, scan->offset);
    recovery->segment->end_lsn = recovery->end_lsn;
    recovery->chain = scan->chain;
    recovery->chain_known = scan->chain_known;
    recovery->scan_epoch = scan->epoch;
    recovery->epoch = scan->epoch > recovery->epoch ? scan->epoch : recovery->epoch;
    if (scan->durable_lsn > recovery->durable_lsn)
        recovery->durable_lsn = scan->durable_lsn;
    return 0;
}

/* Everything behind the scan's end that is not zeros: the torn tail, wherever its parts lie. */
static uint64_t recovery_torn_end(const struct scan *scan, uint64_t file_bytes)
{
    static const uint8_t zeros[IMLOG_BLOCK_BYTES];
    uint64_t end = file_bytes;
    while (end > scan->offset &&
           memcmp(scan->image + end - IMLOG_BLOCK_BYTES, zeros, IMLOG_BLOCK_BYTES) == 0)
        end -= IMLOG_BLOCK_BYTES;
    return end;
}

/* Segment `number` shows that the log went on beyond where it seems to end. What is missing in
 * between held messages that were acked; to go on would give their seqs out again. */
static int recovery_refuse(const struct recovery *recovery, uint32_t number)
{
    return why_set(recovery->why, IMLOG_ECORRUPT,
                   "a segment file before %010u.seg in %s is missing or wiped: the log ends at "
                   "%llu, and that file knows more to have been durable; restore it from a "
                   "backup, or export what is left and replay it into a new directory",
                   number, recovery->log->media.directory, (unsigned long long)recovery->end_lsn);
}

/* What cannot be read where the log seems to end may have been acked. To go on would write over
 * it, and the disk may well give it the next time. */
static int recovery_refuse_blind(const struct recovery *recovery)
{
    return why_set(recovery->why, -EIO,
                   "the disk cannot read segment file %010u.seg in %s before offset %llu, where "
                   "the log seems to end: acked messages may lie there; check the disk and open "
                   "again, or, if they are lost for good, export what is left and replay it into "
                   "a new directory",
                   recovery->blind_number, recovery->log->media.directory,
                   (unsigned long long)recovery->blind_end);
}

/* As far as the log goes it has been read: what of this image lies behind that and could not be? */
static void recovery_note_blind(struct recovery *recovery, uint32_t number,
                                const struct image *image, bool in_log)
{
    bool sealed = in_log && recovery->segment->state == SEGMENT_SEALED;
    uint64_t log_end = in_log ? recovery->log->fill_offset : 0;
    if (in_log || recovery->blind_number == 0) {
        recovery->blind_number = !sealed && image->unreadable_end > log_end ? number : 0;
        recovery->blind_end = image->unreadable_end;
    }
}

static int recovery_seal(struct segment *segment, const struct segment_trailer *trailer)
{
    segment->trailer = malloc(sizeof(*trailer));
    if (segment->trailer == NULL)
        return -ENOMEM;
    *segment->trailer = *trailer;
    segment_move(segment, SEGMENT_ROLLED);
    segment_move(segment, SEGMENT_SEALED);
    return 0;
}

/* One segment: into the table, scanned, folded. 1: go on with the next; 0: the log ends here. */
static int recovery_segment(struct recovery *recovery, uint32_t number, struct image *image,
                            const struct image *next)
{
    struct log *log = recovery->log;
    struct segment_trailer trailer;
    struct scan scan;
    bool sealed = image_trailer(image, number, log->salt, &trailer) == 0;
    if (image_scan(image, number, log->shard_index, log->salt, recovery->end_lsn,
                   sealed ? &trailer : NULL, &scan) < 0)
        return 0; /* prepared and never used */
    struct segment_head head;
    bool head_valid = segment_head_decode(image->bytes, &head) == 0 && head.number == number &&
                      head.salt == log->salt;
    if (scan.base_lsn != recovery->end_lsn) {
        if (scan_evidence(&scan, IMLOG_BLOCK_BYTES) > recovery->end_lsn)
            return recovery_refuse(recovery, number);
        uint64_t epoch = head_valid ? head.epoch : scan.epoch;
        if (scan.base_lsn > recovery->end_lsn || epoch < recovery->scan_epoch)
            return 0; /* of a tail that was cut at an earlier opening, perhaps half made anew */
        return why_set(recovery->why, IMLOG_ECORRUPT,
                       "segment %u begins at log position %llu, before %llu where the one before "
                       "it ends: the directory mixes files of different states; restore it whole",
                       number, (unsigned long long)scan.base_lsn,
                       (unsigned long long)recovery->end_lsn);
    }
    uint64_t least_bytes = head_valid ? head.segment_bytes : IMLOG_SEGMENT_BYTES_MIN;
    if (image->byte_count < least_bytes)
        return why_set(recovery->why, IMLOG_ECORRUPT,
                       "segment file %010u.seg in %s is cut short (%llu of %llu bytes): restore "
                       "it from a backup, or export what is left and replay it into a new "
                       "directory",
                       number, log->media.directory, (unsigned long long)image->byte_count,
                       (unsigned long long)least_bytes);
    scan.chain = recovery->chain;
    scan.chain_known = recovery->chain_known;
    scan.epoch = recovery->scan_epoch;
    if (recovery->durable_lsn > scan.durable_lsn)
        scan.durable_lsn = recovery->durable_lsn;

    image_bounds(next, number + 1, &scan);
    /* The table keeps what will be written to; sealed ones are opened when they are read. */
    struct segment *segment =
        media_add(&log->media, number, image->byte_count, scan.base_lsn, sealed ? -1 : image->file);
    if (segment == NULL)
        return -ENOMEM;
    if (!sealed)
        image->file = -1;
    segment->first_chain = scan.chain;
    /* Or one of a tail that was cut, found again: it does not go on where the log is. */
    segment->head_torn =
        !head_valid || (recovery->chain_known && head.prev_checksum != recovery->chain);
    recovery->segment = segment;
    int error = recovery->fold->segment_begin(recovery->fold->arg, segment, sealed);
    if (error == 0)
        error = recovery_scan(recovery, &scan);
    if (error == 0 && !sealed && image_proves_more(next, number + 1, &scan))
        error = recovery_scan(recovery, &scan);
    if (error == 0 && sealed && !recovery->chain_known) { /* its last batch is damaged */
        recovery->chain = trailer.last_checksum;
        recovery->chain_known = true;
    }
    if (error == 0 && sealed)
        error = recovery_seal(segment, &trailer);
    if (error == 0)
        error = recovery->fold->segment_end(recovery->fold->arg, segment, image->bytes);
    log->fill_offset = (uint32_t)scan.offset;
    log->torn_end_offset =
        sealed ? log->fill_offset : (uint32_t)recovery_torn_end(&scan, image->byte_count);
    return error < 0 ? error : 1;
}

static int recovery_load(struct recovery *recovery, uint32_t number, struct image *image)
{
    char path[MEDIA_PATH_BYTES];
    media_segment_path(&recovery->log->media, number, path);
    int error = image_load(recovery->log->io, path, true, image);
    if (error == -ENOENT)
        return 0;
    if (error < 0)
        return why_set(recovery->why, error, "cannot read segment file %s: %s", path,
                       imlog_error_text(error));
    return 0;
}

struct newest_name {
    uint32_t number;
};

static void handle_name(void *arg, const char *name)
{
    struct newest_name *newest = arg;
    uint32_t number = media_segment_number(name);
    newest->number = number > newest->number ? number : newest->number;
}

/* The log ends before segment `number`. Nothing behind may say otherwise: those files would be
 * written over. There are none as a rule. */
static int recovery_check_rest(struct recovery *recovery, uint32_t number)
{
    struct log *log = recovery->log;
    struct newest_name newest = {0};
    int error = log->io->ops->list(log->io, log->media.directory, handle_name, &newest);
    for (number++; number <= newest.number && error == 0; number++) {
        struct image image;
        struct scan scan;
        error = recovery_load(recovery, number, &image);
        recovery_note_blind(recovery, number, &image, false);
        if (error == 0 && image.bytes != NULL &&
            image_scan(&image, number, log->shard_index, log->salt, recovery->end_lsn, NULL,
                       &scan) == 0 &&
            scan_evidence(&scan, IMLOG_BLOCK_BYTES) > recovery->end_lsn)
            error = recovery_refuse(recovery, number);
        image_unload(log->io, &image);
    }
    return error;
}

static int recovery_run(struct recovery *recovery, uint32_t number)
{
    struct log *log = recovery->log;
    struct image image;
    struct image next = {.file = -1};
    int more = recovery_load(recovery, number, &image);
    for (more = more < 0 ? more : 1; more > 0; number++) {
        int error = recovery_load(recovery, number + 1, &next);
        if (error == 0 && image.bytes != NULL)
            more = recovery_segment(recovery, number, &image, &next);
        else
            more = error; /* no such file: the log ends, unless later ones know better */
        if (more >= 0)
            recovery_note_blind(recovery, number, &image, more > 0);
        image_unload(log->io, &image);
        image = next;
        next = (struct image){.file = -1};
    }
    image_unload(log->io, &image);
    if (more >= 0)
        more = recovery_check_rest(recovery, number - 1);
    return more == 0 && recovery->blind_number != 0 ? recovery_refuse_blind(recovery) : more;
}

int log_recover(struct log *log, const struct log_origin *origin, const struct log_fold *fold,
                struct log_recovered *recovered, struct imlog_why *why)
{
    *recovered = (struct log_recovered){0};
    struct recovery recovery = {.log = log,
                                .fold = fold,
                                .recovered = recovered,
                                .why = why,
                                .end_lsn = origin->base_lsn,
                                .chain = origin->chain,
                                .chain_known = true,
                                .epoch = origin->epoch,
                                .durable_lsn = origin->durable_lsn};
    int error = recovery_run(&recovery, origin->segment);
    if (error < 0)
        return error;
    if (recovery.end_lsn < origin->durable_lsn)
        return why_set(why, IMLOG_ECORRUPT,
                       "the log ends at %llu, but a checkpoint says that %llu bytes were durable: "
                       "segment files are missing; put them back or restore a backup",
                       (unsigned long long)recovery.end_lsn,
                       (unsigned long long)origin->durable_lsn);

    struct media *media = &log->media;
    for (uint32_t i = 0; i < media->segment_count; i++) {
        struct segment *segment = media->segments[i];
        if (segment->state != SEGMENT_ACTIVE)
            continue;
        if (i + 1 < media->segment_count)
            segment_move(segment, SEGMENT_ROLLED);
        else
            log->active = segment;
    }
    if (log->active != NULL)
        recovered->torn_bytes = log->torn_end_offset - log->fill_offset;
    log->epoch = recovery.epoch + 1;
    log->chain = recovery.chain;
    log->fill_lsn = recovery.end_lsn;
    log->durable_lsn = recovery.end_lsn;
    log->known_lsn = recovery.durable_lsn;
    log->records_end_lsn = recovery.end_lsn;
    log->watermark_lsn = recovery.end_lsn;
    if (log->hot_floor_lsn < origin->base_lsn)
        log->hot_floor_lsn = origin->base_lsn;
    return 0;
}

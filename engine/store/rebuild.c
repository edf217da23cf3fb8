/* rebuild.c: see rebuild.h. */
#define _GNU_SOURCE
#include "engine/store/rebuild.h"

#include "engine/base/assert.h"
#include "engine/format/msg_id.h"
#include "engine/log/recover.h"
#include "engine/store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { REBUILD_READ_BYTES = 1024 * 1024 };

/* ---- from bytes to an index --------------------------------------------------------------- */

struct found {
    uint64_t session_id;
    uint64_t seq;
    uint32_t offset;
};

struct finder {
    struct found *all;
    uint32_t count;
    uint32_t capacity;
    uint64_t min_server_ms;
    uint64_t max_server_ms;
    bool no_memory;
};

static void handle_record(void *arg, const struct record *record, uint64_t offset,
                          bool payload_valid)
{
    struct finder *finder = arg;
    if (record->header.kind != RECORD_MESSAGE || finder->no_memory)
        return;
    if (finder->count == finder->capacity) {
        uint32_t capacity = finder->capacity == 0 ? 1024 : finder->capacity * 2;
        struct found *bigger = reallocarray(finder->all, capacity, sizeof(struct found));
        if (bigger == NULL) {
            finder->no_memory = true;
            return;
        }
        finder->all = bigger;
        finder->capacity = capacity;
    }
    finder->all[finder->count++] = (struct found){.session_id = record->header.subject_id,
                                                  .seq = record->header.seq,
                                                  .offset = (uint32_t)offset};
    struct imlog_message message;
    if (!payload_valid || record_message(record, &message) < 0)
        return;
    if (finder->min_server_ms == 0 || message.server_ms < finder->min_server_ms)
        finder->min_server_ms = message.server_ms;
    if (message.server_ms > finder->max_server_ms)
        finder->max_server_ms = message.server_ms;
}

static int compare_found(const void *left, const void *right)
{
    const struct found *a = left;
    const struct found *b = right;
    if (a->session_id != b->session_id)
        return a->session_id < b->session_id ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static int extents_put(struct extents *extents, uint32_t *index, const struct found *found)
{
    static const struct roots_links unknown = {SEGMENT_UNKNOWN, SEGMENT_UNKNOWN};
    bool same = *index != EXTENT_NONE && extents->array[*index].session_id == found->session_id;
    if (!same) {
        if (extents_reserve(extents, EXTENT_NONE) < 0)
            return -ENOMEM;
        *index = extents_open(extents, found->session_id, found->seq, unknown);
    }
    uint64_t next_seq = extents->array[*index].first_seq + extents->array[*index].count;
    if (found->seq > next_seq + SEGMENT_MESSAGES_MAX)
        return 0; /* no segment ever lacked so many: the record is not to be believed */
    for (; next_seq <= found->seq; next_seq++) {
        if (extents_reserve(extents, *index) < 0)
            return -ENOMEM;
        extents_add(extents, *index, next_seq == found->seq ? found->offset : SEGMENT_OFFSET_LOST);
    }
    return 0;
}

int rebuild_extents(struct scan scan, struct extents **extents)
{
    struct finder finder = {0};
    struct scan_item item;
    for (enum scan_verdict verdict; (verdict = scan_next(&scan, &item)) != SCAN_END;) {
        if (verdict == SCAN_DAMAGE || scan_records(&scan, &item, handle_record, &finder) < 0)
            (void)scan_salvage(&scan, &item, handle_record, &finder);
    }
    *extents = extents_create(scan.segment);
    int error = finder.no_memory || *extents == NULL ? -ENOMEM : 0;
    if (error == 0 && finder.count > 0)
        qsort(finder.all, finder.count, sizeof(struct found), compare_found);
    uint32_t index = EXTENT_NONE;
    for (uint32_t i = 0; i < finder.count && error == 0; i++)
        error = extents_put(*extents, &index, &finder.all[i]);
    if (error == 0)
        error = extents_sort(*extents);
    free(finder.all);
    if (error < 0) {
        extents_destroy(*extents);
        *extents = NULL;
        return error;
    }
    (*extents)->min_server_ms = finder.min_server_ms;
    (*extents)->max_server_ms = finder.max_server_ms;
    return 0;
}

/* ---- reading the segment back ---------------------------------------------------------------- */

static void rebuild_stop(struct rebuild *rebuild)
{
    (void)munmap(rebuild->image, rebuild->segment->segment_bytes);
    rebuild->image = NULL;
    rebuild->segment = NULL;
    rebuild->finished = false;
}

static void rebuild_read(struct rebuild *rebuild);

static void rebuild_give_up(struct rebuild *rebuild, int error)
{
    rebuild->failed_segment = rebuild->segment;
    rebuild->failed_error = error;
    rebuild_stop(rebuild);
}

/* Want of handles or memory says nothing about the disk: the rebuild is given up then, and the
 * pulls that wait for it end with that error. */
static bool rebuild_says_damage(int32_t error)
{
    return error != -ENOMEM && error != -EMFILE && error != -ENFILE && error != -EAGAIN &&
           error != -EBUSY;
}

static void handle_part_read(struct media_read *read, int32_t result)
{
    struct rebuild *rebuild =
        (struct rebuild *)(void *)((char *)read - offsetof(struct rebuild, read));
    rebuild->under_way = false;
    if (result < 0 && !rebuild_says_damage(result)) {
        rebuild_give_up(rebuild, result);
        return;
    }
    uint64_t arrived = result > 0 ? (uint64_t)result & ~(uint64_t)(IMLOG_BLOCK_BYTES - 1) : 0;
    rebuild->read_bytes += arrived;
    if (arrived == rebuild->asked_bytes) {
        uint64_t twice = 2 * rebuild->part_bytes;
        rebuild->part_bytes = twice < REBUILD_READ_BYTES ? twice : REBUILD_READ_BYTES;
    } else if (rebuild->asked_bytes > IMLOG_BLOCK_BYTES) {
        rebuild->part_bytes = IMLOG_BLOCK_BYTES; /* which of them is it? */
    } else {
        /* What cannot be read stays zeros: damaged, like any other bytes that are not valid. */
        rebuild->read_bytes += IMLOG_BLOCK_BYTES;
    }
    if (rebuild->read_bytes >= rebuild->segment->segment_bytes)
        rebuild->finished = true;
    else
        rebuild_read(rebuild);
}

static void rebuild_read(struct rebuild *rebuild)
{
    uint64_t rest_bytes = rebuild->segment->segment_bytes - rebuild->read_bytes;
    rebuild->part = (struct iovec){
        .iov_base = rebuild->image + rebuild->read_bytes,
        .iov_len = rest_bytes < rebuild->part_bytes ? rest_bytes : rebuild->part_bytes};
    rebuild->asked_bytes = rebuild->part.iov_len;
    rebuild->read.done = handle_part_read;
    rebuild->read.parts = &rebuild->part;
    rebuild->read.part_count = 1;
    rebuild->read.offset = rebuild->read_bytes;
    int error = media_read_start(rebuild->segment, &rebuild->read);
    rebuild->under_way = error == 0;
    if (error < 0 && rebuild_says_damage(error))
        rebuild->finished = true; /* the rest stays zeros: damaged */
    else if (error < 0)
        rebuild_give_up(rebuild, error);
}

int rebuild_want(struct rebuild *rebuild, struct segment *segment)
{
    if (rebuild->failed_segment == segment) {
        rebuild->failed_segment = NULL;
        return rebuild->failed_error;
    }
    if (rebuild->segment != NULL)
        return 0;
    void *image = mmap(NULL, segment->segment_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (image == MAP_FAILED)
        return -ENOMEM;
    segment->footer_damaged = true;
    log_report(&rebuild->store->log, IMLOG_WARNING,
               "shard %u: the footer of segment %u is damaged; rebuilding its index from the "
               "segment's batches",
               rebuild->store->log.shard_index, segment->number);
    rebuild->segment = segment;
    rebuild->image = image;
    rebuild->read_bytes = 0;
    rebuild->part_bytes = REBUILD_READ_BYTES;
    rebuild_read(rebuild);
    return 0;
}

void rebuild_turn(struct rebuild *rebuild)
{
    if (!rebuild->finished)
        return;
    struct segment *segment = rebuild->segment;
    struct log *log = &rebuild->store->log;
    struct image image = {
        .bytes = rebuild->image, .byte_count = segment->segment_bytes, .file = -1};
    struct scan scan;
    struct extents *extents = NULL;
    /* Its trailer says where its batches lie, whatever is left of them. */
    int error = image_scan(&image, segment->number, log->shard_index, log->salt, segment->base_lsn,
                           segment->trailer, &scan);
    IMLOG_ASSERT(error == 0);
    error = rebuild_extents(scan, &extents);
    if (error < 0) {
        rebuild_give_up(rebuild, error);
        return;
    }
    extents->keep = true;
    store_add_extents(rebuild->store, extents);
    rebuild->count++;
    rebuild_stop(rebuild);
}

void rebuild_deinit(struct rebuild *rebuild)
{
    IMLOG_ASSERT(!rebuild->under_way);
    if (rebuild->segment != NULL)
        rebuild_stop(rebuild);
}

/* walk.c: see walk.h. */
#define _GNU_SOURCE
#include "engine/walk.h"

#include "engine/base/assert.h"
#include "engine/checkpoint_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which files ---------------------------------------------------------------------------- */

static void handle_name(void *arg, const char *name)
{
    struct walk *walk = arg;
    uint32_t number = media_segment_number(name);
    if (number == 0)
        return;
    uint32_t *bigger =
        reallocarray(walk->numbers, (size_t)walk->number_count + 1, sizeof(uint32_t));
    if (bigger == NULL) {
        walk->no_memory = true;
        return;
    }
    walk->numbers = bigger;
    walk->numbers[walk->number_count++] = number;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

int walk_open(struct walk *walk, struct imlog_io *io, const char *dir_path,
              const struct identity *identity, uint32_t shard_index)
{
    *walk = (struct walk){.io = io,
                          .salt = identity_shard_salt(identity, shard_index),
                          .shard_index = (uint16_t)shard_index,
                          .until_lsn = UINT64_MAX,
                          .image = {.file = -1},
                          .next = {.file = -1}};
    /* The checkpoint first: beside a running node it may name segments that come later. */
    int error = dir_shard_path(dir_path, shard_index, walk->directory);
    if (error == 0)
        error = checkpoint_file_durable(io, walk->directory, walk->salt, &walk->known_lsn);
    if (error == 0)
        error = io->ops->list(io, walk->directory, handle_name, walk);
    if (error == 0 && walk->no_memory)
        error = -ENOMEM;
    if (error < 0) {
        walk_close(walk);
        return error;
    }
    if (walk->number_count > 0)
        qsort(walk->numbers, walk->number_count, sizeof(uint32_t), compare_numbers);
    walk_rewind(walk);
    return 0;
}

static void walk_unload(struct walk *walk)
{
    image_unload(walk->io, &walk->image);
    image_unload(walk->io, &walk->next);
}

void walk_close(struct walk *walk)
{
    walk_unload(walk);
    free(walk->numbers);
    free(walk->records);
    walk->numbers = NULL;
    walk->records = NULL;
}

void walk_rewind(struct walk *walk)
{
    walk_unload(walk);
    walk->at = UINT32_MAX; /* before the first */
    walk->scanning = false;
    walk->placed = false;
    walk->record_count = 0;
    walk->record_at = 0;
    walk->read_bytes = 0;
    walk->no_memory = false;
    walk->blind_number = 0;
    walk->durable_lsn = 0;
    walk->records_end_lsn = 0;
}

/* ---- segments ---------------------------------------------------------------------------------
 */

static int walk_load(struct walk *walk, uint32_t at, struct image *image)
{
    char path[DIR_PATH_BYTES + 32];
    (void)snprintf(path, sizeof(path), "%s/%010u.seg", walk->directory, walk->numbers[at]);
    int error = image_load(walk->io, path, false, image);
    return error == -ENOENT ? 0 : error; /* gone meanwhile: reads as empty */
}

/* Whether the segment just loaded goes on where the log is, or proves that it does. */
static bool walk_accepts(struct walk *walk)
{
    struct scan *scan = &walk->scan;
    bool follows =
        walk->at > 0 && walk->placed && walk->numbers[walk->at - 1] + 1 == walk->numbers[walk->at];
    if (!follows || scan->base_lsn == walk->end_lsn)
        return true;
    return scan->base_lsn > walk->end_lsn &&
           (walk->known_lsn > walk->end_lsn ||
            scan_evidence(scan, IMLOG_BLOCK_BYTES) > walk->end_lsn);
}

/* Have the next segment file in memory, if there is one: 1, 0, < 0. */
static int walk_look_ahead(struct walk *walk)
{
    if (walk->at + 1 >= walk->number_count ||
        walk->numbers[walk->at] + 1 != walk->numbers[walk->at + 1])
        return 0;
    if (walk->next.bytes != NULL)
        return 1;
    int error = walk_load(walk, walk->at + 1, &walk->next);
    return error < 0 ? error : 1;
}

static void walk_note_blind(struct walk *walk)
{
    if (walk->image.unreadable_end > 0)
        walk->blind_number = walk->numbers[walk->at];
}

int walk_next_segment(struct walk *walk)
{
    for (;;) {
        walk->at = walk->at == UINT32_MAX ? 0 : walk->at + 1;
        walk->scanning = false;
        if (walk->at >= walk->number_count)
            return 0;
        image_unload(walk->io, &walk->image);
        walk->image = walk->next;
        walk->next = (struct image){.file = -1};
        int error = walk->image.bytes != NULL ? 0 : walk_load(walk, walk->at, &walk->image);
        if (error < 0)
            return error;
        walk->read_bytes += walk->image.byte_count;
        if (walk->image.byte_count > walk->image_bytes_max)
            walk->image_bytes_max = walk->image.byte_count;
        uint32_t number = walk->numbers[walk->at];
        walk->sealed = walk->image.bytes != NULL &&
                       image_trailer(&walk->image, number, walk->salt, &walk->trailer) == 0;
        if (walk->image.bytes == NULL ||
            image_scan(&walk->image, number, walk->shard_index, walk->salt,
                       walk->placed ? walk->end_lsn : 0, walk->sealed ? &walk->trailer : NULL,
                       &walk->scan) < 0) {
            walk_note_blind(walk);
            continue; /* prepared and never used */
        }
        if (!walk_accepts(walk)) {
            walk_note_blind(walk);
            return 0; /* of a tail that was cut */
        }
        int ahead = walk->sealed ? 0 : walk_look_ahead(walk);
        if (ahead < 0)
            return ahead;
        if (ahead > 0)
            image_bounds(&walk->next, walk->numbers[walk->at + 1], &walk->scan);
        walk->scanning = true;
        walk->record_count = 0;
        walk->record_at = 0;
        return 1;
    }
}

/* At the end of an unsealed segment: does the next file say that more was durable? 1, 0, < 0. */
static int walk_goes_on(struct walk *walk)
{
    int ahead = walk->sealed ? 0 : walk_look_ahead(walk);
    return ahead <= 0 ? ahead
                      : image_proves_more(&walk->next, walk->numbers[walk->at + 1], &walk->scan);
}

bool walk_was_durable(const struct walk *walk, uint64_t lsn)
{
    struct scan next;
    if (walk->sealed || walk->durable_lsn > lsn || walk->known_lsn > lsn)
        return true;
    return walk->next.bytes != NULL &&
           image_scan(&walk->next, walk->numbers[walk->at + 1], walk->shard_index, walk->salt,
                      walk->end_lsn, NULL, &next) == 0 &&
           scan_evidence(&next, IMLOG_BLOCK_BYTES) > lsn;
}

/* At the log's end: does a checkpoint say that more was durable? Then what follows is damage. */
static bool walk_ends_early(struct walk *walk)
{
    struct scan next;
    if (walk->sealed || walk->item.lsn >= walk->known_lsn)
        return false;
    if (walk_look_ahead(walk) > 0 && walk->next.bytes != NULL &&
        image_scan(&walk->next, walk->numbers[walk->at + 1], walk->shard_index, walk->salt,
                   walk->item.lsn, NULL, &next) == 0) {
        if (next.base_lsn <= walk->item.lsn)
            return false; /* the log goes on in the next file */
        walk->scan.durable_lsn = next.base_lsn < walk->known_lsn ? next.base_lsn : walk->known_lsn;
        return walk->scan.offset < walk->scan.end_offset;
    }
    walk->scan.durable_lsn = walk->known_lsn;
    return walk->scan.offset < walk->scan.end_offset;
}

/* ---- items and records ------------------------------------------------------------------------
 */

static void handle_record(void *arg, const struct record *record, uint64_t offset,
                          bool payload_valid)
{
    struct walk *walk = arg;
    (void)record;
    if (walk->record_count == walk->record_capacity) {
        uint32_t capacity = walk->record_capacity == 0 ? 1024 : walk->record_capacity * 2;
        struct walk_record *bigger =
            reallocarray(walk->records, capacity, sizeof(struct walk_record));
        if (bigger == NULL) {
            walk->no_memory = true;
            return;
        }
        walk->records = bigger;
        walk->record_capacity = capacity;
    }
    walk->records[walk->record_count++] =
        (struct walk_record){.offset = (uint32_t)offset, .payload_valid = payload_valid};
}

int walk_next_item(struct walk *walk)
{
    IMLOG_ASSERT(walk->scanning);
    walk->record_count = 0;
    walk->record_at = 0;
    walk->verdict = scan_next(&walk->scan, &walk->item);
    if (walk->verdict == SCAN_END && walk->item.lsn < walk->until_lsn) {
        int more = walk_goes_on(walk);
        if (more < 0)
            return more;
        if (more > 0 || walk_ends_early(walk))
            walk->verdict = scan_next(&walk->scan, &walk->item);
    }
    if (!walk->sealed && walk->item.lsn >= walk->until_lsn)
        walk->verdict = SCAN_END;
    if (walk->verdict == SCAN_BATCH && walk->item.header.durable_lsn > walk->durable_lsn)
        walk->durable_lsn = walk->item.header.durable_lsn;
    if (walk->verdict == SCAN_BATCH && walk->item.header.record_count > 0)
        walk->records_end_lsn = walk->item.lsn + walk->item.header.batch_bytes;
    walk->end_lsn = walk->scan.base_lsn + walk->scan.offset - IMLOG_BLOCK_BYTES;
    walk->placed = true;
    if (walk->verdict == SCAN_END)
        return 0;
    if (walk->verdict == SCAN_BATCH &&
        scan_records(&walk->scan, &walk->item, handle_record, walk) < 0) {
        walk->verdict = SCAN_DAMAGE;
        walk->record_count = 0;
    }
    if (walk->verdict == SCAN_DAMAGE)
        (void)scan_salvage(&walk->scan, &walk->item, handle_record, walk);
    return walk->no_memory ? -ENOMEM : 1;
}

void walk_record_at(const struct walk *walk, uint32_t i, struct record *record)
{
    uint32_t offset = walk->records[i].offset;
    int verdict =
        record_decode(walk->image.bytes + offset, walk->image.byte_count - offset, walk->salt,
                      walk->scan.base_lsn + offset - IMLOG_BLOCK_BYTES, record);
    IMLOG_ASSERT(verdict == 0 || verdict == -EBADMSG);
}

int walk_next_record(struct walk *walk, struct record *record, uint64_t *lsn, bool *payload_valid)
{
    while (walk->record_at == walk->record_count) {
        int more = walk->scanning ? walk_next_item(walk) : 0;
        if (more == 0)
            more = walk_next_segment(walk);
        if (more <= 0)
            return more;
    }
    uint32_t i = walk->record_at++;
    walk_record_at(walk, i, record);
    *lsn = walk->scan.base_lsn + walk->records[i].offset - IMLOG_BLOCK_BYTES;
    *payload_valid = walk->records[i].payload_valid;
    return 1;
}

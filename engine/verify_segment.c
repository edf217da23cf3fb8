/* verify_segment.c: one segment, checked: its batches, its footer, and each against the other.
 *
 * A sealed segment says twice what it holds: in its batches and in its footer. So whatever one
 * flipped bit hits, the other side tells exactly which messages are affected. In a segment that
 * is not sealed yet, damage is told by the record headers that survive and by the holes in the
 * sessions' seqs. Beside a running node a segment can change while it is read: one that looks
 * wrong is read once more before it is believed. */
#include "engine/base/assert.h"
#include "engine/store/footer.h"
#include "engine/verify_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- batches
 * -------------------------------------------------------------------------------------- */

static void verify_see(struct verify *verify, const struct record *record, uint32_t offset,
                       bool intact)
{
    if (record->header.kind == RECORD_KEY && !intact) {
        verify_structure(verify, offset, 0, "a string key is damaged; its id has no name now");
        return;
    }
    if (record->header.kind != RECORD_MESSAGE)
        return;
    verify->seen = verify_grow(verify, verify->seen, verify->seen_count, &verify->seen_capacity,
                               sizeof(struct seen));
    if (verify->error == 0)
        verify->seen[verify->seen_count++] = (struct seen){.session_id = record->header.subject_id,
                                                           .seq = record->header.seq,
                                                           .offset = offset,
                                                           .intact = intact};
}

/* A batch or a damaged range of the segment: what it holds. True if all its records are there
 * and intact, so that damage to it costs no message. */
static bool verify_item(struct verify *verify)
{
    const struct walk *walk = &verify->shard->walk;
    bool complete =
        walk->verdict == SCAN_BATCH ||
        (walk->item.header_valid && walk->record_count == walk->item.header.record_count);
    for (uint32_t i = 0; i < walk->record_count; i++) {
        struct record record;
        walk_record_at(walk, i, &record);
        verify_see(verify, &record, walk->records[i].offset, walk->records[i].payload_valid);
        complete = complete && walk->records[i].payload_valid;
    }
    return complete;
}

static int verify_batches(struct verify *verify)
{
    struct walk *walk = &verify->shard->walk;
    int more;
    while ((more = walk_next_item(walk)) > 0) {
        bool complete = verify_item(verify);
        if (walk->verdict == SCAN_BATCH)
            continue;
        uint32_t missing =
            walk->item.header_valid && walk->item.header.record_count > walk->record_count
                ? walk->item.header.record_count - walk->record_count
                : 0;
        if (complete)
            verify_structure(verify, walk->item.offset, 0,
                             "a batch is damaged outside its records; no message is affected");
        else if (!walk->item.header_valid)
            verify_structure(verify, walk->item.offset, 0,
                             "a batch header is damaged; its records are judged one by one");
        else if (missing > 0 && walk->sealed) /* the footer tells which messages, not what else */
            verify_structure(verify, walk->item.offset, 0,
                             "record headers of a batch are damaged; messages lost with them are "
                             "listed by range");
        else if (missing > 0)
            verify_structure(verify, walk->item.offset, missing,
                             "records of a batch are damaged beyond telling their sessions");
    }
    return more;
}

static int compare_seen(const void *left, const void *right)
{
    const struct seen *a = left;
    const struct seen *b = right;
    if (a->session_id != b->session_id)
        return a->session_id < b->session_id ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static struct seen *verify_find(const struct verify *verify, uint64_t session_id, uint64_t seq)
{
    struct seen key = {.session_id = session_id, .seq = seq};
    return verify->seen_count == 0
               ? NULL
               : bsearch(&key, verify->seen, verify->seen_count, sizeof(struct seen), compare_seen);
}

/* ---- footer
 * ----------------------------------------------------------------------------------------- */

static const uint8_t *verify_block(const struct verify *verify, uint32_t block)
{
    return verify->shard->walk.image.bytes + (size_t)block * IMLOG_BLOCK_BYTES;
}

static bool verify_footer_kind(struct verify *verify, enum segment_block_kind kind,
                               uint32_t block_count, const char *what)
{
    const struct walk *walk = &verify->shard->walk;
    bool valid = true;
    for (uint32_t i = 0; i < block_count; i++) {
        uint32_t block = kind == SEGMENT_EXTENTS   ? segment_extents_block(&walk->trailer, i)
                         : kind == SEGMENT_OFFSETS ? segment_offsets_block(&walk->trailer, i)
                                                   : segment_fences_block(&walk->trailer, i);
        if (segment_block_check(verify_block(verify, block), kind, walk->trailer.number, i,
                                walk->salt) >= 0)
            continue;
        valid = false;
        verify_structure(verify, (uint64_t)block * IMLOG_BLOCK_BYTES, 0, what);
    }
    return valid;
}

static struct session *verify_latest(struct verify *verify, uint64_t session_id)
{
    uint32_t index = sessions_find(&verify->latest, session_id);
    if (index == SESSION_NONE) {
        if (sessions_reserve(&verify->latest, session_id) < 0) {
            verify->error = -ENOMEM;
            return NULL;
        }
        index = sessions_add(&verify->latest, session_id, IMLOG_KIND_GROUP);
    }
    return sessions_at(&verify->latest, index);
}

/* Seqs between the newest one met before and this one are nowhere. */
static void verify_hole(struct verify *verify, uint64_t session_id, uint64_t seq, uint64_t offset)
{
    const struct session *session = verify_latest(verify, session_id);
    if (session != NULL && (uint64_t)session->latest_seq + 1 < seq)
        verify_affected_range(verify, session_id, (uint64_t)session->latest_seq + 1, seq - 1,
                              offset, "the message is lost to damage");
}

static void verify_extent(struct verify *verify, const struct segment_extent *entry)
{
    const struct walk *walk = &verify->shard->walk;
    if (!segment_extent_possible(entry) ||
        (uint64_t)entry->offsets_index + entry->count > walk->trailer.message_count) {
        verify_structure(verify, walk->trailer.end_offset, 0,
                         "a footer entry cannot be true; the footer is rebuilt from the segment "
                         "when needed");
        return;
    }
    verify_hole(verify, entry->session_id, entry->first_seq, walk->trailer.end_offset);
    for (uint32_t i = 0; i < entry->count; i++) {
        uint64_t index = (uint64_t)entry->offsets_index + i;
        const uint8_t *block = verify_block(
            verify,
            segment_offsets_block(&walk->trailer, (uint32_t)(index / SEGMENT_OFFSETS_PER_BLOCK)));
        uint32_t offset = footer_offset(block, (uint32_t)(index % SEGMENT_OFFSETS_PER_BLOCK));
        uint64_t seq = entry->first_seq + i;
        const struct seen *seen = verify_find(verify, entry->session_id, seq);
        if (seen == NULL || !seen->intact)
            verify_affected(verify, entry->session_id, seq, offset,
                            offset == SEGMENT_OFFSET_LOST
                                ? "lost to damage before the segment was sealed"
                                : "the message is damaged");
        else if (seen->offset != offset)
            verify_affected(verify, entry->session_id, seq, offset,
                            "the footer points to another place than the message's");
    }
}

/* A valid footer names all messages of the segment: compare. */
static void verify_against_footer(struct verify *verify)
{
    const struct walk *walk = &verify->shard->walk;
    for (uint32_t i = 0; i < walk->trailer.extents_blocks; i++) {
        const uint8_t *block = verify_block(verify, segment_extents_block(&walk->trailer, i));
        int count =
            segment_block_check(block, SEGMENT_EXTENTS, walk->trailer.number, i, walk->salt);
        for (int j = 0; j < count; j++) {
            struct segment_extent entry;
            memcpy(&entry, block + sizeof(struct segment_block_header) + (size_t)j * sizeof(entry),
                   sizeof(entry));
            verify_extent(verify, &entry);
        }
    }
    if (walk->trailer.message_count < verify->seen_count)
        verify_structure(verify, walk->trailer.end_offset, 0,
                         "the footer lacks messages that the segment holds");
}

static bool verify_footer(struct verify *verify)
{
    const struct segment_trailer *trailer = &verify->shard->walk.trailer;
    bool extents = verify_footer_kind(verify, SEGMENT_EXTENTS, trailer->extents_blocks,
                                      "a footer block (extents) is damaged; it is rebuilt from "
                                      "the segment when needed, no message is affected");
    bool offsets = verify_footer_kind(verify, SEGMENT_OFFSETS, trailer->offsets_blocks,
                                      "a footer block (offsets) is damaged; it is rebuilt from "
                                      "the segment when needed, no message is affected");
    (void)verify_footer_kind(verify, SEGMENT_FENCES, trailer->fence_blocks,
                             "a footer block (fences) is damaged; it is rebuilt from the segment "
                             "when needed, no message is affected");
    return extents && offsets;
}

/* Behind the footer there is nothing up to the trailer. */
static void verify_room(struct verify *verify)
{
    static const uint8_t zeros[IMLOG_BLOCK_BYTES];
    const struct walk *walk = &verify->shard->walk;
    uint32_t block = segment_fences_block(&walk->trailer, walk->trailer.fence_blocks);
    uint32_t end = (uint32_t)(walk->image.byte_count / IMLOG_BLOCK_BYTES) - 1;
    for (; block < end; block++) {
        if (memcmp(verify_block(verify, block), zeros, IMLOG_BLOCK_BYTES) != 0) {
            verify_structure(verify, (uint64_t)block * IMLOG_BLOCK_BYTES, 0,
                             "unused room of the segment is not zeros; no message is affected");
            return;
        }
    }
}

/* ---- seqs over segments
 * -------------------------------------------------------------------------- */

/* Without a footer to compare with: broken records, and holes before the ones that are there. */
static void verify_by_records(struct verify *verify)
{
    for (uint32_t i = 0; i < verify->seen_count && verify->error == 0; i++) {
        const struct seen *seen = &verify->seen[i];
        const struct session *session = verify_latest(verify, seen->session_id);
        if (session == NULL)
            return;
        uint64_t expected_seq = (uint64_t)session->latest_seq + 1;
        bool first_here = i == 0 || verify->seen[i - 1].session_id != seen->session_id;
        if (!first_here)
            expected_seq = verify->seen[i - 1].seq + 1;
        if (expected_seq < seen->seq)
            verify_affected_range(verify, seen->session_id, expected_seq, seen->seq - 1,
                                  seen->offset, "the message is lost to damage");
        if (!seen->intact)
            verify_affected(verify, seen->session_id, seen->seq, seen->offset,
                            "the message is damaged");
    }
}

/* What this segment's end means for the next one's holes. */
static void verify_advance(struct verify *verify, bool footer_valid)
{
    const struct walk *walk = &verify->shard->walk;
    for (uint32_t i = 0; i < verify->seen_count && verify->error == 0; i++) {
        struct session *session = verify_latest(verify, verify->seen[i].session_id);
        if (session != NULL && verify->seen[i].seq > session->latest_seq)
            session->latest_seq = verify->seen[i].seq & ((UINT64_C(1) << 48) - 1);
    }
    for (uint32_t i = 0; footer_valid && i < walk->trailer.extents_blocks; i++) {
        const uint8_t *block = verify_block(verify, segment_extents_block(&walk->trailer, i));
        int count =
            segment_block_check(block, SEGMENT_EXTENTS, walk->trailer.number, i, walk->salt);
        for (int j = 0; j < count; j++) {
            struct segment_extent entry;
            memcpy(&entry, block + sizeof(struct segment_block_header) + (size_t)j * sizeof(entry),
                   sizeof(entry));
            if (!segment_extent_possible(&entry))
                continue;
            struct session *session = verify_latest(verify, entry.session_id);
            uint64_t last_seq = entry.first_seq + entry.count - 1;
            if (session != NULL && last_seq > session->latest_seq)
                session->latest_seq = last_seq & ((UINT64_C(1) << 48) - 1);
        }
    }
}

/* ---- segments
 * --------------------------------------------------------------------------------------- */

/* It was written with the first batch, and may be torn like that. Asked when the batches have
 * been read: they tell how far the log was durable. */
static void verify_head(struct verify *verify)
{
    const struct walk *walk = &verify->shard->walk;
    struct segment_head head;
    bool valid = segment_head_decode(walk->image.bytes, &head) == 0 &&
                 head.number == walk->numbers[walk->at] && head.salt == walk->salt &&
                 head.shard_index == walk->shard_index;
    if (!valid && walk_was_durable(walk, walk->scan.base_lsn))
        verify_structure(verify, 0, 0,
                         "the segment's head is damaged; its batches tell what it said, no "
                         "message is affected");
}

/* A rolled segment whose trailer block is neither valid nor unwritten lost its seal. */
static void verify_trailer(struct verify *verify)
{
    static const uint8_t zeros[IMLOG_BLOCK_BYTES];
    const struct walk *walk = &verify->shard->walk;
    const uint8_t *block = walk->image.bytes + walk->image.byte_count - IMLOG_BLOCK_BYTES;
    if (!walk->sealed && walk->scan.offset <= walk->image.byte_count - IMLOG_BLOCK_BYTES &&
        memcmp(block, zeros, IMLOG_BLOCK_BYTES) != 0)
        verify_structure(verify, walk->image.byte_count - IMLOG_BLOCK_BYTES, 0,
                         "the segment's trailer is damaged; the footer is rebuilt from the "
                         "batches when needed, no message is affected");
}

/* What reads as zeros behind the last batch may have been one. */
static void verify_readable(struct verify *verify)
{
    const struct walk *walk = &verify->shard->walk;
    if (walk->image.unreadable_end > walk->scan.offset)
        verify_structure(verify, walk->scan.offset, 0,
                         "the disk cannot read all that lies behind the last batch; what it held "
                         "cannot be told");
}

static int verify_segment_once(struct verify *verify, bool *footer_valid)
{
    verify->kept_count = 0;
    verify->seen_count = 0;
    int error = verify_batches(verify);
    if (error < 0)
        return error;
    verify_head(verify);
    verify_trailer(verify);
    verify_readable(verify);
    if (verify->seen_count > 0)
        qsort(verify->seen, verify->seen_count, sizeof(struct seen), compare_seen);
    if (verify->shard->walk.sealed)
        verify_room(verify);
    *footer_valid = verify->shard->walk.sealed && verify_footer(verify);
    if (*footer_valid)
        verify_against_footer(verify);
    else
        verify_by_records(verify);
    return verify->error;
}

int verify_segment(struct verify *verify)
{
    struct walk *walk = &verify->shard->walk;
    bool footer_valid;
    (void)snprintf(verify->file, sizeof(verify->file), SEGMENT_FILE, verify->shard_index,
                   walk->numbers[walk->at]);
    uint32_t at = walk->at;
    bool placed = walk->placed;
    uint64_t end_lsn = walk->end_lsn;
    int error = verify_segment_once(verify, &footer_valid);
    if (error == 0 && verify->kept_count > 0) { /* believe it only if it still is so */
        image_unload(walk->io, &walk->image);
        walk->at = at == 0 ? UINT32_MAX : at - 1;
        walk->placed = placed;
        walk->end_lsn = end_lsn;
        image_unload(walk->io, &walk->next);
        int entered = walk_next_segment(walk);
        error = entered <= 0 ? entered : verify_segment_once(verify, &footer_valid);
    }
    if (error < 0)
        return error;
    verify_tell(verify);
    verify_advance(verify, footer_valid);
    return verify->error;
}

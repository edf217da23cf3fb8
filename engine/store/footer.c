/* footer.c: see footer.h. */
#include "engine/store/footer.h"

#include "engine/base/assert.h"

#include <errno.h>
#include <imlog/error.h>
#include <imlog/planted.h>
#include <stdlib.h>

/* Entries of one kind, put one after another into consecutive blocks. */
struct block_writer {
    uint8_t *block; /* the one being filled */
    uint64_t salt;
    uint32_t number;
    uint32_t index;
    uint32_t entry_count;
    uint32_t entries_max;
    uint32_t entry_bytes;
    enum segment_block_kind kind;
};

static void writer_seal(struct block_writer *writer)
{
    if (writer->entry_count == 0)
        return;
    segment_block_seal(writer->block, writer->kind, writer->number, writer->index,
                       writer->entry_count, writer->salt);
    writer->block += IMLOG_BLOCK_BYTES;
    writer->index++;
    writer->entry_count = 0;
}

static void writer_put(struct block_writer *writer, const void *entry)
{
    memcpy(writer->block + sizeof(struct segment_block_header) +
               (size_t)writer->entry_count * writer->entry_bytes,
           entry, writer->entry_bytes);
    if (++writer->entry_count == writer->entries_max)
        writer_seal(writer);
}

static struct block_writer writer_at(uint8_t *block, enum segment_block_kind kind, uint32_t number,
                                     uint64_t salt)
{
    struct block_writer writer = {.block = block, .salt = salt, .number = number, .kind = kind};
    switch (kind) {
    case SEGMENT_EXTENTS:
        writer.entries_max = SEGMENT_EXTENTS_PER_BLOCK;
        writer.entry_bytes = sizeof(struct segment_extent);
        break;
    case SEGMENT_OFFSETS:
        writer.entries_max = SEGMENT_OFFSETS_PER_BLOCK;
        writer.entry_bytes = sizeof(uint32_t);
        break;
    case SEGMENT_FENCES:
        writer.entries_max = SEGMENT_FENCES_PER_BLOCK;
        writer.entry_bytes = sizeof(uint64_t);
        break;
    }
    return writer;
}

int footer_encode(const struct extents *extents, uint64_t salt, struct segment_trailer *trailer,
                  uint8_t **blocks, uint64_t *byte_count)
{
    IMLOG_ASSERT(extents->by_session != NULL);
    trailer->extent_count = extents->count;
    trailer->message_count = extents->message_count;
    trailer->min_server_ms = extents->min_server_ms;
    trailer->max_server_ms = extents->max_server_ms;
    uint32_t block_count =
        segment_footer_blocks(extents->count, extents->message_count, &trailer->extents_blocks,
                              &trailer->offsets_blocks, &trailer->fence_blocks);
    *byte_count = (uint64_t)block_count * IMLOG_BLOCK_BYTES;
    *blocks = aligned_alloc(IMLOG_BLOCK_BYTES, *byte_count + IMLOG_BLOCK_BYTES);
    if (*blocks == NULL)
        return -ENOMEM;
    memset(*blocks, 0, *byte_count);

    uint8_t *offsets_at = *blocks + (size_t)trailer->extents_blocks * IMLOG_BLOCK_BYTES;
    uint8_t *fences_at = offsets_at + (size_t)trailer->offsets_blocks * IMLOG_BLOCK_BYTES;
    uint32_t number = trailer->number;
    struct block_writer entries = writer_at(*blocks, SEGMENT_EXTENTS, number, salt);
    struct block_writer offsets = writer_at(offsets_at, SEGMENT_OFFSETS, number, salt);
    struct block_writer fences = writer_at(fences_at, SEGMENT_FENCES, number, salt);
    uint32_t offsets_index = 0;
    for (uint32_t i = 0; i < extents->count; i++) {
        const struct extent *extent = &extents->array[extents->by_session[i]];
        struct segment_extent entry = {
            .session_id = extent->session_id,
            .first_seq = extent->first_seq,
            .count = extent->count,
            .offsets_index = offsets_index + (IMLOG_PLANTED(footer_offsets_shifted) && i > 0),
            .prev_segment = extent->links.prev_segment,
            .jump_segment = extent->links.jump_segment};
        if (entries.entry_count == 0)
            writer_put(&fences, &extent->session_id);
        writer_put(&entries, &entry);
        const uint32_t *extent_offset = extent_offsets(extent);
        for (uint32_t j = 0; j < extent->count; j++)
            writer_put(&offsets, &extent_offset[j]);
        offsets_index += extent->count;
    }
    writer_seal(&entries);
    writer_seal(&offsets);
    writer_seal(&fences);
    return 0;
}

static uint64_t fence_at(const uint8_t *block, uint32_t index)
{
    uint64_t session_id;
    memcpy(&session_id,
           block + sizeof(struct segment_block_header) + (size_t)index * sizeof(session_id),
           sizeof(session_id));
    return session_id;
}

/* The last of `count` ascending fences that is <= session_id, or -1. */
static int64_t fence_search(const uint8_t *block, uint32_t count, uint64_t session_id)
{
    uint32_t low = 0;
    for (uint32_t high = count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (fence_at(block, middle) <= session_id)
            low = middle + 1;
        else
            high = middle;
    }
    return (int64_t)low - 1;
}

int64_t footer_locate(const struct segment_trailer *trailer, uint64_t session_id,
                      const uint8_t *(*fence)(void *arg, uint32_t index), void *arg)
{
    /* Few: 508 fences of 127 extents each are 64,516 sessions a fence block. */
    for (uint32_t i = trailer->fence_blocks; i-- > 0;) {
        const uint8_t *block = fence(arg, i);
        if (block == NULL)
            return -EAGAIN;
        uint32_t before = i * SEGMENT_FENCES_PER_BLOCK;
        uint32_t rest = trailer->extents_blocks - before;
        uint32_t count = rest < SEGMENT_FENCES_PER_BLOCK ? rest : SEGMENT_FENCES_PER_BLOCK;
        int64_t found = fence_search(block, count, session_id);
        if (found >= 0)
            return (int64_t)before + found;
    }
    return IMLOG_ENOSESSION;
}

bool footer_entry(const uint8_t *block, uint32_t entry_count, uint64_t session_id,
                  struct segment_extent *entry)
{
    const uint8_t *entries = block + sizeof(struct segment_block_header);
    uint32_t low = 0;
    for (uint32_t high = entry_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        memcpy(entry, entries + (size_t)middle * sizeof(*entry), sizeof(*entry));
        if (entry->session_id == session_id)
            return true;
        if (entry->session_id < session_id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

uint32_t footer_offset(const uint8_t *block, uint32_t index)
{
    uint32_t offset;
    memcpy(&offset, block + sizeof(struct segment_block_header) + (size_t)index * sizeof(offset),
           sizeof(offset));
    return offset;
}

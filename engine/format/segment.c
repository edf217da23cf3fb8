/* segment.c: head, trailer and footer blocks to structs and back. */
#include "engine/format/segment.h"

#include "engine/base/checksum.h"

#include <imlog/error.h>
#include <imlog/planted.h>
#include <string.h>

static uint64_t block_checksum(const void *block, uint64_t seed)
{
    return checksum((const uint8_t *)block + sizeof(uint64_t), IMLOG_BLOCK_BYTES - sizeof(uint64_t),
                    seed);
}

void segment_head_encode(uint8_t *block, struct segment_head *head)
{
    head->magic = SEGMENT_HEAD_MAGIC;
    head->version = SEGMENT_VERSION;
    head->block_bytes = IMLOG_BLOCK_BYTES;
    head->head_checksum = block_checksum(head, 0);
    memcpy(block, head, sizeof(*head));
}

int segment_head_decode(const uint8_t *block, struct segment_head *head)
{
    memcpy(head, block, sizeof(*head));
    if (head->magic != SEGMENT_HEAD_MAGIC || block_checksum(head, 0) != head->head_checksum)
        return IMLOG_ECORRUPT;
    if (head->version > SEGMENT_VERSION)
        return IMLOG_EVERSION;
    if (head->version != SEGMENT_VERSION || head->block_bytes != IMLOG_BLOCK_BYTES ||
        head->segment_bytes < IMLOG_SEGMENT_BYTES_MIN ||
        head->segment_bytes > IMLOG_SEGMENT_BYTES_MAX ||
        head->segment_bytes % IMLOG_BLOCK_BYTES != 0 || head->number == SEGMENT_NONE ||
        head->number == SEGMENT_UNKNOWN)
        return IMLOG_ECORRUPT;
    return 0;
}

void segment_trailer_encode(uint8_t *block, struct segment_trailer *trailer, uint64_t salt)
{
    trailer->magic = SEGMENT_TRAILER_MAGIC;
    trailer->version = SEGMENT_VERSION;
    trailer->trailer_checksum = block_checksum(trailer, salt);
    memcpy(block, trailer, sizeof(*trailer));
}

static bool trailer_consistent(const struct segment_trailer *trailer)
{
    uint32_t extents_blocks;
    uint32_t offsets_blocks;
    uint32_t fence_blocks;
    (void)segment_footer_blocks(trailer->extent_count, trailer->message_count, &extents_blocks,
                                &offsets_blocks, &fence_blocks);
    return trailer->end_offset % IMLOG_BLOCK_BYTES == 0 &&
           trailer->end_offset >= IMLOG_BLOCK_BYTES &&
           trailer->end_lsn == trailer->base_lsn + trailer->end_offset - IMLOG_BLOCK_BYTES &&
           trailer->extents_blocks == extents_blocks && trailer->offsets_blocks == offsets_blocks &&
           trailer->fence_blocks == fence_blocks;
}

int segment_trailer_decode(const uint8_t *block, uint64_t salt, uint32_t number,
                           struct segment_trailer *trailer)
{
    memcpy(trailer, block, sizeof(*trailer));
    if (trailer->magic != SEGMENT_TRAILER_MAGIC ||
        block_checksum(trailer, salt) != trailer->trailer_checksum || trailer->number != number)
        return IMLOG_ECORRUPT;
    if (trailer->version > SEGMENT_VERSION)
        return IMLOG_EVERSION;
    return trailer->version == SEGMENT_VERSION && trailer_consistent(trailer) ? 0 : IMLOG_ECORRUPT;
}

void segment_block_seal(uint8_t *block, enum segment_block_kind kind, uint32_t number,
                        uint32_t index, uint32_t entry_count, uint64_t salt)
{
    struct segment_block_header header = {.magic = SEGMENT_BLOCK_MAGIC,
                                          .number = number,
                                          .kind = (uint16_t)kind,
                                          .version = SEGMENT_VERSION,
                                          .index = index,
                                          .entry_count = entry_count};
    memcpy(block, &header, sizeof(header));
    header.block_checksum = block_checksum(block, salt);
    memcpy(block, &header.block_checksum, sizeof(header.block_checksum));
}

static uint32_t entries_max(enum segment_block_kind kind)
{
    switch (kind) {
    case SEGMENT_EXTENTS:
        return SEGMENT_EXTENTS_PER_BLOCK;
    case SEGMENT_OFFSETS:
        return SEGMENT_OFFSETS_PER_BLOCK;
    case SEGMENT_FENCES:
        return SEGMENT_FENCES_PER_BLOCK;
    }
    return 0;
}

int segment_block_check(const uint8_t *block, enum segment_block_kind kind, uint32_t number,
                        uint32_t index, uint64_t salt)
{
    struct segment_block_header header;
    memcpy(&header, block, sizeof(header));
    if (header.magic != SEGMENT_BLOCK_MAGIC || header.version != SEGMENT_VERSION ||
        header.number != number || header.kind != kind || header.index != index ||
        header.entry_count > entries_max(kind) ||
        (block_checksum(block, salt) != header.block_checksum &&
         !IMLOG_PLANTED(footer_block_not_checked)))
        return IMLOG_ECORRUPT;
    return (int)header.entry_count;
}

bool segment_extent_possible(const struct segment_extent *extent)
{
    return extent->session_id != 0 && extent->first_seq != 0 && extent->count != 0 &&
           extent->first_seq + extent->count - 1 < UINT64_C(1) << 48 &&
           extent->first_seq < UINT64_C(1) << 48;
}

static uint32_t blocks_for(uint64_t entries, uint32_t per_block)
{
    return (uint32_t)((entries + per_block - 1) / per_block);
}

uint32_t segment_footer_blocks(uint32_t extent_count, uint32_t message_count,
                               uint32_t *extents_blocks, uint32_t *offsets_blocks,
                               uint32_t *fence_blocks)
{
    *extents_blocks = blocks_for(extent_count, SEGMENT_EXTENTS_PER_BLOCK);
    *offsets_blocks = blocks_for(message_count, SEGMENT_OFFSETS_PER_BLOCK);
    *fence_blocks = blocks_for(*extents_blocks, SEGMENT_FENCES_PER_BLOCK);
    return *extents_blocks + *offsets_blocks + *fence_blocks;
}

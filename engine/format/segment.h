/* segment.h: the fixed blocks of a segment file: its head, and its footer. Pure.
 *
 *     [head][batch]...[batch][extents blocks][offsets blocks][fence blocks] ... [trailer]
 *
 * Head: block 0, written with the segment's first batch. The footer's blocks follow the last
 * batch; the trailer is the file's last block and is written after them: it makes the segment
 * sealed. All footer blocks are checksummed one by one, so a reader verifies what it reads.
 *
 *   extents: one entry a session, ascending by session id
 *   offsets: file offsets of the records, extent after extent, ascending by seq
 *   fences:  the first session id of each extents block, to find the right one */
#ifndef ENGINE_FORMAT_SEGMENT_H
#define ENGINE_FORMAT_SEGMENT_H

#include "engine/base/assert.h"

#include <imlog/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEGMENT_HEAD_MAGIC = 0x48494c49,    /* "ILIH" */
    SEGMENT_TRAILER_MAGIC = 0x54494c49, /* "ILIT" */
    SEGMENT_BLOCK_MAGIC = 0x46494c49,   /* "ILIF" */
    SEGMENT_VERSION = 1,
};

/* Links of an extent. */
#define SEGMENT_NONE        0U         /* no older extent */
#define SEGMENT_UNKNOWN     UINT32_MAX /* lost with a damaged footer: look through the older ones */
#define SEGMENT_OFFSET_LOST 0U         /* in offsets: the record was lost before sealing */

struct segment_head {       /* at   meaning                                             */
    uint64_t head_checksum; /*   0  XXH3 of bytes [8, 4096), seed 0                     */
    uint32_t magic;         /*   8  SEGMENT_HEAD_MAGIC                                  */
    uint16_t version;       /*  12  SEGMENT_VERSION                                     */
    uint16_t shard_index;   /*  14                                                      */
    uint8_t uuid[16];       /*  16  of the data directory                               */
    uint64_t salt;          /*  32  the shard's: seed of the batch and record checksums */
    uint32_t number;        /*  40  of this segment, from 1                             */
    uint32_t block_bytes;   /*  44  IMLOG_BLOCK_BYTES                                   */
    uint64_t segment_bytes; /*  48  size of the file                                    */
    uint64_t base_lsn;      /*  56  lsn of its first batch                              */
    uint64_t prev_checksum; /*  64  chain: that batch's prev_checksum                   */
    uint64_t epoch;         /*  72  owner epoch when it was begun                       */
    uint8_t reserved[4016]; /*  80  0                                                   */
};
static_assert(sizeof(struct segment_head) == IMLOG_BLOCK_BYTES, "one block");
static_assert(offsetof(struct segment_head, reserved) == 80, "no padding");

struct segment_trailer {       /* at   meaning                                         */
    uint64_t trailer_checksum; /*   0  XXH3 of bytes [8, 4096), seed: the shard's salt */
    uint32_t magic;            /*   8  SEGMENT_TRAILER_MAGIC                           */
    uint16_t version;          /*  12  SEGMENT_VERSION                                 */
    uint16_t shard_index;      /*  14                                                  */
    uint32_t number;           /*  16                                                  */
    uint32_t end_offset;       /*  20  end of the last batch, start of the footer      */
    uint64_t base_lsn;         /*  24                                                  */
    uint64_t end_lsn;          /*  32  base_lsn + end_offset - IMLOG_BLOCK_BYTES       */
    uint64_t last_checksum;    /*  40  chain: header checksum of the last batch        */
    uint32_t extent_count;     /*  48                                                  */
    uint32_t message_count;    /*  52  offsets                                         */
    uint32_t extents_blocks;   /*  56                                                  */
    uint32_t offsets_blocks;   /*  60                                                  */
    uint32_t fence_blocks;     /*  64                                                  */
    uint32_t batch_count;      /*  68                                                  */
    uint64_t min_server_ms;    /*  72  of its messages; 0 if none                      */
    uint64_t max_server_ms;    /*  80                                                  */
    uint64_t epoch;            /*  88  of its last batch                               */
    uint8_t reserved[4000];    /*  96  0                                               */
};
static_assert(sizeof(struct segment_trailer) == IMLOG_BLOCK_BYTES, "one block");
static_assert(offsetof(struct segment_trailer, reserved) == 96, "no padding");

enum segment_block_kind {
    SEGMENT_EXTENTS = 1,
    SEGMENT_OFFSETS = 2,
    SEGMENT_FENCES = 3,
};

struct segment_block_header { /* at  meaning                                               */
    uint64_t block_checksum;  /*  0  XXH3 of bytes [8, 4096), seed: the shard's salt       */
    uint32_t magic;           /*  8  SEGMENT_BLOCK_MAGIC                                   */
    uint32_t number;          /* 12  of the segment                                        */
    uint16_t kind;            /* 16  enum segment_block_kind                               */
    uint16_t version;         /* 18  SEGMENT_VERSION                                       */
    uint32_t index;           /* 20  among the blocks of its kind, from 0                  */
    uint32_t entry_count;     /* 24                                                        */
    uint32_t reserved;        /* 28  0                                                     */
};
static_assert(sizeof(struct segment_block_header) == 32, "on-disk size");

struct segment_extent {     /* at  meaning                                                */
    uint64_t session_id;    /*  0                                                         */
    uint64_t first_seq;     /*  8                                                         */
    uint32_t count;         /* 16  messages: seqs [first_seq, first_seq + count)          */
    uint32_t offsets_index; /* 20  of the first one's entry among the offsets             */
    uint32_t prev_segment;  /* 24  holds the session's extent before this one             */
    uint32_t jump_segment;  /* 28  holds an older one, chosen as in Myers' stack          */
};
static_assert(sizeof(struct segment_extent) == 32, "on-disk size");

enum {
    SEGMENT_BLOCK_PAYLOAD_BYTES = IMLOG_BLOCK_BYTES - (int)sizeof(struct segment_block_header),
    SEGMENT_EXTENTS_PER_BLOCK = SEGMENT_BLOCK_PAYLOAD_BYTES / (int)sizeof(struct segment_extent),
    SEGMENT_OFFSETS_PER_BLOCK = SEGMENT_BLOCK_PAYLOAD_BYTES / (int)sizeof(uint32_t),
    SEGMENT_FENCES_PER_BLOCK = SEGMENT_BLOCK_PAYLOAD_BYTES / (int)sizeof(uint64_t),
    /* The smallest message takes 80 bytes. */
    SEGMENT_MESSAGES_MAX = (int)IMLOG_SEGMENT_BYTES_MAX / 80,
};

/* Fill in magic, version and checksum, and write one block at `block`. */
void segment_head_encode(uint8_t *block, struct segment_head *head);
void segment_trailer_encode(uint8_t *block, struct segment_trailer *trailer, uint64_t salt);

/* 0; IMLOG_ECORRUPT; IMLOG_EVERSION (valid, but of a newer format). */
int segment_head_decode(const uint8_t *block, struct segment_head *head);
int segment_trailer_decode(const uint8_t *block, uint64_t salt, uint32_t number,
                           struct segment_trailer *trailer);

/* Put header and checksum on a block whose entries are already in place behind the header. */
void segment_block_seal(uint8_t *block, enum segment_block_kind kind, uint32_t number,
                        uint32_t index, uint32_t entry_count, uint64_t salt);

/* The entry count of a valid block of that kind, number and index, or IMLOG_ECORRUPT. */
int segment_block_check(const uint8_t *block, enum segment_block_kind kind, uint32_t number,
                        uint32_t index, uint64_t salt);

/* Whether some segment can have that extent: seqs begin at 1 and have 48 bits. */
bool segment_extent_possible(const struct segment_extent *extent);

/* How many blocks the footer of so many extents and messages takes, trailer not counted. */
uint32_t segment_footer_blocks(uint32_t extent_count, uint32_t message_count,
                               uint32_t *extents_blocks, uint32_t *offsets_blocks,
                               uint32_t *fence_blocks);

/* File block numbers of the i-th block of each kind. */
static inline uint32_t segment_extents_block(const struct segment_trailer *trailer, uint32_t index)
{
    return trailer->end_offset / IMLOG_BLOCK_BYTES + index;
}

static inline uint32_t segment_offsets_block(const struct segment_trailer *trailer, uint32_t index)
{
    return segment_extents_block(trailer, trailer->extents_blocks + index);
}

static inline uint32_t segment_fences_block(const struct segment_trailer *trailer, uint32_t index)
{
    return segment_offsets_block(trailer, trailer->offsets_blocks + index);
}

#endif

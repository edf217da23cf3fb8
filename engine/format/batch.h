/* batch.h: the records of one group commit as bytes; the atomic unit of durability. Pure.
 *
 *     [batch_header][record]...[record][zeros to a multiple of IMLOG_BLOCK_BYTES]
 *
 * A batch is written in one operation at a block boundary of one segment. Batches form a chain:
 * each holds the header checksum of the one before, across segments. */
#ifndef ENGINE_FORMAT_BATCH_H
#define ENGINE_FORMAT_BATCH_H

#include "engine/base/assert.h"

#include <imlog/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BATCH_MAGIC = 0x42494c42, BATCH_VERSION = 1 }; /* "BLIB" as bytes */

struct batch_header {          /* at  meaning                                                  */
    uint64_t header_checksum;  /*  0  XXH3 of bytes [8, 96), seed: the shard's salt            */
    uint32_t magic;            /*  8  BATCH_MAGIC                                              */
    uint16_t version;          /* 12  BATCH_VERSION                                            */
    uint16_t shard_index;      /* 14                                                           */
    uint32_t segment;          /* 16  number of the segment it lies in                         */
    uint32_t offset;           /* 20  where in that file                                       */
    uint64_t lsn;              /* 24  where in the shard's log                                 */
    uint64_t epoch;            /* 32  owner epoch: rises with every open for writing           */
    uint32_t batch_bytes;      /* 40  header, records and padding; a multiple of the block     */
    uint32_t records_bytes;    /* 44  of the records alone                                     */
    uint32_t record_count;     /* 48  0: carries only the watermark                            */
    uint32_t flags;            /* 52  0                                                        */
    uint64_t prev_checksum;    /* 56  header_checksum of the batch before; 0 for the first     */
    uint64_t durable_lsn;      /* 64  all below was known durable when this was written        */
    uint64_t records_checksum; /* 72  XXH3 of bytes [96, batch_bytes), seed 0                  */
    uint64_t wall_ms;          /* 80  the node's time                                          */
    uint64_t reserved;         /* 88  0                                                        */
};
static_assert(sizeof(struct batch_header) == 96, "on-disk size");
static_assert(offsetof(struct batch_header, durable_lsn) == 64, "no padding");

static inline uint32_t batch_padded_bytes(uint32_t records_bytes)
{
    return ((uint32_t)sizeof(struct batch_header) + records_bytes + IMLOG_BLOCK_BYTES - 1) &
           ~(uint32_t)(IMLOG_BLOCK_BYTES - 1);
}

/* Zero the padding behind the records at batch + 96, fill in magic, version, batch_bytes and
 * both checksums, and put the header before them. Returns the header's checksum, the next
 * batch's prev_checksum. `batch` has batch_padded_bytes(header.records_bytes). */
uint64_t batch_seal(uint8_t *batch, struct batch_header header, uint64_t salt);

/* Where a batch is expected; everything a valid header must agree with. */
struct batch_place {
    uint64_t salt;
    uint64_t lsn;
    uint32_t segment;
    uint32_t offset;
    uint16_t shard_index;
};

/* The header alone: true if it is a valid batch's at this place. */
bool batch_header_decode(const uint8_t *bytes, uint64_t byte_count, const struct batch_place *place,
                         struct batch_header *header);

/* Whether the bytes behind a valid header are the ones it was written with. */
bool batch_records_valid(const uint8_t *batch, uint64_t byte_count,
                         const struct batch_header *header);

#endif

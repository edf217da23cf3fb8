/* identity.h: what makes a directory an imlog data directory: the file imlog.id. Pure.
 *
 *     [identity][identity]     two equal blocks, so that one may be damaged
 *
 * It never changes after creation. */
#ifndef ENGINE_FORMAT_IDENTITY_H
#define ENGINE_FORMAT_IDENTITY_H

#include "engine/base/assert.h"

#include <imlog/limits.h>
#include <stddef.h>
#include <stdint.h>

#define IDENTITY_FILE "imlog.id"

enum {
    IDENTITY_MAGIC = 0x44494c49, /* "ILID" */
    IDENTITY_VERSION = 1,
    IDENTITY_COPIES = 2,
    IDENTITY_FILE_BYTES = IDENTITY_COPIES * IMLOG_BLOCK_BYTES,
};

struct identity {               /* at  meaning                                  */
    uint64_t identity_checksum; /*  0  XXH3 of bytes [8, 4096), seed 0          */
    uint32_t magic;             /*  8  IDENTITY_MAGIC                           */
    uint16_t version;           /* 12  of the whole directory's format          */
    uint16_t shard_count;       /* 14  1 .. IMLOG_SHARDS_MAX                    */
    uint8_t uuid[16];           /* 16  random                                   */
    uint64_t salt;              /* 32  random; shards derive theirs from it     */
    uint64_t created_ms;        /* 40  wall clock                               */
    uint8_t reserved[4048];     /* 48  0                                        */
};
static_assert(sizeof(struct identity) == IMLOG_BLOCK_BYTES, "one block");
static_assert(offsetof(struct identity, reserved) == 48, "no padding");

/* Fill in magic, version and checksum; write both copies, IDENTITY_FILE_BYTES. */
void identity_encode(uint8_t *file, struct identity *identity);

/* From whichever copy is valid. 0; IMLOG_EVERSION (newer); IMLOG_ECORRUPT (neither copy);
 * IMLOG_EFOREIGN (another file altogether: no magic in either). */
int identity_decode(const uint8_t *file, uint64_t byte_count, struct identity *identity);

/* The seed of a shard's batch and record checksums. */
uint64_t identity_shard_salt(const struct identity *identity, uint32_t shard_index);

#endif

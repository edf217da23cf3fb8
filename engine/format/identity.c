/* identity.c: imlog.id bytes to struct and back. */
#include "engine/format/identity.h"

#include "engine/base/checksum.h"

#include <imlog/error.h>
#include <string.h>

static uint64_t identity_checksum(const struct identity *identity)
{
    return checksum((const uint8_t *)identity + sizeof(uint64_t),
                    sizeof(*identity) - sizeof(uint64_t), 0);
}

void identity_encode(uint8_t *file, struct identity *identity)
{
    identity->magic = IDENTITY_MAGIC;
    identity->version = IDENTITY_VERSION;
    identity->identity_checksum = identity_checksum(identity);
    for (int copy = 0; copy < IDENTITY_COPIES; copy++)
        memcpy(file + (size_t)copy * sizeof(*identity), identity, sizeof(*identity));
}

static int identity_decode_copy(const uint8_t *block, struct identity *identity)
{
    memcpy(identity, block, sizeof(*identity));
    if (identity->magic != IDENTITY_MAGIC)
        return IMLOG_EFOREIGN;
    if (identity_checksum(identity) != identity->identity_checksum)
        return IMLOG_ECORRUPT;
    if (identity->version > IDENTITY_VERSION)
        return IMLOG_EVERSION;
    return identity->version == IDENTITY_VERSION && identity->shard_count >= 1 &&
                   identity->shard_count <= IMLOG_SHARDS_MAX
               ? 0
               : IMLOG_ECORRUPT;
}

int identity_decode(const uint8_t *file, uint64_t byte_count, struct identity *identity)
{
    int verdict = IMLOG_EFOREIGN;
    for (uint64_t at = 0; at + sizeof(*identity) <= byte_count; at += sizeof(*identity)) {
        int error = identity_decode_copy(file + at, identity);
        if (error == 0)
            return 0;
        if (verdict == IMLOG_EFOREIGN)
            verdict = error;
    }
    return verdict;
}

uint64_t identity_shard_salt(const struct identity *identity, uint32_t shard_index)
{
    return mix64(identity->salt + shard_index + 1);
}

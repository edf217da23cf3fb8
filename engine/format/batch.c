/* batch.c: batch bytes to structs and back. */
#include "engine/format/batch.h"

#include "engine/base/checksum.h"

#include <imlog/planted.h>
#include <string.h>

static uint64_t header_checksum(const struct batch_header *header, uint64_t salt)
{
    return checksum((const uint8_t *)header + sizeof(uint64_t), sizeof(*header) - sizeof(uint64_t),
                    salt);
}

uint64_t batch_seal(uint8_t *batch, struct batch_header header, uint64_t salt)
{
    uint32_t used_bytes = (uint32_t)sizeof(header) + header.records_bytes;
    header.magic = BATCH_MAGIC;
    header.version = BATCH_VERSION;
    header.batch_bytes = batch_padded_bytes(header.records_bytes);
    IMLOG_ASSERT(header.batch_bytes <= IMLOG_BATCH_BYTES_MAX);
    IMLOG_ASSERT(header.offset % IMLOG_BLOCK_BYTES == 0);
    memset(batch + used_bytes, 0, header.batch_bytes - used_bytes);
    header.records_checksum =
        checksum(batch + sizeof(header), header.batch_bytes - sizeof(header), 0);
    header.header_checksum = header_checksum(&header, salt);
    memcpy(batch, &header, sizeof(header));
    return header.header_checksum;
}

bool batch_header_decode(const uint8_t *bytes, uint64_t byte_count, const struct batch_place *place,
                         struct batch_header *header)
{
    if (byte_count < sizeof(*header))
        return false;
    memcpy(header, bytes, sizeof(*header));
    return header->magic == BATCH_MAGIC &&
           header_checksum(header, place->salt) == header->header_checksum &&
           header->version == BATCH_VERSION && header->shard_index == place->shard_index &&
           header->segment == place->segment && header->offset == place->offset &&
           header->lsn == place->lsn && header->flags == 0 &&
           header->batch_bytes <= IMLOG_BATCH_BYTES_MAX &&
           header->records_bytes <= IMLOG_BATCH_BYTES_MAX - sizeof(*header) &&
           header->batch_bytes == batch_padded_bytes(header->records_bytes);
}

bool batch_records_valid(const uint8_t *batch, uint64_t byte_count,
                         const struct batch_header *header)
{
    return byte_count >= header->batch_bytes &&
           (IMLOG_PLANTED(batch_contents_not_checked) ||
            checksum(batch + sizeof(*header), header->batch_bytes - sizeof(*header), 0) ==
                header->records_checksum);
}

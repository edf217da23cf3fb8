/* repair.c: see repair.h. */
#include "fuzz/repair.h"

#include "engine/base/checksum.h"

#include <string.h>

void repair_front(uint8_t *bytes, uint64_t byte_count, uint64_t salt)
{
    uint64_t sum = checksum(bytes + sizeof(sum), byte_count - sizeof(sum), salt);
    memcpy(bytes, &sum, sizeof(sum));
}

uint32_t repair_record(uint8_t *bytes, uint64_t byte_count, uint64_t salt, uint64_t lsn)
{
    struct record_header header;
    if (byte_count < sizeof(header))
        return 0;
    memcpy(&header, bytes, sizeof(header));
    uint64_t room = byte_count - sizeof(header);
    if (header.payload_bytes > room)
        header.payload_bytes = (uint32_t)(header.payload_bytes % (room + 1));
    if (header.kind == RECORD_KEY && header.subject_id >> 30 != IMLOG_RESOLVED_ID_MIN >> 30)
        header.subject_id = IMLOG_RESOLVED_ID_MIN; /* key numbers index an array: no gigabytes */
    header.payload_checksum = checksum(bytes + sizeof(header), header.payload_bytes, 0);
    memcpy(bytes, &header, sizeof(header));
    repair_front(bytes, sizeof(header), record_seed(salt, lsn));
    return record_bytes(header.payload_bytes);
}

uint64_t repair_batch_checksums(uint8_t *bytes, uint64_t salt)
{
    struct batch_header header;
    memcpy(&header, bytes, sizeof(header));
    header.records_checksum =
        checksum(bytes + sizeof(header), header.batch_bytes - sizeof(header), 0);
    memcpy(bytes, &header, sizeof(header));
    repair_front(bytes, sizeof(header), salt);
    memcpy(&header, bytes, sizeof(header));
    return header.header_checksum;
}

uint32_t repair_batch(uint8_t *bytes, uint64_t byte_count, uint64_t salt, uint64_t lsn)
{
    struct batch_header header;
    uint64_t limit = byte_count < IMLOG_BATCH_BYTES_MAX ? byte_count : IMLOG_BATCH_BYTES_MAX;
    memcpy(&header, bytes, sizeof(header));
    if (header.records_bytes > limit - sizeof(header))
        header.records_bytes = (uint32_t)(header.records_bytes % (limit - sizeof(header)));
    uint32_t at = sizeof(header);
    uint32_t end = at + header.records_bytes;
    uint32_t count = 0;
    while (at < end) {
        uint32_t record_bytes_here = repair_record(bytes + at, end - at, salt, lsn + at);
        if (record_bytes_here == 0 || record_bytes_here > end - at)
            break;
        at += record_bytes_here;
        count++;
    }
    header.records_bytes = at - (uint32_t)sizeof(header);
    header.record_count = count;
    header.batch_bytes = batch_padded_bytes(header.records_bytes);
    memcpy(bytes, &header, sizeof(header));
    (void)repair_batch_checksums(bytes, salt);
    return header.batch_bytes;
}

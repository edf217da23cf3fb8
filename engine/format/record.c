/* record.c: record bytes to structs and back. */
#include "engine/format/record.h"

#include "engine/base/checksum.h"
#include "engine/format/msg_id.h"

#include <errno.h>
#include <imlog/planted.h>
#include <string.h>

/* All of the payload is covered. */
static uint64_t payload_checksum(const uint8_t *payload, uint32_t payload_bytes)
{
    if (IMLOG_PLANTED(payload_checksum_short) && payload_bytes > 64)
        payload_bytes -= 8;
    return checksum(payload, payload_bytes, 0);
}

static uint64_t header_checksum(const struct record_header *header, uint64_t seed)
{
    return checksum((const uint8_t *)header + sizeof(uint64_t), sizeof(*header) - sizeof(uint64_t),
                    seed);
}

uint32_t record_encode(uint8_t *out, struct record_header header, uint64_t salt, uint64_t lsn,
                       const void *first, uint32_t first_bytes, const void *second,
                       uint32_t second_bytes)
{
    IMLOG_ASSERT(first_bytes + second_bytes <= RECORD_PAYLOAD_BYTES_MAX);
    IMLOG_ASSERT(lsn % RECORD_ALIGN_BYTES == 0);
    uint8_t *payload = out + sizeof(header);
    uint32_t payload_bytes = first_bytes + second_bytes;
    uint32_t whole_bytes = record_bytes(payload_bytes);

    if (first_bytes > 0)
        memcpy(payload, first, first_bytes);
    if (second_bytes > 0)
        memcpy(payload + first_bytes, second, second_bytes);
    memset(payload + payload_bytes, 0, whole_bytes - sizeof(header) - payload_bytes);

    header.payload_bytes = payload_bytes;
    header.payload_checksum = payload_checksum(payload, payload_bytes);
    header.header_checksum = header_checksum(&header, record_seed(salt, lsn));
    memcpy(out, &header, sizeof(header));
    return whole_bytes;
}

/* payload_bytes is within its bound. */
static bool header_plausible(const struct record_header *header)
{
    if (header->flags != 0)
        return false;
    switch (header->kind) {
    case RECORD_MESSAGE:
        return header->payload_bytes >= sizeof(struct message_head) && header->seq != 0 &&
               header->seq <= RECORD_SEQ_MAX && header->subject_id != 0;
    case RECORD_SESSION:
        return header->payload_bytes == 0 && header->subject_id != 0 &&
               header->type >= IMLOG_KIND_DIRECT && header->type <= IMLOG_KIND_BROADCAST;
    case RECORD_KEY:
        return header->payload_bytes >= 1 && header->payload_bytes <= IMLOG_KEY_BYTES_MAX;
    default:
        return false;
    }
}

int record_decode(const uint8_t *bytes, uint64_t byte_count, uint64_t salt, uint64_t lsn,
                  struct record *record)
{
    struct record_header header;
    if (byte_count < sizeof(header))
        return IMLOG_ECORRUPT;
    memcpy(&header, bytes, sizeof(header));
    if (header.payload_bytes > RECORD_PAYLOAD_BYTES_MAX ||
        header_checksum(&header, record_seed(salt, lsn)) != header.header_checksum ||
        !header_plausible(&header))
        return IMLOG_ECORRUPT;

    record->header = header;
    record->payload = bytes + sizeof(header);
    record->record_bytes = record_bytes(header.payload_bytes);
    if (byte_count < record->record_bytes)
        return -EMSGSIZE;
    if (payload_checksum(record->payload, header.payload_bytes) != header.payload_checksum)
        return -EBADMSG;
    return 0;
}

int record_message(const struct record *record, struct imlog_message *message)
{
    struct message_head head;
    if (record->header.kind != RECORD_MESSAGE || record->header.payload_bytes < sizeof(head))
        return IMLOG_ECORRUPT;
    memcpy(&head, record->payload, sizeof(head));
    *message = (struct imlog_message){
        .session_id = record->header.subject_id,
        .seq = record->header.seq,
        .msg_id = head.msg_id,
        .prev_msg_id = head.prev_msg_id,
        .sender_id = head.sender_id,
        .client_msg_id = head.client_msg_id,
        .client_ms = head.client_ms,
        .server_ms = msg_id_ms(head.msg_id),
        .body = record->payload + sizeof(head),
        .body_bytes = record->header.payload_bytes - (uint32_t)sizeof(head),
        .type = record->header.type,
        .kind = IMLOG_KIND_ANY,
    };
    return 0;
}

/* checkpoint.c: checkpoint bytes to structs and back. */
#include "engine/format/checkpoint.h"

#include "engine/base/checksum.h"

#include <imlog/error.h>
#include <imlog/imlog.h>
#include <imlog/planted.h>
#include <string.h>

static uint64_t checksum_behind(const void *bytes, size_t byte_count, uint64_t salt)
{
    return checksum((const uint8_t *)bytes + sizeof(uint64_t), byte_count - sizeof(uint64_t), salt);
}

void checkpoint_head_encode(uint8_t *block, struct checkpoint_head *head, uint64_t salt)
{
    head->magic = CHECKPOINT_MAGIC;
    head->version = CHECKPOINT_VERSION;
    head->head_checksum = checksum_behind(head, sizeof(*head), salt);
    memcpy(block, head, sizeof(*head));
}

int checkpoint_head_decode(const uint8_t *block, uint64_t salt, struct checkpoint_head *head)
{
    memcpy(head, block, sizeof(*head));
    if (head->magic != CHECKPOINT_MAGIC ||
        checksum_behind(head, sizeof(*head), salt) != head->head_checksum)
        return IMLOG_ECORRUPT;
    if (head->version > CHECKPOINT_VERSION)
        return IMLOG_EVERSION;
    return head->version == CHECKPOINT_VERSION ? 0 : IMLOG_ECORRUPT;
}

void checkpoint_chunk_seal(uint8_t *chunk, enum checkpoint_kind kind, uint64_t number,
                           uint32_t index, uint32_t entry_count, uint32_t payload_bytes,
                           uint64_t salt)
{
    IMLOG_ASSERT(payload_bytes <= CHECKPOINT_PAYLOAD_BYTES_MAX);
    struct checkpoint_chunk header = {.magic = CHECKPOINT_CHUNK_MAGIC,
                                      .kind = (uint16_t)kind,
                                      .version = CHECKPOINT_VERSION,
                                      .number = number,
                                      .index = index,
                                      .entry_count = entry_count,
                                      .payload_bytes = payload_bytes};
    memset(chunk + sizeof(header) + payload_bytes, 0, CHECKPOINT_PAYLOAD_BYTES_MAX - payload_bytes);
    memcpy(chunk, &header, sizeof(header));
    header.chunk_checksum = checksum_behind(chunk, CHECKPOINT_CHUNK_BYTES, salt);
    memcpy(chunk, &header.chunk_checksum, sizeof(header.chunk_checksum));
}

int checkpoint_chunk_decode(const uint8_t *chunk, uint64_t number, uint32_t index, uint64_t salt,
                            struct checkpoint_chunk *header)
{
    memcpy(header, chunk, sizeof(*header));
    if (header->magic != CHECKPOINT_CHUNK_MAGIC || header->version != CHECKPOINT_VERSION ||
        header->number != number || header->index != index ||
        header->payload_bytes > CHECKPOINT_PAYLOAD_BYTES_MAX ||
        header->kind < CHECKPOINT_SEGMENTS || header->kind > CHECKPOINT_END ||
        (checksum_behind(chunk, CHECKPOINT_CHUNK_BYTES, salt) != header->chunk_checksum &&
         !IMLOG_PLANTED(checkpoint_chunk_not_checked)))
        return IMLOG_ECORRUPT;
    return 0;
}

int checkpoint_session_next(const uint8_t *payload, uint32_t payload_bytes, uint32_t *at,
                            struct checkpoint_session *session, uint32_t *roots, uint32_t roots_max)
{
    if (payload_bytes - *at < sizeof(*session))
        return IMLOG_ECORRUPT;
    memcpy(session, payload + *at, sizeof(*session));
    uint32_t roots_bytes = session->root_count * (uint32_t)sizeof(uint32_t);
    if (session->session_id == 0 || session->root_count > roots_max ||
        session->kind < IMLOG_KIND_DIRECT || session->kind > IMLOG_KIND_BROADCAST ||
        payload_bytes - *at - sizeof(*session) < roots_bytes)
        return IMLOG_ECORRUPT;
    memcpy(roots, payload + *at + sizeof(*session), roots_bytes);
    *at += (uint32_t)sizeof(*session) + roots_bytes;
    return 0;
}

int checkpoint_key_next(const uint8_t *payload, uint32_t payload_bytes, uint32_t *at,
                        uint32_t *number, const uint8_t **key, uint32_t *key_bytes)
{
    const uint32_t fixed_bytes = sizeof(*number) + 1;
    if (payload_bytes - *at < fixed_bytes)
        return IMLOG_ECORRUPT;
    memcpy(number, payload + *at, sizeof(*number));
    *key_bytes = payload[*at + sizeof(*number)];
    if (*key_bytes == 0 || payload_bytes - *at - fixed_bytes < *key_bytes)
        return IMLOG_ECORRUPT;
    *key = payload + *at + fixed_bytes;
    *at += fixed_bytes + *key_bytes;
    return 0;
}

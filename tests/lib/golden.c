/* golden.c: see golden.h. */
#include "tests/lib/golden.h"

#include "engine/format/batch.h"
#include "engine/format/checkpoint.h"
#include "engine/format/identity.h"
#include "engine/format/msg_id.h"
#include "engine/format/record.h"
#include "engine/format/segment.h"

#include <string.h>

static const uint8_t uuid[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static uint32_t put_message(uint8_t *bytes, uint64_t lsn, uint64_t seq, const char *body)
{
    struct message_head head = {
        .msg_id = msg_id_make(MSG_ID_EPOCH_MS + 1000 + seq, GOLDEN_SHARD, seq),
        .prev_msg_id =
            seq == 1 ? 0 : msg_id_make(MSG_ID_EPOCH_MS + 999 + seq, GOLDEN_SHARD, seq - 1),
        .sender_id = 42,
        .client_msg_id = 100 + seq,
        .client_ms = 1600000000000};
    struct record_header header = {.subject_id = 7, .seq = seq, .kind = RECORD_MESSAGE, .type = 5};
    return record_encode(bytes, header, GOLDEN_SALT, lsn, &head, sizeof(head), body,
                         (uint32_t)strlen(body));
}

static uint32_t make_message(uint8_t *bytes)
{
    return put_message(bytes, GOLDEN_LSN, 1, "hello");
}

static uint32_t make_session(uint8_t *bytes)
{
    struct record_header header = {
        .subject_id = 7, .kind = RECORD_SESSION, .type = IMLOG_KIND_DIRECT};
    return record_encode(bytes, header, GOLDEN_SALT, GOLDEN_LSN, NULL, 0, NULL, 0);
}

static uint32_t make_key(uint8_t *bytes)
{
    static const char key[] = "alice|bob";
    struct record_header header = {.subject_id = IMLOG_RESOLVED_ID_MIN + 0x101, .kind = RECORD_KEY};
    return record_encode(bytes, header, GOLDEN_SALT, GOLDEN_LSN, key, sizeof(key) - 1, NULL, 0);
}

static uint32_t make_batch(uint8_t *bytes)
{
    uint32_t at = sizeof(struct batch_header);
    struct record_header session = {
        .subject_id = 7, .kind = RECORD_SESSION, .type = IMLOG_KIND_GROUP};
    at += record_encode(bytes + at, session, GOLDEN_SALT, GOLDEN_LSN + at, NULL, 0, NULL, 0);
    at += put_message(bytes + at, GOLDEN_LSN + at, 1, "first");
    at += put_message(bytes + at, GOLDEN_LSN + at, 2, "second message");
    struct batch_header header = {.shard_index = GOLDEN_SHARD,
                                  .segment = GOLDEN_SEGMENT,
                                  .offset = GOLDEN_OFFSET,
                                  .lsn = GOLDEN_LSN,
                                  .epoch = 2,
                                  .records_bytes = at - (uint32_t)sizeof(header),
                                  .record_count = 3,
                                  .prev_checksum = UINT64_C(0x1122334455667788),
                                  .durable_lsn = GOLDEN_LSN,
                                  .wall_ms = 1600000000123};
    (void)batch_seal(bytes, header, GOLDEN_SALT);
    return batch_padded_bytes(header.records_bytes);
}

static uint32_t make_segment_head(uint8_t *bytes)
{
    struct segment_head head = {.shard_index = GOLDEN_SHARD,
                                .salt = GOLDEN_SALT,
                                .number = GOLDEN_SEGMENT,
                                .segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                .base_lsn = GOLDEN_LSN - GOLDEN_OFFSET + IMLOG_BLOCK_BYTES,
                                .prev_checksum = UINT64_C(0x99aabbccddeeff00),
                                .epoch = 2};
    memcpy(head.uuid, uuid, sizeof(uuid));
    segment_head_encode(bytes, &head);
    return IMLOG_BLOCK_BYTES;
}

static uint32_t make_segment_trailer(uint8_t *bytes)
{
    struct segment_trailer trailer = {.shard_index = GOLDEN_SHARD,
                                      .number = GOLDEN_SEGMENT,
                                      .end_offset = 100 * IMLOG_BLOCK_BYTES,
                                      .base_lsn = 65536,
                                      .end_lsn = 65536 + 99 * IMLOG_BLOCK_BYTES,
                                      .last_checksum = UINT64_C(0xfedcba9876543210),
                                      .extent_count = 300,
                                      .message_count = 4000,
                                      .batch_count = 50,
                                      .min_server_ms = 1600000000000,
                                      .max_server_ms = 1600000001000,
                                      .epoch = 2};
    (void)segment_footer_blocks(trailer.extent_count, trailer.message_count,
                                &trailer.extents_blocks, &trailer.offsets_blocks,
                                &trailer.fence_blocks);
    segment_trailer_encode(bytes, &trailer, GOLDEN_SALT);
    return IMLOG_BLOCK_BYTES;
}

static uint32_t make_extents(uint8_t *bytes)
{
    for (uint32_t i = 0; i < 3; i++) {
        struct segment_extent entry = {.session_id = 7 + 10 * i,
                                       .first_seq = 1 + i,
                                       .count = 2,
                                       .offsets_index = 2 * i,
                                       .prev_segment = i,
                                       .jump_segment = i / 2};
        memcpy(bytes + sizeof(struct segment_block_header) + i * sizeof(entry), &entry,
               sizeof(entry));
    }
    segment_block_seal(bytes, SEGMENT_EXTENTS, GOLDEN_SEGMENT, 0, 3, GOLDEN_SALT);
    return IMLOG_BLOCK_BYTES;
}

static uint32_t make_offsets(uint8_t *bytes)
{
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t offset = i == 3 ? SEGMENT_OFFSET_LOST : 4192 + 88 * i;
        memcpy(bytes + sizeof(struct segment_block_header) + i * sizeof(offset), &offset,
               sizeof(offset));
    }
    segment_block_seal(bytes, SEGMENT_OFFSETS, GOLDEN_SEGMENT, 0, 6, GOLDEN_SALT);
    return IMLOG_BLOCK_BYTES;
}

static uint32_t make_fences(uint8_t *bytes)
{
    uint64_t first_session = 7;
    memcpy(bytes + sizeof(struct segment_block_header), &first_session, sizeof(first_session));
    segment_block_seal(bytes, SEGMENT_FENCES, GOLDEN_SEGMENT, 0, 1, GOLDEN_SALT);
    return IMLOG_BLOCK_BYTES;
}

static uint32_t make_identity(uint8_t *bytes)
{
    struct identity identity = {.shard_count = 2, .salt = GOLDEN_SALT, .created_ms = 1600000000000};
    memcpy(identity.uuid, uuid, sizeof(uuid));
    identity_encode(bytes, &identity);
    return IDENTITY_FILE_BYTES;
}

static uint32_t make_checkpoint_head(uint8_t *bytes)
{
    struct checkpoint_head head = {.shard_index = GOLDEN_SHARD,
                                   .number = GOLDEN_CHECKPOINT,
                                   .origin_lsn = 65536,
                                   .origin_chain = UINT64_C(0x99aabbccddeeff00),
                                   .epoch = 2,
                                   .origin_segment = GOLDEN_SEGMENT,
                                   .log_end_lsn = 90112};
    memcpy(head.uuid, uuid, sizeof(uuid));
    checkpoint_head_encode(bytes, &head, GOLDEN_SALT);
    return IMLOG_BLOCK_BYTES;
}

static uint32_t make_checkpoint_sessions(uint8_t *bytes)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct checkpoint_session session = {.session_id = 7 + i,
                                             .latest_seq = 1000 + i,
                                             .last_msg_id = 5000 + i,
                                             .last_lsn = 80000 + i,
                                             .depth = 2,
                                             .prev_segment = 1,
                                             .kind = IMLOG_KIND_GROUP,
                                             .root_count = 2};
        const uint32_t roots[2] = {2, 1};
        memcpy(bytes + sizeof(struct checkpoint_chunk) + at, &session, sizeof(session));
        memcpy(bytes + sizeof(struct checkpoint_chunk) + at + sizeof(session), roots,
               sizeof(roots));
        at += (uint32_t)(sizeof(session) + sizeof(roots));
    }
    checkpoint_chunk_seal(bytes, CHECKPOINT_SESSIONS, GOLDEN_CHECKPOINT, 1, 2, at, GOLDEN_SALT);
    return CHECKPOINT_CHUNK_BYTES;
}

static uint32_t make_checkpoint_end(uint8_t *bytes)
{
    struct checkpoint_end end = {.durable_lsn = 94208,
                                 .last_msg_id = 5001,
                                 .next_key = 3,
                                 .chunk_count = 5,
                                 .session_count = 2};
    memcpy(bytes + sizeof(struct checkpoint_chunk), &end, sizeof(end));
    checkpoint_chunk_seal(bytes, CHECKPOINT_END, GOLDEN_CHECKPOINT, 4, 1, sizeof(end), GOLDEN_SALT);
    return CHECKPOINT_CHUNK_BYTES;
}

const struct golden golden_all[] = {
    {"record-message.bin", make_message},
    {"record-session.bin", make_session},
    {"record-key.bin", make_key},
    {"batch.bin", make_batch},
    {"segment-head.bin", make_segment_head},
    {"segment-trailer.bin", make_segment_trailer},
    {"footer-extents.bin", make_extents},
    {"footer-offsets.bin", make_offsets},
    {"footer-fences.bin", make_fences},
    {"identity.bin", make_identity},
    {"checkpoint-head.bin", make_checkpoint_head},
    {"checkpoint-sessions.bin", make_checkpoint_sessions},
    {"checkpoint-end.bin", make_checkpoint_end},
    {NULL, NULL},
};

/* Today's encoders write the very bytes of version 1, and today's decoders read them. */
#include "engine/format/batch.h"
#include "engine/format/checkpoint.h"
#include "engine/format/identity.h"
#include "engine/format/record.h"
#include "engine/format/segment.h"
#include "tests/lib/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint8_t bytes[GOLDEN_BYTES_MAX + 1];

static uint32_t read_golden(const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), IMLOG_SRC "/tests/golden/v1/%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is missing", path);
    size_t byte_count = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    return (uint32_t)byte_count;
}

static void encoders_write_the_golden_bytes(void **state)
{
    (void)state;
    static uint8_t made[GOLDEN_BYTES_MAX];
    for (const struct golden *golden = golden_all; golden->name != NULL; golden++) {
        memset(made, 0, sizeof(made));
        uint32_t made_bytes = golden->make(made);
        uint32_t golden_bytes = read_golden(golden->name);
        if (made_bytes != golden_bytes || memcmp(made, bytes, made_bytes) != 0)
            fail_msg("%s: the format changed; see the top of tests/lib/golden.h", golden->name);
    }
}

static void records_are_read(void **state)
{
    (void)state;
    struct record record;
    struct imlog_message message;
    uint32_t byte_count = read_golden("record-message.bin");
    assert_int_equal(record_decode(bytes, byte_count, GOLDEN_SALT, GOLDEN_LSN, &record), 0);
    assert_int_equal(record_message(&record, &message), 0);
    assert_int_equal(message.session_id, 7);
    assert_int_equal(message.sender_id, 42);
    assert_int_equal(message.client_msg_id, 101);
    assert_int_equal(message.server_ms, 1577836801001);
    assert_int_equal(message.body_bytes, 5);
    assert_memory_equal(message.body, "hello", 5);
    byte_count = read_golden("record-session.bin");
    assert_int_equal(record_decode(bytes, byte_count, GOLDEN_SALT, GOLDEN_LSN, &record), 0);
    assert_int_equal(record.header.type, IMLOG_KIND_DIRECT);
    byte_count = read_golden("record-key.bin");
    assert_int_equal(record_decode(bytes, byte_count, GOLDEN_SALT, GOLDEN_LSN, &record), 0);
    assert_memory_equal(record.payload, "alice|bob", 9);
}

static void a_batch_is_read(void **state)
{
    (void)state;
    struct batch_header header;
    const struct batch_place place = {.salt = GOLDEN_SALT,
                                      .lsn = GOLDEN_LSN,
                                      .segment = GOLDEN_SEGMENT,
                                      .offset = GOLDEN_OFFSET,
                                      .shard_index = GOLDEN_SHARD};
    uint32_t byte_count = read_golden("batch.bin");
    assert_true(batch_header_decode(bytes, byte_count, &place, &header));
    assert_true(batch_records_valid(bytes, byte_count, &header));
    assert_int_equal(header.record_count, 3);
    assert_int_equal(header.wall_ms, 1600000000123);
}

static void segment_blocks_are_read(void **state)
{
    (void)state;
    struct segment_head head;
    struct segment_trailer trailer;
    (void)read_golden("segment-head.bin");
    assert_int_equal(segment_head_decode(bytes, &head), 0);
    assert_int_equal(head.number, GOLDEN_SEGMENT);
    assert_int_equal(head.salt, GOLDEN_SALT);
    (void)read_golden("segment-trailer.bin");
    assert_int_equal(segment_trailer_decode(bytes, GOLDEN_SALT, GOLDEN_SEGMENT, &trailer), 0);
    assert_int_equal(trailer.message_count, 4000);
    (void)read_golden("footer-extents.bin");
    assert_int_equal(segment_block_check(bytes, SEGMENT_EXTENTS, GOLDEN_SEGMENT, 0, GOLDEN_SALT),
                     3);
    (void)read_golden("footer-offsets.bin");
    assert_int_equal(segment_block_check(bytes, SEGMENT_OFFSETS, GOLDEN_SEGMENT, 0, GOLDEN_SALT),
                     6);
    (void)read_golden("footer-fences.bin");
    assert_int_equal(segment_block_check(bytes, SEGMENT_FENCES, GOLDEN_SEGMENT, 0, GOLDEN_SALT), 1);
}

static void identity_and_checkpoint_are_read(void **state)
{
    (void)state;
    struct identity identity;
    struct checkpoint_head head;
    struct checkpoint_chunk chunk;
    uint32_t byte_count = read_golden("identity.bin");
    assert_int_equal(identity_decode(bytes, byte_count, &identity), 0);
    assert_int_equal(identity.shard_count, 2);
    assert_int_equal(identity.uuid[15], 15);
    (void)read_golden("checkpoint-head.bin");
    assert_int_equal(checkpoint_head_decode(bytes, GOLDEN_SALT, &head), 0);
    assert_int_equal(head.origin_segment, GOLDEN_SEGMENT);
    (void)read_golden("checkpoint-sessions.bin");
    assert_int_equal(checkpoint_chunk_decode(bytes, GOLDEN_CHECKPOINT, 1, GOLDEN_SALT, &chunk), 0);
    assert_int_equal(chunk.entry_count, 2);
    (void)read_golden("checkpoint-end.bin");
    assert_int_equal(checkpoint_chunk_decode(bytes, GOLDEN_CHECKPOINT, 4, GOLDEN_SALT, &chunk), 0);
    assert_int_equal(chunk.kind, CHECKPOINT_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoders_write_the_golden_bytes),
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(a_batch_is_read),
        cmocka_unit_test(segment_blocks_are_read),
        cmocka_unit_test(identity_and_checkpoint_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* wire.h against protobuf-c, which knows nothing of it: what one writes the other reads, and no
 * bytes at all make the reader leave its bounds (run under AddressSanitizer). */
#include "net/imlog.pb-c.h"
#include "net/wire.h"

#include <imlog/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 2000 };

static uint64_t seed = 88172645463325252U;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Of any magnitude, zero too. */
static uint64_t random_value(void)
{
    return next_random() >> (next_random() % 65 & 63) >> (next_random() % 8 == 0 ? 63 : 0);
}

static void put_random_message(struct wire_writer *writer, const Imlog__Message *message)
{
    wire_put_uint(writer, 1, message->seq);
    wire_put_fixed64(writer, 2, message->msg_id);
    wire_put_fixed64(writer, 3, message->prev_msg_id);
    wire_put_uint(writer, 4, message->sender_id);
    wire_put_uint(writer, 8, message->type);
    wire_put_bytes(writer, 9, message->body.data, message->body.len);
}

static void writer_writes_what_protobuf_c_writes(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t body[300];
        for (size_t i = 0; i < sizeof body; i++)
            body[i] = (uint8_t)next_random();
        Imlog__Message message = IMLOG__MESSAGE__INIT;
        message.seq = random_value();
        message.msg_id = random_value();
        message.prev_msg_id = random_value();
        message.sender_id = random_value();
        message.type = (uint32_t)random_value();
        message.body = (ProtobufCBinaryData){.data = body, .len = next_random() % sizeof body};
        uint8_t theirs[512];
        uint8_t ours[512];
        size_t their_bytes = imlog__message__pack(&message, theirs);
        struct wire_writer counter = {.at = NULL};
        struct wire_writer writer = {.at = ours};
        put_random_message(&counter, &message);
        put_random_message(&writer, &message);
        assert_int_equal(counter.byte_count, their_bytes);
        assert_int_equal(writer.byte_count, their_bytes);
        assert_memory_equal(ours, theirs, their_bytes);
    }
}

static void writer_keeps_negative_codes(void **state)
{
    (void)state;
    static const int32_t codes[] = {-1, -5017, INT32_MIN, INT32_MAX, 5};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        uint8_t bytes[32];
        struct wire_writer writer = {.at = bytes};
        wire_put_sint(&writer, 1, codes[i]);
        wire_put_text(&writer, 2, "why");
        Imlog__ErrorReply *reply =
            imlog__error_reply__unpack(NULL, (size_t)writer.byte_count, bytes);
        assert_non_null(reply);
        assert_int_equal(reply->code, codes[i]);
        assert_string_equal(reply->text, "why");
        imlog__error_reply__free_unpacked(reply, NULL);
    }
}

static void reader_reads_what_protobuf_c_writes(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t body[64] = {0};
        Imlog__Append append = IMLOG__APPEND__INIT;
        append.session_id = random_value() | 1;
        append.client_ms = random_value() | 1;
        append.body = (ProtobufCBinaryData){.data = body, .len = 1 + next_random() % 64};
        uint8_t bytes[256];
        size_t byte_count = imlog__append__pack(&append, bytes);
        struct wire_reader reader = wire_reader_of(bytes, byte_count);
        struct wire_field field;
        uint64_t number = 0;
        const uint8_t *read_body = NULL;
        uint32_t read_bytes = 0;
        assert_int_equal(wire_next(&reader, &field), 1);
        assert_int_equal(field.number, 1);
        assert_int_equal(wire_get_uint64(&field, &number), 0);
        assert_true(number == append.session_id);
        assert_int_equal(wire_next(&reader, &field), 1);
        assert_int_equal(field.number, 5);
        assert_int_equal(wire_get_uint64(&field, &number), 0);
        assert_true(number == append.client_ms);
        assert_int_equal(wire_next(&reader, &field), 1);
        assert_int_equal(field.number, 7);
        assert_int_equal(wire_get_bytes(&field, &read_body, &read_bytes), 0);
        assert_int_equal(read_bytes, append.body.len);
        assert_int_equal(wire_next(&reader, &field), 0);
    }
}

static void reader_refuses_every_truncation(void **state)
{
    (void)state;
    uint8_t body[20] = {0};
    Imlog__Append append = IMLOG__APPEND__INIT;
    append.body = (ProtobufCBinaryData){.data = body, .len = sizeof body};
    uint8_t packed[64];
    size_t byte_count = imlog__append__pack(&append, packed);
    for (size_t cut = 1; cut < byte_count; cut++) {
        uint8_t *bytes = malloc(cut); /* so that a sanitizer sees any read past the end */
        memcpy(bytes, packed, cut);
        struct wire_reader reader = wire_reader_of(bytes, cut);
        struct wire_field field;
        assert_int_equal(wire_next(&reader, &field), IMLOG_EPROTO);
        free(bytes);
    }
}

static void reader_survives_any_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 20 * ROUNDS; round++) {
        size_t byte_count = next_random() % 40;
        uint8_t *bytes = malloc(byte_count + 1);
        for (size_t i = 0; i < byte_count; i++)
            bytes[i] = (uint8_t)(next_random() & (round % 2 == 0 ? 0xff : 0x1f));
        struct wire_reader reader = wire_reader_of(bytes, byte_count);
        struct wire_field field;
        int rc;
        while ((rc = wire_next(&reader, &field)) > 0) {
            assert_true(reader.at <= reader.end);
            (void)wire_count_uint64(&field);
        }
        assert_true(rc == 0 || rc == IMLOG_EPROTO);
        free(bytes);
    }
}

static void packed_and_single_ids_are_counted_alike(void **state)
{
    (void)state;
    static const uint8_t packed[] = {0x0a, 4, 1, 2, 0x80, 0x01}; /* 1, 2, 128 */
    static const uint8_t single[] = {0x08, 5};
    static const uint8_t cut[] = {0x0a, 2, 1, 0x80};
    struct wire_field field;
    struct wire_reader reader = wire_reader_of(packed, sizeof packed);
    assert_int_equal(wire_next(&reader, &field), 1);
    assert_int_equal(wire_count_uint64(&field), 3);
    reader = wire_reader_of(single, sizeof single);
    assert_int_equal(wire_next(&reader, &field), 1);
    assert_int_equal(wire_count_uint64(&field), 1);
    reader = wire_reader_of(cut, sizeof cut);
    assert_int_equal(wire_next(&reader, &field), 1);
    assert_int_equal(wire_count_uint64(&field), IMLOG_EPROTO);
}

/* What does not fit its field is the most the field can say, or an error where that would lie. */
static void values_too_large_for_their_field_are_bounded(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        struct wire_field field = {.number = 1, .type = WIRE_VARINT, .value = values[i]};
        uint32_t value;
        uint32_t byte_count;
        const uint8_t *bytes;
        assert_int_equal(wire_get_uint32(&field, &value), 0);
        assert_int_equal(value, i == 0 ? 0 : UINT32_MAX);
        field.type = WIRE_BYTES;
        assert_int_equal(wire_get_bytes(&field, &bytes, &byte_count), i < 2 ? 0 : IMLOG_EPROTO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_writes_what_protobuf_c_writes),
        cmocka_unit_test(writer_keeps_negative_codes),
        cmocka_unit_test(reader_reads_what_protobuf_c_writes),
        cmocka_unit_test(reader_refuses_every_truncation),
        cmocka_unit_test(reader_survives_any_bytes),
        cmocka_unit_test(packed_and_single_ids_are_counted_alike),
        cmocka_unit_test(values_too_large_for_their_field_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

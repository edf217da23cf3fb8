/* A record is valid at its own place only, byte for byte, and its header says so by itself. */
#include "engine/format/record.h"

#include "engine/format/msg_id.h"
#include "tests/lib/prng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SALT = 1234, LSN = 8000, BODY_BYTES = 101 };

/* A message in a heap buffer of just its size, so that a sanitizer sees any byte beyond. */
static uint8_t *make_message(uint32_t body_bytes, uint32_t *byte_count)
{
    uint8_t *body = malloc(body_bytes + 1);
    struct message_head head = {.msg_id = msg_id_make(MSG_ID_EPOCH_MS + 77, 3, 4),
                                .prev_msg_id = 5,
                                .sender_id = 6,
                                .client_msg_id = 7,
                                .client_ms = 8};
    struct record_header header = {.subject_id = 9, .seq = 10, .kind = RECORD_MESSAGE, .type = 11};
    assert_non_null(body);
    for (uint32_t i = 0; i < body_bytes; i++)
        body[i] = (uint8_t)(i * 7);
    *byte_count = record_bytes((uint32_t)sizeof(head) + body_bytes);
    uint8_t *bytes = malloc(*byte_count);
    assert_non_null(bytes);
    assert_int_equal(record_encode(bytes, header, SALT, LSN, &head, sizeof(head), body, body_bytes),
                     *byte_count);
    free(body);
    return bytes;
}

static void a_message_comes_back_as_it_was(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 7, 8, 9, 101, 65536, IMLOG_BODY_BYTES_MAX};
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t byte_count;
        uint8_t *bytes = make_message(sizes[i], &byte_count);
        struct record record;
        struct imlog_message message;
        assert_int_equal(record_decode(bytes, byte_count, SALT, LSN, &record), 0);
        assert_int_equal(record.record_bytes, byte_count);
        assert_int_equal(record.record_bytes % RECORD_ALIGN_BYTES, 0);
        assert_int_equal(record_message(&record, &message), 0);
        assert_int_equal(message.session_id, 9);
        assert_int_equal(message.seq, 10);
        assert_int_equal(message.type, 11);
        assert_int_equal(message.server_ms, MSG_ID_EPOCH_MS + 77);
        assert_int_equal(message.prev_msg_id, 5);
        assert_int_equal(message.sender_id, 6);
        assert_int_equal(message.client_msg_id, 7);
        assert_int_equal(message.client_ms, 8);
        assert_int_equal(message.kind, IMLOG_KIND_ANY);
        assert_int_equal(message.body_bytes, sizes[i]);
        for (uint32_t at = 0; at < sizes[i]; at += 1 + at / 8)
            assert_int_equal(((const uint8_t *)message.body)[at], (uint8_t)(at * 7));
        free(bytes);
    }
}

/* In the header: no record at all. In the payload: its header still tells whose it is. The
 * padding belongs to the batch. */
static void decode_rejects_any_bit_flip(void **state)
{
    (void)state;
    uint32_t byte_count;
    uint8_t *bytes = make_message(BODY_BYTES, &byte_count);
    uint32_t used_bytes =
        (uint32_t)(sizeof(struct record_header) + sizeof(struct message_head)) + BODY_BYTES;
    for (uint32_t bit = 0; bit < used_bytes * 8; bit++) {
        struct record record = {.record_bytes = 0};
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        int error = record_decode(bytes, byte_count, SALT, LSN, &record);
        if (bit / 8 < sizeof(struct record_header)) {
            assert_int_equal(error, IMLOG_ECORRUPT);
        } else {
            assert_int_equal(error, -EBADMSG);
            assert_int_equal(record.header.subject_id, 9);
            assert_int_equal(record.header.seq, 10);
            assert_int_equal(record.record_bytes, byte_count);
        }
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(bytes);
}

static void decode_rejects_any_truncation(void **state)
{
    (void)state;
    uint32_t byte_count;
    uint8_t *bytes = make_message(BODY_BYTES, &byte_count);
    for (uint32_t cut = 0; cut < byte_count; cut++) {
        uint8_t *part = malloc(cut + 1); /* + 1: malloc(0) may be NULL; it is never read */
        struct record record;
        assert_non_null(part);
        memcpy(part, bytes, cut);
        uint8_t *exact = realloc(part, cut > 0 ? cut : 1);
        assert_non_null(exact);
        int error = record_decode(exact, cut, SALT, LSN, &record);
        if (cut < sizeof(struct record_header)) {
            assert_int_equal(error, IMLOG_ECORRUPT);
        } else {
            assert_int_equal(error, -EMSGSIZE);
            assert_int_equal(record.record_bytes, byte_count);
        }
        free(exact);
    }
    free(bytes);
}

static void decode_rejects_any_other_place(void **state)
{
    (void)state;
    uint32_t byte_count;
    uint8_t *bytes = make_message(BODY_BYTES, &byte_count);
    struct record record;
    for (uint32_t bit = 3; bit < 64; bit++) {
        uint64_t other = UINT64_C(1) << bit;
        assert_int_equal(record_decode(bytes, byte_count, SALT, LSN ^ other, &record),
                         IMLOG_ECORRUPT);
        assert_int_equal(record_decode(bytes, byte_count, SALT ^ other, LSN, &record),
                         IMLOG_ECORRUPT);
    }
    free(bytes);
}

/* Valid checksums around what no writer makes. */
static void decode_rejects_implausible_headers(void **state)
{
    (void)state;
    static const struct record_header headers[] = {
        {.subject_id = 1, .seq = 1, .kind = 0},
        {.subject_id = 1, .seq = 1, .kind = 4},
        {.subject_id = 1, .seq = 1, .kind = 255},
        {.subject_id = 1, .seq = 1, .kind = RECORD_MESSAGE}, /* no message head */
        {.subject_id = 1, .seq = 0, .kind = RECORD_SESSION, .type = 0},
        {.subject_id = 1, .seq = 0, .kind = RECORD_SESSION, .type = 4},
        {.subject_id = 0, .seq = 0, .kind = RECORD_SESSION, .type = 1},
        {.subject_id = 1, .seq = 0, .kind = RECORD_KEY}, /* no key */
        {.subject_id = 1, .seq = 1, .kind = RECORD_SESSION, .type = 1, .flags = 1},
    };
    for (uint32_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        uint8_t bytes[64];
        struct record record;
        uint32_t byte_count = record_encode(bytes, headers[i], SALT, LSN, NULL, 0, NULL, 0);
        assert_int_equal(record_decode(bytes, byte_count, SALT, LSN, &record), IMLOG_ECORRUPT);
    }
    struct message_head head = {.msg_id = 1};
    struct record_header no_seq = {.subject_id = 1, .kind = RECORD_MESSAGE};
    struct record_header no_session = {.seq = 1, .kind = RECORD_MESSAGE};
    uint8_t bytes[256];
    struct record record;
    record_encode(bytes, no_seq, SALT, LSN, &head, sizeof(head), NULL, 0);
    assert_int_equal(record_decode(bytes, sizeof(bytes), SALT, LSN, &record), IMLOG_ECORRUPT);
    record_encode(bytes, no_session, SALT, LSN, &head, sizeof(head), NULL, 0);
    assert_int_equal(record_decode(bytes, sizeof(bytes), SALT, LSN, &record), IMLOG_ECORRUPT);
    uint8_t key[IMLOG_KEY_BYTES_MAX + 1] = {1};
    uint8_t long_bytes[512];
    struct record_header key_header = {.subject_id = 1, .kind = RECORD_KEY};
    record_encode(long_bytes, key_header, SALT, LSN, key, IMLOG_KEY_BYTES_MAX, NULL, 0);
    assert_int_equal(record_decode(long_bytes, sizeof(long_bytes), SALT, LSN, &record), 0);
    record_encode(long_bytes, key_header, SALT, LSN, key, IMLOG_KEY_BYTES_MAX + 1, NULL, 0);
    assert_int_equal(record_decode(long_bytes, sizeof(long_bytes), SALT, LSN, &record),
                     IMLOG_ECORRUPT);
    struct record_header payload_header = {.subject_id = 1, .kind = RECORD_SESSION, .type = 1};
    record_encode(bytes, payload_header, SALT, LSN, key, 1, NULL, 0); /* a session has none */
    assert_int_equal(record_decode(bytes, sizeof(bytes), SALT, LSN, &record), IMLOG_ECORRUPT);
}

static void random_bytes_are_no_record(void **state)
{
    (void)state;
    struct prng prng = {.state = 1};
    for (uint32_t i = 0; i < 200000; i++) {
        uint64_t words[12];
        struct record record;
        for (uint32_t j = 0; j < 12; j++)
            words[j] = prng_next(&prng);
        assert_int_equal(record_decode((const uint8_t *)words, sizeof(words), SALT, LSN, &record),
                         IMLOG_ECORRUPT);
    }
}

static void other_kinds_are_no_messages(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct record record;
    struct imlog_message message;
    struct record_header header = {.subject_id = 4, .kind = RECORD_SESSION, .type = 2};
    uint32_t byte_count = record_encode(bytes, header, SALT, LSN, NULL, 0, NULL, 0);
    assert_int_equal(byte_count, record_bytes(0));
    assert_int_equal(record_decode(bytes, byte_count, SALT, LSN, &record), 0);
    assert_int_equal(record_message(&record, &message), IMLOG_ECORRUPT);
    record.header.kind = RECORD_MESSAGE; /* too short for its head */
    record.header.payload_bytes = sizeof(struct message_head) - 1;
    assert_int_equal(record_message(&record, &message), IMLOG_ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back_as_it_was),
        cmocka_unit_test(decode_rejects_any_bit_flip),
        cmocka_unit_test(decode_rejects_any_truncation),
        cmocka_unit_test(decode_rejects_any_other_place),
        cmocka_unit_test(decode_rejects_implausible_headers),
        cmocka_unit_test(random_bytes_are_no_record),
        cmocka_unit_test(other_kinds_are_no_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

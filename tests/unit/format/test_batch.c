/* A batch is valid at its own place only; its header by itself, its records by another sum. */
#include "engine/format/batch.h"

#include "engine/base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SALT = 99, RECORDS_BYTES = 5000 };

static const struct batch_place place = {
    .salt = SALT, .lsn = 81920, .segment = 7, .offset = 12288, .shard_index = 2};

static uint8_t *make_batch(uint32_t records_bytes, uint32_t *byte_count)
{
    *byte_count = batch_padded_bytes(records_bytes);
    uint8_t *batch = malloc(*byte_count);
    assert_non_null(batch);
    memset(batch, 0x5a, *byte_count);
    struct batch_header header = {.shard_index = place.shard_index,
                                  .segment = place.segment,
                                  .offset = place.offset,
                                  .lsn = place.lsn,
                                  .epoch = 4,
                                  .records_bytes = records_bytes,
                                  .record_count = 3,
                                  .prev_checksum = 555,
                                  .durable_lsn = 777,
                                  .wall_ms = 888};
    assert_int_not_equal(batch_seal(batch, header, SALT), 0);
    return batch;
}

static bool valid(const uint8_t *batch, uint64_t byte_count)
{
    struct batch_header header;
    return batch_header_decode(batch, byte_count, &place, &header) &&
           batch_records_valid(batch, byte_count, &header);
}

static void a_batch_comes_back_as_it_was(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 8, 4000, 4008, 5000, IMLOG_BATCH_BYTES_MAX - 96};
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t byte_count;
        struct batch_header header;
        uint8_t *batch = make_batch(sizes[i], &byte_count);
        assert_true(valid(batch, byte_count));
        assert_true(batch_header_decode(batch, byte_count, &place, &header));
        assert_int_equal(header.batch_bytes, byte_count);
        assert_int_equal(header.records_bytes, sizes[i]);
        assert_int_equal(header.record_count, 3);
        assert_int_equal(header.epoch, 4);
        assert_int_equal(header.prev_checksum, 555);
        assert_int_equal(header.durable_lsn, 777);
        assert_int_equal(header.wall_ms, 888);
        for (uint32_t at = 96 + sizes[i]; at < byte_count; at++)
            assert_int_equal(batch[at], 0); /* padding is written */
        free(batch);
    }
}

static void decode_rejects_any_bit_flip(void **state)
{
    (void)state;
    uint32_t byte_count;
    uint8_t *batch = make_batch(RECORDS_BYTES, &byte_count);
    struct batch_header header;
    for (uint32_t bit = 0; bit < byte_count * 8; bit++) {
        batch[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (bit / 8 < sizeof(header)) {
            assert_false(batch_header_decode(batch, byte_count, &place, &header));
        } else {
            assert_true(batch_header_decode(batch, byte_count, &place, &header));
            assert_false(batch_records_valid(batch, byte_count, &header));
        }
        batch[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(batch);
}

static void decode_rejects_any_truncation(void **state)
{
    (void)state;
    uint32_t byte_count;
    uint8_t *batch = make_batch(RECORDS_BYTES, &byte_count);
    for (uint32_t cut = 0; cut < byte_count; cut += cut < 200 ? 1 : 61) {
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, batch, cut);
        assert_false(valid(exact, cut));
        free(exact);
    }
    free(batch);
}

static void decode_rejects_any_other_place(void **state)
{
    (void)state;
    uint32_t byte_count;
    uint8_t *batch = make_batch(RECORDS_BYTES, &byte_count);
    struct batch_header header;
    for (int what = 0; what < 5; what++) {
        struct batch_place other = place;
        other.salt += what == 0;
        other.lsn += what == 1 ? 4096 : 0;
        other.segment += what == 2;
        other.offset += what == 3 ? 4096 : 0;
        other.shard_index = what == 4 ? 3 : 2;
        assert_false(batch_header_decode(batch, byte_count, &other, &header));
    }
    free(batch);
}

/* Valid checksums around what no writer makes. */
static void decode_rejects_implausible_headers(void **state)
{
    (void)state;
    uint32_t byte_count;
    uint8_t *batch = make_batch(RECORDS_BYTES, &byte_count);
    struct batch_header good;
    struct batch_header decoded;
    memcpy(&good, batch, sizeof(good));
    for (int what = 0; what < 6; what++) {
        struct batch_header header = good;
        header.version = what == 1 ? BATCH_VERSION + 1 : header.version;
        header.flags = what == 2;
        header.batch_bytes += what == 3 ? IMLOG_BLOCK_BYTES : 0;
        header.batch_bytes =
            what == 4 ? IMLOG_BATCH_BYTES_MAX + IMLOG_BLOCK_BYTES : header.batch_bytes;
        header.records_bytes = what == 5 ? IMLOG_BATCH_BYTES_MAX : header.records_bytes;
        header.header_checksum = checksum((const uint8_t *)&header + sizeof(uint64_t),
                                          sizeof(header) - sizeof(uint64_t), SALT);
        memcpy(batch, &header, sizeof(header));
        assert_int_equal(batch_header_decode(batch, byte_count, &place, &decoded), what == 0);
    }
    free(batch);
}

/* Copied to another place and sealed for it, but one part of the place is another. */
static void decode_rejects_a_sealed_batch_of_another_place(void **state)
{
    (void)state;
    uint32_t byte_count;
    uint8_t *batch = make_batch(RECORDS_BYTES, &byte_count);
    struct batch_header good;
    struct batch_header decoded;
    memcpy(&good, batch, sizeof(good));
    for (int what = 0; what < 5; what++) {
        struct batch_header header = good;
        header.shard_index = (uint16_t)(header.shard_index + (what == 1));
        header.segment += what == 2;
        header.offset += what == 3 ? IMLOG_BLOCK_BYTES : 0;
        header.lsn += what == 4 ? IMLOG_BLOCK_BYTES : 0;
        assert_int_not_equal(batch_seal(batch, header, SALT), 0);
        assert_int_equal(batch_header_decode(batch, byte_count, &place, &decoded), what == 0);
    }
    free(batch);
}

static void the_checksum_names_the_batch(void **state)
{
    (void)state;
    uint8_t one[4096];
    uint8_t two[4096];
    struct batch_header header = {.lsn = 4096};
    uint64_t first = batch_seal(one, header, SALT);
    header.prev_checksum = first;
    assert_true(batch_seal(two, header, SALT) != first);
    header.prev_checksum = 0;
    assert_true(batch_seal(two, header, SALT) == first);
    assert_true(batch_seal(two, header, SALT + 1) != first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_comes_back_as_it_was),
        cmocka_unit_test(decode_rejects_any_bit_flip),
        cmocka_unit_test(decode_rejects_any_truncation),
        cmocka_unit_test(decode_rejects_any_other_place),
        cmocka_unit_test(decode_rejects_implausible_headers),
        cmocka_unit_test(decode_rejects_a_sealed_batch_of_another_place),
        cmocka_unit_test(the_checksum_names_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

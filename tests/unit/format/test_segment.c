/* Heads, trailers and footer blocks are valid as they were written, and at no other place. */
#include "engine/format/segment.h"

#include "engine/base/checksum.h"

#include <imlog/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SALT = 31, NUMBER = 12 };

static struct segment_head some_head(void)
{
    return (struct segment_head){.shard_index = 1,
                                 .uuid = {1, 2, 3},
                                 .salt = SALT,
                                 .number = NUMBER,
                                 .segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                 .base_lsn = 123 * 4096,
                                 .prev_checksum = 4,
                                 .epoch = 5};
}

static struct segment_trailer some_trailer(void)
{
    struct segment_trailer trailer = {.shard_index = 1,
                                      .number = NUMBER,
                                      .end_offset = 100 * 4096,
                                      .base_lsn = 7 * 4096,
                                      .end_lsn = (7 + 99) * 4096,
                                      .extent_count = 300,
                                      .message_count = 5000,
                                      .batch_count = 9};
    (void)segment_footer_blocks(300, 5000, &trailer.extents_blocks, &trailer.offsets_blocks,
                                &trailer.fence_blocks);
    return trailer;
}

/* In memory of its own, so that a sanitizer sees any byte beyond. */
static uint8_t *new_block(void)
{
    uint8_t *block = calloc(1, IMLOG_BLOCK_BYTES);
    assert_non_null(block);
    return block;
}

static void heads_come_back_and_reject_any_bit_flip(void **state)
{
    (void)state;
    uint8_t *block = new_block();
    struct segment_head head = some_head();
    struct segment_head decoded;
    segment_head_encode(block, &head);
    assert_int_equal(segment_head_decode(block, &decoded), 0);
    assert_memory_equal(&decoded, &head, sizeof(head));
    for (uint32_t bit = 0; bit < IMLOG_BLOCK_BYTES * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(segment_head_decode(block, &decoded), IMLOG_ECORRUPT);
        block[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(block);
}

static void implausible_heads_are_rejected(void **state)
{
    (void)state;
    uint8_t *block = new_block();
    struct segment_head decoded;
    for (int what = 0; what < 5; what++) {
        struct segment_head head = some_head();
        if (what == 0)
            head.number = SEGMENT_NONE;
        if (what == 1)
            head.number = SEGMENT_UNKNOWN;
        if (what == 2)
            head.segment_bytes = IMLOG_SEGMENT_BYTES_MIN - IMLOG_BLOCK_BYTES;
        if (what == 3)
            head.segment_bytes = IMLOG_SEGMENT_BYTES_MAX + (uint64_t)IMLOG_BLOCK_BYTES;
        if (what == 4)
            head.segment_bytes = IMLOG_SEGMENT_BYTES_MIN + 1;
        segment_head_encode(block, &head);
        assert_int_equal(segment_head_decode(block, &decoded), IMLOG_ECORRUPT);
    }
    free(block);
}

static void trailers_come_back_and_reject_any_bit_flip(void **state)
{
    (void)state;
    uint8_t *block = new_block();
    struct segment_trailer trailer = some_trailer();
    struct segment_trailer decoded;
    segment_trailer_encode(block, &trailer, SALT);
    assert_int_equal(segment_trailer_decode(block, SALT, NUMBER, &decoded), 0);
    assert_memory_equal(&decoded, &trailer, sizeof(trailer));
    assert_int_equal(segment_trailer_decode(block, SALT + 1, NUMBER, &decoded), IMLOG_ECORRUPT);
    assert_int_equal(segment_trailer_decode(block, SALT, NUMBER + 1, &decoded), IMLOG_ECORRUPT);
    for (uint32_t bit = 0; bit < IMLOG_BLOCK_BYTES * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(segment_trailer_decode(block, SALT, NUMBER, &decoded), IMLOG_ECORRUPT);
        block[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(block);
}

static void inconsistent_trailers_are_rejected(void **state)
{
    (void)state;
    uint8_t *block = new_block();
    struct segment_trailer decoded;
    for (int what = 0; what < 6; what++) {
        struct segment_trailer trailer = some_trailer();
        trailer.end_offset += what == 0;
        trailer.end_offset = what == 1 ? 0 : trailer.end_offset;
        trailer.end_lsn += what == 2 ? 4096 : 0;
        trailer.extents_blocks += what == 3;
        trailer.offsets_blocks += what == 4;
        trailer.fence_blocks += what == 5;
        segment_trailer_encode(block, &trailer, SALT);
        assert_int_equal(segment_trailer_decode(block, SALT, NUMBER, &decoded), IMLOG_ECORRUPT);
    }
    free(block);
}

static void footer_blocks_are_valid_at_their_own_place_only(void **state)
{
    (void)state;
    static const enum segment_block_kind kinds[] = {SEGMENT_EXTENTS, SEGMENT_OFFSETS,
                                                    SEGMENT_FENCES};
    uint8_t *block = new_block();
    for (int i = 0; i < 3; i++) {
        memset(block, 0x33, IMLOG_BLOCK_BYTES);
        segment_block_seal(block, kinds[i], NUMBER, 6, 100, SALT);
        assert_int_equal(segment_block_check(block, kinds[i], NUMBER, 6, SALT), 100);
        assert_int_equal(segment_block_check(block, kinds[(i + 1) % 3], NUMBER, 6, SALT),
                         IMLOG_ECORRUPT);
        assert_int_equal(segment_block_check(block, kinds[i], NUMBER + 1, 6, SALT), IMLOG_ECORRUPT);
        assert_int_equal(segment_block_check(block, kinds[i], NUMBER, 7, SALT), IMLOG_ECORRUPT);
        assert_int_equal(segment_block_check(block, kinds[i], NUMBER, 6, SALT + 1), IMLOG_ECORRUPT);
        for (uint32_t bit = 0; bit < IMLOG_BLOCK_BYTES * 8; bit++) {
            block[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(segment_block_check(block, kinds[i], NUMBER, 6, SALT), IMLOG_ECORRUPT);
            block[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    }
    free(block);
}

static void footer_blocks_of_unknown_kinds_are_rejected(void **state)
{
    (void)state;
    uint8_t *block = new_block();
    const enum segment_block_kind kind = (enum segment_block_kind)(SEGMENT_FENCES + 1);
    segment_block_seal(block, kind, NUMBER, 0, 1, SALT);
    assert_int_equal(segment_block_check(block, kind, NUMBER, 0, SALT), IMLOG_ECORRUPT);
    free(block);
}

static void footer_blocks_with_too_many_entries_are_rejected(void **state)
{
    (void)state;
    static const enum segment_block_kind kinds[] = {SEGMENT_EXTENTS, SEGMENT_OFFSETS,
                                                    SEGMENT_FENCES};
    static const uint32_t most[] = {SEGMENT_EXTENTS_PER_BLOCK, SEGMENT_OFFSETS_PER_BLOCK,
                                    SEGMENT_FENCES_PER_BLOCK};
    uint8_t *block = new_block();
    for (int i = 0; i < 3; i++) {
        segment_block_seal(block, kinds[i], NUMBER, 0, most[i], SALT);
        assert_int_equal(segment_block_check(block, kinds[i], NUMBER, 0, SALT), (int)most[i]);
        segment_block_seal(block, kinds[i], NUMBER, 0, most[i] + 1, SALT);
        assert_int_equal(segment_block_check(block, kinds[i], NUMBER, 0, SALT), IMLOG_ECORRUPT);
    }
    free(block);
}

static void a_newer_version_is_told_from_damage(void **state)
{
    (void)state;
    struct segment_head head = some_head();
    uint8_t *block = new_block();
    struct segment_head decoded;
    segment_head_encode(block, &head);
    uint16_t newer = SEGMENT_VERSION + 1;
    memcpy(block + offsetof(struct segment_head, version), &newer, sizeof(newer));
    assert_int_equal(segment_head_decode(block, &decoded), IMLOG_ECORRUPT); /* a stale checksum */
    uint64_t sum = checksum(block + 8, IMLOG_BLOCK_BYTES - 8, 0);
    memcpy(block, &sum, sizeof(sum));
    assert_int_equal(segment_head_decode(block, &decoded), IMLOG_EVERSION);
    struct segment_trailer trailer = some_trailer();
    struct segment_trailer decoded_trailer;
    segment_trailer_encode(block, &trailer, SALT);
    memcpy(block + offsetof(struct segment_trailer, version), &newer, sizeof(newer));
    sum = checksum(block + 8, IMLOG_BLOCK_BYTES - 8, SALT);
    memcpy(block, &sum, sizeof(sum));
    assert_int_equal(segment_trailer_decode(block, SALT, NUMBER, &decoded_trailer), IMLOG_EVERSION);
    free(block);
}

/* Valid checksums around a version that never was, or blocks of another size. */
static void versions_and_block_sizes_of_nobody_are_rejected(void **state)
{
    (void)state;
    uint8_t *block = new_block();
    struct segment_head decoded;
    struct segment_trailer decoded_trailer;
    for (int what = 0; what < 3; what++) {
        struct segment_head head = some_head();
        segment_head_encode(block, &head);
        head.version = what == 1 ? 0 : head.version;
        head.block_bytes = what == 2 ? 512 : head.block_bytes;
        memcpy(block, &head, sizeof(head));
        uint64_t sum = checksum(block + 8, IMLOG_BLOCK_BYTES - 8, 0);
        memcpy(block, &sum, sizeof(sum));
        assert_int_equal(segment_head_decode(block, &decoded), what == 0 ? 0 : IMLOG_ECORRUPT);
    }
    struct segment_trailer trailer = some_trailer();
    segment_trailer_encode(block, &trailer, SALT);
    trailer.version = 0;
    memcpy(block, &trailer, sizeof(trailer));
    uint64_t sum = checksum(block + 8, IMLOG_BLOCK_BYTES - 8, SALT);
    memcpy(block, &sum, sizeof(sum));
    assert_int_equal(segment_trailer_decode(block, SALT, NUMBER, &decoded_trailer), IMLOG_ECORRUPT);
    free(block);
}

static void extents_begin_at_seq_1_and_have_48_bits(void **state)
{
    (void)state;
    const uint64_t seqs = UINT64_C(1) << 48;
    const struct segment_extent possible[] = {
        {.session_id = 1, .first_seq = 1, .count = 1},
        {.session_id = UINT64_MAX, .first_seq = seqs - 1, .count = 1},
        {.session_id = 1, .first_seq = seqs - 10, .count = 10},
    };
    const struct segment_extent impossible[] = {
        {.session_id = 0, .first_seq = 1, .count = 1},
        {.session_id = 1, .first_seq = 0, .count = 1},
        {.session_id = 1, .first_seq = 1, .count = 0},
        {.session_id = 1, .first_seq = seqs, .count = 1},
        {.session_id = 1, .first_seq = seqs - 10, .count = 11},
        {.session_id = 1, .first_seq = UINT64_MAX, .count = 2},
    };
    for (uint32_t i = 0; i < 3; i++)
        assert_true(segment_extent_possible(&possible[i]));
    for (uint32_t i = 0; i < 6; i++)
        assert_false(segment_extent_possible(&impossible[i]));
}

static void footers_take_as_many_blocks_as_their_entries_need(void **state)
{
    (void)state;
    uint32_t a;
    uint32_t b;
    uint32_t c;
    assert_int_equal(segment_footer_blocks(0, 0, &a, &b, &c), 0);
    assert_int_equal(segment_footer_blocks(1, 1, &a, &b, &c), 3);
    assert_int_equal(
        segment_footer_blocks(SEGMENT_EXTENTS_PER_BLOCK, SEGMENT_OFFSETS_PER_BLOCK, &a, &b, &c), 3);
    assert_int_equal(segment_footer_blocks(SEGMENT_EXTENTS_PER_BLOCK + 1,
                                           SEGMENT_OFFSETS_PER_BLOCK + 1, &a, &b, &c),
                     5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_come_back_and_reject_any_bit_flip),
        cmocka_unit_test(implausible_heads_are_rejected),
        cmocka_unit_test(trailers_come_back_and_reject_any_bit_flip),
        cmocka_unit_test(inconsistent_trailers_are_rejected),
        cmocka_unit_test(footer_blocks_are_valid_at_their_own_place_only),
        cmocka_unit_test(footer_blocks_of_unknown_kinds_are_rejected),
        cmocka_unit_test(footer_blocks_with_too_many_entries_are_rejected),
        cmocka_unit_test(a_newer_version_is_told_from_damage),
        cmocka_unit_test(versions_and_block_sizes_of_nobody_are_rejected),
        cmocka_unit_test(extents_begin_at_seq_1_and_have_48_bits),
        cmocka_unit_test(footers_take_as_many_blocks_as_their_entries_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

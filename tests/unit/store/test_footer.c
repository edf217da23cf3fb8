/* A footer says of every session just what the index it was made from says. */
#include "engine/store/footer.h"
#include "tests/lib/prng.h"

#include <errno.h>
#include <imlog/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SALT = 5, NUMBER = 12 };

struct footer {
    struct extents *extents;
    struct segment_trailer trailer;
    uint8_t *blocks;
    uint64_t byte_count;
    uint32_t hidden_fence; /* the fence block that is not there now; UINT32_MAX: none */
};

static const uint8_t *block_at(const struct footer *footer, uint32_t file_block)
{
    uint32_t at = file_block - footer->trailer.end_offset / IMLOG_BLOCK_BYTES;
    assert_true((uint64_t)(at + 1) * IMLOG_BLOCK_BYTES <= footer->byte_count);
    return footer->blocks + (size_t)at * IMLOG_BLOCK_BYTES;
}

/* Sessions 3, 6, 9 ... so that there is an absent one on either side of each. */
static struct footer make_footer(uint32_t session_count, uint64_t seed)
{
    struct footer footer = {.extents = extents_create(NUMBER), .hidden_fence = UINT32_MAX};
    struct prng prng = {.state = seed};
    uint32_t offset = IMLOG_BLOCK_BYTES;
    assert_non_null(footer.extents);
    uint32_t *order = calloc(session_count + 1, sizeof(uint32_t));
    assert_non_null(order);
    for (uint32_t i = 0; i < session_count; i++) { /* opened in random order */
        uint32_t at = (uint32_t)prng_below(&prng, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    for (uint32_t i = 0; i < session_count; i++) {
        struct roots_links links = {order[i] + 1, order[i] / 2};
        assert_int_equal(extents_reserve(footer.extents, EXTENT_NONE), 0);
        uint32_t index =
            extents_open(footer.extents, 3 * ((uint64_t)order[i] + 1), order[i] + 5, links);
        assert_int_equal(index, i);
    }
    for (uint32_t i = 0; i < session_count; i++) {
        for (uint64_t j = 1 + prng_below(&prng, session_count > 1000 ? 3 : 40); j > 0; j--) {
            assert_int_equal(extents_reserve(footer.extents, i), 0);
            extents_add(footer.extents, i, offset += 8);
        }
    }
    free(order);
    assert_int_equal(extents_sort(footer.extents), 0);
    footer.trailer = (struct segment_trailer){.number = NUMBER, .end_offset = 20 * 4096};
    assert_int_equal(
        footer_encode(footer.extents, SALT, &footer.trailer, &footer.blocks, &footer.byte_count),
        0);
    return footer;
}

static void footer_free(struct footer *footer)
{
    extents_destroy(footer->extents);
    free(footer->blocks);
}

static const uint8_t *give_fence(void *arg, uint32_t index)
{
    struct footer *footer = arg;
    if (index == footer->hidden_fence)
        return NULL;
    const uint8_t *block = block_at(footer, segment_fences_block(&footer->trailer, index));
    assert_true(segment_block_check(block, SEGMENT_FENCES, NUMBER, index, SALT) > 0);
    return block;
}

static bool look_up(struct footer *footer, uint64_t session_id, struct segment_extent *entry)
{
    int64_t index = footer_locate(&footer->trailer, session_id, give_fence, footer);
    if (index == IMLOG_ENOSESSION)
        return false;
    assert_in_range(index, 0, footer->trailer.extents_blocks - 1);
    const uint8_t *block =
        block_at(footer, segment_extents_block(&footer->trailer, (uint32_t)index));
    int count = segment_block_check(block, SEGMENT_EXTENTS, NUMBER, (uint32_t)index, SALT);
    assert_true(count > 0);
    return footer_entry(block, (uint32_t)count, session_id, entry);
}

static void check_session(struct footer *footer, uint64_t session_id)
{
    struct segment_extent entry;
    const struct extent *extent = extents_find(footer->extents, session_id);
    assert_non_null(extent);
    assert_true(look_up(footer, session_id, &entry));
    assert_int_equal(entry.session_id, session_id);
    assert_int_equal(entry.first_seq, extent->first_seq);
    assert_int_equal(entry.count, extent->count);
    assert_int_equal(entry.prev_segment, extent->links.prev_segment);
    assert_int_equal(entry.jump_segment, extent->links.jump_segment);
    for (uint32_t i = 0; i < entry.count; i++) {
        uint32_t at = entry.offsets_index + i;
        uint32_t index = at / SEGMENT_OFFSETS_PER_BLOCK;
        const uint8_t *block = block_at(footer, segment_offsets_block(&footer->trailer, index));
        assert_true(segment_block_check(block, SEGMENT_OFFSETS, NUMBER, index, SALT) > 0);
        assert_int_equal(footer_offset(block, at % SEGMENT_OFFSETS_PER_BLOCK),
                         extent_offsets(extent)[i]);
    }
    assert_false(look_up(footer, session_id - 1, &entry));
    assert_false(look_up(footer, session_id + 1, &entry));
}

static void every_session_is_found_and_no_other(void **state)
{
    (void)state;
    /* around the bounds of a block of extents and of a block of fences */
    static const uint32_t counts[] = {1,   2,    126,   127,   128,   254,  255,
                                      999, 5000, 64515, 64516, 64517, 70000};
    for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct footer footer = make_footer(counts[i], i);
        uint32_t step = counts[i] > 2000 ? counts[i] / 1999 : 1;
        for (uint32_t session = 0; session < counts[i]; session += step)
            check_session(&footer, 3 * ((uint64_t)session + 1));
        check_session(&footer, 3 * (uint64_t)counts[i]);
        struct segment_extent entry;
        assert_false(look_up(&footer, 0, &entry));
        assert_false(look_up(&footer, UINT64_MAX, &entry));
        footer_free(&footer);
    }
}

static void a_segment_without_messages_has_an_empty_footer(void **state)
{
    (void)state;
    struct footer footer = make_footer(0, 1);
    struct segment_extent entry;
    assert_int_equal(footer.byte_count, 0);
    assert_false(look_up(&footer, 1, &entry));
    footer_free(&footer);
}

static void a_fence_that_is_not_there_is_asked_for_again(void **state)
{
    (void)state;
    struct footer footer = make_footer(130000, 1);
    assert_true(footer.trailer.fence_blocks >= 3);
    footer.hidden_fence = 2;
    assert_int_equal(footer_locate(&footer.trailer, 3, give_fence, &footer), -EAGAIN);
    footer.hidden_fence = UINT32_MAX;
    check_session(&footer, 3);
    footer_free(&footer);
}

/* What log_room() is told before an append is enough for the footer after it. */
static void the_room_kept_for_a_footer_is_enough(void **state)
{
    (void)state;
    struct extents *extents = extents_create(1);
    struct prng prng = {.state = 11};
    assert_non_null(extents);
    for (uint32_t i = 0; i < 3000; i++) {
        uint64_t room = extents_footer_bytes(extents);
        uint32_t index = EXTENT_NONE;
        if (extents->count > 0 && prng_one_in(&prng, 2))
            index = (uint32_t)prng_below(&prng, extents->count);
        assert_int_equal(extents_reserve(extents, index), 0);
        if (index == EXTENT_NONE)
            index = extents_open(extents, i + 1, 1, (struct roots_links){0, 0});
        extents_add(extents, index, 4096 + i * 8);
        uint32_t a;
        uint32_t b;
        uint32_t c;
        assert_true(
            (uint64_t)segment_footer_blocks(extents->count, extents->message_count, &a, &b, &c) *
                IMLOG_BLOCK_BYTES <=
            room);
    }
    extents_destroy(extents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_session_is_found_and_no_other),
        cmocka_unit_test(a_segment_without_messages_has_an_empty_footer),
        cmocka_unit_test(a_fence_that_is_not_there_is_asked_for_again),
        cmocka_unit_test(the_room_kept_for_a_footer_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

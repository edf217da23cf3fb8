/* The links of a session's extents: every old one is reached in few hops, whatever the depth, and
 * the links are those of a list kept the plain way. */
#include "engine/store/roots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { DEPTH_MAX = 5000, OWNER = 7 };

/* The plain way: extent i (from 1, the segment too) with its links and its tree's size. */
struct plain {
    uint32_t prev[DEPTH_MAX + 1];
    uint32_t jump[DEPTH_MAX + 1];
    uint32_t sizes[ROOTS_MAX + 2];
    uint32_t roots[ROOTS_MAX + 2];
    uint32_t count;
};

static void plain_push(struct plain *plain, uint32_t segment)
{
    plain->prev[segment] = segment - 1;
    if (plain->count >= 2 && plain->sizes[plain->count - 1] == plain->sizes[plain->count - 2]) {
        plain->count--;
        plain->sizes[plain->count - 1] = 2 * plain->sizes[plain->count] + 1;
        plain->roots[plain->count - 1] = segment;
    } else {
        plain->sizes[plain->count] = 1;
        plain->roots[plain->count++] = segment;
    }
    plain->jump[segment] = plain->count >= 2 ? plain->roots[plain->count - 2] : 0;
}

static uint32_t log2_of(uint32_t value)
{
    uint32_t bits = 0;
    while (value >>= 1)
        bits++;
    return bits;
}

static uint32_t hops_to(const struct plain *plain, uint32_t from, uint32_t to)
{
    uint32_t hops = 0;
    while (from != to) {
        from = plain->jump[from] >= to && plain->jump[from] != 0 ? plain->jump[from]
                                                                 : plain->prev[from];
        hops++;
    }
    return hops;
}

static void links_are_those_of_the_plain_list(void **state)
{
    (void)state;
    static struct plain plain;
    struct roots roots = {.entry_count = 0};
    uint32_t inline_roots[ROOTS_INLINE] = {0};
    for (uint32_t depth = 0; depth < DEPTH_MAX; depth++) {
        struct roots_links links = roots_push(&roots, OWNER, depth, inline_roots, depth + 1);
        plain_push(&plain, depth + 1);
        assert_int_equal(links.prev_segment, plain.prev[depth + 1]);
        assert_int_equal(links.jump_segment, plain.jump[depth + 1]);
        uint32_t all[ROOTS_MAX];
        uint32_t count = roots_get(&roots, OWNER, depth + 1, inline_roots, all);
        assert_int_equal(count, plain.count);
        assert_int_equal(roots_count(depth + 1), plain.count);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(all[i], plain.roots[plain.count - 1 - i]);
    }
    roots_deinit(&roots);
}

static void any_old_extent_is_few_hops_away(void **state)
{
    (void)state;
    static struct plain plain;
    for (uint32_t depth = 1; depth <= DEPTH_MAX; depth++) {
        plain_push(&plain, depth);
        uint32_t step = depth < 300 ? 1 : 97;
        for (uint32_t to = 1; to <= depth; to += step)
            assert_true(hops_to(&plain, depth, to) <= 3 * log2_of(depth) + 1);
    }
}

/* Many owners share one table; each gets its own back, also through set and get. */
static void owners_do_not_mix(void **state)
{
    (void)state;
    enum { OWNERS = 50, DEPTH = 600 };
    static uint32_t inline_roots[OWNERS][ROOTS_INLINE];
    struct roots roots = {.entry_count = 0};
    struct roots copy = {.entry_count = 0};
    for (uint32_t depth = 0; depth < DEPTH; depth++) {
        for (uint32_t owner = 0; owner < OWNERS; owner++)
            (void)roots_push(&roots, owner, depth, inline_roots[owner], owner * 10000 + depth + 1);
    }
    static struct plain plain;
    for (uint32_t depth = 1; depth <= DEPTH; depth++)
        plain_push(&plain, depth);
    for (uint32_t owner = 0; owner < OWNERS; owner++) {
        uint32_t all[ROOTS_MAX];
        uint32_t again[ROOTS_MAX];
        uint32_t copied[ROOTS_INLINE];
        uint32_t count = roots_get(&roots, owner, DEPTH, inline_roots[owner], all);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(all[i], owner * 10000 + plain.roots[count - 1 - i]);
        roots_set(&copy, owner, DEPTH, copied, all);
        assert_int_equal(roots_get(&copy, owner, DEPTH, copied, again), count);
        assert_memory_equal(all, again, count * sizeof(uint32_t));
        /* and the copy goes on as the original does */
        struct roots_links a = roots_push(&roots, owner, DEPTH, inline_roots[owner], 9999999);
        struct roots_links b = roots_push(&copy, owner, DEPTH, copied, 9999999);
        assert_int_equal(a.prev_segment, b.prev_segment);
        assert_int_equal(a.jump_segment, b.jump_segment);
    }
    roots_deinit(&roots);
    roots_deinit(&copy);
}

static void a_shallow_list_costs_no_table(void **state)
{
    (void)state;
    struct roots roots = {.entry_count = 0};
    uint32_t inline_roots[ROOTS_INLINE] = {0};
    for (uint32_t depth = 0; depth < 10; depth++)
        (void)roots_push(&roots, 1, depth, inline_roots, depth + 1);
    assert_int_equal(roots_ram_bytes(&roots), 0);
    roots_deinit(&roots);
}

/* A spilled root for which there was no memory is unknown, and that does no harm: it is looked
 * for segment by segment. Setting a list again replaces what was spilled. */
static void a_root_that_was_not_kept_is_unknown(void **state)
{
    (void)state;
    enum { DEPTH = 200 };
    struct roots roots = {.entry_count = 0};
    struct roots none = {.entry_count = 0};
    uint32_t inline_roots[ROOTS_INLINE] = {0};
    uint32_t all[ROOTS_MAX];
    uint32_t again[ROOTS_MAX];
    for (uint32_t depth = 0; depth < DEPTH; depth++)
        (void)roots_push(&roots, OWNER, depth, inline_roots, depth + 1);
    uint32_t count = roots_get(&roots, OWNER, DEPTH, inline_roots, all);
    assert_true(count > ROOTS_INLINE);
    assert_int_equal(roots_get(&none, OWNER, DEPTH, inline_roots, again), count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(again[i], i < ROOTS_INLINE ? all[i] : SEGMENT_UNKNOWN);
    /* Pushing on brings unknown roots back, and forgets what is not there. */
    bool unknown = false;
    for (uint32_t depth = DEPTH; depth < 2 * DEPTH; depth++) {
        (void)roots_push(&none, OWNER, depth, inline_roots, depth + 1);
        for (uint32_t i = 0; i < ROOTS_INLINE; i++)
            unknown = unknown || inline_roots[i] == SEGMENT_UNKNOWN;
    }
    assert_true(unknown);
    for (uint32_t i = 0; i < count; i++)
        all[i] = 1000 - i;
    roots_set(&roots, OWNER, DEPTH, inline_roots, all);
    assert_int_equal(roots_get(&roots, OWNER, DEPTH, inline_roots, again), count);
    assert_memory_equal(all, again, count * sizeof(uint32_t));
    roots_deinit(&roots);
    roots_deinit(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_those_of_the_plain_list),
        cmocka_unit_test(any_old_extent_is_few_hops_away),
        cmocka_unit_test(owners_do_not_mix),
        cmocka_unit_test(a_shallow_list_costs_no_table),
        cmocka_unit_test(a_root_that_was_not_kept_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

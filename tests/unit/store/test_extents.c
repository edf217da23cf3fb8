/* The index of a segment in RAM: each session's offsets, in order, whatever order they came in. */
#include "engine/store/extents.h"
#include "tests/lib/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SESSIONS = 700, MESSAGES = 20000 };

/* Scattered, and never neighbours. */
static uint64_t session_id_of(uint32_t session)
{
    return 2 + 2 * ((uint64_t)session * 7919 % 100003);
}

static void each_session_has_its_offsets_in_order(void **state)
{
    (void)state;
    static uint32_t offsets[SESSIONS][MESSAGES / 10];
    static uint32_t counts[SESSIONS];
    static uint32_t indexes[SESSIONS];
    struct extents *extents = extents_create(1);
    struct prng prng = {.state = 1};
    assert_non_null(extents);
    for (uint32_t i = 0; i < SESSIONS; i++)
        indexes[i] = EXTENT_NONE;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint32_t session = (uint32_t)prng_below(&prng, prng_one_in(&prng, 4) ? 20 : SESSIONS);
        if (counts[session] == MESSAGES / 10)
            continue;
        assert_int_equal(extents_reserve(extents, indexes[session]), 0);
        if (indexes[session] == EXTENT_NONE)
            indexes[session] = extents_open(extents, session_id_of(session), 10 + session,
                                            (struct roots_links){1, 2});
        extents_add(extents, indexes[session], 4096 + i * 8);
        offsets[session][counts[session]++] = 4096 + i * 8;
    }
    assert_int_equal(extents_sort(extents), 0);
    assert_int_equal(extents_sort(extents), 0); /* again is fine */
    for (uint32_t session = 0; session < SESSIONS; session++) {
        const struct extent *extent = extents_find(extents, session_id_of(session));
        assert_int_equal(extent == NULL, counts[session] == 0);
        if (extent == NULL)
            continue;
        assert_int_equal(extent->count, counts[session]);
        assert_int_equal(extent->first_seq, 10 + session);
        assert_memory_equal(extent_offsets(extent), offsets[session],
                            counts[session] * sizeof(uint32_t));
        assert_null(extents_find(extents, session_id_of(session) + 1));
    }
    for (uint32_t i = 1; i < extents->count; i++)
        assert_true(extents->array[extents->by_session[i - 1]].session_id <
                    extents->array[extents->by_session[i]].session_id);
    extents_destroy(extents);
}

static void times_are_the_first_and_the_last(void **state)
{
    (void)state;
    struct extents *extents = extents_create(1);
    assert_non_null(extents);
    assert_int_equal(extents->min_server_ms, 0);
    extents_saw_time(extents, 500);
    extents_saw_time(extents, 300);
    extents_saw_time(extents, 900);
    assert_int_equal(extents->min_server_ms, 300);
    assert_int_equal(extents->max_server_ms, 900);
    extents_destroy(extents);
    extents_destroy(NULL);
}

static void ram_figures_grow_with_use(void **state)
{
    (void)state;
    struct extents *extents = extents_create(1);
    assert_non_null(extents);
    uint64_t before = extents_ram_bytes(extents);
    assert_int_equal(extents_reserve(extents, EXTENT_NONE), 0);
    (void)extents_open(extents, 1, 1, (struct roots_links){0, 0});
    for (uint32_t i = 0; i < 10000; i++) {
        assert_int_equal(extents_reserve(extents, 0), 0);
        extents_add(extents, 0, 4096 + 8 * i);
    }
    assert_true(extents_ram_bytes(extents) >= before + 10000 * sizeof(uint32_t));
    extents_destroy(extents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_session_has_its_offsets_in_order),
        cmocka_unit_test(times_are_the_first_and_the_last),
        cmocka_unit_test(ram_figures_grow_with_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

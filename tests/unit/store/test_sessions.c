/* Sessions are found by id, keep their slot for ever, and cost what the design says. */
#include "engine/store/sessions.h"
#include "tests/lib/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SESSIONS = 100000 };

static uint64_t session_id_of(uint32_t i)
{
    return i % 2 == 0 ? i + 1 : UINT64_MAX - i; /* small and huge ones */
}

static void fill(struct sessions *sessions)
{
    for (uint32_t i = 0; i < SESSIONS; i++) {
        assert_int_equal(sessions_find(sessions, session_id_of(i)), SESSION_NONE);
        assert_int_equal(sessions_reserve(sessions, session_id_of(i)), 0);
        assert_int_equal(sessions_add(sessions, session_id_of(i), IMLOG_KIND_DIRECT), i);
    }
}

static void every_session_is_found_in_its_own_slot(void **state)
{
    (void)state;
    struct sessions sessions = {.count = 0};
    fill(&sessions);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        assert_int_equal(sessions_find(&sessions, session_id_of(i)), i);
        assert_int_equal(sessions_at(&sessions, i)->session_id, session_id_of(i));
        assert_int_equal(sessions_at(&sessions, i)->kind, IMLOG_KIND_DIRECT);
    }
    assert_int_equal(sessions_find(&sessions, 2), SESSION_NONE);
    sessions_deinit(&sessions);
}

static void a_session_costs_no_more_than_64_bytes(void **state)
{
    (void)state;
    struct sessions sessions = {.count = 0};
    fill(&sessions);
    assert_true(sessions_ram_bytes(&sessions) <= (uint64_t)SESSIONS * 66); /* the last chunk */
    sessions_deinit(&sessions);
}

static void links_can_be_asked_for_again(void **state)
{
    (void)state;
    struct sessions sessions = {.count = 0};
    struct prng prng = {.state = 3};
    fill(&sessions);
    for (uint32_t segment = 1; segment < 200; segment++) {
        for (uint32_t i = 0; i < 300; i++) {
            if (prng_one_in(&prng, 2))
                continue;
            struct roots_links made = sessions_link(&sessions, i, segment);
            struct roots_links again = sessions_links(&sessions, i);
            assert_int_equal(made.prev_segment, again.prev_segment);
            assert_int_equal(made.jump_segment, again.jump_segment);
            assert_int_equal(sessions_at(&sessions, i)->roots[0], segment);
        }
    }
    sessions_deinit(&sessions);
}

static void there_are_only_so_many_slots(void **state)
{
    (void)state;
    struct sessions sessions = {.count = SESSION_NONE - 1};
    assert_int_equal(sessions_reserve(&sessions, 1), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_session_is_found_in_its_own_slot),
        cmocka_unit_test(a_session_costs_no_more_than_64_bytes),
        cmocka_unit_test(links_can_be_asked_for_again),
        cmocka_unit_test(there_are_only_so_many_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

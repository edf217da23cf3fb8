/* Timers fire once, in order of time, never early; whatever is set, moved and cleared. */
#include "net/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { TIMERS = 500 };

static uint64_t now_ms;
static uint64_t newest_due_ms;
static uint32_t fired_count;

static void note_fire(struct timer *timer)
{
    assert_true(timer->due_ms <= now_ms);
    assert_true(timer->due_ms >= newest_due_ms);
    newest_due_ms = timer->due_ms;
    fired_count++;
}

static void timers_fire_once_and_in_order(void **state)
{
    (void)state;
    static struct timer all[TIMERS];
    struct timers timers = {0};
    uint64_t seed = 7;
    assert_int_equal(timers_reserve(&timers, TIMERS), 0);
    for (int round = 0; round < 20; round++) {
        now_ms = newest_due_ms = fired_count = 0;
        for (uint32_t i = 0; i < 3 * TIMERS; i++) { /* each set three times */
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            all[i % TIMERS].fire = note_fire;
            timers_set(&timers, &all[i % TIMERS], 1 + (seed >> 40) % 1000);
        }
        uint32_t cleared_count = 0;
        for (uint32_t i = 0; i < TIMERS; i += 3, cleared_count++)
            timers_clear(&timers, &all[i]);
        for (now_ms = 0; now_ms <= 1000; now_ms += 17) {
            timers_run(&timers, now_ms);
            assert_true(timers_due_ms(&timers) > now_ms);
        }
        timers_run(&timers, now_ms);
        assert_int_equal(fired_count, TIMERS - cleared_count);
        assert_true(timers_due_ms(&timers) == UINT64_MAX);
    }
    timers_deinit(&timers);
}

static struct timers again_timers;

static void set_again(struct timer *timer)
{
    fired_count++;
    timers_set(&again_timers, timer, now_ms + 10);
}

static void a_timer_may_set_itself_again(void **state)
{
    (void)state;
    struct timer timer = {.fire = set_again};
    fired_count = 0;
    assert_int_equal(timers_reserve(&again_timers, 1), 0);
    timers_set(&again_timers, &timer, 5);
    for (now_ms = 0; now_ms < 100; now_ms++)
        timers_run(&again_timers, now_ms);
    assert_int_equal(fired_count, 10);
    timers_clear(&again_timers, &timer);
    timers_deinit(&again_timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_once_and_in_order),
        cmocka_unit_test(a_timer_may_set_itself_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

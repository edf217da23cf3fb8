/* Ids rise strictly whatever the clocks do; node time stays within the stated bounds (P9). */
#include "engine/store/clock.h"
#include "tests/lib/disk.h"
#include "tests/lib/prng.h"

#include "engine/format/msg_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t wall_of(struct disk *disk)
{
    return disk_io(disk)->ops->wall_ms(disk_io(disk));
}

static void jump(struct disk *disk, int64_t ms)
{
    disk_set_wall_ms(disk, (uint64_t)((int64_t)wall_of(disk) + ms));
}

static void an_even_clock_is_followed(void **state)
{
    (void)state;
    struct disk *disk = disk_create(1);
    struct clock clock;
    clock_init(&clock, disk_io(disk), 3);
    for (int i = 0; i < 1000; i++) {
        disk_advance_ns(disk, 7777777);
        assert_in_range(clock_turn(&clock) - wall_of(disk) + 1, 0, 2);
    }
    disk_destroy(disk);
}

/* A jump of D is worked off in 10 D, and meanwhile intervals are right within a tenth. */
static void run_jump(int64_t jump_ms)
{
    struct disk *disk = disk_create(1);
    struct clock clock;
    clock_init(&clock, disk_io(disk), 3);
    jump(disk, jump_ms);
    uint64_t size_ms = (uint64_t)(jump_ms < 0 ? -jump_ms : jump_ms);
    uint64_t before_ms = clock_turn(&clock);
    uint64_t passed_ms = 0;
    for (; passed_ms < 10 * size_ms + 1000; passed_ms += 50) {
        disk_advance_ns(disk, 50000000);
        uint64_t now_ms = clock_turn(&clock);
        uint64_t apart_ms =
            now_ms > wall_of(disk) ? now_ms - wall_of(disk) : wall_of(disk) - now_ms;
        if (apart_ms > CLOCK_JUMP_MS)
            assert_in_range(now_ms - before_ms, 44, 56);
        before_ms = now_ms;
    }
    assert_in_range(clock_turn(&clock) - wall_of(disk) + 1, 0, 2);
    disk_destroy(disk);
}

static void a_jump_is_worked_off_at_a_tenth(void **state)
{
    (void)state;
    run_jump(5000);
    run_jump(-5000);
    run_jump(600000);
    run_jump(-600000);
}

static void ids_rise_strictly_whatever_the_clocks_do(void **state)
{
    (void)state;
    struct disk *disk = disk_create(1);
    struct prng prng = {.state = 6};
    struct clock clock;
    uint64_t last = 0;
    clock_init(&clock, disk_io(disk), 255);
    for (int i = 0; i < 100000; i++) {
        if (prng_one_in(&prng, 100))
            jump(disk, (int64_t)prng_below(&prng, 2000000) - 1000000);
        if (prng_one_in(&prng, 10))
            disk_advance_ns(disk, prng_below(&prng, 3000000));
        if (prng_one_in(&prng, 3))
            (void)clock_turn(&clock);
        if (prng_one_in(&prng, 5000)) { /* reopened */
            clock_init(&clock, disk_io(disk), 255);
            clock_saw_msg_id(&clock, last);
        }
        uint64_t id = clock_msg_id(&clock);
        assert_true(id > last);
        assert_int_equal(id >> MSG_ID_SHARD_SHIFT & 0xff, 255);
        last = id;
    }
    disk_destroy(disk);
}

/* More ids than a millisecond has: they borrow from the next ones. */
static void a_burst_borrows_from_the_future(void **state)
{
    (void)state;
    struct disk *disk = disk_create(1);
    struct clock clock;
    clock_init(&clock, disk_io(disk), 1);
    uint64_t first_ms = clock_turn(&clock);
    uint64_t last = 0;
    for (uint32_t i = 0; i < 5 * (MSG_ID_COUNTER_MAX + 1); i++) {
        uint64_t id = clock_msg_id(&clock);
        assert_true(id > last);
        last = id;
    }
    assert_in_range(msg_id_ms(last), first_ms, first_ms + 5);
    disk_destroy(disk);
}

static void a_clock_out_of_range_makes_valid_ids(void **state)
{
    (void)state;
    struct disk *disk = disk_create(1);
    struct clock clock;
    disk_set_wall_ms(disk, 0); /* 1970 */
    clock_init(&clock, disk_io(disk), 1);
    uint64_t first = clock_msg_id(&clock);
    assert_int_equal(msg_id_ms(first), MSG_ID_EPOCH_MS);
    assert_true(clock_msg_id(&clock) > first);
    disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_even_clock_is_followed),
        cmocka_unit_test(a_jump_is_worked_off_at_a_tenth),
        cmocka_unit_test(ids_rise_strictly_whatever_the_clocks_do),
        cmocka_unit_test(a_burst_borrows_from_the_future),
        cmocka_unit_test(a_clock_out_of_range_makes_valid_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

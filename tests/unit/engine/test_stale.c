/* Bytes of an earlier life, that a crash cut off, lie where new ones go: they are never taken for
 * new ones, and never keep a shard from opening. */
#include "tests/lib/world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void let_write(struct world *world)
{
    for (int i = 0; i < 40; i++)
        world_poll(world, 1000000);
}

/* Segments 2 and 3 get durable batches behind one in segment 1 that never arrives. */
static void leave_stale_segments(struct world *world)
{
    for (int i = 0; i < 3; i++) {
        world_append_busy(world, 1, 1000 * 1000, 0);
        world_settle(world);
    }
    world_rest(world, 200000000);
    disk_hold(world->disk, DISK_WRITE, true);
    assert_int_equal(world_append(world, 1, 800 * 1000, 0), 0);
    world_poll(world, 0);
    assert_int_equal(disk_in_flight(world->disk, DISK_WRITE), 1);
    disk_hold_newest(world->disk, DISK_WRITE);
    disk_hold(world->disk, DISK_WRITE, false);
    for (int i = 0; i < 6; i++) {
        world_append_busy(world, 1, 1000 * 1000, 0);
        let_write(world);
    }
    assert_int_equal(world_stats(world).segments, 3);
    assert_int_equal(world->pending_appends, 7);
    world_crash(world, DISK_DROP_ALL);
}

static void segments_of_a_cut_tail_do_not_keep_a_shard_from_opening(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world->options.hot_bytes = 64 << 20;
    world_open(world);
    leave_stale_segments(world);
    world_open(world);
    while (world_stats(world).segments < 2)
        world_append_busy(world, 2, 30000, 0);
    disk_hold(world->disk, DISK_SYNC, true); /* segment 3 is not renewed durably */
    for (int error = 0; error == 0;) {
        error = world_append(world, 2, 30000, 0);
        let_write(world);
    }
    assert_int_equal(world_stats(world).segments, 2);
    assert_int_equal(world->pending_appends, 0);
    world_crash(world, DISK_DROP_ALL);
    world_open(world);
    assert_int_equal(world->error_reports, 0);
    world_check_all(world);
    world_append_busy(world, 3, 100, 0);
    world_check_all(world);
    world_destroy(world);
}

/* Over and over: what is read again after a cut is only what was accepted then. */
static void cuts_on_cuts_leave_nothing_stale(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *world = world_create(seed);
        world->options.hot_bytes = 64 << 20;
        world_open(world);
        leave_stale_segments(world);
        for (int life = 0; life < 6; life++) {
            world_open(world);
            assert_int_equal(world->error_reports, 0);
            world_check_all(world);
            for (uint64_t i = prng_below(&world->prng, 60); i > 0; i--) {
                world_append_busy(world, 1 + prng_below(&world->prng, 3),
                                  (uint32_t)prng_below(&world->prng, 100000), 0);
                world_poll(world, 0);
            }
            world_crash(world, DISK_ANY);
        }
        world_open(world);
        world_check_all(world);
        world_destroy(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(segments_of_a_cut_tail_do_not_keep_a_shard_from_opening,
                                  world_name_seed),
        cmocka_unit_test_teardown(cuts_on_cuts_leave_nothing_stale, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

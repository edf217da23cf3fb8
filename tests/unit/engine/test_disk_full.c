/* Disk full (P7): appends get a clear error, reads go on, and service resumes by itself when
 * space is back; nothing acked is lost on the way. */
#include "tests/lib/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Append until the disk is full. Returns how many were taken. */
static uint32_t fill_up(struct world *world)
{
    for (uint32_t taken = 0;; taken++) {
        int error = world_append(world, 1 + taken % 5, 50000, taken + 1);
        while (error == IMLOG_EBUSY) {
            world_poll(world, 100000000);
            error = world_append(world, 1 + taken % 5, 50000, taken + 1);
        }
        if (error == IMLOG_EDISKFULL)
            return taken;
        assert_int_equal(error, 0);
    }
}

static void a_full_disk_refuses_appends_until_there_is_space(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *world = world_create(seed);
        world_open(world);
        disk_set_free_bytes(world->disk, (8 + prng_below(&world->prng, 8)) << 20);
        assert_true(fill_up(world) > 0);
        struct imlog_stats stats = world_stats(world);
        assert_int_equal(stats.disk_full, 1);
        assert_int_equal(stats.degraded, 0);
        world_check_all(world);
        assert_int_equal(world_retry(world, world->model->count - 1), 0); /* an answer, no space */
        world_settle(world);
        disk_set_free_bytes(world->disk, UINT64_C(100) << 20);
        world_rest(world, 1000000000);
        world_append_busy(world, 1, 50000, 999999);
        world_check_all(world);
        stats = world_stats(world);
        assert_int_equal(stats.disk_full, 0);
        world_crash(world, DISK_ANY);
        world_open(world);
        world_check_all(world);
        world_destroy(world);
    }
}

static void a_shard_opens_and_reads_on_a_full_disk(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *world = world_create(seed);
        world_open(world);
        disk_set_free_bytes(world->disk, (9 + prng_below(&world->prng, 4)) << 20);
        (void)fill_up(world);
        world_settle(world);
        disk_set_free_bytes(world->disk, 0);
        world_crash(world, (enum disk_crash)(seed % DISK_CRASH_KINDS));
        disk_set_free_bytes(world->disk, 0);
        world_open(world);
        world_check_all(world);
        int error = 0;
        for (uint32_t i = 0; i < 200 && error == 0; i++) {
            error = world_append(world, 1, 50000, 0);
            world_poll(world, 100000);
            if (error == IMLOG_EBUSY)
                error = 0;
        }
        assert_int_equal(error, IMLOG_EDISKFULL);
        world_check_all(world);
        disk_set_free_bytes(world->disk, UINT64_MAX);
        world_rest(world, 1000000000);
        world_append_busy(world, 1, 50000, 0);
        world_check_all(world);
        world_destroy(world);
    }
}

/* There is space for a directory, and none for its first segment: it opens and closes, answers
 * that nothing is there, and takes appends as soon as there is space. */
static void a_new_shard_may_wait_for_its_first_segment(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    for (int life = 0; life < 3; life++) {
        disk_set_free_bytes(world->disk, 1 << 20);
        world_open(world);
        world_rest(world, 100000000);
        assert_int_equal(world_stats(world).segments, 0);
        assert_int_equal(world_append(world, 1, 100, 0), IMLOG_EDISKFULL);
        assert_int_equal(world_resolve(world, "key"), IMLOG_EDISKFULL);
        struct imlog_pull pull = {.session_id = 1};
        assert_int_equal(world_pull(world, &pull), 0);
        world_settle(world);
        if (life < 2)
            world_close(world);
    }
    disk_set_free_bytes(world->disk, UINT64_MAX);
    world_rest(world, 1000000000);
    world_append_busy(world, 1, 100, 0);
    world_check_all(world);
    world_destroy(world);
}

static void a_checkpoint_without_space_is_tried_again(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    disk_fail(world->disk, &(struct disk_fault){.kind = DISK_WRITE,
                                                .path_part = "checkpoint.tmp",
                                                .error = -ENOSPC,
                                                .for_ever = true});
    for (uint32_t i = 0; i < 200; i++)
        world_append_busy(world, 1, 60000, 0);
    world_settle(world);
    struct imlog_stats stats = world_stats(world);
    assert_int_equal(stats.checkpoints, 0);
    assert_int_equal(stats.degraded, 0);
    assert_true(world->warning_reports > 0);
    disk_heal(world->disk);
    for (uint32_t i = 0; i < 200; i++)
        world_append_busy(world, 1, 60000, 0);
    world_settle(world);
    world_rest(world, 1000000000);
    stats = world_stats(world);
    assert_true(stats.checkpoints > 0);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_full_disk_refuses_appends_until_there_is_space,
                                  world_name_seed),
        cmocka_unit_test_teardown(a_shard_opens_and_reads_on_a_full_disk, world_name_seed),
        cmocka_unit_test_teardown(a_new_shard_may_wait_for_its_first_segment, world_name_seed),
        cmocka_unit_test_teardown(a_checkpoint_without_space_is_tried_again, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

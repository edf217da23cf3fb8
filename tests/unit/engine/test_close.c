/* Closing comes to an end whatever the disk does meanwhile. */
#include "tests/lib/world.h"

#include <errno.h>
#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The k-th write from now on, and all that follow, fail: of the log, a footer or a checkpoint. */
static void closing_ends_whichever_write_fails(void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 30; k++) {
        struct world *world = world_create(1 + k);
        world_open(world);
        while (world_stats(world).segments < 3)
            world_append_busy(world, 1 + prng_below(&world->prng, 5), 60000, 0);
        struct disk_fault fault = {
            .kind = DISK_WRITE, .skip_count = k, .error = -EIO, .for_ever = true};
        disk_fail(world->disk, &fault);
        world->crashing = true; /* answers say nothing: some are lost to the failing disk */
        assert_int_not_equal(imlog_shard_close(world->shard), -EDEADLK);
        world->shard = NULL;
        imlog_dir_close(world->dir);
        world->dir = NULL;
        disk_heal(world->disk);
        world_destroy(world);
    }
}

/* More pulls than are worked on at once: closing answers all of them. */
static void closing_answers_every_pull(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    while (world_stats(world).segments < 4)
        world_append_busy(world, 1 + prng_below(&world->prng, 5), 60000, 0);
    world_settle(world);
    world_close(world);
    world_open(world);
    for (uint64_t i = 0; i < 500; i++) {
        struct imlog_pull pull = {.session_id = 1 + i % 5, .after_seq = i % 7, .count_max = 2};
        assert_int_equal(world_pull(world, &pull), 0);
    }
    world_close(world); /* which checks that none is pending */
    world_open(world);
    world_check_all(world);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(closing_ends_whichever_write_fails, world_name_seed),
        cmocka_unit_test_teardown(closing_answers_every_pull, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A checkpoint shortens opening and nothing else: spoiled, missing or cut short anywhere, the
 * shard comes back the same. */
#include "tests/lib/world.h"

#include <errno.h>
#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The checkpoint files, newest first. */
struct checkpoints {
    char names[8][32];
    uint32_t count;
};

static void note_name(void *arg, const char *name)
{
    struct checkpoints *found = arg;
    if (strstr(name, ".ckpt") != NULL && found->count < 8)
        (void)snprintf(found->names[found->count++], 32, "%s", name);
}

static int compare_names_down(const void *left, const void *right)
{
    return strcmp(right, left);
}

static struct checkpoints list_checkpoints(struct world *world)
{
    struct imlog_io *io = disk_io(world->disk);
    struct checkpoints found = {.count = 0};
    assert_int_equal(io->ops->list(io, WORLD_SHARD_DIR, note_name, &found), 0);
    qsort(found.names, found.count, sizeof(found.names[0]), compare_names_down);
    return found;
}

static void checkpoint_path(const char *name, char path[96])
{
    (void)snprintf(path, 96, WORLD_SHARD_DIR "/%s", name);
}

static void work(struct world *world, uint32_t messages)
{
    struct prng *prng = &world->prng;
    for (uint32_t i = 0; i < messages; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "k%u", (unsigned)prng_below(prng, 500));
        if (prng_one_in(prng, 5))
            (void)world_resolve(world, key);
        world_append_busy(world, 1 + prng_below(prng, 200),
                          (uint32_t)prng_below(prng, prng_one_in(prng, 10) ? 300000 : 1000),
                          prng_next(prng));
    }
}

/* Two checkpoints and a tail. */
static struct world *world_with_checkpoints(uint64_t seed)
{
    struct world *world = world_create(seed);
    for (int life = 0; life < 2; life++) {
        world_open(world);
        work(world, 150);
        world_close(world);
    }
    world_open(world);
    work(world, 20);
    world_settle(world);
    world_crash(world, DISK_DROP_ALL);
    assert_int_equal(list_checkpoints(world).count, 2);
    return world;
}

static void opening_reads_the_tail_only(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    work(world, 1500);
    world_close(world);
    world_open(world);
    uint64_t replayed = world_stats(world).replayed_records;
    assert_true(replayed < world->model->count / 2);
    assert_true(world_stats(world).segments > 4);
    world_check_all(world);
    world_close(world);
    world_open(world);
    assert_true(world_stats(world).replayed_records <= replayed);
    world_check_all(world);
    world_destroy(world);
}

/* Any bit of the newest: the older one serves. All bits that matter of both: the log alone. */
static void a_spoiled_checkpoint_is_passed_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *world = world_with_checkpoints(seed);
        struct checkpoints found = list_checkpoints(world);
        char path[96];
        uint32_t spoiled = 1 + (uint32_t)(seed % 2);
        for (uint32_t i = 0; i < spoiled; i++) {
            checkpoint_path(found.names[i], path);
            uint64_t bits = disk_file_bytes(world->disk, path) * 8;
            disk_flip_bit(world->disk, path, prng_below(&world->prng, bits));
        }
        uint32_t warnings = world->warning_reports;
        world_open(world);
        assert_true(world->warning_reports >= warnings + spoiled);
        assert_int_equal(world->error_reports, 0);
        world_check_all(world);
        work(world, 50);
        world_check_all(world);
        world_close(world);
        world_open(world);
        world_check_all(world);
        world_destroy(world);
    }
}

static void a_short_missing_or_empty_checkpoint_is_passed_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *world = world_with_checkpoints(seed);
        struct checkpoints found = list_checkpoints(world);
        char path[96];
        checkpoint_path(found.names[0], path);
        uint64_t bytes = disk_file_bytes(world->disk, path);
        if (seed % 3 == 0)
            disk_remove(world->disk, path);
        else
            disk_truncate(world->disk, path, seed % 3 == 1 ? 0 : prng_below(&world->prng, bytes));
        world_open(world);
        world_check_all(world);
        world_destroy(world);
    }
}

/* An error or a crash at each operation of closing, which is when a checkpoint is written. */
static void a_checkpoint_may_fail_at_any_step(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 60; step++) {
        struct world *world = world_create(step + 1);
        world_open(world);
        work(world, 100);
        world_settle(world);
        disk_fail(world->disk, &(struct disk_fault){.kind = DISK_OP_KINDS,
                                                    .path_part = "",
                                                    .skip_count = step / 2,
                                                    .error = step % 2 == 0 ? -EIO : -ENOSPC,
                                                    .for_ever = step % 4 >= 2});
        world->crashing = true;
        world_close(world);
        world->unknown_count = 0;
        disk_heal(world->disk);
        if (step % 3 == 0) {
            disk_crash(world->disk, DISK_ANY);
            disk_restart(world->disk);
        }
        world->error_reports = 0;
        world_open(world);
        assert_int_equal(world->error_reports, 0);
        world_check_all(world);
        work(world, 30);
        world_check_all(world);
        world_destroy(world);
    }
}

/* Captured while appends go on, over a state of many chunks: then a crash, and it is used. */
static void a_checkpoint_taken_beside_appends_is_exact(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world *world = world_create(seed);
        world->options.dedupe_messages = 20000;
        world_open(world);
        for (uint32_t i = 0; i < 30000; i++) {
            world_append_busy(world, 1 + prng_below(&world->prng, MODEL_SESSIONS_MAX - 1),
                              (uint32_t)prng_below(&world->prng, 400), prng_next(&world->prng));
            if (i % 16 == 0)
                world_poll(world, 0);
        }
        assert_true(world_stats(world).checkpoints > 0);
        world_crash(world, (enum disk_crash)(seed % DISK_CRASH_KINDS));
        world_open(world);
        assert_true(world_stats(world).replayed_records < world->model->count + 5000);
        for (uint32_t i = 0; i < 2000; i++) {
            uint32_t back = (uint32_t)prng_below(&world->prng, 19999);
            assert_int_equal(world_retry(world, world->model->count - 1 - back), 0);
            if (i % 500 == 0)
                world_settle(world);
        }
        world_check_all(world);
        world_destroy(world);
    }
}

/* What was captured of an append that is not durable yet must not be published. */
static void a_checkpoint_waits_for_what_it_captured(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    while (world_stats(world).segments < 2)
        world_append_busy(world, 1, 20000, 0);
    world_settle(world);
    world_rest(world, 500000000); /* the first segment sealed, the third prepared */
    assert_int_equal(world_stats(world).checkpoints, 0);
    disk_hold(world->disk, DISK_WRITE, true);
    world_append_busy(world, 1, 200000, 0); /* makes one due */
    world_poll(world, 0);
    assert_int_equal(disk_in_flight(world->disk, DISK_WRITE), 1);
    disk_hold_newest(world->disk, DISK_WRITE);
    disk_hold(world->disk, DISK_WRITE, false);
    for (int i = 0; i < 200; i++)
        world_poll(world, 100000);
    assert_int_equal(world_stats(world).checkpoints, 0);
    disk_let_go(world->disk);
    world_settle(world);
    world_rest(world, 500000000);
    assert_int_equal(world_stats(world).checkpoints, 1);
    world_crash(world, DISK_DROP_ALL);
    world_open(world);
    world_check_all(world);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(opening_reads_the_tail_only, world_name_seed),
        cmocka_unit_test_teardown(a_spoiled_checkpoint_is_passed_over, world_name_seed),
        cmocka_unit_test_teardown(a_short_missing_or_empty_checkpoint_is_passed_over,
                                  world_name_seed),
        cmocka_unit_test_teardown(a_checkpoint_may_fail_at_any_step, world_name_seed),
        cmocka_unit_test_teardown(a_checkpoint_waits_for_what_it_captured, world_name_seed),
        cmocka_unit_test_teardown(a_checkpoint_taken_beside_appends_is_exact, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

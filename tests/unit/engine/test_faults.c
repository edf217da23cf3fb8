/* An error at any single operation, or at all from there on: whatever was acked is there after
 * reopening, what failed was said so, and reads go on (P6). */
#include "tests/lib/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { SESSIONS = 6 };

/* What an append may answer when the disk is failing; true if it was taken. */
static bool taken(int error)
{
    if (error != 0 && error != IMLOG_EBUSY && error != IMLOG_EDEGRADED &&
        error != IMLOG_EDISKFULL && error != -ENOMEM)
        fail_msg("append: %s", imlog_error_name(error));
    return error == 0;
}

/* Appends with rolls, checkpoints, keys and retries; goes on through every refusal. */
static void work(struct world *world, uint32_t steps)
{
    struct prng *prng = &world->prng;
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t body_bytes = (uint32_t)prng_below(prng, prng_one_in(prng, 3) ? 900000 : 3000);
        (void)taken(
            world_append(world, 1 + prng_below(prng, SESSIONS), body_bytes, prng_next(prng)));
        if (prng_one_in(prng, 8))
            (void)taken(world_resolve(world, prng_one_in(prng, 2) ? "one" : "two"));
        world_poll(world, 100000);
        if (prng_one_in(prng, 3))
            world_poll(world, 30000000);
    }
}

/* True if the fault was met. */
static bool live_with(uint64_t seed, const struct disk_fault *fault)
{
    struct world *world = world_create(seed);
    world_open(world);
    work(world, 12);
    uint64_t begun_count = disk_op_count(world->disk, fault->kind);
    disk_fail(world->disk, fault);
    work(world, 30);
    if (disk_in_flight(world->disk, DISK_OP_KINDS) > 0)
        world_rest(world, 1000000000);
    struct imlog_stats stats = world_stats(world);
    if (stats.degraded)
        assert_int_equal(world_append(world, 1, 10, 0), IMLOG_EDEGRADED);
    if (fault->kind != DISK_READ && fault->kind != DISK_OP_KINDS && fault->kind != DISK_OPEN)
        world_check_all(world); /* reads go on */
    world->crashing = true;     /* the order of close and failure is anybody's */
    bool met = disk_op_count(world->disk, fault->kind) > begun_count + fault->skip_count;
    if (prng_one_in(&world->prng, 2)) {
        world_close(world);
        disk_heal(world->disk);
        world->unknown_count = 0;
        world->error_reports = 0;
    } else {
        world_crash(world, (enum disk_crash)prng_below(&world->prng, DISK_CRASH_KINDS));
    }
    world_open(world);
    assert_int_equal(world->error_reports, 0);
    world_check_all(world);
    world_append_busy(world, 1, 100, 0);
    world_check_all(world);
    world_destroy(world);
    return met;
}

static void fail_each(enum disk_op_kind kind, int error, uint32_t count, bool for_ever)
{
    for (uint32_t i = 0; i < count; i++) {
        struct disk_fault fault = {.kind = kind,
                                   .skip_count = i,
                                   .error = error,
                                   .for_ever = for_ever,
                                   .at_start = i % 3 == 2};
        if (!live_with(i + 1, &fault))
            break;
    }
}

static void a_failed_write_is_never_acked(void **state)
{
    (void)state;
    fail_each(DISK_WRITE, -EIO, 120, false);
    fail_each(DISK_WRITE, -EIO, 40, true);
}

static void a_short_write_is_never_acked(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        struct disk_fault fault = {
            .kind = DISK_WRITE, .skip_count = i, .short_bytes = (i % 5) * 512};
        if (!live_with(i + 1, &fault))
            break;
    }
}

static void a_write_without_space_is_never_acked(void **state)
{
    (void)state;
    fail_each(DISK_WRITE, -ENOSPC, 60, false);
    fail_each(DISK_WRITE, -ENOSPC, 20, true);
}

static void a_failed_sync_is_final(void **state)
{
    (void)state;
    fail_each(DISK_SYNC, -EIO, 20, false);
    fail_each(DISK_SYNC, -ENOSPC, 20, false);
    fail_each(DISK_SYNC, -EIO, 20, true);
}

static void files_that_cannot_be_made_lose_nothing(void **state)
{
    (void)state;
    fail_each(DISK_OPEN, -EMFILE, 20, false);
    fail_each(DISK_OPEN, -EMFILE, 10, true);
    fail_each(DISK_OPEN, -EIO, 10, false);
    fail_each(DISK_ALLOCATE, -ENOSPC, 10, false);
    fail_each(DISK_ALLOCATE, -EOPNOTSUPP, 10, true);
    fail_each(DISK_ALLOCATE, -EIO, 10, false);
    fail_each(DISK_RENAME, -EIO, 5, true);
    fail_each(DISK_UNLINK, -EIO, 5, true);
    fail_each(DISK_CLOSE, -EIO, 10, true);
}

static void a_disk_that_dies_altogether_loses_nothing_acked(void **state)
{
    (void)state;
    fail_each(DISK_OP_KINDS, -EIO, 60, true);
    fail_each(DISK_OP_KINDS, -EAGAIN, 60, false);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* With an error at any step, opening fails and says why, or works; then all is there. */
static void opening_survives_an_error_at_any_step(void **state)
{
    (void)state;
    static const int errors[] = {-EIO, -ENOSPC, -EMFILE, -EACCES};
    bool met = true;
    for (uint32_t i = 0; met; i++) {
        struct world *world = world_create(i + 1);
        struct disk_fault fault = {
            .kind = DISK_OP_KINDS, .skip_count = i / 4, .error = errors[i % 4]};
        world_open(world);
        work(world, 25);
        world_settle(world);
        world_crash(world, DISK_ANY);
        uint64_t begun_count = disk_op_count(world->disk, DISK_OP_KINDS);
        disk_fail(world->disk, &fault);
        world->why.text[0] = '\0';
        int error = world_try_open(world);
        met = disk_op_count(world->disk, DISK_OP_KINDS) > begun_count + fault.skip_count;
        world->crashing = true;
        if (error < 0)
            assert_string_not_equal(world->why.text, "");
        else
            world_close(world);
        disk_heal(world->disk);
        world->unknown_count = 0;
        world_open(world);
        world_check_all(world);
        world_destroy(world);
        assert_true(i < 4000);
    }
}

/* A process dies with a write under way, the sync of the next opening fails and drops it, and the
 * one after that succeeds: what was read then is still there without power. */
static void what_a_failed_sync_dropped_is_written_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *world = world_create(seed);
        struct disk_fault fault = {.kind = DISK_SYNC, .path_part = ".seg", .error = -EIO};
        world_open(world);
        work(world, 3);
        world_settle(world);
        (void)world_append(world, 1, 3000, 0);
        world_poll(world, 0); /* it is under way */
        world_crash(world, DISK_PROCESS);
        disk_fail(world->disk, &fault);
        world->crashing = true;
        assert_int_equal(world_try_open(world), -EIO);
        disk_heal(world->disk);
        world->error_reports = 0;
        world_open(world);
        world_check_all(world);
        world_crash(world, DISK_DROP_ALL);
        world_open(world);
        world_check_all(world);
        world_destroy(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_failed_write_is_never_acked, world_name_seed),
        cmocka_unit_test_teardown(a_short_write_is_never_acked, world_name_seed),
        cmocka_unit_test_teardown(a_write_without_space_is_never_acked, world_name_seed),
        cmocka_unit_test_teardown(a_failed_sync_is_final, world_name_seed),
        cmocka_unit_test_teardown(files_that_cannot_be_made_lose_nothing, world_name_seed),
        cmocka_unit_test_teardown(a_disk_that_dies_altogether_loses_nothing_acked, world_name_seed),
        cmocka_unit_test_teardown(what_a_failed_sync_dropped_is_written_again, world_name_seed),
        cmocka_unit_test_teardown(opening_survives_an_error_at_any_step, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

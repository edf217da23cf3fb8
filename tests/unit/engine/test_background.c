/* What goes on behind appends: footers, checkpoints, and how long a shard may sleep. */
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include <errno.h>
#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEMPORARY WORLD_SHARD_DIR "/checkpoint.tmp"

/* Segments in which there is no message at all: they have a trailer and no footer. */
static void segments_of_keys_alone_are_sealed(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    for (uint32_t i = 0; world_stats(world).segments < 3; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "a-key-as-long-as-it-may-%07u", i);
        assert_int_equal(world_resolve(world, key), 0);
        world_settle(world);
    }
    world_append_busy(world, 1, 100, 0);
    world_settle(world);
    world_rest(world, 500000000);
    world_close(world);
    world_open(world);
    assert_true(world_stats(world).keys > 1000);
    assert_true(world_stats(world).replayed_records < 1000); /* the others are in a checkpoint */
    world_check_all(world);
    world_destroy(world);
}

/* The file of a full segment was cut behind its last batch, and its head is gone, so nobody can
 * say how long it was: there is no room for its footer. All of it is served, and nothing more is
 * written. */
static void a_footer_without_room_ends_appends_and_costs_nothing(void **state)
{
    (void)state;
    struct world *world = world_create(2);
    struct segment_map map;
    char path[64];
    static const uint8_t zeros[IMLOG_BLOCK_BYTES];
    world->options.segment_bytes = 2 * IMLOG_SEGMENT_BYTES_MIN; /* cut, it could be one of less */
    world_open(world);
    disk_fail(world->disk, &(struct disk_fault){.kind = DISK_RENAME,
                                                .error = -EIO,
                                                .for_ever = true}); /* no checkpoint */
    while (world_stats(world).segments < 2)
        world_append_busy(world, 1 + prng_below(&world->prng, 5), 60000, 0);
    world_settle(world);
    world_rest(world, 500000000);
    world_crash(world, DISK_KEEP_ALL);
    disk_heal(world->disk);
    world_segment_path(1, path);
    segment_map_read(&map, world->disk, path);
    disk_truncate(world->disk, path, map.end_offset);
    disk_poke(world->disk, path, 0, zeros, sizeof(zeros));
    segment_map_deinit(&map);
    world_open(world);
    world_rest(world, 500000000);
    assert_int_equal(world_stats(world).degraded, 1);
    assert_non_null(strstr(world->last_report, "footer"));
    assert_int_equal(world_append(world, 1, 100, 0), IMLOG_EDEGRADED);
    world_check_all(world);
    assert_int_equal(world->gap_count, 0);
    world->unknown_count = 1; /* closing says that it is degraded */
    world_destroy(world);
}

/* A checkpoint that waits for its log when that ends is no checkpoint, and leaves nothing. */
static void a_checkpoint_of_a_failed_log_is_dropped(void **state)
{
    (void)state;
    struct world *world = world_create(3);
    world_open(world);
    while (world_stats(world).segments < 2)
        world_append_busy(world, 1, 20000, 0);
    world_settle(world);
    world_rest(world, 500000000);
    disk_hold(world->disk, DISK_WRITE, true);
    world_append_busy(world, 1, 200000, 0); /* makes one due */
    world_poll(world, 0);
    disk_hold_newest(world->disk, DISK_WRITE);
    disk_hold(world->disk, DISK_WRITE, false);
    for (int i = 0; i < 200; i++)
        world_poll(world, 100000);
    assert_true(disk_has(world->disk, TEMPORARY));
    disk_fail(world->disk, &(struct disk_fault){.kind = DISK_WRITE,
                                                .path_part = ".seg",
                                                .error = -EIO,
                                                .for_ever = true,
                                                .at_start = true});
    for (int i = 0; i < 3; i++)
        (void)world_append(world, 1, 200000, 0);
    world_poll(world, 0);
    assert_int_equal(world_stats(world).degraded, 1);
    disk_let_go(world->disk);
    world_settle(world);
    assert_int_equal(world_stats(world).checkpoints, 0);
    world->crashing = true;
    world_close(world);
    assert_false(disk_has(world->disk, TEMPORARY));
    disk_heal(world->disk);
    world->unknown_count = 0;
    world->error_reports = 0;
    world_open(world);
    world_check_all(world);
    world_destroy(world);
}

/* Giving a checkpoint up may fail in its turn; then it is over all the same, and the next comes. */
static void giving_a_checkpoint_up_may_fail(void **state)
{
    (void)state;
    for (int at_start = 0; at_start < 2; at_start++) {
        struct world *world = world_create(4);
        world_open(world);
        disk_fail(world->disk, &(struct disk_fault){.kind = DISK_WRITE,
                                                    .path_part = "checkpoint.tmp",
                                                    .error = -ENOSPC});
        disk_fail(world->disk, &(struct disk_fault){.kind = DISK_CLOSE,
                                                    .path_part = "checkpoint.tmp",
                                                    .error = -EIO,
                                                    .at_start = at_start == 1});
        uint32_t warnings = world->warning_reports;
        while (world_stats(world).checkpoints < 1) {
            world_append_busy(world, 1 + prng_below(&world->prng, 5), 60000, 0);
            world_poll(world, 1000000);
            assert_true(world->model->count < 1000);
        }
        assert_true(world->warning_reports > warnings);
        assert_int_equal(world_stats(world).degraded, 0);
        world_check_all(world);
        world_destroy(world);
    }
}

/* ---- sleep ----------------------------------------------------------------------------------- */

/* Let the disk work, without the shard. */
static void disk_alone(struct world *world)
{
    struct imlog_io *io = disk_io(world->disk);
    while (disk_in_flight(world->disk, DISK_OP_KINDS) > 0)
        assert_true(io->ops->poll(io, 1000) >= 0);
}

static void a_shard_with_something_to_do_does_not_sleep(void **state)
{
    (void)state;
    struct world *world = world_create(5);
    world_open(world);
    world_rest(world, 500000000);
    assert_true(imlog_shard_wait_ns(world->shard) > 0);
    world_append_busy(world, 1, 100, 0); /* a batch to write */
    assert_int_equal(imlog_shard_wait_ns(world->shard), 0);
    (void)imlog_shard_turn(world->shard);
    assert_true(imlog_shard_wait_ns(world->shard) > 0); /* for the disk */
    disk_alone(world);
    assert_int_equal(imlog_shard_wait_ns(world->shard), 0); /* an ack to give */
    world_settle(world);
    world_rest(world, 500000000);
    assert_int_equal(world_resolve(world, "key"), 0);
    (void)imlog_shard_turn(world->shard);
    assert_true(imlog_shard_wait_ns(world->shard) > 0);
    disk_alone(world);
    assert_int_equal(imlog_shard_wait_ns(world->shard), 0); /* another */
    world_settle(world);
    world_rest(world, 500000000);
    assert_true(imlog_shard_wait_ns(world->shard) > 0);
    struct imlog_pull pull = {.session_id = 1, .count_max = 1};
    assert_int_equal(world_pull(world, &pull), 0); /* a pull to begin */
    assert_int_equal(imlog_shard_wait_ns(world->shard), 0);
    world_settle(world);
    world_destroy(world);
}

/* A footer is rebuilt, and all has been read: the index is to be made. */
static void a_rebuild_that_has_read_all_is_something_to_do(void **state)
{
    (void)state;
    struct world *world = world_create(6);
    struct segment_map map;
    char path[64];
    static const uint8_t zeros[IMLOG_BLOCK_BYTES];
    world_open(world);
    while (world_stats(world).segments < 4)
        world_append_busy(world, 1, 60000, 0);
    world_settle(world);
    world_close(world);
    world_segment_path(1, path);
    segment_map_read(&map, world->disk, path);
    disk_poke(world->disk, path, map.end_offset, zeros, sizeof(zeros));
    segment_map_deinit(&map);
    world_open(world);
    struct imlog_pull pull = {.session_id = 1, .count_max = 1};
    assert_int_equal(world_pull(world, &pull), 0);
    for (int i = 0; i < 100 && world->pending_pulls > 0; i++) {
        (void)imlog_shard_turn(world->shard);
        disk_alone(world);
        if (world->pending_pulls > 0)
            assert_int_equal(imlog_shard_wait_ns(world->shard), 0);
    }
    assert_int_equal(world->pending_pulls, 0);
    assert_int_equal(world_stats(world).damaged_footers, 1);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(segments_of_keys_alone_are_sealed, world_name_seed),
        cmocka_unit_test_teardown(a_footer_without_room_ends_appends_and_costs_nothing,
                                  world_name_seed),
        cmocka_unit_test_teardown(a_checkpoint_of_a_failed_log_is_dropped, world_name_seed),
        cmocka_unit_test_teardown(giving_a_checkpoint_up_may_fail, world_name_seed),
        cmocka_unit_test_teardown(a_shard_with_something_to_do_does_not_sleep, world_name_seed),
        cmocka_unit_test_teardown(a_rebuild_that_has_read_all_is_something_to_do, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A segment file that is gone, wiped or cut short, in the part of the log that opening reads, must
 * never end the log silently: the files behind it hold what was acked. */
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include <errno.h>
#include <imlog/limits.h>
#include <imlog/reader.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void note_checkpoint(void *arg, const char *name)
{
    char *newest = arg;
    if (strstr(name, ".ckpt") != NULL)
        (void)snprintf(newest, 96, WORLD_SHARD_DIR "/%s", name);
}

static void remove_checkpoints(struct world *world)
{
    struct imlog_io *io = disk_io(world->disk);
    for (;;) {
        char path[96] = "";
        assert_int_equal(io->ops->list(io, WORLD_SHARD_DIR, note_checkpoint, path), 0);
        if (path[0] == '\0')
            return;
        disk_remove(world->disk, path);
    }
}

/* Four segments and no checkpoint: opening reads them all. */
static struct world *world_with_segments(void)
{
    struct world *world = world_create(1);
    world_open(world);
    while (world_stats(world).segments < 4)
        world_append_busy(world, 1 + prng_below(&world->prng, 5), 60000, 0);
    for (int i = 0; i < 20; i++)
        world_append_busy(world, 1, 100, 0);
    world_settle(world);
    world_rest(world, 200000000);
    world_crash(world, DISK_KEEP_ALL);
    remove_checkpoints(world);
    return world;
}

static void wipe(struct world *world, const char *path)
{
    uint64_t byte_count = disk_file_bytes(world->disk, path);
    uint8_t *zeros = calloc(1, byte_count);
    assert_non_null(zeros);
    disk_poke(world->disk, path, 0, zeros, byte_count);
    free(zeros);
}

static void damage_file(struct world *world, int how, const char *path)
{
    switch (how) {
    case 0:
        disk_remove(world->disk, path);
        break;
    case 1:
        wipe(world, path);
        break;
    case 2:
        disk_truncate(world->disk, path, 0);
        break;
    default:
        disk_truncate(world->disk, path, disk_file_bytes(world->disk, path) / 2);
        break;
    }
}

static void a_file_that_is_gone_keeps_the_shard_closed_and_the_others_whole(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct world *world = world_with_segments();
        uint8_t before[IMLOG_BLOCK_BYTES];
        uint8_t after[IMLOG_BLOCK_BYTES];
        char gone[64];
        char behind[64];
        world_segment_path(2, gone);
        world_segment_path(3, behind);
        disk_peek(world->disk, behind, 0, before, sizeof(before));
        damage_file(world, how, gone);
        assert_int_equal(world_try_open(world), IMLOG_ECORRUPT);
        assert_non_null(strstr(world->why.text, ".seg"));
        assert_non_null(strstr(world->why.text, "restore it from a backup"));
        disk_peek(world->disk, behind, 0, after, sizeof(after));
        assert_memory_equal(before, after, sizeof(before));
        world_destroy(world);
    }
}

/* One block that cannot be read is damage, not a refusal. */
static void an_unreadable_block_costs_its_messages_only(void **state)
{
    (void)state;
    struct world *world = world_with_segments();
    char path[64];
    world_segment_path(2, path);
    disk_set_unreadable(world->disk, path, 50 * IMLOG_BLOCK_BYTES, IMLOG_BLOCK_BYTES);
    assert_int_equal(world_try_open(world), 0);
    assert_true(world->error_reports > 0);
    world_destroy(world);
}

/* Zeros read in place of unreadable bytes must not pass for the log's end: nothing is written
 * over them, and once the disk gives them again everything is there. */
static void a_log_end_that_cannot_be_read_keeps_the_shard_closed(void **state)
{
    (void)state;
    for (uint32_t number = 1; number <= 4; number++) {
        for (uint64_t block = 0; block <= 1; block++) {
            struct world *world = world_with_segments();
            char path[64];
            uint32_t first =
                block == 0 ? number : 4; /* all from here on, or the newest's batches */
            for (uint32_t i = first; i <= 5; i++) {
                world_segment_path(i, path);
                disk_set_unreadable(world->disk, path, block * IMLOG_BLOCK_BYTES, UINT64_MAX / 2);
            }
            assert_int_equal(world_try_open(world), -EIO);
            assert_non_null(strstr(world->why.text, "where the log seems to end"));
            for (uint32_t i = first; i <= 5; i++)
                disk_set_unreadable(world->disk, world_segment_path(i, path), 0, 0);
            world_open(world);
            assert_int_equal(world->error_reports, 0);
            world_check_all(world);
            world_destroy(world);
        }
    }
}

/* What Linux says of a medium error is no other kind of failure. */
static void a_medium_error_counts_as_unreadable(void **state)
{
    (void)state;
    struct world *world = world_with_segments();
    struct disk_fault fault = {
        .kind = DISK_READ, .path_part = ".seg", .error = -ENODATA, .for_ever = true};
    disk_fail(world->disk, &fault);
    assert_int_equal(world_try_open(world), -EIO);
    assert_non_null(strstr(world->why.text, "where the log seems to end"));
    disk_heal(world->disk);
    world_open(world);
    world_check_all(world);
    world_destroy(world);
}

/* What verify says of seqs, and of the file that is gone. */
struct said {
    const char *file;
    bool names_file;
    uint64_t last_seq[6]; /* by session: from 1 up to here all are named; 0: none */
};

static void handle_found(void *arg, const struct imlog_finding *finding)
{
    struct said *said = arg;
    said->names_file = said->names_file || strstr(finding->file, said->file) != NULL;
    assert_true(finding->session_id < 6);
    if (finding->session_id != 0 && finding->first_seq == said->last_seq[finding->session_id] + 1)
        said->last_seq[finding->session_id] = finding->last_seq;
}

/* The first segment as much as any: nothing comes before it that it could be missed after. */
static void verify_names_what_a_missing_first_file_held(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct world *world = world_with_segments();
        struct said said = {.file = "0000000001.seg"};
        struct segment_map map;
        struct imlog_reader *reader;
        char gone[64];
        world_segment_path(1, gone);
        segment_map_read(&map, world->disk, gone);
        damage_file(world, how, gone);
        assert_int_equal(imlog_reader_open(disk_io(world->disk), WORLD_DIR, &reader, NULL), 0);
        assert_true(imlog_reader_verify(reader, handle_found, &said) > 0);
        imlog_reader_close(reader);
        assert_true(said.names_file);
        for (uint32_t i = 0; i < map.record_count; i++)
            assert_true(map.records[i].seq <= said.last_seq[map.records[i].session_id]);
        segment_map_deinit(&map);
        world_destroy(world);
    }
}

/* The shard refuses to open then, and what is left is read from outside: all of it. */
static void reading_from_outside_looks_behind_files_that_tell_nothing(void **state)
{
    (void)state;
    struct world *world = world_with_segments();
    char path[64];
    for (uint32_t number = 3; disk_has(world->disk, world_segment_path(number, path)); number++)
        wipe(world, path);
    struct imlog_reader *reader;
    struct imlog_message message;
    uint32_t message_count = 0;
    int more;
    assert_int_equal(imlog_reader_open(disk_io(world->disk), WORLD_DIR, &reader, &world->why), 0);
    while ((more = imlog_reader_next(reader, &message)) > 0) {
        model_check_message(world->model, &message);
        message_count++;
    }
    assert_int_equal(more, 0);
    assert_true(message_count > 60); /* of 60,000 bytes each, in two segments of 4 MiB */
    imlog_reader_close(reader);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_from_outside_looks_behind_files_that_tell_nothing),
        cmocka_unit_test_teardown(a_file_that_is_gone_keeps_the_shard_closed_and_the_others_whole,
                                  world_name_seed),
        cmocka_unit_test_teardown(an_unreadable_block_costs_its_messages_only, world_name_seed),
        cmocka_unit_test_teardown(a_medium_error_counts_as_unreadable, world_name_seed),
        cmocka_unit_test_teardown(a_log_end_that_cannot_be_read_keeps_the_shard_closed,
                                  world_name_seed),
        cmocka_unit_test(verify_names_what_a_missing_first_file_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reads that fail under a pull or a rebuild: what says nothing about the disk is an error and
 * costs nothing, what the disk cannot read is a gap, and nothing waits for ever. */
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include <errno.h>
#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENTS = 5, SESSIONS = 10 };

static const char *const spoiled = "0000000002.seg";

/* Sealed segments, none of them in RAM. */
static struct world *world_filled(uint64_t seed, uint32_t body_bytes)
{
    struct world *world = world_create(seed);
    world_open(world);
    while (world_stats(world).segments <= SEGMENTS)
        world_append_busy(world, 1 + prng_below(&world->prng, SESSIONS), body_bytes, 0);
    world_settle(world);
    world_close(world);
    world_open(world);
    return world;
}

struct pulled {
    struct imlog_pull pull;
    int status;
    uint32_t gap_count;
    bool done;
};

static void handle_pulled(struct imlog_pull *pull, int status, const struct imlog_page *page)
{
    struct pulled *pulled = (struct pulled *)(void *)pull;
    pulled->status = status;
    pulled->gap_count = page != NULL ? page->gap_count : 0;
    pulled->done = true;
}

/* Pull a session's messages of segment 2, whatever comes of it. */
static int pull_now(struct world *world, uint64_t session_id)
{
    struct segment_map map;
    char path[64];
    struct pulled pulled = {.pull = {.session_id = session_id, .done = handle_pulled}};
    world_segment_path(2, path);
    segment_map_read(&map, world->disk, path);
    for (uint32_t i = 0; i < map.record_count && pulled.pull.after_seq == 0; i++) {
        if (map.records[i].session_id == session_id)
            pulled.pull.after_seq = map.records[i].seq - 1;
    }
    segment_map_deinit(&map);
    pulled.pull.count_max = 3;
    assert_int_equal(imlog_pull(world->shard, &pulled.pull), 0);
    while (!pulled.done)
        world_poll(world, UINT64_MAX);
    return pulled.status;
}

static const int passing_errors[] = {-ENOMEM, -EAGAIN, -EMFILE, -ENFILE, -EBUSY};

/* What a pull ends with: "again" is no answer. */
static int answer_of(int error)
{
    return error == -EAGAIN ? -EBUSY : error;
}

static void want_of_resources_is_an_error_and_passes(void **state)
{
    (void)state;
    static const enum disk_op_kind kinds[] = {DISK_OPEN, DISK_READ};
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t what = 0; what < 4; what++) {
            struct world *world = world_filled(1 + i, 20000);
            disk_fail(world->disk, &(struct disk_fault){.kind = kinds[what % 2],
                                                        .path_part = spoiled,
                                                        .error = passing_errors[i],
                                                        .at_start = what >= 2});
            assert_int_equal(pull_now(world, 1), answer_of(passing_errors[i]));
            world_check_all(world);
            assert_int_equal(world->gap_count, 0);
            world_destroy(world);
        }
    }
}

static void any_number_of_unreadable_blocks_are_gaps(void **state)
{
    (void)state;
    struct world *world = world_filled(9, 4000);
    struct segment_map map;
    char path[64];
    uint64_t offset = 100 * IMLOG_BLOCK_BYTES;
    uint64_t bytes = 700 * IMLOG_BLOCK_BYTES;
    world_segment_path(2, path);
    segment_map_read(&map, world->disk, path);
    disk_set_unreadable(world->disk, path, offset, bytes);
    for (uint32_t i = 0; i < map.record_count; i++) {
        const struct mapped_record *record = &map.records[i];
        if (record->session_id != 0 && record->offset < offset + bytes &&
            record->end_offset > offset)
            model_damage(world->model, record->session_id, record->seq);
    }
    segment_map_deinit(&map);
    world_check_all(world);
    assert_true(world->gap_count > 0);
    world_destroy(world);
}

/* ---- while a footer is rebuilt ----------------------------------------------------------------
 */

/* Segment 2 has lost its extents, so the first pull has its index rebuilt. */
static struct world *world_without_footer(uint64_t seed)
{
    struct world *world = world_create(seed);
    struct segment_map map;
    char path[64];
    static const uint8_t zeros[IMLOG_BLOCK_BYTES];
    world_open(world);
    while (world_stats(world).segments <= SEGMENTS)
        world_append_busy(world, 1 + prng_below(&world->prng, SESSIONS), 20000, 0);
    world_settle(world);
    world_close(world);
    world_segment_path(2, path);
    segment_map_read(&map, world->disk, path);
    disk_poke(world->disk, path, map.end_offset, zeros, sizeof(zeros));
    segment_map_deinit(&map);
    world_open(world);
    return world;
}

/* Skips the reads of the footer, which come first. */
static struct disk_fault rebuild_fault(int error, bool at_start)
{
    return (struct disk_fault){.kind = DISK_READ,
                               .path_part = spoiled,
                               .skip_count = 2,
                               .error = error,
                               .at_start = at_start};
}

static void a_rebuild_without_resources_is_given_up_and_tried_again(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        for (int at_start = 0; at_start < 2; at_start++) {
            struct world *world = world_without_footer(20 + i);
            struct disk_fault fault = rebuild_fault(passing_errors[i], at_start);
            disk_fail(world->disk, &fault);
            assert_int_equal(pull_now(world, 1), answer_of(passing_errors[i]));
            assert_int_equal(world_stats(world).damaged_footers, 0);
            world_check_all(world);
            assert_int_equal(world->gap_count, 0);
            assert_int_equal(world_stats(world).damaged_footers, 1);
            world_destroy(world);
        }
    }
}

/* A read that fails once, or comes short, is tried block by block; one that cannot even be
 * started ends the reading, and what is not there is damaged. */
static void a_rebuild_reads_around_what_fails(void **state)
{
    (void)state;
    for (uint32_t what = 0; what < 3; what++) {
        struct world *world = world_without_footer(30 + what);
        struct disk_fault fault = rebuild_fault(what == 1 ? 0 : -EIO, what == 2);
        fault.short_bytes = 3 * IMLOG_BLOCK_BYTES + 700;
        disk_fail(world->disk, &fault);
        int status = pull_now(world, 1);
        assert_int_equal(status, 0);
        assert_int_equal(world_stats(world).damaged_footers, 1);
        if (what < 2) {
            world_check_all(world);
            assert_int_equal(world->gap_count, 0);
        }
        world_destroy(world);
    }
}

/* Nothing is left of the segment but what the checkpoint knows: all of it is gaps. */
static void a_wiped_segment_is_gaps(void **state)
{
    (void)state;
    struct world *world = world_without_footer(40);
    struct segment_map map;
    char path[64];
    world_segment_path(2, path);
    segment_map_read(&map, world->disk, path);
    for (uint32_t i = 0; i < map.record_count; i++) {
        if (map.records[i].session_id != 0)
            model_damage(world->model, map.records[i].session_id, map.records[i].seq);
    }
    segment_map_deinit(&map);
    uint64_t byte_count = disk_file_bytes(world->disk, path);
    uint8_t *zeros = calloc(1, byte_count);
    assert_non_null(zeros);
    disk_poke(world->disk, path, 0, zeros, byte_count);
    free(zeros);
    world_check_all(world);
    assert_true(world->gap_count > 0);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(want_of_resources_is_an_error_and_passes, world_name_seed),
        cmocka_unit_test_teardown(any_number_of_unreadable_blocks_are_gaps, world_name_seed),
        cmocka_unit_test_teardown(a_rebuild_without_resources_is_given_up_and_tried_again,
                                  world_name_seed),
        cmocka_unit_test_teardown(a_rebuild_reads_around_what_fails, world_name_seed),
        cmocka_unit_test_teardown(a_wiped_segment_is_gaps, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

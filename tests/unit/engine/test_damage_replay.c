/* Damage in what opening replays: reported run by run, exact, and never more than it hit, also
 * where a checkpoint or a footer knows more than the bytes that are left. */
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include "engine/format/checkpoint.h"
#include "engine/format/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void note_checkpoint(void *arg, const char *name)
{
    char *path = arg;
    if (strstr(name, ".ckpt") != NULL)
        (void)snprintf(path, 96, WORLD_SHARD_DIR "/%s", name);
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

/* Power is lost when all is durable and the watermark says so. */
static void stop(struct world *world)
{
    world_settle(world);
    world_rest(world, 200000000);
    world_crash(world, DISK_DROP_ALL);
}

/* Messages of a session in a segment, from seq `first` to `last` in steps: spoil a byte of the
 * header or the payload of each. */
static void spoil_some(struct world *world, uint32_t segment, uint64_t session_id, uint64_t first,
                       uint64_t last, uint64_t step, bool header)
{
    struct segment_map map;
    char path[64];
    uint64_t found = 0;
    world_segment_path(segment, path);
    segment_map_read(&map, world->disk, path);
    for (uint32_t i = 0; i < map.record_count; i++) {
        const struct mapped_record *record = &map.records[i];
        if (record->session_id != session_id || record->seq < first || record->seq > last ||
            (record->seq - first) % step != 0)
            continue;
        uint64_t at = header ? record->offset + 20 : record->end_offset - 1;
        disk_flip_bit(world->disk, path, at * 8);
        model_damage(world->model, session_id, record->seq);
        found++;
    }
    assert_int_equal(found, (last - first) / step + 1);
    segment_map_deinit(&map);
}

static void spoil(struct world *world, uint32_t segment, uint64_t session_id, uint64_t seq,
                  bool header)
{
    spoil_some(world, segment, session_id, seq, seq, 1, header);
}

/* Messages of one batch in one segment. */
static struct world *world_with_batch(uint64_t seed, uint64_t session_id, uint32_t count)
{
    struct world *world = world_create(seed);
    world_open(world);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(world_append(world, session_id, 100, 0), 0);
    stop(world);
    return world;
}

static void a_run_of_damaged_messages_is_one_report(void **state)
{
    (void)state;
    struct world *world = world_with_batch(1, 1, 20);
    spoil_some(world, 1, 1, 3, 7, 1, false);
    world_open(world);
    assert_int_equal(world->error_reports, 2); /* the messages, and the place */
    assert_int_equal(world_stats(world).damaged_messages, 5);
    world_check_all(world);
    world_destroy(world);
}

static void reports_are_bounded_and_counts_are_not(void **state)
{
    (void)state;
    struct world *world = world_with_batch(2, 1, 400);
    spoil_some(world, 1, 1, 2, 398, 2, false);
    world_open(world);
    assert_int_equal(world->error_reports, 100 + 1);
    assert_int_equal(world_stats(world).damaged_messages, 199);
    world_check_all(world);
    world_destroy(world);
}

/* The clock of a node that never heard the time; its damage must not move msg_ids back. */
static void damage_needs_no_clock(void **state)
{
    (void)state;
    struct world *world = world_create(3);
    disk_set_wall_ms(world->disk, 1000);
    world_open(world);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(world_append(world, 1, 100, 0), 0);
    stop(world);
    spoil(world, 1, 1, 4, false);
    world_open(world);
    world_check_all(world);
    world_append_busy(world, 1, 100, 0);
    world_check_all(world);
    world_destroy(world);
}

struct resolved {
    struct imlog_resolve resolve;
    bool done;
};

static void handle_resolved(struct imlog_resolve *resolve, int status)
{
    assert_int_equal(status, 0);
    ((struct resolved *)(void *)resolve)->done = true;
}

static uint64_t resolve_now(struct world *world, const char *key)
{
    struct resolved resolved = {.resolve = {.done = handle_resolved}};
    resolved.resolve.key = key;
    resolved.resolve.key_bytes = (uint32_t)strlen(key);
    assert_int_equal(imlog_resolve(world->shard, &resolved.resolve), 0);
    while (!resolved.done)
        world_poll(world, UINT64_MAX);
    return resolved.resolve.id;
}

/* The name is gone, and its id is given to nobody else. */
static void a_damaged_key_gives_its_id_to_nobody(void **state)
{
    (void)state;
    struct world *world = world_create(4);
    struct segment_map map;
    char path[64];
    uint64_t id;
    world_open(world);
    uint64_t first = resolve_now(world, "first");
    uint64_t lost = resolve_now(world, "lost");
    world_append_busy(world, 1, 100, 0);
    stop(world);
    world_segment_path(1, path);
    segment_map_read(&map, world->disk, path);
    disk_flip_bit(world->disk, path, (map.records[1].end_offset - 1) * 8);
    segment_map_deinit(&map);
    world_open(world);
    assert_int_equal(imlog_key_lookup(world->shard, "first", 5, &id), 0);
    assert_int_equal(id, first);
    assert_int_equal(imlog_key_lookup(world->shard, "lost", 4, &id), IMLOG_ENOSESSION);
    assert_true(resolve_now(world, "new") > lost);
    assert_true(resolve_now(world, "lost") > lost);
    world_check_all(world);
    world_destroy(world);
}

/* ---- known from elsewhere
 * ------------------------------------------------------------------------ */

/* A message without identity, known by the seq behind it: lost when its segment is sealed, and a
 * gap for ever, from RAM and from the footer; what is on its way stays unseen behind it. */
static void a_lost_message_stays_a_gap_when_its_segment_is_sealed(void **state)
{
    (void)state;
    struct world *world = world_create(5);
    struct imlog_session_info info;
    world_open(world);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(world_append(world, 1, 100, 0), 0);
        assert_int_equal(world_append(world, 2, 100, 0), 0);
    }
    stop(world);
    spoil(world, 1, 1, 3, true);
    world_open(world);
    disk_hold(world->disk, DISK_WRITE, true);
    world_append_busy(world, 1, 100, 0);
    world_poll(world, 0);
    assert_int_equal(imlog_session_get(world->shard, 1, &info), 0);
    assert_int_equal(info.latest_seq, 4);
    disk_hold(world->disk, DISK_WRITE, false);
    world_check_all(world);
    while (world_stats(world).segments < 4)
        world_append_busy(world, 1 + prng_below(&world->prng, 5), 60000, 0);
    world_check_all(world);
    world_close(world);
    world_open(world);
    world->gap_count = 0;
    world_check_all(world);
    assert_int_equal(world->gap_count, 1);
    world_destroy(world);
}

/* The checkpoint knows of messages in the active segment that the segment has no more. */
static void what_only_the_checkpoint_knows_is_a_gap(void **state)
{
    (void)state;
    struct world *world = world_create(6);
    struct imlog_session_info info;
    world_open(world);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(world_append(world, 9, 100, 0), 0);
        assert_int_equal(world_append(world, 1, 100, 0), 0);
    }
    world_settle(world);
    world_close(world);
    spoil_some(world, 1, 9, 1, 4, 1, true);
    world_open(world);
    assert_int_equal(imlog_session_get(world->shard, 9, &info), 0);
    assert_int_equal(info.latest_seq, 4);
    world_check_all(world);
    world_append_busy(world, 9, 100, 0);
    world_check_all(world);
    assert_int_equal(world->model->sessions[9].count, 5);
    world_destroy(world);
}

/* A sealed segment has lost all messages of a session; its footer still names them. */
static void what_only_the_footer_knows_is_a_gap(void **state)
{
    (void)state;
    struct world *world = world_create(7);
    world_open(world);
    assert_int_equal(world_append(world, 50, 100, 0), 0);
    assert_int_equal(world_append(world, 50, 100, 0), 0);
    while (world_stats(world).segments < 3)
        world_append_busy(world, 1, 60000, 0);
    stop(world);
    remove_checkpoints(world);
    spoil_some(world, 1, 50, 1, 2, 1, true);
    world_open(world);
    world_check_all(world);
    world_append_busy(world, 50, 100, 0);
    assert_int_equal(world->model->sessions[50].count, 3);
    world_check_all(world);
    world_destroy(world);
}

/* ---- a trailer that is gone
 * ------------------------------------------------------------------------ */

/* A checkpoint that began in segment 2 and captured what was in segment 3 already. */
static struct world *world_with_overtaken_checkpoint(uint64_t seed)
{
    struct world *world = world_create(seed);
    world_open(world);
    while (world_stats(world).segments < 2)
        world_append_busy(world, 1 + prng_below(&world->prng, 5), 20000, 0);
    world_settle(world);
    world_rest(world, 500000000); /* the first segment sealed, the third prepared */
    assert_int_equal(world_stats(world).checkpoints, 0);
    disk_hold(world->disk, DISK_OPEN, true);
    world_append_busy(world, 1, 200000, 0); /* makes one due; its file is not open yet */
    while (world_stats(world).segments < 3)
        world_append_busy(world, 1 + prng_below(&world->prng, 5), 20000, 0);
    for (uint32_t i = 0; i < 10; i++)
        world_append_busy(world, 1 + i % 5, 1000, 0);
    world_settle(world);
    disk_hold(world->disk, DISK_OPEN, false);
    world_rest(world, 1000000000);
    assert_true(world_stats(world).checkpoints >= 1);
    world_crash(world, DISK_DROP_ALL);
    return world;
}

static void a_lost_trailer_costs_nothing_whatever_the_checkpoint_knows(void **state)
{
    (void)state;
    for (uint64_t seed = 8; seed < 14; seed++) {
        struct world *world = world_with_overtaken_checkpoint(seed);
        struct checkpoint_head head;
        char path[96] = "";
        struct imlog_io *io = disk_io(world->disk);
        assert_int_equal(io->ops->list(io, WORLD_SHARD_DIR, note_checkpoint, path), 0);
        disk_peek(world->disk, path, 0, &head, sizeof(head));
        assert_int_equal(head.origin_segment, 2);
        world_segment_path(2, path);
        disk_flip_bit(world->disk, path,
                      (disk_file_bytes(world->disk, path) - IMLOG_BLOCK_BYTES) * 8);
        if (seed % 2 == 0)
            spoil(world, 2, world->model->all[world->model->count / 2].session_id,
                  world->model->all[world->model->count / 2].seq, seed % 4 == 0);
        world_open(world);
        world_check_all(world);
        if (seed % 2 != 0)
            assert_int_equal(world->gap_count, 0);
        world_append_busy(world, 1, 100, 0);
        while (world_stats(world).segments < 5)
            world_append_busy(world, 1 + prng_below(&world->prng, 5), 60000, 0);
        world_check_all(world);
        world_close(world);
        world_open(world);
        world_check_all(world);
        world_destroy(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_run_of_damaged_messages_is_one_report, world_name_seed),
        cmocka_unit_test_teardown(reports_are_bounded_and_counts_are_not, world_name_seed),
        cmocka_unit_test_teardown(damage_needs_no_clock, world_name_seed),
        cmocka_unit_test_teardown(a_damaged_key_gives_its_id_to_nobody, world_name_seed),
        cmocka_unit_test_teardown(a_lost_message_stays_a_gap_when_its_segment_is_sealed,
                                  world_name_seed),
        cmocka_unit_test_teardown(what_only_the_checkpoint_knows_is_a_gap, world_name_seed),
        cmocka_unit_test_teardown(what_only_the_footer_knows_is_a_gap, world_name_seed),
        cmocka_unit_test_teardown(a_lost_trailer_costs_nothing_whatever_the_checkpoint_knows,
                                  world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

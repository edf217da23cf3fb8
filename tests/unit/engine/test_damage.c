/* One wrong bit in what is sealed costs exactly the messages whose bytes it hit, whether the
 * shard reads the log again or only its checkpoint; everything else is served. */
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void remove_checkpoint(void *arg, const char *name)
{
    struct world *world = arg;
    char path[64];
    if (strstr(name, ".ckpt") == NULL)
        return;
    (void)snprintf(path, sizeof(path), WORLD_SHARD_DIR "/%s", name);
    disk_remove(world->disk, path);
}

struct names {
    char all[16][32];
    uint32_t count;
};

static void note_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (names->count < 16)
        (void)snprintf(names->all[names->count++], 32, "%s", name);
}

static void remove_checkpoints(struct world *world)
{
    struct imlog_io *io = disk_io(world->disk);
    struct names names = {.count = 0};
    assert_int_equal(io->ops->list(io, WORLD_SHARD_DIR, note_name, &names), 0);
    for (uint32_t i = 0; i < names.count; i++)
        remove_checkpoint(world, names.all[i]);
}

/* Some sealed segments, closed in good order. Returns how many are sealed. */
static uint32_t fill(struct world *world, uint32_t segments)
{
    struct prng *prng = &world->prng;
    world_open(world);
    while (world_stats(world).segments <= segments) {
        uint32_t body_bytes = (uint32_t)prng_below(prng, prng_one_in(prng, 20) ? 200000 : 2000);
        world_append_busy(world, 1 + prng_below(prng, 30), body_bytes, prng_next(prng));
        if (prng_one_in(prng, 4))
            world_poll(world, 1000000);
    }
    world_settle(world);
    world_close(world);
    return segments;
}

/* What one flipped bit at `offset` must cost. */
static void expect_lost(struct world *world, const struct segment_map *map, uint64_t offset)
{
    const struct mapped_record *record = segment_map_message_at(map, offset);
    if (record != NULL)
        model_damage(world->model, record->session_id, record->seq);
}

/* A byte to spoil: anywhere, with the small structures as likely as all records together. */
static uint64_t some_offset(struct world *world, const struct segment_map *map, uint64_t file_bytes)
{
    struct prng *prng = &world->prng;
    switch (prng_below(prng, 6)) {
    case 0: /* head */
        return prng_below(prng, IMLOG_BLOCK_BYTES);
    case 1: /* footer */
        return map->end_offset + prng_below(prng, 5 * IMLOG_BLOCK_BYTES);
    case 2: /* trailer */
        return file_bytes - 1 - prng_below(prng, IMLOG_BLOCK_BYTES);
    case 3: /* a batch header */
        return map->batches[prng_below(prng, map->batch_count)].offset + prng_below(prng, 96);
    case 4: /* a record header */
        return map->records[prng_below(prng, map->record_count)].offset + prng_below(prng, 40);
    default:
        return prng_below(prng, file_bytes);
    }
}

static void flip(struct world *world, uint32_t segment)
{
    struct segment_map map;
    char path[64];
    world_segment_path(segment, path);
    segment_map_read(&map, world->disk, path);
    uint64_t offset = some_offset(world, &map, disk_file_bytes(world->disk, path));
    disk_flip_bit(world->disk, path, offset * 8 + prng_below(&world->prng, 8));
    expect_lost(world, &map, offset);
    segment_map_deinit(&map);
}

static void look(struct world *world)
{
    world_open(world);
    world_check_all(world);
    world_check_all(world);
    if (model_damaged_count(world->model) == 0)
        assert_int_equal(world->gap_count, 0);
    for (uint32_t id = 1; id <= 30; id++) /* and life goes on */
        world_append_busy(world, id, 100, 0);
    world_check_all(world);
    world_close(world);
    world_open(world);
    world_check_all(world);
}

/* One bit in each of so many segments. */
static void flip_and_look(uint64_t seed, bool replay, uint32_t flips)
{
    struct world *world = world_create(seed);
    uint32_t sealed = fill(world, 3);
    uint32_t segment = (uint32_t)prng_below(&world->prng, sealed);
    for (uint32_t i = 0; i < flips; i++)
        flip(world, 1 + (segment + i) % sealed);
    if (replay)
        remove_checkpoints(world);
    look(world);
    world_destroy(world);
}

static void run_seeds(uint64_t count, bool replay, uint32_t flips)
{
    uint64_t first;
    count = world_seeds(count, &first);
    for (uint64_t seed = first; seed < first + count; seed++)
        flip_and_look(seed, replay, flips);
}

static void a_flipped_bit_costs_what_it_hit(void **state)
{
    (void)state;
    run_seeds(40, false, 1);
}

static void a_flipped_bit_costs_what_it_hit_after_replay(void **state)
{
    (void)state;
    run_seeds(50, true, 1);
}

static void flipped_bits_in_all_segments_cost_what_they_hit(void **state)
{
    (void)state;
    run_seeds(20, false, 3);
}

static void flipped_bits_in_all_segments_cost_what_they_hit_after_replay(void **state)
{
    (void)state;
    run_seeds(40, true, 3);
}

/* The chain is lost with a batch's header, and found again with the next segment's first batch:
 * what was damaged is told once, and nothing sound is called damaged when it is opened again. */
static void a_lost_chain_is_found_in_the_next_segment(void **state)
{
    (void)state;
    struct world *world = world_create(3);
    uint32_t sealed = fill(world, 2);
    struct segment_map map;
    char path[64];
    world_segment_path(sealed, path);
    segment_map_read(&map, world->disk, path);
    uint64_t offset = map.batches[map.batch_count - 1].offset;
    disk_flip_bit(world->disk, path, (offset + 64) * 8);
    segment_map_deinit(&map);
    remove_checkpoints(world);
    world_open(world);
    assert_true(world->error_reports > 0);
    world_check_all(world);
    world_append_busy(world, 1, 100, 0);
    world_settle(world);
    world_close(world); /* with a checkpoint that begins behind the damage */
    world->error_reports = 0;
    world_open(world);
    assert_int_equal(world->error_reports, 0);
    world_check_all(world);
    world_destroy(world);
}

/* The write that begins a segment carries its head and its first batch. Torn in the head alone,
 * the batch counts, and opening writes the head again, as it was. */
static void a_torn_head_is_mended_by_opening(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    uint32_t active = fill(world, 1) + 1;
    char path[64];
    uint8_t block[IMLOG_BLOCK_BYTES];
    static const uint8_t torn[512];
    struct segment_head before;
    struct segment_head after;
    world_segment_path(active, path);
    disk_peek(world->disk, path, 0, block, sizeof(block));
    assert_int_equal(segment_head_decode(block, &before), 0);
    disk_poke(world->disk, path, 0, torn, sizeof(torn));
    world_open(world);
    world_check_all(world);
    assert_int_equal(world->gap_count, 0);
    assert_int_equal(world->error_reports, 0);
    disk_peek(world->disk, path, 0, block, sizeof(block));
    assert_int_equal(segment_head_decode(block, &after), 0);
    assert_int_equal(after.number, active);
    assert_int_equal(after.base_lsn, before.base_lsn);
    assert_int_equal(after.prev_checksum, before.prev_checksum);
    assert_int_equal(after.segment_bytes, before.segment_bytes);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torn_head_is_mended_by_opening),
        cmocka_unit_test(a_lost_chain_is_found_in_the_next_segment),
        cmocka_unit_test_teardown(a_flipped_bit_costs_what_it_hit, world_name_seed),
        cmocka_unit_test_teardown(a_flipped_bit_costs_what_it_hit_after_replay, world_name_seed),
        cmocka_unit_test_teardown(flipped_bits_in_all_segments_cost_what_they_hit, world_name_seed),
        cmocka_unit_test_teardown(flipped_bits_in_all_segments_cost_what_they_hit_after_replay,
                                  world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

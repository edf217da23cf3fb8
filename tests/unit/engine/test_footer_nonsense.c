/* Footers with valid checksums around what no writer makes: a pull never serves another message
 * for the one it asked for, never leaves its bounds, and finds the rest by other ways. */
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENTS = 5, SESSIONS = 20 };

struct fixture {
    struct world *world;
    uint64_t salt;
};

/* Segments 1 to SEGMENTS are sealed, and none of them is in RAM. */
static void fixture_init(struct fixture *fixture, uint64_t seed)
{
    struct world *world = world_create(seed);
    struct segment_map map;
    char path[64];
    world_open(world);
    while (world_stats(world).segments <= SEGMENTS)
        world_append_busy(world, 2 + prng_below(&world->prng, SESSIONS), 20000, 0);
    world_settle(world);
    world_close(world);
    world_segment_path(1, path);
    segment_map_read(&map, world->disk, path);
    segment_map_deinit(&map);
    fixture->world = world;
    fixture->salt = map.head.salt;
}

struct footer_block {
    uint8_t bytes[IMLOG_BLOCK_BYTES];
    uint64_t offset;
    struct segment_block_header header;
};

/* The first footer block of a kind. */
static void footer_read(struct fixture *fixture, uint32_t segment, enum segment_block_kind kind,
                        struct footer_block *block)
{
    char path[64];
    struct segment_trailer trailer;
    world_segment_path(segment, path);
    uint64_t file_bytes = disk_file_bytes(fixture->world->disk, path);
    disk_peek(fixture->world->disk, path, file_bytes - IMLOG_BLOCK_BYTES, &trailer,
              sizeof(trailer));
    uint32_t number = kind == SEGMENT_EXTENTS   ? segment_extents_block(&trailer, 0)
                      : kind == SEGMENT_OFFSETS ? segment_offsets_block(&trailer, 0)
                                                : segment_fences_block(&trailer, 0);
    block->offset = (uint64_t)number * IMLOG_BLOCK_BYTES;
    disk_peek(fixture->world->disk, path, block->offset, block->bytes, sizeof(block->bytes));
    memcpy(&block->header, block->bytes, sizeof(block->header));
    assert_int_equal(segment_block_check(block->bytes, kind, segment, 0, fixture->salt),
                     (int)block->header.entry_count);
}

static void footer_write(struct fixture *fixture, struct footer_block *block)
{
    char path[64];
    world_segment_path(block->header.number, path);
    segment_block_seal(block->bytes, (enum segment_block_kind)block->header.kind,
                       block->header.number, 0, block->header.entry_count, fixture->salt);
    disk_poke(fixture->world->disk, path, block->offset, block->bytes, sizeof(block->bytes));
}

static void *entries_of(struct footer_block *block)
{
    return block->bytes + sizeof(struct segment_block_header);
}

/* The segment's entry `index`, and where its offsets begin. */
static struct segment_extent extent_at(struct fixture *fixture, uint32_t segment, uint32_t index)
{
    struct footer_block block;
    struct segment_extent extent;
    footer_read(fixture, segment, SEGMENT_EXTENTS, &block);
    memcpy(&extent, (struct segment_extent *)entries_of(&block) + index, sizeof(extent));
    return extent;
}

static void look(struct fixture *fixture, bool gaps)
{
    struct world *world = fixture->world;
    world_open(world);
    world->gap_count = 0;
    world_check_all(world);
    assert_int_equal(world->gap_count > 0, gaps);
    world_destroy(world);
}

/* The second message of the third session in segment 2 is said to lie elsewhere. */
static void an_offset_that_lies_costs_its_message_only(void **state)
{
    (void)state;
    for (int what = 0; what < 6; what++) {
        struct fixture fixture;
        struct footer_block block;
        fixture_init(&fixture, 1 + (uint64_t)what);
        struct segment_extent extent = extent_at(&fixture, 2, 2);
        assert_true(extent.count >= 2);
        footer_read(&fixture, 2, SEGMENT_OFFSETS, &block);
        uint32_t *offset = (uint32_t *)entries_of(&block) + extent.offsets_index + 1;
        const uint32_t lies[] = {
            offset[-1],                        /* the message before */
            *((uint32_t *)entries_of(&block)), /* another session's */
            *offset + 4,                       /* no place for a record */
            8,                                 /* in the head */
            IMLOG_SEGMENT_BYTES_MIN,           /* behind the end */
            IMLOG_SEGMENT_BYTES_MIN - 8,       /* across the end */
        };
        *offset = lies[what];
        footer_write(&fixture, &block);
        model_damage(fixture.world->model, extent.session_id, extent.first_seq + 1);
        look(&fixture, true);
    }
}

/* Links may lead to segments that are not there, or do not have the session: the walk goes on
 * segment by segment, and finds everything. */
static void links_that_lie_cost_nothing(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct fixture fixture;
        struct footer_block block;
        fixture_init(&fixture, 10 + (uint64_t)what);
        for (uint32_t segment = 2; segment <= SEGMENTS; segment++) {
            footer_read(&fixture, segment, SEGMENT_EXTENTS, &block);
            struct segment_extent *extents = entries_of(&block);
            for (uint32_t i = 0; i < block.header.entry_count; i++) {
                if (what < 2 && extents[i].prev_segment != SEGMENT_NONE)
                    extents[i].prev_segment = what == 0 ? 4000 : SEGMENT_UNKNOWN;
                if (extents[i].jump_segment != SEGMENT_NONE)
                    extents[i].jump_segment = what == 1 ? SEGMENT_UNKNOWN : 5000;
            }
            footer_write(&fixture, &block);
        }
        look(&fixture, false);
    }
}

/* A session that a footer should name and does not, at its beginning or inside: its messages of
 * that segment are gaps, all older ones are served. */
static void a_session_that_a_footer_hides_is_a_gap(void **state)
{
    (void)state;
    for (uint32_t index = 0; index < 2; index++) {
        struct fixture fixture;
        struct footer_block block;
        fixture_init(&fixture, 20 + index);
        footer_read(&fixture, 3, SEGMENT_EXTENTS, &block);
        struct segment_extent *extents = entries_of(&block);
        for (uint32_t i = 0; i < extents[index].count; i++)
            model_damage(fixture.world->model, extents[index].session_id,
                         extents[index].first_seq + i);
        if (index == 0) { /* below the first fence from now on */
            struct footer_block fences;
            footer_read(&fixture, 3, SEGMENT_FENCES, &fences);
            memcpy(entries_of(&fences), &extents[1].session_id, sizeof(uint64_t));
            footer_write(&fixture, &fences);
        }
        memmove(&extents[index], &extents[index + 1],
                (block.header.entry_count - index - 1) * sizeof(*extents));
        block.header.entry_count--;
        footer_write(&fixture, &block);
        look(&fixture, true);
    }
}

/* Entries that no extent can have make the footer a damaged one: it is rebuilt. */
static void an_impossible_entry_is_a_damaged_footer(void **state)
{
    (void)state;
    for (int what = 0; what < 5; what++) {
        struct fixture fixture;
        struct footer_block block;
        fixture_init(&fixture, 30 + (uint64_t)what);
        footer_read(&fixture, 3, SEGMENT_EXTENTS, &block);
        struct segment_extent *extents = entries_of(&block);
        if (what == 0)
            extents[1].first_seq = 0;
        if (what == 1)
            extents[1].count = 0;
        if (what == 2)
            extents[1].first_seq = UINT64_MAX;
        if (what == 3)
            extents[1].offsets_index = UINT32_MAX - 1;
        if (what == 4) {
            extents[1].first_seq = 0;
            extents[1].count = 0;
        }
        footer_write(&fixture, &block);
        look(&fixture, false);
    }
}

static void note_checkpoint(void *arg, const char *name)
{
    char *path = arg;
    if (strstr(name, ".ckpt") != NULL)
        (void)snprintf(path, 96, WORLD_SHARD_DIR "/%s", name);
}

/* Where a sealed segment is damaged, replay asks its footer for what is missing: an entry that no
 * extent can have tells it nothing. */
static void replay_believes_no_impossible_entry(void **state)
{
    (void)state;
    struct fixture fixture;
    struct footer_block block;
    struct segment_map map;
    char path[96];
    fixture_init(&fixture, 40);
    struct world *world = fixture.world;
    struct imlog_io *io = disk_io(world->disk);
    for (path[0] = '/'; path[0] != '\0';) {
        path[0] = '\0';
        assert_int_equal(io->ops->list(io, WORLD_SHARD_DIR, note_checkpoint, path), 0);
        if (path[0] != '\0')
            disk_remove(world->disk, path);
    }
    world_segment_path(3, path);
    segment_map_read(&map, world->disk, path);
    const struct mapped_record *record = &map.records[map.record_count / 2];
    disk_flip_bit(world->disk, path, (record->end_offset - 1) * 8);
    model_damage(world->model, record->session_id, record->seq);
    segment_map_deinit(&map);
    footer_read(&fixture, 3, SEGMENT_EXTENTS, &block);
    struct segment_extent *extents = entries_of(&block);
    extents[1].first_seq = UINT64_C(1) << 50;
    footer_write(&fixture, &block);
    look(&fixture, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_offset_that_lies_costs_its_message_only, world_name_seed),
        cmocka_unit_test_teardown(links_that_lie_cost_nothing, world_name_seed),
        cmocka_unit_test_teardown(a_session_that_a_footer_hides_is_a_gap, world_name_seed),
        cmocka_unit_test_teardown(an_impossible_entry_is_a_damaged_footer, world_name_seed),
        cmocka_unit_test_teardown(replay_believes_no_impossible_entry, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

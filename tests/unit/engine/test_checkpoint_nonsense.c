/* Checkpoints with valid checksums around what no writer makes: of another place they are passed
 * over; with contradictions inside, the shard says which file cannot be loaded, and stays closed.
 */
#include "engine/format/checkpoint.h"
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include "engine/base/checksum.h"
#include "engine/io/blocking.h"

#include <fcntl.h>
#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct world *world;
    uint64_t salt;
    uint64_t number; /* of the newest checkpoint */
    char path[96];
    uint8_t *bytes; /* its file's, to be spoiled */
    uint8_t *whole; /* and as it was */
    uint64_t byte_count;
};

static void checkpoint_path(uint64_t number, char path[96])
{
    (void)snprintf(path, 96, WORLD_SHARD_DIR "/%016llx.ckpt", (unsigned long long)number);
}

/* Some sealed segments, sessions, keys and retries; two checkpoints, closed in good order. */
static void fixture_init(struct fixture *fixture, uint64_t seed)
{
    struct world *world = world_create(seed);
    struct segment_map map;
    char path[96];
    fixture->world = world;
    for (int life = 0; life < 2; life++) {
        world_open(world);
        for (uint32_t i = 0; i < 100; i++) {
            char key[32];
            (void)snprintf(key, sizeof(key), "key-%d-%u", life, i);
            (void)world_resolve(world, key);
            world_append_busy(world, 1 + i % 20, 60000, 1 + (uint64_t)life * 100 + i);
        }
        world_settle(world);
        world_close(world);
    }
    world_segment_path(1, path);
    segment_map_read(&map, world->disk, path);
    fixture->salt = map.head.salt;
    segment_map_deinit(&map);
    fixture->number = 0;
    for (uint64_t number = 1; number < 100; number++) {
        checkpoint_path(number, path);
        if (disk_has(world->disk, path))
            fixture->number = number;
    }
    assert_true(fixture->number >= 2);
    checkpoint_path(fixture->number, fixture->path);
    fixture->byte_count = disk_file_bytes(world->disk, fixture->path);
    fixture->bytes = malloc(fixture->byte_count);
    fixture->whole = malloc(fixture->byte_count);
    assert_non_null(fixture->bytes);
    assert_non_null(fixture->whole);
    disk_peek(world->disk, fixture->path, 0, fixture->whole, fixture->byte_count);
    memcpy(fixture->bytes, fixture->whole, fixture->byte_count);
}

static void fixture_deinit(struct fixture *fixture)
{
    free(fixture->bytes);
    free(fixture->whole);
    world_destroy(fixture->world);
}

static void put_back(struct fixture *fixture)
{
    memcpy(fixture->bytes, fixture->whole, fixture->byte_count);
    disk_poke(fixture->world->disk, fixture->path, 0, fixture->bytes, fixture->byte_count);
}

/* The newest chunk of a kind. */
static uint8_t *chunk_of(struct fixture *fixture, enum checkpoint_kind kind,
                         struct checkpoint_chunk *header)
{
    for (uint64_t at = IMLOG_BLOCK_BYTES; at < fixture->byte_count; at += CHECKPOINT_CHUNK_BYTES) {
        memcpy(header, fixture->bytes + at, sizeof(*header));
        if (header->kind == kind)
            return fixture->bytes + at;
    }
    fail_msg("no chunk of kind %d", (int)kind);
    abort(); /* never: but the compiler cannot know */
}

static void *payload_of(struct fixture *fixture, enum checkpoint_kind kind)
{
    struct checkpoint_chunk header;
    return chunk_of(fixture, kind, &header) + sizeof(header);
}

/* Seal the chunk again, with so many entries more, and bytes less, than it had. */
static void seal_chunk(struct fixture *fixture, enum checkpoint_kind kind, uint32_t more_entries,
                       uint32_t fewer_bytes)
{
    struct checkpoint_chunk header;
    uint8_t *chunk = chunk_of(fixture, kind, &header);
    checkpoint_chunk_seal(chunk, kind, header.number, header.index,
                          header.entry_count + more_entries, header.payload_bytes - fewer_bytes,
                          fixture->salt);
    disk_poke(fixture->world->disk, fixture->path, 0, fixture->bytes, fixture->byte_count);
}

/* ---- contradictions -------------------------------------------------------------------------- */

static void expect_refused(struct fixture *fixture)
{
    struct world *world = fixture->world;
    world->why.text[0] = '\0';
    assert_int_equal(world_try_open(world), IMLOG_ECORRUPT);
    assert_non_null(strstr(world->why.text, "cannot be loaded"));
    put_back(fixture);
}

static void segments_out_of_order_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    for (int what = 0; what < 6; what++) {
        struct checkpoint_segment *segments = payload_of(&fixture, CHECKPOINT_SEGMENTS);
        if (what == 0)
            segments[1].number += 1;
        if (what == 1)
            segments[0].number = 0;
        if (what == 2)
            segments[1].base_lsn += IMLOG_BLOCK_BYTES;
        if (what == 3)
            segments[1].end_offset = (uint32_t)segments[1].segment_bytes + IMLOG_BLOCK_BYTES;
        if (what == 5)
            segments[1].end_offset = 0;
        seal_chunk(&fixture, CHECKPOINT_SEGMENTS, what == 4, 0);
        expect_refused(&fixture);
    }
    for (int what = 0; what < 3; what++) { /* nor may the log go on elsewhere */
        struct checkpoint_head head;
        memcpy(&head, fixture.bytes, sizeof(head));
        head.origin_segment += what == 0;
        head.origin_segment -= what == 1;
        head.origin_lsn += what == 2 ? IMLOG_BLOCK_BYTES : 0;
        checkpoint_head_encode(fixture.bytes, &head, fixture.salt);
        disk_poke(fixture.world->disk, fixture.path, 0, fixture.bytes, fixture.byte_count);
        expect_refused(&fixture);
    }
    world_open(fixture.world);
    world_check_all(fixture.world);
    fixture_deinit(&fixture);
}

static void sessions_of_nonsense_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 2);
    for (int what = 0; what < 4; what++) {
        struct checkpoint_session session;
        uint8_t *first = payload_of(&fixture, CHECKPOINT_SESSIONS);
        uint8_t *second = first;
        memcpy(&session, first, sizeof(session));
        second += sizeof(session) + session.root_count * sizeof(uint32_t);
        if (what == 0)
            session.depth += 1; /* not as many roots */
        if (what == 1)
            session.session_id = 0;
        if (what == 2)
            memcpy(&session.session_id, second, sizeof(session.session_id)); /* twice */
        if (what == 3)
            session.last_lsn = UINT64_C(1) << 60; /* not durable when this was written */
        memcpy(first, &session, sizeof(session));
        seal_chunk(&fixture, CHECKPOINT_SESSIONS, 0, 0);
        expect_refused(&fixture);
    }
    seal_chunk(&fixture, CHECKPOINT_SESSIONS, 1, 0); /* one more than there are */
    expect_refused(&fixture);
    world_open(fixture.world);
    world_check_all(fixture.world);
    fixture_deinit(&fixture);
}

/* Where its newest messages lie is only where to begin looking. */
static void a_session_in_a_segment_that_is_not_there_is_found(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 9);
    static const uint32_t nowhere = 4000000000U;
    struct checkpoint_session session;
    uint8_t *first = payload_of(&fixture, CHECKPOINT_SESSIONS);
    memcpy(&session, first, sizeof(session));
    assert_true(session.root_count > 0);
    memcpy(first + sizeof(session), &nowhere, sizeof(nowhere));
    seal_chunk(&fixture, CHECKPOINT_SESSIONS, 0, 0);
    world_open(fixture.world);
    world_check_all(fixture.world);
    assert_int_equal(fixture.world->gap_count, 0);
    struct imlog_session_info info; /* and asked for while its next message is on the way */
    world_append_busy(fixture.world, session.session_id, 100, 0);
    assert_int_equal(imlog_session_get(fixture.world->shard, session.session_id, &info), 0);
    assert_int_equal(info.latest_seq, session.latest_seq);
    world_check_all(fixture.world);
    fixture_deinit(&fixture);
}

static void keys_of_nonsense_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 3);
    const uint32_t entry_bytes = sizeof(uint32_t) + 1 + sizeof("key-0-0") - 1;
    for (int what = 0; what < 4; what++) {
        uint8_t *first = payload_of(&fixture, CHECKPOINT_KEYS);
        uint8_t *second = first + entry_bytes;
        static const uint32_t too_large = UINT32_MAX;
        if (what == 0)
            memcpy(second, first, sizeof(uint32_t)); /* two of one number */
        if (what == 1)
            memcpy(second + 4, first + 4, entry_bytes - 4); /* two of one name */
        if (what == 2)
            second[4] = 0; /* no name */
        if (what == 3)
            memcpy(second, &too_large, sizeof(too_large));
        seal_chunk(&fixture, CHECKPOINT_KEYS, 0, 0);
        fixture.world->why.text[0] = '\0';
        assert_true(world_try_open(fixture.world) < 0);
        assert_non_null(strstr(fixture.world->why.text, "cannot be loaded"));
        put_back(&fixture);
    }
    world_open(fixture.world);
    fixture_deinit(&fixture);
}

static void retries_that_do_not_fill_their_chunk_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 4);
    (void)payload_of(&fixture, CHECKPOINT_DEDUPE);
    seal_chunk(&fixture, CHECKPOINT_DEDUPE, 0, 8);
    expect_refused(&fixture);
    world_open(fixture.world);
    fixture_deinit(&fixture);
}

/* ---- of another place ------------------------------------------------------------------------ */

/* The older checkpoint serves, and says why. */
static void expect_passed_over(struct fixture *fixture)
{
    struct world *world = fixture->world;
    uint32_t warnings = world->warning_reports;
    uint32_t errors = world->error_reports;
    disk_poke(world->disk, fixture->path, 0, fixture->bytes, fixture->byte_count);
    world_open(world);
    assert_true(world->warning_reports > warnings);
    assert_int_equal(world->error_reports, errors);
    world_check_all(world);
    world_crash(world, DISK_KEEP_ALL);
    put_back(fixture);
}

static void an_end_that_does_not_fit_its_file_is_none(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 5);
    seal_chunk(&fixture, CHECKPOINT_END, 0, 8);
    expect_passed_over(&fixture);
    struct checkpoint_end *end = payload_of(&fixture, CHECKPOINT_END);
    end->chunk_count++;
    seal_chunk(&fixture, CHECKPOINT_END, 0, 0);
    expect_passed_over(&fixture);
    fixture_deinit(&fixture);
}

static void a_head_of_another_file_is_none(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 6);
    for (int what = 0; what < 4; what++) {
        struct checkpoint_head head;
        memcpy(&head, fixture.bytes, sizeof(head));
        head.number += what == 0;
        head.shard_index = (uint16_t)(head.shard_index + (what == 1));
        head.uuid[3] ^= what == 2 ? 1 : 0;
        checkpoint_head_encode(fixture.bytes, &head, fixture.salt);
        fixture.bytes[100] ^= what == 3 ? 1 : 0;
        expect_passed_over(&fixture);
    }
    fixture_deinit(&fixture);
}

static void a_checkpoint_of_a_newer_version_is_no_damage(void **state)
{
    (void)state;
    struct fixture fixture;
    struct checkpoint_head head;
    fixture_init(&fixture, 7);
    memcpy(&head, fixture.bytes, sizeof(head));
    head.version = CHECKPOINT_VERSION + 1;
    head.head_checksum = checksum((uint8_t *)&head + 8, sizeof(head) - 8, fixture.salt);
    memcpy(fixture.bytes, &head, sizeof(head));
    disk_poke(fixture.world->disk, fixture.path, 0, fixture.bytes, fixture.byte_count);
    assert_int_equal(world_try_open(fixture.world), IMLOG_EVERSION);
    assert_non_null(strstr(fixture.world->why.text, "newer"));
    put_back(&fixture);
    world_open(fixture.world);
    world_check_all(fixture.world);
    fixture_deinit(&fixture);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Many files that are none, newer and older ones and by other names: the good one is found and
 * stays, older ones go, and what is no checkpoint's name is left alone. */
static void the_good_one_is_found_among_many(void **state)
{
    (void)state;
    static const char *const others[] = {"00000000000000zz.ckpt", "0000000000000001.ckpx",
                                         "zzzzzzzzzzzzzzzz.ckpt", "0000000000000000.ckpt"};
    struct fixture fixture;
    char path[96];
    fixture_init(&fixture, 8);
    struct world *world = fixture.world;
    struct imlog_io *io = disk_io(world->disk);
    for (uint32_t i = 0; i < 24; i++) {
        if (i < 4)
            (void)snprintf(path, sizeof(path), WORLD_SHARD_DIR "/%s", others[i]);
        else
            checkpoint_path(i < 14 ? 1000 + i : fixture.number + i, path);
        int file = blocking_open(io, path, O_RDWR | O_CREAT);
        assert_true(file >= 0);
        assert_int_equal(blocking_close(io, file), 0);
    }
    world_open(world);
    assert_int_equal(world->error_reports, 0);
    assert_true(disk_has(world->disk, fixture.path));
    checkpoint_path(fixture.number - 1, path);
    assert_false(disk_has(world->disk, path));
    for (uint32_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), WORLD_SHARD_DIR "/%s", others[i]);
        assert_true(disk_has(world->disk, path));
    }
    world_check_all(world);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(segments_out_of_order_are_refused, world_name_seed),
        cmocka_unit_test_teardown(sessions_of_nonsense_are_refused, world_name_seed),
        cmocka_unit_test_teardown(a_session_in_a_segment_that_is_not_there_is_found,
                                  world_name_seed),
        cmocka_unit_test_teardown(keys_of_nonsense_are_refused, world_name_seed),
        cmocka_unit_test_teardown(retries_that_do_not_fill_their_chunk_are_refused,
                                  world_name_seed),
        cmocka_unit_test_teardown(an_end_that_does_not_fit_its_file_is_none, world_name_seed),
        cmocka_unit_test_teardown(a_head_of_another_file_is_none, world_name_seed),
        cmocka_unit_test_teardown(a_checkpoint_of_a_newer_version_is_no_damage, world_name_seed),
        cmocka_unit_test_teardown(the_good_one_is_found_among_many, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

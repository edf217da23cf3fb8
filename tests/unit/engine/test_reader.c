/* Reading from outside: everything in order beside a live shard, and on damage just the ranges
 * that were hit. */
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include <errno.h>
#include <imlog/reader.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fill(struct world *world, uint32_t segments)
{
    struct prng *prng = &world->prng;
    while (world_stats(world).segments < segments) {
        world_append_busy(world, 1 + prng_below(prng, 30),
                          (uint32_t)prng_below(prng, prng_one_in(prng, 20) ? 200000 : 2000),
                          prng_next(prng));
        if (prng_one_in(prng, 30))
            assert_int_equal(world_resolve(world, "some key"), 0);
    }
    world_settle(world);
}

static struct imlog_reader *reader_open(struct world *world)
{
    struct imlog_reader *reader = NULL;
    int error = imlog_reader_open(disk_io(world->disk), WORLD_DIR, &reader, &world->why);
    if (error < 0)
        fail_msg("%s: %s", imlog_error_name(error), world->why.text);
    return reader;
}

/* All intact messages, in log order, are what the model has, less the damaged ones. */
static void check_export(struct world *world)
{
    struct imlog_reader *reader = reader_open(world);
    struct imlog_message message;
    uint32_t index = 0;
    int got;
    while ((got = imlog_reader_next(reader, &message)) == 1) {
        while (index < world->model->count && world->model->all[index].damaged)
            index++;
        assert_true(index < world->model->count);
        const struct model_message *expected = &world->model->all[index++];
        assert_int_equal(message.session_id, expected->session_id);
        assert_int_equal(message.seq, expected->seq);
        assert_int_equal(message.kind, IMLOG_KIND_GROUP);
        model_check_message(world->model, &message);
    }
    assert_int_equal(got, 0);
    while (index < world->model->count && world->model->all[index].damaged)
        index++;
    assert_int_equal(index, world->model->count);
    for (uint32_t i = 0; i < world->model->key_count; i++) {
        const void *key = NULL;
        const struct model_key *known = &world->model->keys[i];
        assert_int_equal(imlog_reader_key(reader, known->id, &key), strlen(known->text));
        assert_memory_equal(key, known->text, strlen(known->text));
    }
    imlog_reader_close(reader);
}

struct findings {
    struct world *world;
    uint32_t count;
    uint32_t lost; /* messages in the ranges */
};

static void handle_finding(void *arg, const struct imlog_finding *finding)
{
    struct findings *findings = arg;
    const struct model *model = findings->world->model;
    findings->count++;
    assert_non_null(finding->what);
    assert_non_null(finding->file);
    if (finding->session_id == 0)
        return;
    const struct model_session *session = &model->sessions[finding->session_id];
    for (uint64_t seq = finding->first_seq; seq <= finding->last_seq; seq++) {
        assert_in_range(seq, 1, session->count);
        if (!model->all[session->messages[seq - 1]].damaged)
            fail_msg("verify blames session %llu seq %llu, which is intact: %s",
                     (unsigned long long)finding->session_id, (unsigned long long)seq,
                     finding->what);
        findings->lost++;
    }
}

static struct findings verify(struct world *world)
{
    struct imlog_reader *reader = reader_open(world);
    struct findings findings = {.world = world};
    int64_t count = imlog_reader_verify(reader, handle_finding, &findings);
    assert_int_equal(count, findings.count);
    uint64_t done_bytes;
    uint64_t total_bytes;
    imlog_reader_progress(reader, &done_bytes, &total_bytes);
    assert_true(done_bytes <= total_bytes);
    imlog_reader_close(reader);
    return findings;
}

static void an_intact_directory_is_clean_and_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world *world = world_create(seed);
        world_open(world);
        fill(world, 4);
        world_rest(world, 100000000); /* the last message gets its watermark */
        check_export(world);          /* beside the shard */
        assert_int_equal(verify(world).count, 0);
        world_close(world);
        check_export(world);
        assert_int_equal(verify(world).count, 0);
        world_destroy(world);
    }
}

/* A crash leaves a torn tail: no finding, and nothing of it is exported. */
static void a_torn_tail_is_no_finding(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *world = world_create(seed);
        world_open(world);
        fill(world, 2);
        for (uint32_t i = 0; i < 60; i++) {
            (void)world_append(world, 1 + i % 9, (uint32_t)prng_below(&world->prng, 90000), 0);
            if (i % 4 == 0)
                world_poll(world, 0);
        }
        world_crash(world, (enum disk_crash)(1 + seed % (DISK_CRASH_KINDS - 1)));
        assert_int_equal(verify(world).count, 0);
        world_open(world);
        world_check_all(world);
        check_export(world);
        assert_int_equal(verify(world).count, 0);
        world_destroy(world);
    }
}

static uint64_t some_offset(struct world *world, const struct segment_map *map, uint64_t file_bytes)
{
    struct prng *prng = &world->prng;
    switch (prng_below(prng, 6)) {
    case 0:
        return prng_below(prng, IMLOG_BLOCK_BYTES);
    case 1:
        return map->end_offset + prng_below(prng, 4 * IMLOG_BLOCK_BYTES);
    case 2:
        return file_bytes - 1 - prng_below(prng, IMLOG_BLOCK_BYTES);
    case 3:
        return map->batches[prng_below(prng, map->batch_count)].offset + prng_below(prng, 96);
    case 4:
        return map->records[prng_below(prng, map->record_count)].offset + prng_below(prng, 40);
    default:
        return prng_below(prng, file_bytes);
    }
}

static void a_flipped_bit_is_found_and_costs_what_it_hit(void **state)
{
    (void)state;
    uint64_t first;
    uint64_t count = world_seeds(50, &first);
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct world *world = world_create(seed);
        struct segment_map map;
        char path[64];
        world_open(world);
        while (world_stats(world).segments < 4)
            world_append_busy(world, 1 + prng_below(&world->prng, 30),
                              (uint32_t)prng_below(&world->prng, 30000), 0);
        world_settle(world);
        world_close(world);
        world_segment_path(1 + (uint32_t)prng_below(&world->prng, 3), path);
        segment_map_read(&map, world->disk, path);
        uint64_t offset = some_offset(world, &map, disk_file_bytes(world->disk, path));
        disk_flip_bit(world->disk, path, offset * 8 + prng_below(&world->prng, 8));
        const struct mapped_record *record = segment_map_message_at(&map, offset);
        if (record != NULL)
            model_damage(world->model, record->session_id, record->seq);
        struct findings findings = verify(world);
        if (findings.count == 0)
            fail_msg("%s: nothing found wrong at %llu (batches end at %llu), %s a message", path,
                     (unsigned long long)offset, (unsigned long long)map.end_offset,
                     record != NULL ? "in" : "not in");
        assert_int_equal(findings.lost, record != NULL);
        check_export(world);
        segment_map_deinit(&map);
        world_destroy(world);
    }
}

struct listing {
    uint32_t count;
    uint64_t messages;
    uint32_t sealed;
};

static void handle_segment(void *arg, const struct imlog_segment_info *info)
{
    struct listing *listing = arg;
    listing->count++;
    if (strcmp(info->state, "prepared") == 0)
        return;
    assert_true(info->end_lsn >= info->base_lsn);
    listing->messages += info->message_count;
    listing->sealed += strcmp(info->state, "sealed") == 0;
}

static void segments_add_up_to_the_log(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    struct listing listing = {.count = 0};
    world_open(world);
    fill(world, 4);
    world_close(world);
    struct imlog_reader *reader = reader_open(world);
    assert_int_equal(imlog_reader_shard_count(reader), 1);
    assert_true(imlog_reader_segments(reader, handle_segment, &listing) >= 0);
    assert_int_equal(listing.messages, world->model->count);
    assert_int_equal(listing.sealed, 3);
    imlog_reader_close(reader);
    world_destroy(world);
}

static void a_foreign_directory_is_refused(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    struct imlog_reader *reader;
    assert_true(imlog_reader_open(disk_io(world->disk), "/nowhere", &reader, &world->why) < 0);
    assert_string_not_equal(world->why.text, "");
    world_destroy(world);
}

/* It reads as zeros, like a file that was never used: verify must not take it for one. */
static void what_cannot_be_read_at_the_end_is_a_finding(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    char path[64];
    world_open(world);
    fill(world, 3);
    world_rest(world, 100000000);
    uint32_t newest = (uint32_t)world_stats(world).segments;
    world_close(world);
    world_segment_path(newest, path);
    for (uint64_t offset = 0; offset <= IMLOG_BLOCK_BYTES; offset += IMLOG_BLOCK_BYTES) {
        disk_set_unreadable(world->disk, path, offset, UINT64_MAX / 2);
        assert_true(verify(world).count > 0);
    }
    disk_set_unreadable(world->disk, path, 0, 0);
    assert_int_equal(verify(world).count, 0);
    world_destroy(world);
}

/* Messages until an error; true if there was one. */
static bool export_fails(struct world *world, uint32_t *count)
{
    struct imlog_reader *reader;
    struct imlog_message message;
    int error = imlog_reader_open(disk_io(world->disk), WORLD_DIR, &reader, &world->why);
    if (error < 0)
        return true;
    while ((error = imlog_reader_next(reader, &message)) > 0)
        (*count)++;
    assert_int_equal(imlog_reader_next(reader, &message), error);
    imlog_reader_close(reader);
    return error < 0;
}

/* A file or a read that fails for want of something: an error, never a shorter log. */
static void an_export_is_whole_or_fails(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    fill(world, 4);
    world_crash(world, DISK_KEEP_ALL); /* the newest segments have no footer */
    static const enum disk_op_kind kinds[] = {DISK_OPEN, DISK_READ};
    for (uint32_t i = 0; i < 2; i++) {
        bool failed = true;
        for (uint64_t skip_count = 0; failed; skip_count++) {
            struct disk_fault fault = {
                .kind = kinds[i], .error = -EMFILE, .skip_count = skip_count};
            uint32_t count = 0;
            disk_fail(world->disk, &fault);
            failed = export_fails(world, &count);
            disk_heal(world->disk);
            assert_true(failed || count == world->model->count);
        }
    }
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_intact_directory_is_clean_and_whole, world_name_seed),
        cmocka_unit_test_teardown(a_torn_tail_is_no_finding, world_name_seed),
        cmocka_unit_test_teardown(a_flipped_bit_is_found_and_costs_what_it_hit, world_name_seed),
        cmocka_unit_test_teardown(what_cannot_be_read_at_the_end_is_a_finding, world_name_seed),
        cmocka_unit_test_teardown(an_export_is_whole_or_fails, world_name_seed),
        cmocka_unit_test(segments_add_up_to_the_log),
        cmocka_unit_test(a_foreign_directory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

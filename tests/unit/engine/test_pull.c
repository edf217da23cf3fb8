/* Pulls by position, hot and from disk, over many segments, under the narrowest memory: every
 * answer is exactly what the model says. */
#include "engine/format/segment.h"
#include "tests/lib/segment_map.h"
#include "tests/lib/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { SESSIONS = 20 };

/* So many segments of messages of up to body_bytes. */
static void fill(struct world *world, uint32_t segments, uint32_t body_bytes)
{
    struct prng *prng = &world->prng;
    while (world_stats(world).segments < segments) {
        uint64_t session = prng_one_in(prng, 3) ? 1 : 1 + prng_below(prng, SESSIONS);
        world_append_busy(world, session, (uint32_t)prng_below(prng, body_bytes + 1), 0);
        if (prng_one_in(prng, 8))
            world_poll(world, 0);
    }
    world_settle(world);
}

static struct world *world_filled(uint64_t seed, uint32_t segments, uint32_t body_bytes)
{
    struct world *world = world_create(seed);
    world_open(world);
    fill(world, segments, body_bytes);
    return world;
}

static struct imlog_pull some_pull(struct world *world)
{
    struct prng *prng = &world->prng;
    struct imlog_pull pull = {.session_id = 1 + prng_below(prng, SESSIONS),
                              .backward = prng_one_in(prng, 2)};
    uint64_t count = world->model->sessions[pull.session_id].count;
    pull.after_seq = prng_one_in(prng, 10) ? prng_next(prng) : prng_below(prng, count + 3);
    pull.before_seq = prng_one_in(prng, 10) ? prng_next(prng) : prng_below(prng, count + 3);
    pull.count_max = (uint32_t)prng_below(prng, prng_one_in(prng, 4) ? 1001 : 30);
    pull.bytes_max = prng_one_in(prng, 3) ? 0 : (uint32_t)prng_below(prng, 100000);
    return pull;
}

static void run_pulls(struct world *world, uint32_t pull_count, uint32_t at_once)
{
    for (uint32_t i = 0; i < pull_count; i++) {
        struct imlog_pull pull = some_pull(world);
        assert_int_equal(world_pull(world, &pull), 0);
        if (i % at_once == 0)
            world_settle(world);
    }
    world_settle(world);
}

static void hot_and_cold_pulls_agree_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world *world = world_filled(seed, 6, 4000);
        run_pulls(world, 1000, 1 + (uint32_t)seed * 20);
        world_close(world);
        world_open(world); /* now all but the tail is cold */
        run_pulls(world, 1000, 1 + (uint32_t)seed * 20);
        assert_true(world_stats(world).pull_reads > 0);
        world_check_all(world);
        world_destroy(world);
    }
}

static void hot_pulls_need_no_disk(void **state)
{
    (void)state;
    struct world *world = world_filled(1, 1, 1000);
    while (world->model->count < 500)
        world_append_busy(world, 1 + prng_below(&world->prng, SESSIONS), 100, 0);
    world_settle(world);
    uint64_t reads = disk_op_count(world->disk, DISK_READ);
    run_pulls(world, 500, 7);
    world_check_all(world);
    assert_int_equal(disk_op_count(world->disk, DISK_READ), reads);
    world_destroy(world);
}

/* One session over very many segments, by way of extents of one or two large messages each. */
static void an_old_message_is_found_in_few_reads(void **state)
{
    (void)state;
    enum { SEGMENTS = 120 };
    struct world *world = world_create(1);
    world_open(world);
    while (world_stats(world).segments < SEGMENTS)
        world_append_busy(world, 1 + prng_below(&world->prng, 2), 1000 * 1000, 0);
    world_settle(world);
    world_close(world);
    world_open(world);
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t count = world->model->sessions[1].count;
        struct imlog_pull pull = {
            .session_id = 1, .after_seq = prng_below(&world->prng, count), .count_max = 1};
        uint64_t misses = world_stats(world).cache_misses;
        assert_int_equal(world_pull(world, &pull), 0);
        world_settle(world);
        /* 3 blocks a footer, at most 3 log2(120) + 1 footers and as many looked at beside; the
         * message's own blocks */
        assert_true(world_stats(world).cache_misses - misses <= 3 * 2 * 22 + 250);
    }
    world_destroy(world);
}

/* 1 MiB messages, the smallest cache, more pulls at once than it holds. */
static void a_starved_cache_serves_everybody_in_the_end(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    for (uint32_t i = 0; i < 60; i++)
        world_append_busy(world, 1 + i % 5, IMLOG_BODY_BYTES_MAX - i % 3 * 5000, 0);
    world_settle(world);
    world_close(world);
    world_open(world);
    for (uint32_t i = 0; i < 300; i++) {
        struct imlog_pull pull = {.session_id = 1 + i % 5,
                                  .after_seq = prng_below(&world->prng, 12),
                                  .count_max = 1 + i % 3,
                                  .bytes_max = UINT32_MAX,
                                  .backward = i % 2 == 1};
        assert_int_equal(world_pull(world, &pull), 0);
    }
    world_settle(world);
    world_destroy(world);
}

static void a_pull_of_nothing_is_answered(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    struct imlog_pull pull = {.session_id = 5};
    assert_int_equal(world_pull(world, &pull), 0); /* no such session */
    world_settle(world);
    pull.session_id = 0;
    assert_int_equal(world_pull(world, &pull), IMLOG_EINVALID);
    pull = (struct imlog_pull){.session_id = 1, .count_max = IMLOG_PULL_MESSAGES_MAX + 1};
    assert_int_equal(world_pull(world, &pull), IMLOG_EINVALID);
    world_append_busy(world, 1, 0, 0); /* an empty body */
    world_settle(world);
    for (uint64_t seq = 0; seq < 4; seq++) {
        pull = (struct imlog_pull){.session_id = 1, .after_seq = seq, .before_seq = seq};
        assert_int_equal(world_pull(world, &pull), 0);
        pull.backward = true;
        assert_int_equal(world_pull(world, &pull), 0);
    }
    world_settle(world);
    world_destroy(world);
}

/* P2: what is not durable is not read, and becomes readable with its ack. */
static void nothing_is_seen_before_it_is_durable(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *world = world_filled(seed, 1, 1000);
        struct imlog_session_info info;
        uint64_t next = 0;
        world_append_busy(world, 7, 10, 0);
        world_settle(world);
        world_rest(world, 100000000);
        uint64_t seen_seq = world->model->sessions[7].count;
        disk_hold(world->disk, DISK_WRITE, true);
        for (uint32_t i = 0; i < 20; i++) {
            world_append_busy(world, 7, 50000, 0);
            world_append_busy(world, 100 + i, 100, 0);
            world_poll(world, 0);
            assert_int_equal(imlog_session_get(world->shard, 7, &info), 0);
            assert_int_equal(info.latest_seq, seen_seq);
            assert_int_equal(imlog_session_get(world->shard, 100 + i, &info), IMLOG_ENOSESSION);
            struct imlog_pull pull = {.session_id = 7, .backward = true, .count_max = 5};
            assert_int_equal(world_pull(world, &pull), 0);
        }
        static struct imlog_session_info infos[256];
        uint32_t listed = imlog_sessions_list(world->shard, &next, infos, 256);
        for (uint32_t i = 0; i < listed; i++)
            assert_true(infos[i].session_id < 100);
        disk_hold(world->disk, DISK_WRITE, false);
        world_settle(world);
        assert_int_equal(imlog_session_get(world->shard, 7, &info), 0);
        assert_int_equal(info.latest_seq, seen_seq + 20);
        world_check_all(world);
        world_destroy(world);
    }
}

/* A part of a segment cannot be read: its messages are gaps, the others are served. */
static void unreadable_blocks_cost_their_messages_only(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *world = world_filled(seed, 4, 6000);
        struct segment_map map;
        char path[64];
        world_close(world);
        world_segment_path(2, path);
        segment_map_read(&map, world->disk, path);
        uint64_t offset = (uint64_t)IMLOG_BLOCK_BYTES * (1 + prng_below(&world->prng, 700));
        uint64_t bytes = (uint64_t)IMLOG_BLOCK_BYTES * (1 + prng_below(&world->prng, 5));
        world_open(world);
        disk_set_unreadable(world->disk, path, offset, bytes);
        for (uint32_t i = 0; i < map.record_count; i++) {
            const struct mapped_record *record = &map.records[i];
            if (record->session_id != 0 && record->offset < offset + bytes &&
                record->end_offset > offset)
                model_damage(world->model, record->session_id, record->seq);
        }
        world_check_all(world);
        segment_map_deinit(&map);
        world_destroy(world);
    }
}

/* A footer that is spoiled or unreadable is rebuilt, once, and costs nothing. */
static void a_lost_footer_is_rebuilt(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *world = world_filled(seed, 5, 3000);
        char path[64];
        uint8_t zeros[IMLOG_BLOCK_BYTES] = {0};
        world_close(world);
        for (uint32_t number = 2; number <= 4; number++) {
            struct segment_map map;
            world_segment_path(number, path);
            segment_map_read(&map, world->disk, path);
            uint64_t block = map.end_offset + prng_below(&world->prng, 3) * IMLOG_BLOCK_BYTES;
            if (number == 3)
                disk_set_unreadable(world->disk, path, map.end_offset, 1 << 20);
            else
                disk_poke(world->disk, path, block, zeros, sizeof(zeros));
            segment_map_deinit(&map);
        }
        world_open(world);
        run_pulls(world, 200, 50);
        world_check_all(world);
        assert_int_equal(world->gap_count, 0);
        assert_in_range(world_stats(world).damaged_footers, 1, 3);
        fill(world, 8, 3000); /* and appends go on meanwhile */
        world_check_all(world);
        world_destroy(world);
    }
}

/* Pulls beside appends, while segments roll and the hot ring moves on. */
static void pulls_beside_appends_agree_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world *world = world_filled(seed, 2, 4000);
        for (uint32_t i = 0; i < 2000; i++) {
            struct imlog_pull pull = some_pull(world);
            assert_int_equal(world_pull(world, &pull), 0);
            world_append_busy(world, 1 + prng_below(&world->prng, SESSIONS),
                              (uint32_t)prng_below(&world->prng, 20000), 0);
            if (i % 3 == 0)
                world_poll(world, 1000);
        }
        world_check_all(world);
        world_destroy(world);
    }
}

/* Want of handles says nothing about the disk: an error, and no gap. */
static void want_of_handles_is_an_error_not_damage(void **state)
{
    (void)state;
    struct world *world = world_filled(1, 4, 3000);
    world_close(world);
    world_open(world);
    disk_fail(world->disk, &(struct disk_fault){.kind = DISK_OPEN,
                                                .path_part = "0000000001.seg",
                                                .error = -EMFILE,
                                                .for_ever = true});
    world->crashing = true; /* answers are errors: not checked */
    struct imlog_pull pull = {.session_id = 1, .count_max = 5};
    assert_int_equal(world_pull(world, &pull), 0);
    world_settle(world);
    world->crashing = false;
    disk_heal(world->disk);
    world_check_all(world);
    assert_int_equal(world->gap_count, 0);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(hot_and_cold_pulls_agree_with_the_model, world_name_seed),
        cmocka_unit_test_teardown(hot_pulls_need_no_disk, world_name_seed),
        cmocka_unit_test_teardown(an_old_message_is_found_in_few_reads, world_name_seed),
        cmocka_unit_test_teardown(a_starved_cache_serves_everybody_in_the_end, world_name_seed),
        cmocka_unit_test_teardown(a_pull_of_nothing_is_answered, world_name_seed),
        cmocka_unit_test_teardown(nothing_is_seen_before_it_is_durable, world_name_seed),
        cmocka_unit_test_teardown(unreadable_blocks_cost_their_messages_only, world_name_seed),
        cmocka_unit_test_teardown(a_lost_footer_is_rebuilt, world_name_seed),
        cmocka_unit_test_teardown(pulls_beside_appends_agree_with_the_model, world_name_seed),
        cmocka_unit_test_teardown(want_of_handles_is_an_error_not_damage, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

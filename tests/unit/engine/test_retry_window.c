/* The retry window comes back from a checkpoint whole, also when appends overtook its capture. */
#include "tests/lib/world.h"

#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TEMPORARY WORLD_SHARD_DIR "/checkpoint.tmp"

/* A checkpoint's state makes the next one wait for four times its size of log: the second begins
 * well inside a segment, so that opening replays a part of what its capture passed over. */
enum { WINDOW = 32000, OVERTAKING = 29500 };

/* Append until a checkpoint has begun and the first of its chunks are on their way. */
static void append_until_capture(struct world *world, uint64_t *client_msg_id)
{
    while (!disk_has(world->disk, TEMPORARY) ||
           disk_file_bytes(world->disk, TEMPORARY) < IMLOG_BLOCK_BYTES) {
        world_append_busy(world, 1 + *client_msg_id % 7, 200, *client_msg_id);
        ++*client_msg_id;
        world_poll(world, 0);
    }
}

static void await_checkpoint(struct world *world, uint64_t count)
{
    while (world_stats(world).checkpoints < count)
        world_rest(world, 1000000);
}

static void an_overtaken_capture_loses_no_retry(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world->options.dedupe_messages = WINDOW;
    world->options.hot_bytes = 16 << 20;
    world_open(world);
    uint64_t client_msg_id = 1;
    while (client_msg_id < WINDOW) {
        world_append_busy(world, 1 + client_msg_id % 7, 10, client_msg_id);
        client_msg_id++;
    }
    world_settle(world);
    append_until_capture(world, &client_msg_id);
    await_checkpoint(world, 1);
    append_until_capture(world, &client_msg_id);
    disk_hold(world->disk, DISK_WRITE, true);
    for (int i = 0; i < OVERTAKING; i++) {
        assert_int_equal(world_append(world, 1 + client_msg_id % 7, 10, client_msg_id), 0);
        client_msg_id++;
    }
    disk_hold(world->disk, DISK_WRITE, false);
    await_checkpoint(world, 2);
    world_settle(world);
    world_crash(world, DISK_KEEP_ALL);

    world_open(world);
    assert_true(world_stats(world).dedupe_messages <= WINDOW);
    for (uint32_t i = world->model->count - WINDOW; i < world->model->count; i++) {
        assert_int_equal(world_retry(world, i), 0);
        if (i % 500 == 0)
            world_settle(world);
    }
    world_settle(world);
    assert_int_equal(world_stats(world).append_duplicates, WINDOW);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_overtaken_capture_loses_no_retry, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

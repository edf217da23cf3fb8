/* A shard that crashes at any moment comes back with every message it acked, none twice, none
 * out of order, without holes, and with nothing that was never appended. */
#include "tests/lib/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LIVES = 5, SESSIONS = 40 };

/* What the traffic is like. */
struct traffic {
    uint32_t steps_max;    /* a life */
    uint32_t huge_odds;    /* one message in so many has up to 1 MiB */
    uint32_t large_odds;   /* up to 64 KiB */
    uint32_t poll_percent; /* of the steps: let the shard work */
    uint32_t sessions;
};

static uint32_t some_body_bytes(struct prng *prng, const struct traffic *traffic)
{
    if (prng_one_in(prng, traffic->huge_odds))
        return (uint32_t)prng_below(prng, IMLOG_BODY_BYTES_MAX + 1);
    if (prng_one_in(prng, traffic->large_odds))
        return (uint32_t)prng_below(prng, 64 * 1024);
    return (uint32_t)prng_below(prng, 300);
}

static void some_pull(struct world *world, const struct traffic *traffic)
{
    struct prng *prng = &world->prng;
    struct imlog_pull pull = {.session_id = 1 + prng_below(prng, traffic->sessions),
                              .backward = prng_one_in(prng, 2),
                              .count_max = (uint32_t)prng_below(prng, 60),
                              .bytes_max = (uint32_t)prng_below(prng, 400000)};
    uint64_t count = world->model->sessions[pull.session_id].count;
    pull.after_seq = prng_below(prng, count + 2);
    pull.before_seq = prng_below(prng, count + 3);
    assert_int_equal(world_pull(world, &pull), 0);
}

static void some_retry(struct world *world)
{
    uint32_t back = 1 + (uint32_t)prng_below(&world->prng, 300);
    const struct model *model = world->model;
    if (back > model->count)
        return;
    uint32_t index = model->count - back;
    if (model->all[index].client_msg_id != 0 &&
        model_in_window(model, index, world->options.dedupe_messages))
        (void)world_retry(world, index);
}

static void some_append(struct world *world, const struct traffic *traffic, uint64_t *client_msg_id)
{
    struct prng *prng = &world->prng;
    uint64_t session = 1 + prng_below(prng, prng_one_in(prng, 2) ? 3 : traffic->sessions);
    int error = world_append(world, session, some_body_bytes(prng, traffic),
                             prng_one_in(prng, 4) ? 0 : ++*client_msg_id);
    assert_true(error == 0 || error == IMLOG_EBUSY);
}

static void some_resolve(struct world *world)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "key-%u", (unsigned)prng_below(&world->prng, 200));
    int error = world_resolve(world, key);
    assert_true(error == 0 || error == IMLOG_EBUSY);
}

static void some_step(struct world *world, const struct traffic *traffic, uint64_t *client_msg_id)
{
    struct prng *prng = &world->prng;
    uint64_t what = prng_below(prng, 100);
    if (what < traffic->poll_percent)
        world_poll(world, prng_below(prng, 3) * 10000000);
    else if (what < traffic->poll_percent + 5)
        some_retry(world);
    else if (what < traffic->poll_percent + 10)
        some_resolve(world);
    else if (what < traffic->poll_percent + 15)
        some_pull(world, traffic);
    else
        some_append(world, traffic, client_msg_id);
}

static void live_and_crash(uint64_t seed, const struct traffic *traffic)
{
    struct world *world = world_create(seed);
    uint64_t client_msg_id = 0;
    world->options.dedupe_messages = 1 + (uint32_t)prng_below(&world->prng, 500);
    for (int life = 0; life < LIVES; life++) {
        world_open(world);
        assert_int_equal(world->error_reports, 0); /* a crash is no damage */
        if (prng_one_in(&world->prng, 2))
            world_check_all(world);
        for (uint64_t i = prng_below(&world->prng, traffic->steps_max); i > 0; i--)
            some_step(world, traffic, &client_msg_id);
        if (prng_one_in(&world->prng, 6))
            world_close(world);
        else
            world_crash(world, (enum disk_crash)prng_below(&world->prng, DISK_CRASH_KINDS));
    }
    world_open(world);
    world_check_all(world);
    world_destroy(world);
}

static void run_seeds(uint64_t count, const struct traffic *traffic)
{
    uint64_t first;
    count = world_seeds(count, &first);
    for (uint64_t seed = first; seed < first + count; seed++)
        live_and_crash(seed, traffic);
}

static void mixed_traffic_survives_any_crash(void **state)
{
    (void)state;
    run_seeds(120, &(struct traffic){400, 40, 10, 15, SESSIONS});
}

/* Many segments a life: rolls, footers and checkpoints are under way when the crash comes. */
static void segments_that_fill_fast_survive_any_crash(void **state)
{
    (void)state;
    run_seeds(60, &(struct traffic){200, 2, 2, 30, 10});
}

static void many_small_messages_survive_any_crash(void **state)
{
    (void)state;
    run_seeds(60, &(struct traffic){3000, 100000, 1000, 10, 1000});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(mixed_traffic_survives_any_crash, world_name_seed),
        cmocka_unit_test_teardown(segments_that_fill_fast_survive_any_crash, world_name_seed),
        cmocka_unit_test_teardown(many_small_messages_survive_any_crash, world_name_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

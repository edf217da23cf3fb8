/* life.c: see life.h. */
#include "tests/sim/life.h"

#include "tests/sim/counts.h"
#include "tests/sim/memory.h"
#include "tests/sim/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- worlds --------------------------------------------------------------------------------- */

static uint64_t some_clusters(struct prng *prng, uint64_t least, uint32_t most_times)
{
    uint64_t bytes = least * (1 + prng_below(prng, most_times));
    return bytes + prng_below(prng, 8) * IMLOG_BLOCK_BYTES;
}

static void trace_moment(const struct disk_moment *moment)
{
    static const char *const events[] = {"start", "done", "failed"};
    static const char *const kinds[] = {"open",     "close",  "read",   "write", "sync",
                                        "allocate", "rename", "unlink", "mkdir"};
    sim_trace("%s %s %s offset=%llu bytes=%llu result=%d", events[moment->event],
              kinds[moment->kind], moment->path, (unsigned long long)moment->offset,
              (unsigned long long)moment->byte_count, moment->result);
}

static void handle_moment(void *arg, const struct disk_moment *moment)
{
    const struct life *life = arg;
    if (sim_tracing)
        trace_moment(moment);
    if (life->watch != NULL)
        life->watch(life->watch_arg, moment);
}

void life_watch(struct life *life, life_watch_fn *watch, void *arg)
{
    life->watch = watch;
    life->watch_arg = arg;
}

static void choose_options(struct life *life)
{
    struct world *world = life->world;
    struct prng *prng = &world->prng;
    struct imlog_shard_options *options = &world->options;
    options->segment_bytes = some_clusters(prng, IMLOG_SEGMENT_BYTES_MIN, 3);
    options->hot_bytes = some_clusters(prng, IMLOG_HOT_BYTES_MIN, 2);
    options->cache_bytes = some_clusters(prng, IMLOG_CACHE_BYTES_MIN, 2);
    options->dedupe_messages = 1 + (uint32_t)prng_below(prng, prng_one_in(prng, 2) ? 20 : 500);
}

static void choose_traffic(struct life *life)
{
    struct prng *prng = &life->world->prng;
    static const uint32_t session_counts[] = {1, 3, 10, 40, 300};
    static const uint32_t odds[] = {3, 10, 40, 1000};
    life->traffic = (struct traffic){
        .session_count = session_counts[prng_below(prng, 5)],
        .huge_odds = odds[prng_below(prng, 4)],
        .large_odds = odds[prng_below(prng, 4)],
        .poll_percent = 5 + (uint32_t)prng_below(prng, 40),
        .clock_odds = prng_one_in(prng, 3) ? 30 : UINT32_MAX,
        .rest_odds = prng_one_in(prng, 3) ? 20 : 500,
        .hold_odds = prng_one_in(prng, 3) ? 15 : UINT32_MAX,
    };
}

static void choose_weather(struct life *life)
{
    struct prng *prng = &life->world->prng;
    struct disk_weather weather = {0};
    if (prng_one_in(prng, 3))
        weather = (struct disk_weather){.stall_odds = 2 + (uint32_t)prng_below(prng, 50),
                                        .stall_ns_max = UINT64_C(1) << (10 + prng_below(prng, 22))};
    if (prng_one_in(prng, 3))
        weather.short_odds = 1 + (uint32_t)prng_below(prng, 10);
    disk_set_weather(life->world->disk, &weather);
}

void life_create(struct life *life, uint64_t seed)
{
    *life = (struct life){.world = world_create(seed), .held_count = memory_held_count()};
    life->world->strict = true;
    disk_watch(life->world->disk, handle_moment, life);
    choose_options(life);
    choose_traffic(life);
    choose_weather(life);
}

void life_destroy(struct life *life)
{
    SIM_COUNT(io_operations, disk_op_count(life->world->disk, DISK_OP_KINDS));
    world_destroy(life->world);
    assert_int_equal(memory_held_count(), life->held_count);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static uint32_t some_body_bytes(struct prng *prng, const struct traffic *traffic)
{
    if (prng_one_in(prng, traffic->huge_odds))
        return (uint32_t)prng_below(prng, IMLOG_BODY_BYTES_MAX + 1);
    if (prng_one_in(prng, traffic->large_odds))
        return (uint32_t)prng_below(prng, IMLOG_BODY_BYTES_MAX / 8);
    return (uint32_t)prng_below(prng, 300);
}

/* What a request may answer at once; true if it was taken. */
static bool taken(const struct world *world, int error)
{
    if (error == 0)
        return true;
    bool allowed = error == IMLOG_EBUSY ||
                   (world->disturbed &&
                    (error == IMLOG_EDEGRADED || error == IMLOG_EDISKFULL || error == -ENOMEM));
    if (!allowed)
        fail_msg("refused: %s", imlog_error_name(error));
    return false;
}

static void some_pull(struct life *life)
{
    struct world *world = life->world;
    struct prng *prng = &world->prng;
    struct imlog_pull pull = {.session_id = 1 + prng_below(prng, life->traffic.session_count),
                              .backward = prng_one_in(prng, 2),
                              .count_max = (uint32_t)prng_below(prng, 60),
                              .bytes_max = (uint32_t)prng_below(prng, 40000)};
    uint64_t count = world->model->sessions[pull.session_id].count;
    pull.after_seq = prng_below(prng, count + 2);
    pull.before_seq = prng_below(prng, count + 3);
    (void)taken(world, world_pull(world, &pull));
    SIM_COUNT(pulls, 1);
}

/* With the window, so that both sides of its edge are met. */
static void some_retry(struct life *life)
{
    struct world *world = life->world;
    const struct model *model = world->model;
    uint32_t back = 1 + (uint32_t)prng_below(&world->prng, 100);
    uint32_t index = model->count >= back ? model->count - back : model->count;
    if (prng_one_in(&world->prng, 2))
        index = model_window_edge(model, world->options.dedupe_messages);
    if (index >= model->count || model->all[index].client_msg_id == 0 ||
        !model_in_window(model, index, world->options.dedupe_messages))
        return;
    (void)taken(world, world_retry(world, index));
    SIM_COUNT(retries, 1);
}

static void some_append(struct life *life)
{
    struct world *world = life->world;
    struct prng *prng = &world->prng;
    uint32_t sessions = life->traffic.session_count;
    uint64_t session_id = 1 + prng_below(prng, prng_one_in(prng, 2) && sessions > 3 ? 3 : sessions);
    uint64_t client_msg_id = prng_one_in(prng, 4) ? 0 : ++life->client_msg_id;
    if (client_msg_id > 1 && prng_one_in(prng, 8)) { /* somebody else's: no retry */
        client_msg_id = 1 + prng_below(prng, client_msg_id - 1);
        if (model_has_retry(world->model, session_id, world_next_sender(world), client_msg_id))
            client_msg_id = 0;
    }
    (void)taken(world, world_append(world, session_id, some_body_bytes(prng, &life->traffic),
                                    client_msg_id));
}

static void some_resolve(struct life *life)
{
    struct world *world = life->world;
    char key[32];
    (void)snprintf(key, sizeof(key), "key-%u", (unsigned)prng_below(&world->prng, 100));
    (void)taken(world, world_resolve(world, key));
}

static void some_clock(struct world *world)
{
    static const uint64_t jumps_ms[] = {1, 1000, 60000, 86400000, UINT64_C(31536000000)};
    struct imlog_io *io = disk_io(world->disk);
    uint64_t jump_ms = prng_below(&world->prng, jumps_ms[prng_below(&world->prng, 5)]);
    uint64_t now_ms = io->ops->wall_ms(io);
    disk_set_wall_ms(world->disk,
                     prng_one_in(&world->prng, 2) ? now_ms + jump_ms : now_ms - jump_ms);
}

/* One operation takes much longer than all others; or those that did come to an end. */
static void some_hold(struct life *life)
{
    static const enum disk_op_kind kinds[] = {DISK_WRITE, DISK_WRITE, DISK_READ, DISK_SYNC};
    struct world *world = life->world;
    enum disk_op_kind kind = kinds[prng_below(&world->prng, 4)];
    if (disk_in_flight(world->disk, kind) > 0 && !prng_one_in(&world->prng, 3))
        disk_hold_newest(world->disk, kind);
    else
        disk_let_go(world->disk);
}

static void some_step(struct life *life)
{
    struct world *world = life->world;
    struct prng *prng = &world->prng;
    uint64_t what = prng_below(prng, 100);
    if (what < life->traffic.poll_percent)
        world_poll(world, prng_below(prng, 3) * 10000000);
    else if (what < life->traffic.poll_percent + 6)
        some_retry(life);
    else if (what < life->traffic.poll_percent + 10)
        some_resolve(life);
    else if (what < life->traffic.poll_percent + 16)
        some_pull(life);
    else
        some_append(life);
    if (prng_one_in(prng, life->traffic.clock_odds))
        some_clock(world);
    if (prng_one_in(prng, life->traffic.hold_odds))
        some_hold(life);
    if (prng_one_in(prng, life->traffic.rest_odds))
        world_rest(world, prng_below(prng, 100000000));
}

void life_steps(struct life *life, uint64_t step_count)
{
    for (; step_count > 0; step_count--)
        some_step(life);
}

/* ---- opening and ending -----------------------------------------------------------------------
 */

static void heal(struct world *world)
{
    disk_heal(world->disk);
    memory_fail(MEMORY_FINE);
    disk_set_free_bytes(world->disk, UINT64_MAX);
}

/* A crash is no damage, and nothing to warn of: there is nothing an operator could do. */
static void check_quiet(const struct world *world)
{
    if (world->disturbed || world->may_report)
        return;
    if (world->error_reports + world->warning_reports > 0)
        fail_msg("nothing happened, and yet: %s", world->last_report);
    assert_int_equal(world_stats(world).damaged_footers, 0);
}

void life_open(struct life *life)
{
    struct world *world = life->world;
    world->why.text[0] = '\0';
    world->warning_reports = 0;
    world->crashing = false;
    int error = world_try_open(world);
    sim_trace("open: %s", imlog_error_name(error));
    if (error < 0) {
        if (!world->disturbed)
            fail_msg("open: %s: %s", imlog_error_name(error), world->why.text);
        assert_string_not_equal(world->why.text, "");
        heal(world);
        world->disturbed = false;
        world->error_reports = 0;
        world->warning_reports = 0;
        world_open(world);
    } else {
        model_reopen(world->model, world->shard);
    }
    check_quiet(world);
}

static void count_stats(const struct world *world)
{
    struct imlog_stats stats = world_stats(world);
    SIM_COUNT(checkpoints, stats.checkpoints);
    SIM_COUNT(segments, stats.segments);
}

void life_end(struct life *life)
{
    struct world *world = life->world;
    struct prng *prng = &world->prng;
    check_quiet(world);
    count_stats(world);
    disk_let_go(world->disk);
    if (!life->heal_late)
        heal(world);
    SIM_COUNT(appends_unknown, world->unknown_count);
    if (world->disturbed)
        world->crashing = true; /* it may be degraded: what ends, ends as it likes */
    if (prng_one_in(prng, 4)) {
        sim_trace("close");
        world_settle(world);
        world_close(world);
        world->unknown_count = 0;
        world->error_reports = 0;
    } else {
        enum disk_crash kind = (enum disk_crash)prng_below(prng, DISK_CRASH_KINDS);
        sim_trace("crash %d", (int)kind);
        world_crash(world, kind);
        SIM_COUNT(crash_points, 1);
    }
    heal(world); /* what was to fail only now */
    world->disturbed = false;
}

void life_judge_briefly(struct life *life)
{
    struct world *world = life->world;
    life_open(life);
    SIM_COUNT(appends_acked, world->model->acked_count);
    SIM_COUNT(messages_checked, world->model->count);
    world_check_all(world);
    for (uint64_t id = 1; id <= 3; id++)
        world_append_busy(world, id, 100, ++life->client_msg_id);
    world_check_all(world);
    check_quiet(world);
}

void life_judge(struct life *life)
{
    struct world *world = life->world;
    life_judge_briefly(life);
    world_close(world);
    life_open(life);
    world_check_all(world);
    check_quiet(world);
    world_close(world);
}

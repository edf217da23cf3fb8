/* net_run.c: one run of the request path: a node of some threads and real shards, clients on
 * connections that are slow, stuck and cut, power losses, broken disks; and a model that judges
 * every reply. First traffic with faults, then calm until everything is settled, then all that
 * was ever stored is read again, also after a last power loss. */
#include "tests/sim/counts.h"
#include "tests/sim/memory.h"
#include "tests/sim/net_check.h"
#include "tests/sim/net_client.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN_STEPS_MIN = 200,
    RUN_STEPS_MORE = 700,
    RUN_SETTLE_STEPS_MAX = 60000,
    FAULTS_MAX = 4, /* armed at once */
};

static struct sim_net_counts counts; /* of this run */

static void tell_counts(void)
{
#define TELL(name) SIM_COUNT(name, counts.name);
    SIM_NET_COUNTS(TELL)
#undef TELL
    counts = (struct sim_net_counts){0};
}

_Noreturn void net_violated(const char *condition, const char *file, int line, const char *format,
                            ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "%s:%d: ", file, line);
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, "  [%s]\n", condition);
    va_end(args);
    abort();
}

static bool chance(struct net_run *run, uint64_t odds)
{
    return prng_one_in(&run->prng, odds);
}

static void run_step(struct net_run *run)
{
    uint32_t first = (uint32_t)prng_below(&run->prng, run->client_count);
    for (uint32_t i = 0; i < run->client_count; i++)
        net_client_step(&run->clients[(first + i) % run->client_count]);
    net_node_step(&run->node);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void fail_shard(struct net_run *run, enum disk_op_kind kind, bool for_ever)
{
    static const char *const parts[NET_SHARDS_MAX] = {"shard-000", "shard-001", "shard-002",
                                                      "shard-003", "shard-004", "shard-005"};
    uint32_t shard = (uint32_t)prng_below(&run->prng, run->node.node.shard_count);
    const struct disk_fault fault = {.kind = kind,
                                     .path_part = parts[shard],
                                     .skip_count = prng_below(&run->prng, 6),
                                     .error = -EIO,
                                     .for_ever = for_ever,
                                     .at_start = chance(run, 4)};
    sim_trace("%llu fault: operations of kind %d fail on shard %u",
              (unsigned long long)run->node.step, (int)kind, shard);
    if (chance(run, 2) ||
        run->fault_count >= FAULTS_MAX) { /* those before it may have met nothing */
        disk_heal(run->node.disk);
        run->fault_count = 0;
    }
    disk_fail(run->node.disk, &fault);
    run->fault_count++;
    if (kind == DISK_READ)
        run->node.fairness.read_failed[shard] = true;
    else
        run->node.fairness.write_failed[shard] = true;
}

static void jump_clock(struct net_run *run)
{
    struct imlog_io *io = run->node.io;
    uint64_t wall_ms = io->ops->wall_ms(io);
    uint64_t by_ms = prng_below(&run->prng, 3600000);
    disk_set_wall_ms(run->node.disk, chance(run, 2) ? wall_ms + by_ms : wall_ms - by_ms);
    counts.net_clock_jumps++;
}

static void cause_trouble(struct net_run *run)
{
    struct disk *disk = run->node.disk;
    switch (prng_below(&run->prng, 15)) {
    case 0:
        if (!run->node.is_draining)
            net_node_crash(&run->node, (enum disk_crash)prng_below(&run->prng, DISK_CRASH_KINDS));
        break;
    case 1:
        if (!run->node.is_draining)
            net_node_drain(&run->node);
        break;
    case 2:
    case 6:
        counts.net_write_faults++;
        fail_shard(run, DISK_WRITE, chance(run, 3));
        break;
    case 3:
        counts.net_read_faults++;
        fail_shard(run, DISK_READ, false);
        break;
    case 4:
        counts.net_full_disks++;
        run->node.fairness.disk_was_full = true;
        disk_set_free_bytes(disk, prng_below(&run->prng, IMLOG_SEGMENT_BYTES_MIN));
        break;
    case 5:
        disk_set_free_bytes(disk, UINT64_MAX);
        break;
    case 7:
        jump_clock(run);
        break;
    case 8: /* nothing happens for a while */
        disk_advance_ns(disk, prng_below(&run->prng, 100) * 1000000U);
        break;
    case 9:
    case 10:
    case 11:
        disk_hold(disk, DISK_WRITE, true); /* a disk that thinks */
        break;
    case 12:
        run->node.memory_left = (uint32_t)prng_below(&run->prng, 40);
        run->node.memory_gaps = 1 + (uint32_t)prng_below(&run->prng, 4);
        break;
    default:
        disk_hold(disk, DISK_WRITE, false);
        break;
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool is_settled(const struct net_run *run)
{
    if (run->node.is_draining || net_node_request_count(&run->node) > 0)
        return false; /* also those whose client is gone */
    for (uint32_t i = 0; i < run->client_count; i++)
        if (!net_client_is_finished(&run->clients[i]))
            return false;
    return true;
}

static void run_settle(struct net_run *run)
{
    run->node.calm = true;
    for (uint32_t steps = 0; !is_settled(run); steps++) {
        NET_CHECK(steps < RUN_SETTLE_STEPS_MAX, "P10: the run does not come to rest");
        run_step(run);
    }
}

/* Faults end; what was degraded is opened again. */
static void run_calm_down(struct net_run *run)
{
    sim_trace("%llu calming down", (unsigned long long)run->node.step);
    run->node.memory_gaps = 0;
    const struct disk_weather fair = {0};
    disk_set_weather(run->node.disk, &fair);
    disk_heal(run->node.disk);
    disk_hold(run->node.disk, DISK_WRITE, false);
    disk_set_free_bytes(run->node.disk, UINT64_MAX);
    if (run->node.is_draining)
        return;
    bool failed = false;
    for (uint32_t i = 0; i < run->node.node.shard_count; i++)
        failed = failed || run->node.fairness.write_failed[i];
    if (failed && chance(run, 2))
        net_node_crash(&run->node, (enum disk_crash)prng_below(&run->prng, DISK_CRASH_KINDS));
    else if (failed)
        net_node_drain(&run->node);
}

/* One client reads everything, all sessions in one request, until nothing is left. */
static void run_read_all(struct net_run *run)
{
    struct net_client *client = &run->clients[0];
    for (uint32_t i = 0; i < run->model.session_count; i++)
        run->read_seq[i] = 0;
    do {
        while (client->link == NULL || client->link->spoiled || client->link->half_closed)
            run_step(run);
        net_ask_all(client);
        run_settle(run);
    } while (net_ask_has_more(run));
    net_model_check_whole(&run->model);
}

static void run_end(struct net_run *run)
{
    run_calm_down(run);
    run_settle(run);
    net_node_check_idle(&run->node);
    run_read_all(run);
    net_node_crash(&run->node, DISK_DROP_ALL);
    run_read_all(run);
    net_node_drain(&run->node);
    run_settle(run);
    for (uint32_t i = 0; i < run->client_count; i++)
        if (run->clients[i].link != NULL)
            net_client_drop(&run->clients[i], NET_ENDED);
    for (uint32_t i = 0; !net_links_are_gone(&run->node); i++) {
        NET_CHECK(i < RUN_SETTLE_STEPS_MAX, "connections do not end");
        net_node_step(&run->node);
    }
    net_node_close(&run->node);
}

void net_run(uint64_t seed)
{
    struct net_run *run = calloc(1, sizeof *run);
    NET_CHECK(run != NULL, "no memory for a run");
    run->prng.state = seed * 977 + 3;
    run->counts = &counts;
    net_node_init(&run->node, seed, &counts);
    net_model_init(&run->model, &run->prng);
    run->client_count = 1 + (uint32_t)prng_below(&run->prng, NET_CLIENTS_MAX);
    for (uint32_t i = 0; i < run->client_count; i++)
        net_client_init(&run->clients[i], run, i);
    net_node_open(&run->node);
    if (chance(run, 3)) {
        const struct disk_weather weather = {
            .stall_odds = 20, .stall_ns_max = 3000000, .short_odds = 10};
        disk_set_weather(run->node.disk, &weather);
    }
    uint64_t step_count = RUN_STEPS_MIN + prng_below(&run->prng, RUN_STEPS_MORE);
    uint64_t trouble_odds = 20 + prng_below(&run->prng, 300);
    while (run->node.step < step_count) {
        run_step(run);
        if (chance(run, trouble_odds))
            cause_trouble(run);
    }
    run_end(run);
    tell_counts();
    for (uint32_t i = 0; i < run->client_count; i++)
        net_client_deinit(&run->clients[i]);
    net_model_deinit(&run->model);
    net_node_deinit(&run->node);
    NET_CHECK(memory_held_count() == 0, "%lld blocks were never given back",
              (long long)memory_held_count());
    free(run);
}

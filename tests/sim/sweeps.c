/* sweeps.c: one short workload, and at every single moment of it every way it could go wrong from
 * there (branch.h): crashes with each kind of persistence, each error of an operation, each
 * allocation refused. */
#include "tests/sim/branch.h"
#include "tests/sim/counts.h"
#include "tests/sim/life.h"
#include "tests/sim/memory.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SWEEP_LIVES = 3, SWEEP_STEPS = 60 };

struct sweep {
    struct life life;
    struct prng prng; /* of what happens after the branch */
    uint64_t seed;
    uint64_t moments_left; /* until the second crash */
    bool memory_returns;   /* while the shard is open, and nothing may be left of its lack */
};

static void sweep_begin(struct sweep *sweep)
{
    life_create(&sweep->life, sweep->seed);
    sweep->life.traffic.poll_percent += 20; /* more operations a message */
}

/* In a child: its chance is its own. */
static void sweep_diverge(struct sweep *sweep, uint64_t salt)
{
    sweep->prng.state = sweep->seed * 1000003 + salt;
    disk_reseed(sweep->life.world->disk, prng_next(&sweep->prng));
    sweep->life.world->prng.state = prng_next(&sweep->prng);
}

/* The shard goes on as if memory had never been short: nothing degraded, nothing unknown. */
static void memory_returns(struct world *world)
{
    memory_fail(MEMORY_FINE);
    world_rest(world, 2000000000); /* what could not be prepared is tried again within a second */
    world_append_busy(world, 1, 100, 0);
    world_settle(world);
    assert_int_equal(world_stats(world).degraded, 0);
    assert_int_equal(world->unknown_count, 0);
    world->disturbed = false;
    world_check_all(world);
}

static void sweep_work(struct sweep *sweep)
{
    struct life *life = &sweep->life;
    for (uint32_t i = 0; i < SWEEP_LIVES; i++) {
        life_open(life);
        life_steps(life, SWEEP_STEPS);
        if (sweep->memory_returns && life->world->disturbed)
            memory_returns(life->world);
        life_end(life);
        life->heal_late = false;
    }
}

/* The workload to its end, which a child of any branch reaches too. */
static void sweep_end(struct sweep *sweep)
{
    life_watch(&sweep->life, NULL, NULL);
    memory_watch(NULL, NULL);
    life_judge(&sweep->life);
    life_destroy(&sweep->life);
    if (branch_inside())
        branch_end();
}

/* ---- crashes -------------------------------------------------------------------------------- */

/* Recovered, it must have everything, and go on; now and then over one more reopening. */
static _Noreturn void judge_crashed(struct sweep *sweep)
{
    SIM_COUNT(crash_points, 1);
    if (prng_one_in(&sweep->prng, 4))
        life_judge(&sweep->life);
    else
        life_judge_briefly(&sweep->life);
    branch_end();
}

/* The second crash, while the shard recovers from the first. */
static void handle_recovery_moment(void *arg, const struct disk_moment *moment)
{
    struct sweep *sweep = arg;
    struct world *world = sweep->life.world;
    (void)moment;
    if (sweep->moments_left-- > 0)
        return;
    life_watch(&sweep->life, NULL, NULL);
    world_cut(world, (enum disk_crash)prng_below(&sweep->prng, DISK_CRASH_KINDS));
    sim_trace("second crash");
    SIM_COUNT(second_crashes, 1);
    judge_crashed(sweep);
}

static void handle_crash_moment(void *arg, const struct disk_moment *moment)
{
    struct sweep *sweep = arg;
    struct world *world = sweep->life.world;
    (void)moment;
    int variant = branch(DISK_CRASH_KINDS);
    if (variant == BRANCH_NONE)
        return;
    sweep_diverge(sweep, disk_op_count(world->disk, DISK_OP_KINDS) * 16 + (uint64_t)variant);
    sim_trace("crash %d", variant);
    life_watch(&sweep->life, NULL, NULL);
    world_cut(world, (enum disk_crash)variant);
    if (prng_one_in(&sweep->prng, 5)) {
        sweep->moments_left = prng_below(&sweep->prng, 60);
        life_watch(&sweep->life, handle_recovery_moment, sweep);
        life_open(&sweep->life);
        life_watch(&sweep->life, NULL, NULL); /* it was faster; go on from here */
        world_close(world);
    }
    judge_crashed(sweep);
}

void crash_points_run(uint64_t seed)
{
    struct sweep sweep = {.seed = seed};
    sweep_begin(&sweep);
    life_watch(&sweep.life, handle_crash_moment, &sweep);
    sweep_work(&sweep);
    sweep_end(&sweep);
}

/* ---- errors of operations ------------------------------------------------------------------- */

static const struct disk_fault io_errors[] = {
    {.kind = DISK_OP_KINDS, .error = -EIO},
    {.kind = DISK_OP_KINDS, .error = -EIO, .for_ever = true},
    {.kind = DISK_OP_KINDS, .error = -EIO, .at_start = true},
    {.kind = DISK_OP_KINDS, .error = -ENOSPC},
    {.kind = DISK_OP_KINDS, .error = -ENOSPC, .for_ever = true},
    {.kind = DISK_OP_KINDS, .error = -EAGAIN},
    {.kind = DISK_OP_KINDS, .error = -EAGAIN, .for_ever = true},
    {.kind = DISK_OP_KINDS, .short_bytes = 512},
    {.kind = DISK_OP_KINDS, .short_bytes = 512, .for_ever = true},
    {.kind = DISK_READ, .error = -EIO, .for_ever = true}, /* all that is written stays */
    {.kind = DISK_READ, .error = -ENOMEM, .for_ever = true},
    {.kind = DISK_WRITE, .error = -EIO, .for_ever = true},
    {.kind = DISK_SYNC, .error = -EIO, .for_ever = true},
    {.kind = DISK_OPEN, .error = -EMFILE, .for_ever = true},
};

enum { IO_ERROR_COUNT = sizeof(io_errors) / sizeof(io_errors[0]) };

/* Armed while one operation starts, a fault meets the next one. */
static void handle_start(void *arg, const struct disk_moment *moment)
{
    struct sweep *sweep = arg;
    struct world *world = sweep->life.world;
    if (moment->event != DISK_STARTED)
        return;
    int variant = branch(IO_ERROR_COUNT);
    if (variant == BRANCH_NONE)
        return;
    memory_unshare();
    sweep_diverge(sweep, disk_op_count(world->disk, DISK_OP_KINDS) * 16 + (uint64_t)variant);
    sim_trace("error %d of the next operation", variant);
    life_watch(&sweep->life, NULL, NULL);
    disk_fail(world->disk, &io_errors[variant]);
    world->disturbed = true;
    SIM_COUNT(io_faults, 1);
}

void io_errors_run(uint64_t seed)
{
    struct sweep sweep = {.seed = seed};
    sweep_begin(&sweep);
    life_watch(&sweep.life, handle_start, &sweep);
    sweep_work(&sweep);
    sweep_end(&sweep);
}

/* ---- allocations ---------------------------------------------------------------------------- */

static const struct memory_fault {
    const char *what;
    enum memory_failing failing;
    bool returns;
} memory_faults[] = {
    {"once", MEMORY_FAIL_ONCE, true},
    {"for a while", MEMORY_FAIL_ALL, true},
    {"until it is closed", MEMORY_FAIL_ALL, false},
};

enum { MEMORY_FAULT_COUNT = sizeof(memory_faults) / sizeof(memory_faults[0]) };

static void handle_allocation(void *arg)
{
    struct sweep *sweep = arg;
    int variant = branch(MEMORY_FAULT_COUNT);
    if (variant == BRANCH_NONE)
        return;
    memory_unshare();
    const struct memory_fault *fault = &memory_faults[variant];
    sim_trace("no memory, %s", fault->what);
    memory_watch(NULL, NULL);
    memory_fail(fault->failing);
    sweep->life.world->disturbed = true;
    sweep->memory_returns = fault->returns;
    sweep->life.heal_late = !fault->returns;
    SIM_COUNT(allocation_faults, 1);
}

void no_memory_run(uint64_t seed)
{
    struct sweep sweep = {.seed = seed};
    sweep_begin(&sweep);
    memory_watch(handle_allocation, &sweep);
    sweep_work(&sweep);
    sweep_end(&sweep);
}

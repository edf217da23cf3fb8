/* lives.c: a few lives of one shard, each ended by a crash or not, with whatever can go wrong at
 * random: errors, full disks, crashes while opening, clocks that jump. */
#include "tests/sim/counts.h"
#include "tests/sim/life.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

#include <errno.h>

enum { LIVES = 5, STEPS_MAX = 400 };

static void some_fault(struct world *world)
{
    static const int errors[] = {-EIO, -ENOSPC, -EAGAIN, 0};
    struct prng *prng = &world->prng;
    struct disk_fault fault = {.kind = (enum disk_op_kind)prng_below(prng, DISK_OP_KINDS + 1),
                               .skip_count = prng_below(prng, 60),
                               .error = errors[prng_below(prng, 4)],
                               .for_ever = prng_one_in(prng, 4),
                               .at_start = prng_one_in(prng, 3)};
    if (fault.error == 0) {
        fault.short_bytes = (uint32_t)prng_below(prng, 8) * 512;
        fault.at_start = false;
    }
    disk_fail(world->disk, &fault);
    world->disturbed = true;
    SIM_COUNT(io_faults, 1);
    sim_trace("fault kind=%d skip=%llu error=%d for_ever=%d", (int)fault.kind,
              (unsigned long long)fault.skip_count, fault.error, fault.for_ever);
}

/* The disk fills up and gets space again, all in one life: nothing else may have happened (P7). */
static void fill_up(struct life *life)
{
    struct world *world = life->world;
    uint64_t free_bytes = prng_below(&world->prng, 4 * world->options.segment_bytes);
    sim_trace("full: %llu bytes left", (unsigned long long)free_bytes);
    disk_set_free_bytes(world->disk, free_bytes);
    world->disturbed = true;
    life_steps(life, STEPS_MAX / 2);
    disk_let_go(world->disk);
    disk_set_free_bytes(world->disk, UINT64_MAX);
    world_rest(world, 2000000000);       /* the next try for a segment comes within a second */
    world_append_busy(world, 1, 100, 0); /* without a restart */
    world_settle(world);
    world->disturbed = false;
    world->warning_reports = 0; /* of what had to wait for space */
    world_check_all(world);
}

/* The machine loses power while the shard is being opened. */
struct countdown {
    struct life *life;
    uint64_t left;
};

static void handle_moment(void *arg, const struct disk_moment *moment)
{
    struct countdown *countdown = arg;
    (void)moment;
    if (countdown->left-- > 0)
        return;
    struct world *world = countdown->life->world;
    life_watch(countdown->life, NULL, NULL);
    disk_crash(world->disk, (enum disk_crash)prng_below(&world->prng, DISK_CRASH_KINDS));
    sim_trace("crash while opening");
}

static void crash_while_opening(struct life *life)
{
    struct world *world = life->world;
    struct countdown countdown = {life, prng_below(&world->prng, 80)};
    life_watch(life, handle_moment, &countdown);
    bool open = world_try_open(world) == 0;
    life_watch(life, NULL, NULL);
    world->crashing = true;
    if (open && countdown.left != UINT64_MAX) { /* it was faster */
        world_crash(world, DISK_ANY);
    } else if (open) { /* it met the end only after its last read */
        world_close(world);
        disk_restart(world->disk);
    } else {
        disk_restart(world->disk);
    }
    world->error_reports = 0;
    SIM_COUNT(second_crashes, 1);
}

void life_run(uint64_t seed)
{
    struct life life;
    life_create(&life, seed);
    struct world *world = life.world;
    struct prng *prng = &world->prng;
    for (uint32_t i = 0; i < LIVES; i++) {
        if (prng_one_in(prng, 8))
            crash_while_opening(&life);
        if (prng_one_in(prng, 12))
            some_fault(world);
        life_open(&life);
        if (!world->disturbed && prng_one_in(prng, 4))
            world_check_all(world); /* before anything is held back */
        if (!world->disturbed && prng_one_in(prng, 12))
            fill_up(&life);
        if (prng_one_in(prng, 3))
            some_fault(world);
        life_steps(&life, prng_below(prng, STEPS_MAX));
        life_end(&life);
    }
    life_judge(&life);
    life_destroy(&life);
}

/* reader.c: a directory read from outside (<imlog/reader.h>) must tell what opening it tells: the
 * same messages in the same order, and of damage just what it cost. And whatever fails meanwhile,
 * it never passes off a part for the whole. */
#include "tests/sim/branch.h"
#include "tests/sim/counts.h"
#include "tests/sim/life.h"
#include "tests/sim/memory.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

#include <errno.h>
#include <imlog/reader.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { READER_LIVES = 3, READER_STEPS = 100, FLIPS = 10 };

struct reading {
    struct life *life;
    struct imlog_reader *reader;
    bool *met; /* by index in the model */
    uint32_t met_count;
    uint64_t finding_count;
    uint64_t lost_records;
    int error; /* that ended it */
};

/* ---- one reading ---------------------------------------------------------------------------- */

/* The next message of the model's order with this id: what lies between was not met. */
static void meet(struct reading *reading, uint32_t *at, const struct imlog_message *message)
{
    const struct model *model = reading->life->world->model;
    while (*at < model->count && model->all[*at].msg_id != message->msg_id)
        (*at)++;
    if (*at == model->count)
        fail_msg("session %llu seq %llu: never taken, or out of order",
                 (unsigned long long)message->session_id, (unsigned long long)message->seq);
    model_check_message(model, message);
    reading->met[(*at)++] = true;
    reading->met_count++;
}

static void check_keys(const struct reading *reading)
{
    const struct model *model = reading->life->world->model;
    for (uint32_t i = 0; i < model->key_count; i++) {
        const struct model_key *key = &model->keys[i];
        const void *text;
        uint32_t key_bytes = key->acked ? imlog_reader_key(reading->reader, key->id, &text) : 0;
        if (!key->acked)
            continue;
        assert_int_equal(key_bytes, strlen(key->text));
        assert_memory_equal(text, key->text, key_bytes);
    }
}

static void handle_finding(void *arg, const struct imlog_finding *finding)
{
    struct reading *reading = arg;
    const struct model *model = reading->life->world->model;
    sim_trace("found: %s at %llu: %s (session %llu seq %llu..%llu)", finding->file,
              (unsigned long long)finding->offset, finding->what,
              (unsigned long long)finding->session_id, (unsigned long long)finding->first_seq,
              (unsigned long long)finding->last_seq);
    reading->finding_count++;
    reading->lost_records += finding->lost_records;
    if (finding->session_id == 0)
        return;
    for (uint64_t seq = finding->first_seq; seq <= finding->last_seq; seq++) {
        const struct model_session *session = &model->sessions[finding->session_id];
        assert_in_range(seq, 1, session->count);
        uint32_t index = session->messages[seq - 1];
        assert_false(reading->met[index]); /* or it would not be damaged */
        reading->met[index] = true;        /* told of, now */
        reading->met_count++;
    }
}

static void handle_segment(void *arg, const struct imlog_segment_info *info)
{
    uint64_t *message_count = arg;
    *message_count += info->message_count;
}

static void read_messages(struct reading *reading)
{
    struct imlog_message message;
    uint32_t at = 0;
    int more;
    while ((more = imlog_reader_next(reading->reader, &message)) > 0)
        meet(reading, &at, &message);
    reading->error = more;
    if (more < 0)
        assert_int_equal(imlog_reader_next(reading->reader, &message), more);
}

static void read_all(struct reading *reading)
{
    struct world *world = reading->life->world;
    memset(world->why.text, 0, sizeof(world->why.text));
    reading->error =
        imlog_reader_open(disk_io(world->disk), WORLD_DIR, &reading->reader, &world->why);
    if (reading->error < 0) {
        assert_string_not_equal(world->why.text, "");
        return;
    }
    read_messages(reading);
    SIM_COUNT(messages_checked, reading->met_count);
    uint64_t message_count = 0;
    if (reading->error == 0) {
        if (!world->disturbed)
            check_keys(reading);
        reading->error = imlog_reader_segments(reading->reader, handle_segment, &message_count);
    }
    if (reading->error == 0 && !world->disturbed && !world->may_report)
        assert_int_equal(message_count, reading->met_count);
    int64_t found = 0;
    if (reading->error == 0)
        found = imlog_reader_verify(reading->reader, handle_finding, reading);
    if (found < 0)
        reading->error = (int)found;
    else
        assert_int_equal(found, reading->finding_count);
    imlog_reader_close(reading->reader);
}

/* Returns how many messages were there or told to be damaged. */
static uint32_t read_and_judge(struct life *life)
{
    struct world *world = life->world;
    const struct model *model = world->model;
    struct reading reading = {.life = life, .met = calloc(model->count + 1, sizeof(bool))};
    assert_non_null(reading.met);
    read_all(&reading);
    sim_trace("read: %s, %u messages, %llu findings", imlog_error_name(reading.error),
              reading.met_count, (unsigned long long)reading.finding_count);
    if (!world->disturbed)
        assert_int_equal(reading.error, 0);
    if (!world->disturbed && !world->may_report)
        assert_int_equal(reading.finding_count, 0); /* a torn tail is none */
    /* No error, and a message missing that nothing tells of: a part passed off for the whole. */
    for (uint32_t i = 0; i < model->acked_count && reading.error == 0; i++) {
        if (!reading.met[i] && reading.finding_count == 0)
            fail_msg("session %llu seq %llu is missing",
                     (unsigned long long)model->all[i].session_id,
                     (unsigned long long)model->all[i].seq);
    }
    free(reading.met);
    return reading.met_count;
}

/* ---- sweeps --------------------------------------------------------------------------------- */

static const struct disk_fault faults[] = {
    {.kind = DISK_OP_KINDS, .error = -EIO},
    {.kind = DISK_OP_KINDS, .error = -EIO, .for_ever = true},
    {.kind = DISK_OP_KINDS, .error = -EIO, .at_start = true},
    {.kind = DISK_OP_KINDS, .error = -EAGAIN},
    {.kind = DISK_OP_KINDS, .short_bytes = 512, .for_ever = true},
    {.kind = DISK_READ, .error = -EIO, .for_ever = true},
    {.kind = DISK_READ, .error = -ENOMEM},
    {.kind = DISK_OPEN, .error = -EMFILE, .for_ever = true},
};

enum { FAULT_COUNT = sizeof(faults) / sizeof(faults[0]) };

static void handle_start(void *arg, const struct disk_moment *moment)
{
    struct life *life = arg;
    if (moment->event != DISK_STARTED)
        return;
    int variant = branch(FAULT_COUNT);
    if (variant == BRANCH_NONE)
        return;
    sim_trace("error %d of the next operation", variant);
    disk_fail(life->world->disk, &faults[variant]);
    life->world->disturbed = true;
    SIM_COUNT(io_faults, 1);
}

static void handle_allocation(void *arg)
{
    static const enum memory_failing failings[] = {MEMORY_FAIL_ONCE, MEMORY_FAIL_ALL};
    struct life *life = arg;
    int variant = branch(2);
    if (variant == BRANCH_NONE)
        return;
    sim_trace("no memory, %s", variant == 0 ? "once" : "from here on");
    memory_watch(NULL, NULL);
    memory_fail(failings[variant]);
    life->world->disturbed = true;
    SIM_COUNT(allocation_faults, 1);
}

static void read_under_faults(struct life *life)
{
    struct world *world = life->world;
    life_watch(life, handle_start, life);
    memory_watch(handle_allocation, life);
    (void)read_and_judge(life);
    life_watch(life, NULL, NULL);
    memory_watch(NULL, NULL);
    disk_heal(world->disk);
    memory_fail(MEMORY_FINE);
    world->disturbed = false;
    (void)read_and_judge(life); /* nothing was written */
    if (branch_inside()) {
        life_destroy(life);
        branch_end();
    }
}

/* ---- runs ----------------------------------------------------------------------------------- */

/* One bit after the other, in segments that are sealed for sure. The last one may stay. */
static void flip_bits(struct life *life, uint32_t segment_count)
{
    struct world *world = life->world;
    char path[64];
    for (uint32_t i = 0; i < FLIPS && segment_count >= 3; i++) {
        uint32_t number = 1 + (uint32_t)prng_below(&world->prng, segment_count - 2);
        uint64_t bytes = disk_file_bytes(world->disk, world_segment_path(number, path));
        uint64_t bit = prng_below(&world->prng, bytes * 8);
        disk_flip_bit(world->disk, path, bit);
        sim_trace("bit %llu of %s flipped", (unsigned long long)bit, path);
        SIM_COUNT(damages, 1);
        world->may_report = true;
        (void)read_and_judge(life);
        if (i + 1 < FLIPS || prng_one_in(&world->prng, 2)) {
            disk_flip_bit(world->disk, path, bit);
            world->may_report = false;
        }
    }
}

static uint32_t live_and_read(struct life *life)
{
    struct world *world = life->world;
    life_open(life);
    life_steps(life, READER_STEPS);
    uint32_t segment_count = (uint32_t)world_stats(world).segments;
    life_end(life);
    uint32_t read_count = read_and_judge(life);
    assert_true(read_count >= world->model->acked_count);
    life_open(life);
    assert_int_equal(read_count, world->model->count); /* opening tells the same */
    world_settle(world);
    world_close(world);
    return segment_count;
}

void reader_run(uint64_t seed)
{
    struct life life;
    uint32_t segment_count = 0;
    life_create(&life, seed);
    for (uint32_t i = 0; i < READER_LIVES; i++)
        segment_count = live_and_read(&life);
    flip_bits(&life, segment_count);
    read_under_faults(&life);
    life_destroy(&life);
}

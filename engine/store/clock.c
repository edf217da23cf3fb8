/* clock.c: see clock.h. */
#include "engine/store/clock.h"

#include "engine/format/msg_id.h"

#include <imlog/planted.h>

#define NS_PER_MS UINT64_C(1000000)

void clock_init(struct clock *clock, struct imlog_io *io, uint32_t shard_index)
{
    *clock = (struct clock){.io = io,
                            .shard_index = shard_index,
                            .monotonic_ns = io->ops->monotonic_ns(io),
                            .now_ns = io->ops->wall_ms(io) * NS_PER_MS};
}

uint64_t clock_turn(struct clock *clock)
{
    uint64_t monotonic_ns = clock->io->ops->monotonic_ns(clock->io);
    uint64_t wall_ns = clock->io->ops->wall_ms(clock->io) * NS_PER_MS;
    uint64_t passed_ns = monotonic_ns - clock->monotonic_ns;
    clock->monotonic_ns = monotonic_ns;
    clock->now_ns += passed_ns;

    uint64_t apart_ns = wall_ns > clock->now_ns ? wall_ns - clock->now_ns : clock->now_ns - wall_ns;
    uint64_t step_ns = apart_ns <= CLOCK_JUMP_MS * NS_PER_MS ? apart_ns : passed_ns / 10;
    clock->now_ns = wall_ns > clock->now_ns ? clock->now_ns + step_ns : clock->now_ns - step_ns;
    return clock->now_ns / NS_PER_MS;
}

uint64_t clock_msg_id(struct clock *clock)
{
    uint64_t ms = clock->now_ns / NS_PER_MS;
    ms = ms < MSG_ID_EPOCH_MS ? MSG_ID_EPOCH_MS : ms;
    ms = ms > MSG_ID_MS_MAX ? MSG_ID_MS_MAX : ms;
    uint64_t last_ms = msg_id_ms(clock->last_msg_id);
    uint64_t counter = 0;
    if (ms <= last_ms && !IMLOG_PLANTED(msg_id_follows_the_clock)) {
        counter = (msg_id_counter(clock->last_msg_id) + 1) & MSG_ID_COUNTER_MAX;
        ms = counter == 0 ? last_ms + 1 : last_ms;
    }
    clock->last_msg_id = msg_id_make(ms, clock->shard_index, counter);
    return clock->last_msg_id;
}

void clock_saw_msg_id(struct clock *clock, uint64_t msg_id)
{
    if (msg_id > clock->last_msg_id)
        clock->last_msg_id = msg_id;
}

/* clock.h: the node's time and the msg_ids made from it.
 *
 * Node time follows the wall clock while that moves evenly. Where the wall clock departs from it
 * by more than CLOCK_JUMP_MS (a jump), node time goes on with the monotonic clock and approaches
 * the wall clock by a tenth of the time that passes, forward or back: so a jump of D is worked
 * off in 10 D, and intervals measured in node time are right within 10 %.
 *
 * msg_ids rise strictly whatever the clocks do: the newest id is a floor, also after reopening. */
#ifndef ENGINE_STORE_CLOCK_H
#define ENGINE_STORE_CLOCK_H

#include <imlog/io.h>
#include <stdint.h>

#define CLOCK_JUMP_MS 1000

struct clock {
    struct imlog_io *io;
    uint32_t shard_index;
    uint64_t monotonic_ns; /* when `now_ns` was set */
    uint64_t now_ns;       /* node time, since 1970 */
    uint64_t last_msg_id;
};

/* Starts at the wall clock. */
void clock_init(struct clock *clock, struct imlog_io *io, uint32_t shard_index);

/* Bring node time up to date; returns it in ms. */
uint64_t clock_turn(struct clock *clock);

/* A fresh id, above every one given or seen before. */
uint64_t clock_msg_id(struct clock *clock);

/* An id read from the log: the next ones are above it. */
void clock_saw_msg_id(struct clock *clock, uint64_t msg_id);

#endif

/* timers.h: what is due when, for the timeouts of one thread's connections. A binary heap of
 * timers that lie in their owners; adding never fails once there is room. */
#ifndef NET_TIMERS_H
#define NET_TIMERS_H

#include <stdint.h>

struct timer {
    uint64_t due_ms;
    uint32_t place; /* in the heap, from 1; 0: not set */
    void (*fire)(struct timer *timer);
};

struct timers {          /* all zero is an empty one */
    struct timer **heap; /* heap[1 .. timer_count] */
    uint32_t timer_count;
    uint32_t timer_max;
};

void timers_deinit(struct timers *timers);

/* Make room for this many timers in all. 0 or -ENOMEM. */
int timers_reserve(struct timers *timers, uint32_t timer_count);

/* Set, or set anew. fire() runs once, in timers_run(), unless it is cleared before. */
void timers_set(struct timers *timers, struct timer *timer, uint64_t due_ms);
void timers_clear(struct timers *timers, struct timer *timer);

/* Fire what is due; fire() may set its timer again, later than now_ms. */
void timers_run(struct timers *timers, uint64_t now_ms);

/* When the first is due; UINT64_MAX if none is set. */
uint64_t timers_due_ms(const struct timers *timers);

#endif

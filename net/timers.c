/* timers.c: the heap. Parent of place p is p / 2; the root, due first, is at 1. */
#include "net/timers.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdlib.h>

void timers_deinit(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}

int timers_reserve(struct timers *timers, uint32_t timer_count)
{
    if (timer_count <= timers->timer_max)
        return 0;
    uint32_t timer_max = timer_count < 32 ? 64 : timer_count * 2;
    struct timer **heap = realloc(timers->heap, ((size_t)timer_max + 1) * sizeof *heap);
    if (heap == NULL)
        return -ENOMEM;
    timers->heap = heap;
    timers->timer_max = timer_max;
    return 0;
}

static void timers_place(struct timers *timers, struct timer *timer, uint32_t place)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void timers_rise(struct timers *timers, struct timer *timer, uint32_t place)
{
    for (; place > 1 && timers->heap[place / 2]->due_ms > timer->due_ms; place /= 2)
        timers_place(timers, timers->heap[place / 2], place);
    timers_place(timers, timer, place);
}

static void timers_sink(struct timers *timers, struct timer *timer, uint32_t place)
{
    for (uint32_t child; (child = 2 * place) <= timers->timer_count; place = child) {
        if (child < timers->timer_count &&
            timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms)
            child++;
        if (timers->heap[child]->due_ms >= timer->due_ms)
            break;
        timers_place(timers, timers->heap[child], place);
    }
    timers_place(timers, timer, place);
}

void timers_clear(struct timers *timers, struct timer *timer)
{
    if (timer->place == 0)
        return;
    uint32_t place = timer->place;
    struct timer *last = timers->heap[timers->timer_count--];
    timer->place = 0;
    if (last == timer)
        return;
    timers_sink(timers, last, place);
    timers_rise(timers, last, last->place);
}

void timers_set(struct timers *timers, struct timer *timer, uint64_t due_ms)
{
    timers_clear(timers, timer);
    IMLOG_ASSERT(timers->timer_count < timers->timer_max);
    timer->due_ms = due_ms;
    timers->timer_count++;
    timers_rise(timers, timer, timers->timer_count);
}

void timers_run(struct timers *timers, uint64_t now_ms)
{
    while (timers->timer_count > 0 && timers->heap[1]->due_ms <= now_ms) {
        struct timer *timer = timers->heap[1];
        timers_clear(timers, timer);
        timer->fire(timer);
    }
}

uint64_t timers_due_ms(const struct timers *timers)
{
    return timers->timer_count > 0 ? timers->heap[1]->due_ms : UINT64_MAX;
}

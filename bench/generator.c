/* generator.c: the loop.
 *
 * A slot is in exactly one place: under way in its protocol (pending), in its lane's waiting
 * list, or at rest because there is nothing more to send. The run is over when the time or the
 * messages are used up and nothing is pending; what is answered after the time is not counted,
 * but waited for, so that the next run finds an idle server. */
#include "bench/generator.h"

#include "bench/clock.h"
#include "bench/fail.h"
#include "bench/options.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    GENERATOR_EVENTS = 256,
    GENERATOR_SILENCE_MS = 60 * 1000, /* a server that answers nothing for so long is stuck */
    GENERATOR_FILES = 64,             /* besides the connections */
};

void generator_slots_push(struct generator_slots *slots, struct generator_slot *slot)
{
    slot->next = NULL;
    if (slots->first == NULL) {
        slots->first = slot;
    } else {
        slots->last->next = slot;
    }
    slots->last = slot;
}

struct generator_slot *generator_slots_pop(struct generator_slots *slots)
{
    struct generator_slot *slot = slots->first;

    if (slot != NULL) {
        slots->first = slot->next;
    }
    return slot;
}

/* ---- requests ------------------------------------------------------------------------- */

/* Begins the slot's next request, or leaves it at rest when there is nothing more to send. */
static void generator_start(struct generator_slot *slot)
{
    struct generator_lane *lane = slot->lane;
    struct generator *generator = lane->generator;

    if (slot->message_count == 0) {
        slot->message_count = traffic_take(&generator->traffic, generator->options->batch);
        if (slot->message_count == 0) {
            return;
        }
    }
    int error = generator->protocol->start(lane, slot);
    if (error == 0) {
        generator->pending_count++;
    } else if (error == IMLOG_EBUSY) {
        generator_slots_push(&lane->waiting, slot);
    } else if (generator->start_error == 0) {
        generator->start_error = error;
    }
}

void generator_answer(struct generator_slot *slot, int error, uint32_t message_count)
{
    struct generator *generator = slot->lane->generator;

    if (generator->now_ns == 0) {
        generator->now_ns = clock_now_ns();
    }
    IMLOG_ASSERT(generator->pending_count > 0);
    generator->pending_count--;
    generator->answer_count++;
    if (error < 0) {
        meter_error(&generator->meter, error, slot->message_count);
    } else {
        meter_answer(&generator->meter, generator->now_ns, slot->intended_ns, message_count);
    }
    slot->intended_ns = generator->now_ns;
    slot->message_count = 0;
    generator_start(slot);
}

/* Starts what waits, once each: what is refused again stays for the next turn. */
static void generator_restart(struct generator_lane *lane)
{
    struct generator_slot *slot = lane->waiting.first;

    lane->waiting.first = NULL;
    while (slot != NULL) {
        struct generator_slot *next = slot->next;
        generator_start(slot);
        slot = next;
    }
}

/* ---- connections ---------------------------------------------------------------------- */

static int generator_watch(struct generator_lane *lane, int operation, bool out)
{
    struct epoll_event event = {
        .events = EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0),
        .data.ptr = lane,
    };

    lane->wants_out = out;
    return epoll_ctl(lane->generator->epoll, operation, lane->socket, &event) < 0 ? -errno : 0;
}

/* One connection's turn: answers in, the next requests out. */
static int generator_turn(struct generator_lane *lane)
{
    struct generator *generator = lane->generator;

    generator->now_ns = 0;
    int error = generator->protocol->poll(lane);
    if (error == 0 && lane->waiting.first != NULL) {
        generator_restart(lane);
        error = generator->protocol->flush(lane);
    }
    if (error == 0) {
        error = generator->start_error;
    }
    bool out = generator->protocol->unsent(lane) || lane->waiting.first != NULL;
    if (error == 0 && out != lane->wants_out) {
        error = generator_watch(lane, EPOLL_CTL_MOD, out);
    }
    return error;
}

static int generator_open_lanes(struct generator *generator, struct imlog_why *why)
{
    for (uint32_t index = 0; index < generator->options->connections; index++) {
        struct generator_lane *lane = &generator->lanes[index];
        lane->generator = generator;
        int error = generator->protocol->open(lane, why);
        if (error < 0) {
            return error;
        }
        error = generator_watch(lane, EPOLL_CTL_ADD, false);
        if (error < 0) {
            return fail(why, error, "watching connection %u", index);
        }
    }
    return 0;
}

/* The first requests of all connections. */
static int generator_begin(struct generator *generator, struct imlog_why *why)
{
    uint32_t window = generator->options->window;

    meter_start(&generator->meter, generator->options, clock_now_ns());
    for (uint32_t index = 0; index < generator->options->connections; index++) {
        struct generator_lane *lane = &generator->lanes[index];
        for (uint32_t at = 0; at < window; at++) {
            struct generator_slot *slot = &generator->slots[(size_t)index * window + at];
            slot->lane = lane;
            slot->intended_ns = clock_now_ns();
            generator_slots_push(&lane->waiting, slot);
        }
        int error = generator_turn(lane);
        if (error < 0) {
            return fail(why, error, "connection %u, first request", index);
        }
    }
    return 0;
}

/* How long epoll may sleep: to the end of the run, and no longer than we stand silence. */
static int generator_wait_ms(const struct generator *generator)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t end_ns = generator->meter.end_ns;

    if (end_ns <= now_ns || (end_ns - now_ns) / NS_PER_MS >= GENERATOR_SILENCE_MS) {
        return GENERATOR_SILENCE_MS;
    }
    return (int)((end_ns - now_ns) / NS_PER_MS) + 1;
}

static int generator_loop(struct generator *generator, struct imlog_why *why)
{
    struct epoll_event events[GENERATOR_EVENTS];

    while (generator->pending_count > 0) {
        int wait_ms = generator_wait_ms(generator);
        int event_count = epoll_wait(generator->epoll, events, GENERATOR_EVENTS, wait_ms);
        if (event_count < 0 && errno != EINTR) {
            return fail(why, -errno, "waiting for answers");
        }
        if (event_count == 0 && wait_ms == GENERATOR_SILENCE_MS) {
            return fail(why, -ETIMEDOUT, "%llu requests without an answer",
                        (unsigned long long)generator->pending_count);
        }
        if (clock_now_ns() >= generator->meter.end_ns) {
            traffic_stop(&generator->traffic);
        }
        for (int at = 0; at < event_count; at++) {
            int error = generator_turn(events[at].data.ptr);
            if (error < 0) {
                return fail(why, error, "after %llu answers",
                            (unsigned long long)generator->answer_count);
            }
        }
    }
    return 0;
}

/* ---- the run -------------------------------------------------------------------------- */

/* A connection is a file; the soft limit is often 1024. */
static void generator_raise_files(const struct options *options)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)options->connections + GENERATOR_FILES;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* if refused, opening says which one failed */
    }
}

static int generator_init(struct generator *generator, struct imlog_why *why)
{
    const struct options *options = generator->options;
    size_t slot_count = (size_t)options->connections * options->window;

    generator->lanes = calloc(options->connections, sizeof(*generator->lanes));
    generator->slots = calloc(slot_count, sizeof(*generator->slots));
    if (generator->lanes == NULL || generator->slots == NULL) {
        return fail(why, -ENOMEM, "%zu request slots", slot_count);
    }
    generator->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (generator->epoll < 0) {
        return fail(why, -errno, "creating an epoll");
    }
    return traffic_init(&generator->traffic, options, why);
}

static void generator_deinit(struct generator *generator)
{
    if (generator->lanes != NULL) {
        for (uint32_t index = 0; index < generator->options->connections; index++) {
            if (generator->lanes[index].connection != NULL) {
                generator->protocol->close(&generator->lanes[index]);
            }
        }
    }
    if (generator->epoll >= 0) {
        (void)close(generator->epoll);
    }
    traffic_deinit(&generator->traffic);
    free(generator->lanes);
    free(generator->slots);
}

int generator_run(struct generator *generator, const struct generator_protocol *protocol,
                  const struct options *options, void *context, struct imlog_why *why)
{
    memset(generator, 0, sizeof(*generator));
    generator->protocol = protocol;
    generator->options = options;
    generator->context = context;
    generator->epoll = -1;

    generator_raise_files(options);
    int error = generator_init(generator, why);
    if (error == 0) {
        error = generator_open_lanes(generator, why);
    }
    if (error == 0) {
        error = generator_begin(generator, why);
    }
    if (error == 0) {
        error = generator_loop(generator, why);
    }
    generator_deinit(generator);
    return error;
}

/* engine_load.c: the closed loop of appends on one shard.
 *
 * An append that is answered is started again within done(), so the next batch fills while the
 * write before it is in flight: the natural batching that is to be measured. One that the shard
 * refuses with IMLOG_EBUSY waits for the next turn, and its latency goes on counting. */
#include "bench/engine_load.h"

#include "bench/clock.h"
#include "bench/engine.h"
#include "bench/fail.h"
#include "bench/options.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdlib.h>

static void engine_load_done(struct imlog_append *append, int status);

/* The next message whose session lives on this shard. */
static void engine_load_make(struct engine_load *load, struct engine_load_slot *slot)
{
    struct traffic_message made;

    do {
        traffic_make(&load->traffic, &made);
    } while (load->shard_count > 1 &&
             imlog_shard_of_id(made.session_id, load->shard_count) != load->shard_index);
    slot->append = (struct imlog_append){
        .session_id = made.session_id,
        .sender_id = made.sender_id,
        .client_msg_id = made.client_msg_id,
        .client_ms = clock_wall_ms(),
        .kind = IMLOG_KIND_ANY,
        .body = made.body,
        .body_bytes = load->options->body_bytes,
        .done = engine_load_done,
    };
}

static void engine_load_start(struct engine_load_slot *slot)
{
    struct engine_load *load = slot->load;

    if (!slot->taken) {
        if (traffic_take(&load->traffic, 1) == 0) {
            return; /* at rest */
        }
        engine_load_make(load, slot);
        slot->taken = true;
    }
    int error = imlog_append(load->shard, &slot->append);
    if (error == 0) {
        slot->taken = false;
        load->pending_count++;
        return;
    }
    if (error != IMLOG_EBUSY) {
        meter_error(&load->meter, error, 1);
        slot->taken = false;
    }
    slot->next = load->waiting; /* the order of those refused does not matter */
    load->waiting = slot;
}

static void engine_load_done(struct imlog_append *append, int status)
{
    struct engine_load_slot *slot = (struct engine_load_slot *)append;
    struct engine_load *load = slot->load;

    if (load->now_ns == 0) {
        load->now_ns = clock_now_ns();
    }
    load->pending_count--;
    if (status < 0) {
        meter_error(&load->meter, status, 1);
    } else if (append->duplicate || append->ack != IMLOG_ACK_DURABLE) {
        meter_error(&load->meter, IMLOG_EPROTO, 1);
    } else {
        meter_answer(&load->meter, load->now_ns, slot->intended_ns, 1);
    }
    slot->intended_ns = load->now_ns;
    engine_load_start(slot);
}

static void engine_load_restart(struct engine_load *load)
{
    struct engine_load_slot *slot = load->waiting;

    load->waiting = NULL;
    while (slot != NULL) {
        struct engine_load_slot *next = slot->next;
        engine_load_start(slot);
        slot = next;
    }
}

int engine_load_init(struct engine_load *load, const struct options *options, uint32_t shard_index,
                     struct imlog_why *why)
{
    load->options = options;
    load->shard_index = shard_index;
    load->shard_count = options->shards;
    load->slots = calloc(options->window, sizeof(*load->slots));
    if (load->slots == NULL) {
        return fail(why, -ENOMEM, "%u appends under way", options->window);
    }
    int error = traffic_init(&load->traffic, options, why);
    if (error == 0 && options->messages > 0) {
        load->traffic.left_count = options->messages / options->shards +
                                   (shard_index < options->messages % options->shards);
    }
    return error;
}

void engine_load_deinit(struct engine_load *load)
{
    traffic_deinit(&load->traffic);
    free(load->slots);
    load->slots = NULL;
}

static uint32_t engine_load_window(const struct engine_load *load)
{
    uint32_t window = load->options->window / load->shard_count;

    return window == 0 ? 1 : window;
}

int engine_load_run(struct engine_load *load, struct engine_shard *opened, uint64_t started_ns,
                    struct imlog_why *why)
{
    bool counting = load->options->messages > 0; /* then all of it counts */

    load->shard = opened->shard;
    meter_start(&load->meter, load->options, started_ns);
    for (uint32_t at = 0; at < engine_load_window(load); at++) {
        load->slots[at].load = load;
        load->slots[at].intended_ns = clock_now_ns();
        engine_load_start(&load->slots[at]);
    }
    imlog_stats_get(load->shard, &load->before);
    while (load->pending_count > 0 || (load->waiting != NULL && load->traffic.left_count > 0)) {
        load->now_ns = 0;
        int error = engine_shard_poll(opened);
        if (error < 0) {
            return fail(why, error, "polling the shard");
        }
        engine_load_restart(load);

        uint64_t now_ns = clock_now_ns();
        if (!counting && now_ns >= load->meter.begin_ns) {
            counting = true;
            imlog_stats_get(load->shard, &load->before);
        }
        if (now_ns < load->meter.end_ns) {
            imlog_stats_get(load->shard, &load->after);
        } else {
            traffic_stop(&load->traffic);
        }
    }
    return 0;
}

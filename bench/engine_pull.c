/* engine_pull.c: how many pulls of a session's newest messages a second does the engine answer?
 *
 * In process, one shard, --window pulls under way. First every session is given --count messages
 * in rounds (--no-fill: they are there); with --hot-bytes above sessions x count x (bytes + 64)
 * everything is answered from RAM. */
#include "bench/clock.h"
#include "bench/engine.h"
#include "bench/engine_load.h"
#include "bench/fail.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/workload.h"

#include <errno.h>
#include <stdlib.h>

enum { ENGINE_FILL_WINDOW = 4096 };

struct engine_puller;

struct engine_pull_slot {
    struct imlog_pull pull; /* first: done() gets back to the slot by it */
    struct engine_puller *puller;
    struct engine_pull_slot *next;
    uint64_t intended_ns;
};

struct engine_puller {
    const struct options *options;
    struct imlog_shard *shard;
    struct meter meter;
    struct traffic traffic;
    struct engine_pull_slot *slots;
    struct engine_pull_slot *answered; /* to be started again */
    uint64_t pending_count;
    uint64_t now_ns; /* of the answers being handled; 0: ask the clock */
};

static void engine_pull_done(struct imlog_pull *pull, int status, const struct imlog_page *page)
{
    struct engine_pull_slot *slot = (struct engine_pull_slot *)pull;
    struct engine_puller *puller = slot->puller;

    if (puller->now_ns == 0) {
        puller->now_ns = clock_now_ns();
    }
    puller->pending_count--;
    if (status == 0 && page->gap_count > 0) {
        status = IMLOG_ECORRUPT;
    } else if (status == 0 && page->message_count == 0) {
        status = IMLOG_ENOSESSION; /* not filled: the figure would be of empty answers */
    }
    if (status < 0) {
        meter_error(&puller->meter, status, 1);
    } else {
        meter_answer(&puller->meter, puller->now_ns, slot->intended_ns, page->message_count);
    }
    slot->intended_ns = puller->now_ns;
    slot->next = puller->answered;
    puller->answered = slot;
}

static int engine_pull_restart(struct engine_puller *puller)
{
    struct engine_pull_slot *slot = puller->answered;

    puller->answered = NULL;
    while (slot != NULL && traffic_take(&puller->traffic, 1) == 1) {
        struct engine_pull_slot *next = slot->next;
        slot->pull = (struct imlog_pull){
            .session_id = traffic_session(&puller->traffic),
            .backward = true,
            .count_max = puller->options->count,
            .done = engine_pull_done,
        };
        int error = imlog_pull(puller->shard, &slot->pull);
        if (error < 0) {
            return error;
        }
        puller->pending_count++;
        slot = next;
    }
    return 0;
}

static int engine_pull_loop(struct engine_puller *puller, struct engine_shard *opened,
                            struct imlog_why *why)
{
    uint64_t now_ns = clock_now_ns();

    puller->shard = opened->shard;
    meter_start(&puller->meter, puller->options, now_ns);
    for (uint32_t at = 0; at < puller->options->window; at++) {
        puller->slots[at].puller = puller;
        puller->slots[at].intended_ns = now_ns;
        puller->slots[at].next = puller->answered;
        puller->answered = &puller->slots[at];
    }
    int error = engine_pull_restart(puller);
    while (error == 0 && puller->pending_count > 0) {
        puller->now_ns = 0;
        error = engine_shard_poll(opened);
        if (clock_now_ns() >= puller->meter.end_ns) {
            traffic_stop(&puller->traffic);
        }
        if (error == 0) {
            error = engine_pull_restart(puller);
        }
    }
    return error < 0 ? fail(why, error, "pulling") : 0;
}

static int engine_pull_fill(const struct options *options, struct engine_shard *opened,
                            struct imlog_why *why)
{
    struct options fill = *options;
    struct engine_load *load = calloc(1, sizeof(*load));

    if (load == NULL) {
        return fail(why, -ENOMEM, "filling");
    }
    fill.messages = options->sessions * options->count;
    fill.in_rounds = true;
    fill.window = ENGINE_FILL_WINDOW;
    int error = engine_load_init(load, &fill, 0, why);
    if (error == 0) {
        error = engine_load_run(load, opened, clock_now_ns(), why);
    }
    if (error == 0 && load->meter.error_count > 0) {
        error = fail(why, load->meter.first_error, "filling: %llu messages refused",
                     (unsigned long long)load->meter.error_count);
    }
    engine_load_deinit(load);
    free(load);
    return error;
}

static int engine_pull_measure(const struct options *options, struct engine_shard *opened,
                               struct report *report, struct imlog_why *why)
{
    struct engine_puller *puller = calloc(1, sizeof(*puller));
    int error = options->no_fill ? 0 : engine_pull_fill(options, opened, why);

    if (error == 0 && puller != NULL) {
        puller->options = options;
        puller->slots = calloc(options->window, sizeof(*puller->slots));
    }
    if (error == 0 && (puller == NULL || puller->slots == NULL)) {
        error = fail(why, -ENOMEM, "%u pulls under way", options->window);
    }
    if (error == 0) {
        error = traffic_init(&puller->traffic, options, why);
    }
    if (error == 0) {
        error = engine_pull_loop(puller, opened, why);
    }
    if (error == 0) {
        report_meter(report, &puller->meter);
    }
    if (puller != NULL) {
        traffic_deinit(&puller->traffic);
        free(puller->slots);
    }
    free(puller);
    return error;
}

int engine_pull_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct engine engine;
    struct engine_shard opened;
    int error = engine_open(&engine, options->data_dir, 1, why);

    if (error < 0) {
        return error;
    }
    error = engine_shard_open(&opened, &engine, 0, options, why);
    if (error == 0) {
        struct imlog_why closing;
        error = engine_pull_measure(options, &opened, report, why);
        int failed = engine_shard_close(&opened, error == 0 ? why : &closing);
        error = error == 0 ? failed : error;
    }
    engine_close(&engine);
    return error;
}

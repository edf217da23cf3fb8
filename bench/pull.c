/* pull.c: how many pulls of a session's newest messages a second does a node answer?
 *
 * First every session is given --count messages, in rounds, so that a session's messages lie
 * apart as they do in real traffic (--no-fill: they are there). Then --connections clients with
 * --window pulls each ask for the newest --count of a random session. Whether the answers come
 * from RAM is the node's hot_bytes against sessions x count x bytes. */
#include "bench/append.h"
#include "bench/fail.h"
#include "bench/generator.h"
#include "bench/imlog_lane.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/workload.h"

#include <errno.h>
#include <imlog/client.h>
#include <stdlib.h>

enum { PULL_FILL_WINDOW = 4, PULL_FILL_BATCH = 64 };

static void pull_done(void *arg, int status, const struct imlog_client_pulled *pulled,
                      uint32_t pulled_count)
{
    struct generator_slot *slot = arg;
    int error = status;
    uint32_t message_count = 0;

    if (status == 0 && pulled_count == 1) {
        const struct imlog_page *page = &pulled[0].page;
        error = pulled[0].code;
        message_count = page->message_count;
        error = error == 0 && page->gap_count > 0 ? IMLOG_ECORRUPT : error;
    }
    /* A session that answers nothing was not filled: the figure would be of empty answers. */
    if (error == 0 && message_count == 0) {
        error = IMLOG_ENOSESSION;
    }
    generator_answer(slot, error, message_count);
}

static int pull_start(struct generator_lane *lane, struct generator_slot *slot)
{
    struct generator *generator = lane->generator;
    struct imlog_client_pull pull = {
        .session_id = traffic_session(&generator->traffic),
        .backward = true,
        .count_max = generator->options->count,
    };

    return imlog_client_pull_start(lane->connection, &pull, 1, pull_done, slot);
}

static const struct generator_protocol pull_protocol = {
    .open = imlog_lane_open,
    .close = imlog_lane_close,
    .start = pull_start,
    .poll = imlog_lane_poll,
    .flush = imlog_lane_poll,
    .unsent = imlog_lane_unsent,
};

static int pull_fill(struct generator *generator, const struct options *options,
                     struct imlog_why *why)
{
    struct options fill = *options;

    fill.messages = options->sessions * options->count;
    fill.in_rounds = true;
    fill.window = PULL_FILL_WINDOW;
    fill.batch = PULL_FILL_BATCH;
    int error = append_generate(generator, &fill, why);
    if (error == 0 && generator->meter.error_count > 0) {
        return fail(why, generator->meter.first_error, "filling: %llu messages refused",
                    (unsigned long long)generator->meter.error_count);
    }
    return error;
}

int pull_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct generator *generator = malloc(sizeof(*generator));
    int error = 0;

    if (generator == NULL) {
        return fail(why, -ENOMEM, "the generator");
    }
    if (!options->no_fill) {
        error = pull_fill(generator, options, why);
    }
    if (error == 0) {
        error = generator_run(generator, &pull_protocol, options, NULL, why);
    }
    if (error == 0) {
        report_meter(report, &generator->meter);
    }
    free(generator);
    return error;
}

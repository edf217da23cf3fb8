/* append.c: how many durable appends a second does a node take, and how long is an ack?
 *
 * --connections clients with --window requests of --batch messages each under way. A message
 * counts when its ack says that it is on media; its latency runs from the moment the request
 * was meant to be sent. */
#include "bench/append.h"

#include "bench/clock.h"
#include "bench/fail.h"
#include "bench/imlog_lane.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/workload.h"

#include <errno.h>
#include <imlog/client.h>
#include <imlog/limits.h>
#include <stdio.h>
#include <stdlib.h>

static void append_done(void *arg, int status, const struct imlog_client_ack *acks,
                        uint32_t ack_count)
{
    struct generator_slot *slot = arg;
    struct meter *meter = &slot->lane->generator->meter;
    uint32_t durable_count = 0;

    for (uint32_t at = 0; status == 0 && at < ack_count; at++) {
        if (acks[at].code < 0) {
            meter_error(meter, acks[at].code, 1);
        } else if (acks[at].ack != IMLOG_ACK_DURABLE || acks[at].duplicate) {
            meter_error(meter, IMLOG_EPROTO, 1); /* never asked for: every id is used once */
        } else {
            durable_count++;
        }
    }
    generator_answer(slot, status, durable_count);
}

static int append_start(struct generator_lane *lane, struct generator_slot *slot)
{
    struct generator *generator = lane->generator;
    struct imlog_client_message *messages = generator->context;
    uint64_t now_ms = clock_wall_ms();

    for (uint32_t at = 0; at < slot->message_count; at++) {
        struct traffic_message made;
        traffic_make(&generator->traffic, &made);
        messages[at] = (struct imlog_client_message){
            .session_id = made.session_id,
            .sender_id = made.sender_id,
            .client_msg_id = made.client_msg_id,
            .client_ms = now_ms,
            .kind = IMLOG_KIND_ANY,
            .body = made.body,
            .body_bytes = generator->traffic.body_bytes,
        };
    }
    return imlog_client_append_start(lane->connection, messages, slot->message_count, append_done,
                                     slot);
}

static const struct generator_protocol append_protocol = {
    .open = imlog_lane_open,
    .close = imlog_lane_close,
    .start = append_start,
    .poll = imlog_lane_poll,
    .flush = imlog_lane_poll,
    .unsent = imlog_lane_unsent,
};

int append_generate(struct generator *generator, const struct options *options,
                    struct imlog_why *why)
{
    struct imlog_client_message *messages = calloc(options->batch, sizeof(*messages));

    if (messages == NULL) {
        return fail(why, -ENOMEM, "a request of %u messages", options->batch);
    }
    int error = generator_run(generator, &append_protocol, options, messages, why);
    free(messages);
    return error;
}

int append_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct generator *generator = malloc(sizeof(*generator));

    if (generator == NULL) {
        return fail(why, -ENOMEM, "the generator");
    }
    int error = append_generate(generator, options, why);
    if (error == 0) {
        report_meter(report, &generator->meter);
    }
    free(generator);
    return error;
}

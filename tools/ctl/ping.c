/* ping.c: imlog-ctl ping: is the node there, and how far away? */
#include "tools/ctl/node.h"
#include "tools/lib/moment.h"
#include "tools/lib/progress.h"

#include <inttypes.h>

struct ping_args {
    struct option_number count;
};

struct ping_sums {
    uint64_t count;
    double sum_us;
    double min_us;
    double max_us;
};

static void sums_add(struct ping_sums *sums, double us)
{
    sums->min_us = sums->count == 0 || us < sums->min_us ? us : sums->min_us;
    sums->max_us = us > sums->max_us ? us : sums->max_us;
    sums->sum_us += us;
    sums->count++;
}

static int ping_once(struct node *node, struct ping_sums *sums, uint64_t *server_ms)
{
    char moment[MOMENT_TEXT_BYTES];
    const uint64_t start_ns = progress_clock_ns();
    const int error = imlog_client_ping(node->client, server_ms);
    const double us = (double)(progress_clock_ns() - start_ns) / 1000;
    if (error < 0)
        return node_refused(node, error);
    sums_add(sums, us);
    if (node->answer.json)
        doc_real(&node->answer.doc, NULL, us);
    else
        (void)printf("%s answered in %.0f us, its time is %s\n", node->server, us,
                     moment_text(*server_ms, moment));
    return TOOL_OK;
}

static int ping_all(struct node *node, uint64_t count)
{
    struct ping_sums sums = {0};
    uint64_t server_ms = 0;
    int code = TOOL_OK;
    if (node->answer.json) {
        doc_object_begin(&node->answer.doc, NULL);
        doc_text(&node->answer.doc, "server", node->server);
        doc_array_begin(&node->answer.doc, "rtt_us");
    }
    while (sums.count < count && code == TOOL_OK)
        code = ping_once(node, &sums, &server_ms);
    const double mean_us = sums.sum_us / (double)(sums.count == 0 ? 1 : sums.count);
    if (node->answer.json) {
        doc_array_end(&node->answer.doc);
        doc_number(&node->answer.doc, "count", sums.count);
        doc_real(&node->answer.doc, "rtt_us_min", sums.min_us);
        doc_real(&node->answer.doc, "rtt_us_mean", mean_us);
        doc_real(&node->answer.doc, "rtt_us_max", sums.max_us);
        doc_number(&node->answer.doc, "server_ms", server_ms);
        doc_object_end(&node->answer.doc);
    } else if (sums.count > 1) {
        (void)printf("%" PRIu64 " pings: min %.0f us, mean %.0f us, max %.0f us\n", sums.count,
                     sums.min_us, mean_us, sums.max_us);
    }
    return code;
}

static int ping_run(const struct command_call *call)
{
    const struct ping_args *args = call->args;
    struct node node;
    int code = node_open(&node, call);
    if (code == TOOL_OK)
        code = ping_all(&node, args->count.given ? args->count.value : 1);
    return node_close(&node, code);
}

static const struct option options[] = {
    {.name = "count",
     .value = "N",
     .help = "ask N times, one after the other",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct ping_args, count),
     .min = 1,
     .max = 1000000},
    {.name = NULL},
};

const struct command ctl_ping = {
    .name = "ping",
    .words = "",
    .summary = "See that the node answers, and how fast",
    .options = options,
    .args_bytes = sizeof(struct ping_args),
    .run = ping_run,
};

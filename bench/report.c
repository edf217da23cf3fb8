/* report.c: the bench's only user of jansson. */
#include "bench/report.h"

#include "bench/machine.h"
#include "bench/meter.h"
#include "bench/options.h"

#include <errno.h>
#include <imlog/assert.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct report {
    json_t *fields;
    uint64_t refused_count;
    int first_error;
};

struct report *report_create(const char *workload)
{
    struct report *report = calloc(1, sizeof(*report));

    IMLOG_ASSERT(report != NULL);
    report->fields = json_object();
    report_text(report, "workload", workload);
    return report;
}

void report_destroy(struct report *report)
{
    json_decref(report->fields);
    free(report);
}

static void report_set(json_t *fields, const char *name, json_t *value)
{
    int failed = json_object_set_new(fields, name, value);

    IMLOG_ASSERT(failed == 0);
}

void report_text(struct report *report, const char *name, const char *text)
{
    report_set(report->fields, name, json_string(text));
}

void report_count(struct report *report, const char *name, uint64_t count)
{
    report_set(report->fields, name, json_integer((json_int_t)count));
}

/* Three decimals: more would claim a precision that no run has. */
void report_figure(struct report *report, const char *name, double figure)
{
    report_set(report->fields, name, json_real(round(figure * 1000.0) / 1000.0));
}

static void report_quantile(struct report *report, const char *name, const struct meter *meter,
                            double share)
{
    report_figure(report, name, (double)histogram_quantile(&meter->latency_ns, share) / 1000.0);
}

void report_meter(struct report *report, const struct meter *meter)
{
    double seconds = meter_seconds(meter);
    double per_second = seconds > 0 ? 1.0 / seconds : 0;

    report_figure(report, "messages_per_s", (double)meter->message_count * per_second);
    report_figure(report, "requests_per_s", (double)meter->request_count * per_second);
    report_quantile(report, "p50_us", meter, 0.5);
    report_quantile(report, "p99_us", meter, 0.99);
    report_quantile(report, "p999_us", meter, 0.999);
    report_quantile(report, "max_us", meter, 1.0);
    report_figure(report, "seconds", seconds);
    report_count(report, "messages", meter->message_count);
    report_count(report, "errors", meter->error_count);
    report->refused_count = meter->error_count;
    report->first_error = meter->first_error;
}

int report_refused(const struct report *report, uint64_t *refused_count)
{
    *refused_count = report->refused_count;
    return report->first_error;
}

static void report_machine(struct report *report, const char *data_dir)
{
    struct machine machine;
    json_t *fields = json_object();

    machine_describe(&machine, data_dir);
    report_set(fields, "cpu", json_string(machine.cpu));
    report_set(fields, "cores", json_integer(machine.core_count));
    report_set(fields, "kernel", json_string(machine.kernel));
    if (machine.file_system[0] != '\0') {
        report_set(fields, "file_system", json_string(machine.file_system));
    }
    report_set(report->fields, "machine", fields);
}

void report_setting(struct report *report, const struct options *options, uint32_t set)
{
    const struct {
        uint32_t option;
        const char *name;
        uint64_t value;
    } settings[] = {
        {OPTION(BYTES), "bytes", options->body_bytes},
        {OPTION(SESSIONS), "sessions", options->sessions},
        {OPTION(CONNECTIONS), "connections", options->connections},
        {OPTION(WINDOW), "window", options->window},
        {OPTION(BATCH), "batch", options->batch},
        {OPTION(PULL_COUNT), "count", options->count},
        {OPTION(SHARDS), "shards", options->shards},
        {OPTION(SERVER_THREADS), "server_threads", options->server_threads},
    };

    for (size_t at = 0; at < sizeof(settings) / sizeof(settings[0]); at++) {
        if ((set & settings[at].option) != 0) {
            report_count(report, settings[at].name, settings[at].value);
        }
    }
    report_machine(report, options->data_dir);
}

int report_print(const struct report *report)
{
    if (json_dumpf(report->fields, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) != 0 ||
        putchar('\n') == EOF || fflush(stdout) != 0) {
        return errno != 0 ? -errno : -EIO;
    }
    return 0;
}

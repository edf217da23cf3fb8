/* engine_append.c: how many appends a second does the engine itself make durable, and how much
 * of the disk does it use?
 *
 * In process, --shards shards with a thread and a ring each, --window appends under way in all.
 * Beside the messages it says what reached the disk: log_bytes_per_s are the batches, padding
 * included; device_bytes_per_log_byte is what the kernel wrote for this process from opening to
 * closing (segments zeroed ahead, footers and checkpoints too) over the batches of that time.
 * mean_write_bytes is the size at which to ask the raw disk (imlog-bench disk) for its limit. */
#include "bench/clock.h"
#include "bench/engine.h"
#include "bench/engine_load.h"
#include "bench/fail.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/workload.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct engine_worker {
    pthread_t thread;
    struct engine *engine;
    pthread_barrier_t *opened; /* no clock runs before every shard is open */
    struct engine_load load;
    struct imlog_why why;
    uint64_t *started_ns; /* of all, set by the first */
    int error;
};

/* Bytes this process made the kernel write to a device; 0 where /proc/self/io is not ours. */
static uint64_t engine_device_bytes(void)
{
    char line[128];
    unsigned long long bytes = 0;
    FILE *file = fopen("/proc/self/io", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "write_bytes: %llu", &bytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return bytes;
}

static void *engine_worker_main(void *arg)
{
    struct engine_worker *worker = arg;
    struct engine_shard opened;
    int error = engine_shard_open(&opened, worker->engine, worker->load.shard_index,
                                  worker->load.options, &worker->why);

    if (pthread_barrier_wait(worker->opened) == PTHREAD_BARRIER_SERIAL_THREAD) {
        *worker->started_ns = clock_now_ns();
    }
    (void)pthread_barrier_wait(worker->opened);
    if (error == 0) {
        error = engine_load_run(&worker->load, &opened, *worker->started_ns, &worker->why);
        struct imlog_why closing;
        int failed = engine_shard_close(&opened, error == 0 ? &worker->why : &closing);
        error = error == 0 ? failed : error;
    }
    worker->error = error;
    return NULL;
}

static void engine_report_figures(struct report *report, const struct engine_worker *workers,
                                  uint32_t worker_count, uint64_t device_bytes)
{
    struct meter meter = workers[0].load.meter;
    uint64_t batch_count = 0;
    uint64_t batch_bytes = 0;
    uint64_t write_ns = 0;
    uint64_t log_bytes = 0; /* from opening to closing */

    for (uint32_t at = 0; at < worker_count; at++) {
        const struct engine_load *load = &workers[at].load;
        if (at > 0) {
            meter_merge(&meter, &load->meter);
        }
        batch_count += load->after.batches - load->before.batches;
        batch_bytes += load->after.batch_bytes - load->before.batch_bytes;
        log_bytes += load->after.batch_bytes;
        write_ns += load->after.batch_write_ns - load->before.batch_write_ns;
    }
    double seconds = meter_seconds(&meter);
    double per_second = seconds > 0 ? 1.0 / seconds : 0;
    double per_batch = batch_count > 0 ? 1.0 / (double)batch_count : 0;
    report_meter(report, &meter);
    report_figure(report, "batches_per_s", (double)batch_count * per_second);
    report_figure(report, "mean_write_bytes", (double)batch_bytes * per_batch);
    report_figure(report, "mean_write_us", (double)write_ns * per_batch / 1000.0);
    report_figure(report, "log_bytes_per_s", (double)batch_bytes * per_second);
    report_figure(report, "device_bytes_per_log_byte",
                  log_bytes > 0 ? (double)device_bytes / (double)log_bytes : 0);
}

/* Starts them all, or none: a missing one would leave the others at the barrier. */
static int engine_workers_run(struct engine_worker *workers, uint32_t worker_count,
                              struct imlog_why *why)
{
    for (uint32_t at = 0; at < worker_count; at++) {
        int error = pthread_create(&workers[at].thread, NULL, engine_worker_main, &workers[at]);
        if (error != 0) {
            (void)fail(why, -error, "starting the thread of shard %u", at);
            (void)fprintf(stderr, "imlog-bench: %s\n", why->text);
            exit(1);
        }
    }
    int error = 0;
    for (uint32_t at = 0; at < worker_count; at++) {
        (void)pthread_join(workers[at].thread, NULL);
        if (error == 0 && workers[at].error < 0) {
            error = workers[at].error;
            *why = workers[at].why;
        }
    }
    return error;
}

int engine_append_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct engine engine;
    pthread_barrier_t opened;
    uint64_t started_ns = 0;
    struct engine_worker *workers = calloc(options->shards, sizeof(*workers));

    if (workers == NULL) {
        return fail(why, -ENOMEM, "%u shards", options->shards);
    }
    int error = engine_open(&engine, options->data_dir, options->shards, why);
    if (error < 0) {
        free(workers);
        return error;
    }
    (void)pthread_barrier_init(&opened, NULL, options->shards);
    for (uint32_t at = 0; error == 0 && at < options->shards; at++) {
        workers[at].engine = &engine;
        workers[at].opened = &opened;
        workers[at].started_ns = &started_ns;
        error = engine_load_init(&workers[at].load, options, at, why);
    }
    if (error == 0) {
        uint64_t device_bytes = engine_device_bytes();
        error = engine_workers_run(workers, options->shards, why);
        device_bytes = engine_device_bytes() - device_bytes;
        if (error == 0) {
            engine_report_figures(report, workers, options->shards, device_bytes);
        }
    }
    for (uint32_t at = 0; at < options->shards; at++) {
        engine_load_deinit(&workers[at].load);
    }
    (void)pthread_barrier_destroy(&opened);
    engine_close(&engine);
    free(workers);
    return error;
}

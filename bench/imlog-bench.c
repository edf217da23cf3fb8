/* imlog-bench: how fast imlog is here, beside its limits and its peers on the same machine.
 *
 * One workload a run, one JSON object on one line on standard output. The server under test is
 * started by somebody else (bench/goals, or you). Exit status: 0 ok, 1 the run failed or
 * messages were refused, 2 wrong usage. */
#include "bench/meter.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/workload.h"

#include <imlog/error.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What all loads over TCP understand. */
#define OVER_TCP                                                                                   \
    (OPTION(SERVER) | OPTION(DATA_DIR) | OPTION(CONNECTIONS) | OPTION(WINDOW) | OPTION(BYTES) |    \
     OPTION(SESSIONS) | OPTION(FIRST_SESSION) | OPTION(SECONDS) | OPTION(WARMUP))
/* What all loads in process understand. */
#define IN_PROCESS                                                                                 \
    (OPTION(DATA_DIR) | OPTION(BYTES) | OPTION(SESSIONS) | OPTION(SECONDS) | OPTION(WARMUP))
#define ENDING (OPTION(MESSAGES) | OPTION(ROUNDS))

struct workload {
    const char *name;
    const char *system;
    const char *help;
    workload_fn *run;
    uint32_t option_set;
    uint32_t window; /* defaults; 0: the general ones */
    uint32_t batch;
    uint32_t bytes;
    bool needs_data_dir;
};

static const struct workload workloads[] = {
    {.name = "append",
     .system = "imlog",
     .help = "durable appends over TCP",
     .run = append_run,
     .option_set = OVER_TCP | ENDING | OPTION(BATCH)},
    {.name = "pull",
     .system = "imlog",
     .help = "newest messages of a session over TCP",
     .run = pull_run,
     .option_set = OVER_TCP | OPTION(PULL_COUNT) | OPTION(NO_FILL)},
    {.name = "engine-append",
     .system = "imlog",
     .help = "durable appends in process",
     .run = engine_append_run,
     .option_set = IN_PROCESS | ENDING | OPTION(FIRST_SESSION) | OPTION(WINDOW) | OPTION(SHARDS) |
                   OPTION(HOT_BYTES),
     .window = 4096,
     .needs_data_dir = true},
    {.name = "engine-pull",
     .system = "imlog",
     .help = "newest messages of a session in process",
     .run = engine_pull_run,
     .option_set = IN_PROCESS | OPTION(FIRST_SESSION) | OPTION(WINDOW) | OPTION(PULL_COUNT) |
                   OPTION(NO_FILL) | OPTION(HOT_BYTES),
     .window = 64,
     .needs_data_dir = true},
    {.name = "echo",
     .system = "loopback echo",
     .help = "limit: the same bytes to an echo server and back",
     .run = echo_run,
     .option_set = OPTION(CONNECTIONS) | OPTION(WINDOW) | OPTION(BYTES) | OPTION(SECONDS) |
                   OPTION(WARMUP) | OPTION(SERVER_THREADS) | OPTION(APART)},
    {.name = "disk",
     .system = "raw disk",
     .help = "limit: durable direct writes over written blocks",
     .run = disk_run,
     .option_set = OPTION(DATA_DIR) | OPTION(WINDOW) | OPTION(BYTES) | OPTION(SECONDS) |
                   OPTION(WARMUP) | OPTION(FILE_BYTES),
     .bytes = 4096,
     .needs_data_dir = true},
    {.name = "redis-append",
     .system = "redis",
     .help = "peer: XADD to a running redis-server",
     .run = redis_append_run,
     .option_set = OVER_TCP | ENDING | OPTION(BATCH)},
#ifdef IMLOG_BENCH_ROCKSDB
    {.name = "rocksdb-append",
     .system = "rocksdb",
     .help = "peer: synced write batches",
     .run = rocksdb_append_run,
     .option_set = IN_PROCESS | ENDING | OPTION(BATCH),
     .batch = 64,
     .needs_data_dir = true},
#endif
#ifdef IMLOG_BENCH_LMDB
    {.name = "lmdb-append",
     .system = "lmdb",
     .help = "peer: synced transactions",
     .run = lmdb_append_run,
     .option_set = IN_PROCESS | ENDING | OPTION(BATCH),
     .batch = 64,
     .needs_data_dir = true},
#endif
};

static const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);

static void usage(FILE *out)
{
    (void)fprintf(out, "usage: imlog-bench WORKLOAD [options]\n"
                       "       imlog-bench WORKLOAD --help\n\nworkloads:\n");
    for (size_t at = 0; at < workload_count; at++) {
        (void)fprintf(out, "  %-16s %s\n", workloads[at].name, workloads[at].help);
    }
}

static int workload_help(const struct workload *workload)
{
    (void)printf("imlog-bench %s: %s\n\n", workload->name, workload->help);
    options_print(workload->option_set);
    return 0;
}

static void workload_defaults(const struct workload *workload, struct options *options)
{
    options_default(options);
    options->window = workload->window != 0 ? workload->window : options->window;
    options->batch = workload->batch != 0 ? workload->batch : options->batch;
    options->body_bytes = workload->bytes != 0 ? workload->bytes : options->body_bytes;
}

static int workload_print(const struct workload *workload, const struct options *options,
                          struct report *report)
{
    uint64_t refused_count = 0;

    report_setting(report, options, workload->option_set);
    int error = report_print(report);
    if (error < 0) {
        (void)fprintf(stderr, "imlog-bench %s: writing the result: %s\n", workload->name,
                      imlog_error_text(error));
        return 1;
    }
    error = report_refused(report, &refused_count);
    if (refused_count > 0) {
        (void)fprintf(stderr, "imlog-bench %s: %llu messages were refused, the first because: %s\n",
                      workload->name, (unsigned long long)refused_count, imlog_error_text(error));
        return 1;
    }
    return 0;
}

static int workload_run(const struct workload *workload, const struct options *options)
{
    struct imlog_why why = {.text = ""};
    struct report *report = report_create(workload->name);
    int status = 1;

    report_text(report, "system", workload->system);
    if (workload->run(options, report, &why) < 0) {
        (void)fprintf(stderr, "imlog-bench %s: %s\n", workload->name, why.text);
    } else {
        status = workload_print(workload, options, report);
    }
    report_destroy(report);
    return status;
}

static const struct workload *workload_find(const char *name)
{
    for (size_t at = 0; at < workload_count; at++) {
        if (strcmp(workloads[at].name, name) == 0) {
            return &workloads[at];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct options options;

    (void)signal(SIGPIPE, SIG_IGN); /* a lost server is an error we report */
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    const struct workload *workload = workload_find(argv[1]);
    if (workload == NULL) {
        (void)fprintf(stderr, "imlog-bench: no workload is called '%s'\n", argv[1]);
        usage(stderr);
        return 2;
    }
    if (argc == 3 && strcmp(argv[2], "--help") == 0) {
        return workload_help(workload);
    }
    workload_defaults(workload, &options);
    if (options_parse(&options, workload->option_set, argc - 2, argv + 2) < 0) {
        return 2;
    }
    if (workload->needs_data_dir && options.data_dir == NULL) {
        (void)fprintf(stderr, "imlog-bench %s: say where to write with --data-dir DIR\n",
                      workload->name);
        return 2;
    }
    return workload_run(workload, &options);
}

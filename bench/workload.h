/* workload.h: every workload of imlog-bench, one file each; imlog-bench.c has the table. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <imlog/error.h>
#include <stdint.h>

struct options;
struct report;

/* Runs and fills in the report. Returns 0 or an error with why. Messages that were refused are
 * no error of the run; they are in the report. */
typedef int workload_fn(const struct options *options, struct report *report,
                        struct imlog_why *why);

workload_fn append_run;
workload_fn pull_run;
workload_fn engine_append_run;
workload_fn engine_pull_run;
workload_fn echo_run;
workload_fn disk_run;
workload_fn redis_append_run;
workload_fn rocksdb_append_run;
workload_fn lmdb_append_run;

#endif

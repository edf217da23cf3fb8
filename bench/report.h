/* report.h: what a run says at its end: one JSON object on one line. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdint.h>

struct meter;
struct options;
struct report; /* the fields so far */

struct report *report_create(const char *workload);
void report_destroy(struct report *report);

/* Fields come out in the order they were first set. Never fails: jansson's refusal (out of
 * memory) ends the process, which has nothing left to say then. */
void report_text(struct report *report, const char *name, const char *text);
void report_count(struct report *report, const char *name, uint64_t count);
void report_figure(struct report *report, const char *name, double figure);

/* What every workload reports: rates, latencies, errors. */
void report_meter(struct report *report, const struct meter *meter);
/* What was asked for, of the options in the set; and the machine. */
void report_setting(struct report *report, const struct options *options, uint32_t set);

/* The first error of the messages that were refused, and how many those were; 0 if none. */
int report_refused(const struct report *report, uint64_t *refused_count);

/* Returns 0 or -errno. */
int report_print(const struct report *report);

#endif

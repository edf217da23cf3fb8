/* trace.h: what happens in a run, line by line, for `imlog-sim --trace`. A trace holds nothing
 * that differs between two runs of one seed: no addresses, no real time, no process ids. */
#ifndef TESTS_SIM_TRACE_H
#define TESTS_SIM_TRACE_H

#include <stdbool.h>

extern bool sim_tracing;

void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

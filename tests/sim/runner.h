/* runner.h: runs in child processes, some at once, so that a run that aborts, crashes or hangs is
 * a line of the report and not the end of it. */
#ifndef TESTS_SIM_RUNNER_H
#define TESTS_SIM_RUNNER_H

#include "tests/sim/counts.h"
#include "tests/sim/scenario.h"

#include <stdbool.h>

enum {
    RUNNER_EXIT_TOLD = 3, /* a process ended badly that already told its replay line */
    RUNNER_JOBS_MAX = 64,
};

struct runner_options {
    const struct scenario *only; /* NULL: all, by their share */
    uint64_t first_seed;
    uint64_t run_count;
    uint64_t crash_points; /* instead of run_count, if not 0: runs until there were so many */
    uint32_t jobs;
    uint32_t violations_max; /* stop after so many */
    uint32_t hang_seconds;   /* a run without a sign of life for so long hangs */
    bool quiet;              /* no lines, no words of the runs (planted faults) */
};

/* Counters for all processes to come. */
void runner_init(void);

/* Returns the number of violations. The first one's scenario and seed, if asked for. */
uint64_t runner_run(const struct runner_options *options, const struct scenario **scenario,
                    uint64_t *seed);

/* ---- for runs -------------------------------------------------------------------------------- */

/* This process is this branch of its run from now on: for the replay line. */
void runner_name_branch(int64_t number);
/* That branch of this process's run ended badly: say how to repeat it. */
void runner_tell_branch(int64_t number);
/* A sign of life. */
void runner_alive(void);

#endif

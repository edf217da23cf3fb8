/* mutants.c: see mutants.h. A fault is caught by a scenario and a seed that pass without it: the
 * same run is repeated with the fault switched off, so that a simulator that fails anyway, or a
 * machine that is too slow, does not count as having found it. */
#include "tests/sim/mutants.h"

#include "tests/sim/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is tried, in this order: what finds most per second comes first. */
static const struct attempt {
    const char *scenario;
    uint64_t run_count;
} attempts[] = {{"life", 16}, {"net", 32},   {"damage", 80},  {"life", 100}, {"errors", 1},
                {"net", 200}, {"life", 600}, {"damage", 200}, {"memory", 1}, {"crash", 1}};

enum { ATTEMPT_COUNT = sizeof(attempts) / sizeof(attempts[0]) };

static const struct scenario *scenario_named(const char *name)
{
    const struct scenario *scenario = scenarios;
    while (scenario->name != NULL && strcmp(scenario->name, name) != 0)
        scenario++;
    return scenario->name != NULL ? scenario : NULL;
}

/* The first violation of this fault: where. */
static bool caught(enum planted_fault fault, uint32_t jobs, const struct scenario **scenario,
                   uint64_t *seed)
{
    planted_active = fault;
    bool found = false;
    for (uint32_t i = 0; i < ATTEMPT_COUNT && !found; i++) {
        struct runner_options options = {.only = scenario_named(attempts[i].scenario),
                                         .first_seed = 1,
                                         .run_count = attempts[i].run_count,
                                         .jobs = jobs,
                                         .violations_max = 1,
                                         .hang_seconds = 20,
                                         .quiet = true};
        if (options.only != NULL)
            found = runner_run(&options, scenario, seed) > 0;
    }
    planted_active = PLANTED_nothing;
    return found;
}

static bool passes_without(const struct scenario *scenario, uint64_t seed)
{
    struct runner_options options = {.only = scenario,
                                     .first_seed = seed,
                                     .run_count = 1,
                                     .jobs = 1,
                                     .violations_max = 1,
                                     .hang_seconds = 120};
    return runner_run(&options, NULL, NULL) == 0;
}

bool mutants_run(enum planted_fault only, uint32_t jobs)
{
    int tried_count = 0;
    int caught_count = 0;
    for (int at = 1; at < PLANTED_FAULT_COUNT; at++) {
        enum planted_fault fault = (enum planted_fault)at;
        const struct scenario *scenario = NULL;
        uint64_t seed = 0;
        if (only != PLANTED_nothing && fault != only)
            continue;
        tried_count++;
        bool found = caught(fault, jobs, &scenario, &seed);
        if (found && !passes_without(scenario, seed)) {
            (void)printf("%-30s fails without it too: --only %s --seed %" PRIu64 " --runs 1\n",
                         planted_names[fault], scenario->name, seed);
            continue;
        }
        caught_count += found;
        if (found)
            (void)printf("%-30s caught by %s, seed %" PRIu64 "\n", planted_names[fault],
                         scenario->name, seed);
        else
            (void)printf("%-30s SURVIVED (%s)\n", planted_names[fault], planted_whats[fault]);
        (void)fflush(stdout);
    }
    (void)printf("%d of %d caught\n", caught_count, tried_count);
    return caught_count == tried_count;
}

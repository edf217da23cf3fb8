/* sim.c: imlog-sim's command line and report. */
#include "tests/sim/branch.h"
#include "tests/sim/counts.h"
#include "tests/sim/mutants.h"
#include "tests/sim/runner.h"
#include "tests/sim/trace.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct command {
    struct runner_options run;
    bool json;
    bool mutants;
    bool list;
};

static const char usage_text[] =
    "usage: imlog-sim [--seed S] [--runs N | --crash-points N] [--only SCENARIO] [--jobs J]\n"
    "                 [--json] [--trace] [--branch B] [--planted FAULT]\n"
    "       imlog-sim --mutants [--only FAULT] [--jobs J]\n"
    "       imlog-sim --list\n"
    "\n"
    "Runs imlog on a simulated disk and compares it with a model. Run i is a function of the\n"
    "seed S + i alone. Exit: 0 nothing was violated, 1 something was, 2 usage.\n"
    "\n"
    "  --seed S          of the first run (1)\n"
    "  --runs N          how many (1000)\n"
    "  --crash-points N  as many runs as it takes for so many crashes\n"
    "  --only SCENARIO   that one; without it a mixture (--list names them)\n"
    "  --jobs J          processes at once (as many as there are processors)\n"
    "  --json            one JSON document instead of text\n"
    "  --trace           print what happens, line by line; use it with --runs 1\n"
    "  --branch B        of a sweep, only that branch, in one process\n"
    "  --planted FAULT   switch on a planted fault\n"
    "  --mutants         switch on every planted fault in turn: each must be caught\n";

static _Noreturn void usage(const char *format, const char *what)
{
    (void)fprintf(stderr, "imlog-sim: ");
    (void)fprintf(stderr, format, what);
    (void)fprintf(stderr, "\n%s", usage_text);
    exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < least || value > most)
        usage("--%s: not a number in its range", option);
    return value;
}

static const struct scenario *scenario_named(const char *name)
{
    for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++) {
        if (strcmp(scenario->name, name) == 0)
            return scenario;
    }
    usage("no scenario is called '%s'; --list names them", name);
}

static enum planted_fault planted_named(const char *name)
{
    for (int fault = 1; fault < PLANTED_FAULT_COUNT; fault++) {
        if (strcmp(planted_names[fault], name) == 0)
            return (enum planted_fault)fault;
    }
    usage("no planted fault is called '%s'; --list names them", name);
}

static void list(void)
{
    (void)printf("scenarios (--only):\n");
    for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
        (void)printf("  %-8s %s\n", scenario->name, scenario->what);
    (void)printf("planted faults (--planted):\n");
    for (int fault = 1; fault < PLANTED_FAULT_COUNT; fault++)
        (void)printf("  %-30s %s\n", planted_names[fault], planted_whats[fault]);
}

static struct command parse(int argc, char **argv)
{
    static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
                                          {"runs", required_argument, NULL, 'r'},
                                          {"crash-points", required_argument, NULL, 'c'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"json", no_argument, NULL, 'J'},
                                          {"trace", no_argument, NULL, 't'},
                                          {"branch", required_argument, NULL, 'b'},
                                          {"planted", required_argument, NULL, 'p'},
                                          {"mutants", no_argument, NULL, 'm'},
                                          {"list", no_argument, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    const char *only = NULL;
    struct command command = {.run = {.first_seed = 1,
                                      .run_count = 1000,
                                      .jobs = cpus < 1                 ? 1
                                              : cpus > RUNNER_JOBS_MAX ? RUNNER_JOBS_MAX
                                                                       : (uint32_t)cpus,
                                      .violations_max = 5,
                                      .hang_seconds = 120}};
    for (int option; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (option) {
        case 's':
            command.run.first_seed = number("seed", optarg, 0, UINT64_MAX);
            break;
        case 'r':
            command.run.run_count = number("runs", optarg, 1, UINT64_MAX / 4);
            break;
        case 'c':
            command.run.crash_points = number("crash-points", optarg, 1, UINT64_MAX / 4);
            break;
        case 'o':
            only = optarg;
            break;
        case 'j':
            command.run.jobs = (uint32_t)number("jobs", optarg, 1, RUNNER_JOBS_MAX);
            break;
        case 'J':
            command.json = true;
            break;
        case 't':
            sim_tracing = true;
            (void)setvbuf(stdout, NULL, _IOLBF, 0); /* the last line before an abort counts most */
            break;
        case 'b':
            branch_only = (int64_t)number("branch", optarg, 0, INT64_MAX);
            break;
        case 'p':
            planted_active = planted_named(optarg);
            break;
        case 'm':
            command.mutants = true;
            break;
        case 'l':
            command.list = true;
            break;
        default:
            usage("%s", "what does that mean?");
        }
    }
    if (optind < argc)
        usage("unexpected argument '%s'", argv[optind]);
    if (only != NULL && command.mutants)
        planted_active = planted_named(only);
    else if (only != NULL)
        command.run.only = scenario_named(only);
    return command;
}

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_report(const struct command *command, uint64_t violations, double seconds)
{
    const char *separator = command->json ? "" : " ";
    (void)printf(command->json
                     ? "{\"violations\":%" PRIu64 ",\"first_seed\":%" PRIu64 ",\"seconds\":%.1f"
                     : "imlog-sim: %" PRIu64 " violations, first seed %" PRIu64 ", %.1f s;",
                 violations, command->run.first_seed, seconds);
#define X(name)                                                                                    \
    if (command->json)                                                                             \
        (void)printf(",\"" #name "\":%" PRIu64, atomic_load(&sim_counts->name));                   \
    else if (atomic_load(&sim_counts->name) > 0)                                                   \
        (void)printf("%s" #name " %" PRIu64, separator, atomic_load(&sim_counts->name));
    SIM_COUNTS(X)
#undef X
    (void)printf(command->json ? "}\n" : "\n");
}

int main(int argc, char **argv)
{
    struct command command = parse(argc, argv);
    if (command.list) {
        list();
        return 0;
    }
    runner_init();
    if (command.mutants)
        return mutants_run(planted_active, command.run.jobs) ? 0 : 1;
    double begun_s = now_s();
    uint64_t violations = runner_run(&command.run, NULL, NULL);
    print_report(&command, violations, now_s() - begun_s);
    return violations == 0 ? 0 : 1;
}

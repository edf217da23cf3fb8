/* runner.c: see runner.h. */
#define _GNU_SOURCE
#include "tests/sim/runner.h"

#include "tests/sim/branch.h"
#include "tests/sim/planted_faults.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a worker process is at, where its parent can see it. */
struct worker {
    pid_t pid; /* 0: none */
    _Atomic uint64_t task;
    _Atomic uint64_t alive; /* grows */
    uint64_t alive_seen;
    uint64_t alive_at_s;
};

struct shared {
    struct sim_counts counts;
    _Atomic uint64_t next_task;
    struct worker workers[RUNNER_JOBS_MAX];
};

static struct shared *shared;
static const struct runner_options *options;
struct sim_counts *sim_counts;

/* ---- the replay line ------------------------------------------------------------------------ */

static char replay_line[512];
static struct worker *self;

static void name_run(const struct scenario *scenario, uint64_t seed, int64_t branch_number)
{
    int at = snprintf(replay_line, sizeof(replay_line),
                      "imlog-sim: VIOLATION; replay it with: imlog-sim --only %s --seed %" PRIu64
                      " --runs 1",
                      scenario->name, seed);
    if (branch_number != BRANCH_NONE)
        at += snprintf(replay_line + at, sizeof(replay_line) - (size_t)at, " --branch %" PRId64,
                       branch_number);
    if (planted_active != PLANTED_nothing)
        at += snprintf(replay_line + at, sizeof(replay_line) - (size_t)at, " --planted %s",
                       planted_names[planted_active]);
    (void)snprintf(replay_line + at, sizeof(replay_line) - (size_t)at, "\n");
}

static const struct scenario *named_scenario;
static uint64_t named_seed;

void runner_name_branch(int64_t number)
{
    name_run(named_scenario, named_seed, number);
}

void runner_alive(void)
{
    if (self != NULL)
        (void)atomic_fetch_add(&self->alive, 1);
}

static void tell(void)
{
    (void)!write(STDERR_FILENO, replay_line, strlen(replay_line));
}

static void handle_fatal(int signal_number)
{
    tell();
    (void)signal_number;
    _exit(RUNNER_EXIT_TOLD);
}

void runner_tell_branch(int64_t number)
{
    runner_name_branch(number);
    tell();
}

/* cmocka's exit(-1), a sanitizer's exit: any end of a run's process but by its worker. */
static void handle_exit(void)
{
    tell();
    _exit(RUNNER_EXIT_TOLD);
}

/* ---- a worker ------------------------------------------------------------------------------- */

static const struct scenario *scenario_of(uint64_t seed)
{
    if (options->only != NULL)
        return options->only;
    uint64_t share_count = 0;
    for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
        share_count += scenario->share;
    uint64_t pick = seed % share_count;
    const struct scenario *scenario = scenarios;
    while (pick >= scenario->share)
        pick -= (scenario++)->share;
    return scenario;
}

static bool enough(uint64_t task)
{
    if (options->crash_points > 0)
        return atomic_load(&sim_counts->crash_points) >= options->crash_points;
    return task >= options->run_count;
}

static void be_quiet(void)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) {
        (void)dup2(nowhere, STDERR_FILENO);
        (void)dup2(nowhere, STDOUT_FILENO);
        (void)close(nowhere);
    }
}

static void work(struct worker *worker)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (uint32_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        (void)signal(fatal[i], handle_fatal);
    (void)atexit(handle_exit);
    if (options->quiet)
        be_quiet();
    self = worker;
    for (;;) {
        uint64_t task = atomic_fetch_add(&shared->next_task, 1);
        if (enough(task))
            break;
        atomic_store(&worker->task, task);
        runner_alive();
        named_seed = options->first_seed + task;
        named_scenario = scenario_of(named_seed);
        name_run(named_scenario, named_seed, BRANCH_NONE);
        branch_begin();
        named_scenario->run(named_seed);
        if (branch_inside())
            break; /* --branch: all other ends of this run are none of our business */
        branch_finish();
        SIM_COUNT(runs, 1);
    }
    (void)fflush(NULL);
    _exit(0);
}

/* ---- the parent ----------------------------------------------------------------------------- */

static uint64_t now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

void runner_init(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("imlog-sim: mmap");
        exit(1);
    }
    sim_counts = &shared->counts;
    (void)setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed check of the model ends its process */
    sigset_t children;
    (void)sigemptyset(&children);
    (void)sigaddset(&children, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &children, NULL);
}

static void start_worker(struct worker *worker)
{
    (void)fflush(NULL);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        perror("imlog-sim: fork");
        exit(1);
    }
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        work(worker);
    }
    (void)setpgid(pid, pid); /* whoever is first: it is done when it must be */
    worker->pid = pid;
    worker->alive_at_s = now_s();
}

static struct worker *worker_of(pid_t pid)
{
    for (uint32_t i = 0; i < options->jobs; i++) {
        if (shared->workers[i].pid == pid)
            return &shared->workers[i];
    }
    return NULL;
}

static void kill_hanging(void)
{
    for (uint32_t i = 0; i < options->jobs; i++) {
        struct worker *worker = &shared->workers[i];
        uint64_t alive = atomic_load(&worker->alive);
        if (worker->pid == 0)
            continue;
        if (alive != worker->alive_seen) {
            worker->alive_seen = alive;
            worker->alive_at_s = now_s();
        } else if (now_s() - worker->alive_at_s >= options->hang_seconds) {
            if (!options->quiet)
                (void)fprintf(stderr, "imlog-sim: a run hangs (no sign of life for %u s)\n",
                              options->hang_seconds);
            (void)kill(-worker->pid, SIGKILL);
            worker->alive_at_s = now_s();
        }
    }
}

/* The next child that ended, or 0 after a second without. */
static pid_t next_end(int *status)
{
    for (;;) {
        pid_t pid = waitpid(-1, status, WNOHANG);
        if (pid != 0)
            return pid;
        sigset_t children;
        (void)sigemptyset(&children);
        (void)sigaddset(&children, SIGCHLD);
        struct timespec second = {.tv_sec = 1};
        if (sigtimedwait(&children, NULL, &second) < 0)
            return 0;
    }
}

/* How far it is, on a terminal. */
static void show_progress(bool last)
{
    if (options->quiet || isatty(STDERR_FILENO) == 0)
        return;
    (void)fprintf(stderr, "\r%" PRIu64 " runs, %" PRIu64 " crash points%s",
                  atomic_load(&sim_counts->runs), atomic_load(&sim_counts->crash_points),
                  last ? "\n" : " ");
}

uint64_t runner_run(const struct runner_options *run_options, const struct scenario **scenario,
                    uint64_t *seed)
{
    options = run_options;
    uint64_t violations = 0;
    uint32_t working = 0;
    atomic_store(&shared->next_task, 0);
    for (; working < options->jobs; working++)
        start_worker(&shared->workers[working]);
    while (working > 0) {
        int status;
        pid_t pid = next_end(&status);
        kill_hanging();
        show_progress(false);
        struct worker *worker = pid > 0 ? worker_of(pid) : NULL;
        if (worker == NULL)
            continue;
        worker->pid = 0;
        working--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        uint64_t failed_seed = options->first_seed + atomic_load(&worker->task);
        if (violations++ == 0 && scenario != NULL) {
            *scenario = scenario_of(failed_seed);
            *seed = failed_seed;
        }
        bool told = WIFEXITED(status) && WEXITSTATUS(status) == RUNNER_EXIT_TOLD;
        if (!told && !options->quiet) { /* killed, or ended by a sanitizer */
            name_run(scenario_of(failed_seed), failed_seed, BRANCH_NONE);
            tell();
        }
        if (violations < options->violations_max) {
            start_worker(worker);
            working++;
        } else {
            atomic_store(&shared->next_task, UINT64_MAX / 2); /* the others finish theirs */
        }
    }
    show_progress(true);
    return violations;
}

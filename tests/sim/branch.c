/* branch.c: see branch.h. */
#include "tests/sim/branch.h"

#include "tests/sim/runner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BRANCH_FAILURES_MAX = 5 }; /* of one run: enough to see a pattern */

int64_t branch_only = BRANCH_NONE;
static int64_t next_number;
static uint32_t failed_count;
static bool inside;

void branch_begin(void)
{
    next_number = 0;
    inside = false;
}

bool branch_inside(void)
{
    return inside;
}

static void become_child(int64_t number)
{
    inside = true;
    runner_name_branch(number);
}

static void wait_for(pid_t child, int64_t number)
{
    int status;
    if (waitpid(child, &status, 0) != child) {
        perror("imlog-sim: waitpid");
        abort();
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != RUNNER_EXIT_TOLD)
        runner_tell_branch(number); /* killed, or ended by a sanitizer: it could not tell */
    if (++failed_count >= BRANCH_FAILURES_MAX)
        _exit(RUNNER_EXIT_TOLD);
}

void branch_finish(void)
{
    if (failed_count > 0)
        _exit(RUNNER_EXIT_TOLD);
}

int branch(uint32_t variant_count)
{
    if (inside)
        return BRANCH_NONE;
    for (uint32_t variant = 0; variant < variant_count; variant++) {
        int64_t number = next_number++;
        if (branch_only != BRANCH_NONE && branch_only != number)
            continue;
        if (branch_only == number) {
            become_child(number);
            return (int)variant;
        }
        (void)fflush(NULL);
        pid_t child = fork();
        if (child < 0) {
            perror("imlog-sim: fork");
            abort();
        }
        if (child == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            become_child(number);
            return (int)variant;
        }
        runner_alive();
        wait_for(child, number);
    }
    return BRANCH_NONE;
}

void branch_end(void)
{
    (void)fflush(NULL);
    _exit(0);
}

/* branch.h: many ends of one beginning. Where a run could go on in several ways (a crash here, an
 * error here), it forks: each child takes one of them to its end, the parent waits and goes on as
 * if nothing had been. So a sweep over all moments costs the beginning once. */
#ifndef TESTS_SIM_BRANCH_H
#define TESTS_SIM_BRANCH_H

#include <stdbool.h>
#include <stdint.h>

enum { BRANCH_NONE = -1 };

/* Every moment asked gets the next number. --branch sets the only one to be taken, which then
 * happens in this process. */
extern int64_t branch_only; /* BRANCH_NONE: all */

/* A run begins: numbers start at 0. */
void branch_begin(void);
/* In the parent BRANCH_NONE, once all children ended; in each child its variant. Of a child that
 * ends badly the line that repeats it is printed. Inside a child always BRANCH_NONE. */
int branch(uint32_t variant_count);
/* The run's end: the process ends badly if any child did. */
void branch_finish(void);
/* A child's end. Without forking, the process's. */
_Noreturn void branch_end(void);
/* Is this a child? */
bool branch_inside(void);

#endif

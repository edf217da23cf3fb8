/* mutants.h: is the simulator any good? Every planted fault is switched on in turn, and must be
 * caught. */
#ifndef TESTS_SIM_MUTANTS_H
#define TESTS_SIM_MUTANTS_H

#include "tests/sim/planted_faults.h"

#include <stdbool.h>
#include <stdint.h>

/* All of them, or only one (PLANTED_nothing: all). Prints a line for each and "N of N caught".
 * True if every one was. */
bool mutants_run(enum planted_fault only, uint32_t jobs);

#endif

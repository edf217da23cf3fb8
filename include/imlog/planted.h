/* planted.h: faults planted on purpose, so that the simulator can show that it would find them.
 *
 * IMLOG_PLANTED(name) stands where a mistake would be easily made and hard to see. It is the
 * constant false, and costs nothing, in every build but the simulator's (tests/sim), which
 * switches one on at a time: `imlog-sim --mutants` must catch each. Not installed. */
#ifndef IMLOG_PLANTED_H
#define IMLOG_PLANTED_H

#include <stdbool.h>

#ifdef IMLOG_SIM /* its build includes tests/sim/planted_faults.h everywhere */
#define IMLOG_PLANTED(name) (planted_active == PLANTED_##name)
#else
#define IMLOG_PLANTED(name) false
#endif

#endif

/* scenario.h: what the simulator can run. A run is a function of its seed and nothing else; it
 * returns if all was well, and otherwise ends its process (a failed check aborts). */
#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include <stdint.h>

struct scenario {
    const char *name;
    const char *what;
    void (*run)(uint64_t seed);
    uint32_t share; /* of the runs when none is asked for by name */
};

/* All of them; the end has no name. */
extern const struct scenario scenarios[];

void life_run(uint64_t seed);         /* lives.c */
void damage_run(uint64_t seed);       /* damage.c */
void crash_points_run(uint64_t seed); /* sweeps.c */
void io_errors_run(uint64_t seed);
void no_memory_run(uint64_t seed);
void reader_run(uint64_t seed); /* reader.c */
void net_run(uint64_t seed);    /* net_run.c */

#endif

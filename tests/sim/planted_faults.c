/* planted_faults.c: see planted_faults.h. */
#include "tests/sim/planted_faults.h"

enum planted_fault planted_active = PLANTED_nothing;

const char *const planted_names[PLANTED_FAULT_COUNT] = {"nothing",
#define X(name, what) #name,
                                                        PLANTED_FAULTS(X)
#undef X
};

const char *const planted_whats[PLANTED_FAULT_COUNT] = {"",
#define X(name, what) what,
                                                        PLANTED_FAULTS(X)
#undef X
};

/* exit.c: the end of a process of the simulator, where branches are counted (tests/coverage). */
#ifdef IMLOG_COVERAGE

#include <gcov.h>
#include <stdlib.h>

/* What _exit() is compiled to. */
_Noreturn void sim_exit(int status);

_Noreturn void sim_exit(int status)
{
    __gcov_dump();
    _Exit(status);
}

#endif

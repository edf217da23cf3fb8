/* trace.c: see trace.h. */
#include "tests/sim/trace.h"

#include <stdarg.h>
#include <stdio.h>

bool sim_tracing;

void sim_trace(const char *format, ...)
{
    if (!sim_tracing)
        return;
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

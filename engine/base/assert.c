/* assert.c: how a failed IMLOG_ASSERT ends the process: at once, with the place, so that no
 * wrong state reaches the disk or a client. */
#include <imlog/assert.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void imlog_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "imlog: assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}

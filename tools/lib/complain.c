/* complain.c: one line on standard error. Whatever went into it, a node's own words included, is
 * made printable. */
#include "tools/lib/complain.h"

#include "tools/lib/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *program;
    const char *command;
} speaker = {"imlog", ""}; /* set once, before there is anything to say */

void complain_as(const char *program, const char *command)
{
    speaker.program = program;
    speaker.command = command;
}

void complain(const char *format, ...)
{
    char line[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    char *printable = text_printable(line, strlen(line));
    (void)fprintf(stderr, "%s: %s%s%s\n", speaker.program, speaker.command,
                  speaker.command[0] == '\0' ? "" : ": ", printable == NULL ? line : printable);
    free(printable);
}

int complain_unwritten(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return TOOL_OK;
    complain("cannot write to standard output: %s", strerror(errno == 0 ? EIO : errno));
    return TOOL_NO;
}

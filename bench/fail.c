/* fail.c: error texts of the bench. */
#include "bench/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fail(struct imlog_why *why, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why->text, sizeof(why->text), format, arguments); /* cut when too long */
    va_end(arguments);

    size_t used_bytes = strlen(why->text);
    (void)snprintf(why->text + used_bytes, sizeof(why->text) - used_bytes, ": %s",
                   imlog_error_text(error));
    return error;
}

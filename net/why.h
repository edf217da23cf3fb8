/* why.h: filling a struct imlog_why (context for people, on cold paths). */
#ifndef NET_WHY_H
#define NET_WHY_H

#include <imlog/error.h>
#include <stdarg.h>
#include <stdio.h>

/* Write the text (nothing if why is NULL) and return `error`, so that a failure is one line. */
__attribute__((format(printf, 3, 4))) static inline int why_fill(struct imlog_why *why, int error,
                                                                 const char *format, ...)
{
    if (why == NULL)
        return error;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return error;
}

#endif

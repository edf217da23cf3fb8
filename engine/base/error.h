/* error.h: filling an imlog_why on cold paths. */
#ifndef ENGINE_BASE_ERROR_H
#define ENGINE_BASE_ERROR_H

#include <imlog/error.h>

/* Write the text (nothing if why is NULL) and return `error`, so that a failure is one line. */
int why_set(struct imlog_why *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same where nothing said it closer to the cause. The text must have been emptied before. */
int why_set_if_none(struct imlog_why *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

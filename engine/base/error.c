/* error.c: error numbers to names and texts, and the one way to fill an imlog_why. */
#define _GNU_SOURCE /* strerrorname_np */
#include "engine/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *imlog_error_text(int error)
{
    switch (error) {
    case 0:
        return "ok";
#define IMLOG_ERROR_TEXT(name, code, text)                                                         \
    case code:                                                                                     \
        return text;
        IMLOG_ERRORS(IMLOG_ERROR_TEXT)
#undef IMLOG_ERROR_TEXT
    default:
        return error < 0 && error > -4096 ? strerror(-error) : "unknown error";
    }
}

const char *imlog_error_name(int error)
{
    const char *system_name = NULL;
    switch (error) {
    case 0:
        return "OK";
#define IMLOG_ERROR_NAME(name, code, text)                                                         \
    case code:                                                                                     \
        return #name;
        IMLOG_ERRORS(IMLOG_ERROR_NAME)
#undef IMLOG_ERROR_NAME
    default:
        if (error < 0 && error > -4096)
            system_name = strerrorname_np(-error);
        return system_name != NULL ? system_name : "unknown error";
    }
}

int why_set(struct imlog_why *why, int error, const char *format, ...)
{
    if (why != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(why->text, sizeof(why->text), format, args);
        va_end(args);
    }
    return error;
}

int why_set_if_none(struct imlog_why *why, int error, const char *format, ...)
{
    if (why != NULL && why->text[0] == '\0') {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(why->text, sizeof(why->text), format, args);
        va_end(args);
    }
    return error;
}

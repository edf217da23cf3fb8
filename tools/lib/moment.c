/* moment.c: points in time, as text and back. */
#include "tools/lib/moment.h"

#include "tools/lib/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_MAX UINT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* Exactly digit_count digits, and the text moves on. */
static bool digits_take(const char **text, int digit_count, int max, int *value)
{
    *value = 0;
    for (int i = 0; i < digit_count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *value = *value * 10 + (**text - '0');
    }
    return *value <= max;
}

static bool char_take(const char **text, const char *allowed)
{
    if (**text == '\0' || strchr(allowed, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

/* One to three digits behind the point. */
static bool fraction_take(const char **text, int *ms)
{
    *ms = 0;
    int scale = 100;
    for (; **text >= '0' && **text <= '9'; (*text)++, scale /= 10) {
        if (scale == 0)
            return false;
        *ms += (**text - '0') * scale;
    }
    return scale < 100;
}

static bool zone_take(const char **text, int *offset_minutes)
{
    int hours;
    int minutes = 0;
    *offset_minutes = 0;
    if (**text == '\0' || char_take(text, "Z"))
        return true;
    const int sign = **text == '-' ? -1 : 1;
    if (!char_take(text, "+-") || !digits_take(text, 2, 23, &hours))
        return false;
    (void)char_take(text, ":");
    if (**text != '\0' && !digits_take(text, 2, 59, &minutes))
        return false;
    *offset_minutes = sign * (hours * 60 + minutes);
    return true;
}

static bool clock_take(const char **text, struct tm *when, int *ms)
{
    if (!digits_take(text, 2, 23, &when->tm_hour) || !char_take(text, ":") ||
        !digits_take(text, 2, 59, &when->tm_min))
        return false;
    if (!char_take(text, ":"))
        return true;
    if (!digits_take(text, 2, 59, &when->tm_sec))
        return false;
    return !char_take(text, ".") || fraction_take(text, ms);
}

bool moment_parse(const char *text, uint64_t *ms)
{
    struct tm when = {0};
    int fraction_ms = 0;
    int offset_minutes = 0;
    if (number_parse(text, 0, UINT64_MAX, ms))
        return true;
    if (!digits_take(&text, 4, 9999, &when.tm_year) || !char_take(&text, "-") ||
        !digits_take(&text, 2, 12, &when.tm_mon) || !char_take(&text, "-") ||
        !digits_take(&text, 2, 31, &when.tm_mday))
        return false;
    if (*text != '\0' && (!char_take(&text, "T ") || !clock_take(&text, &when, &fraction_ms) ||
                          !zone_take(&text, &offset_minutes)))
        return false;

    const int day = when.tm_mday;
    const int month = when.tm_mon - 1;
    when.tm_year -= 1900;
    when.tm_mon = month;
    const time_t seconds = timegm(&when); /* turns 31 February into March: no date then */
    const int64_t moment_ms =
        ((int64_t)seconds - offset_minutes * INT64_C(60)) * 1000 + fraction_ms;
    if (*text != '\0' || when.tm_mday != day || when.tm_mon != month || moment_ms < 0)
        return false;
    *ms = (uint64_t)moment_ms;
    return true;
}

const char *moment_text(uint64_t ms, char text[MOMENT_TEXT_BYTES])
{
    struct tm when;
    const time_t seconds = (time_t)(ms / 1000);
    char date[MOMENT_TEXT_BYTES];
    if (ms > MS_MAX || gmtime_r(&seconds, &when) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &when) == 0)
        (void)snprintf(text, MOMENT_TEXT_BYTES, "%" PRIu64, ms);
    else
        (void)snprintf(text, MOMENT_TEXT_BYTES, "%.20s.%03uZ", date, (unsigned)(ms % 1000));
    return text;
}

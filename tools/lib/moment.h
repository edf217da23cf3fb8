/* moment.h: points in time, milliseconds since 1970 and as people write them. Pure. */
#ifndef TOOLS_LIB_MOMENT_H
#define TOOLS_LIB_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/* "1103966040000" (ms since 1970), or ISO 8601: "2004-12-25", "2004-12-25T09:14",
 * "2004-12-25T09:14:00.250+01:00"; UTC where no zone is given; a blank may stand for the T. */
bool moment_parse(const char *text, uint64_t *ms);

enum { MOMENT_TEXT_BYTES = 32 };

/* "2004-12-25T09:14:00.250Z"; what lies past the year 9999 as plain milliseconds. Returns text. */
const char *moment_text(uint64_t ms, char text[MOMENT_TEXT_BYTES]);

#endif

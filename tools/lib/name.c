/* name.c: an id or a string key, from a command line. */
#include "tools/lib/name.h"

#include "net/why.h"
#include "tools/lib/number.h"

#include <imlog/limits.h>
#include <string.h>

static const char key_prefix[] = "key:";

int name_parse(const char *what, const char *text, struct name *name, struct imlog_why *why)
{
    const size_t prefix_bytes = sizeof key_prefix - 1;
    const bool forced = strncmp(text, key_prefix, prefix_bytes) == 0;
    *name = (struct name){0};
    if (!forced && text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
        if (number_parse(text, 1, UINT64_MAX, &name->id))
            return 0;
        return why_fill(why, IMLOG_EINVALID,
                        "%s %.64s is no id: ids go from 1 to 2^64 - 1 (key:%.64s for a string key)",
                        what, text, text);
    }
    const char *key = forced ? text + prefix_bytes : text;
    const size_t key_bytes = strlen(key);
    if (key_bytes < 1 || key_bytes > IMLOG_KEY_BYTES_MAX)
        return why_fill(why, IMLOG_EINVALID, "the %s key has %zu bytes; it can have 1 to %d", what,
                        key_bytes, IMLOG_KEY_BYTES_MAX);
    name->key = key;
    name->key_bytes = (uint32_t)key_bytes;
    return 0;
}

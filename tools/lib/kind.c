/* kind.c: session kinds and their names. (imlog_kind_name() is the engine's, which imlog-ctl does
 * not contain.) */
#include "tools/lib/kind.h"

#include <string.h>

static const char *const names[] = {
    [IMLOG_KIND_DIRECT] = "direct",
    [IMLOG_KIND_GROUP] = "group",
    [IMLOG_KIND_BROADCAST] = "broadcast",
};

enum { KIND_COUNT = sizeof names / sizeof names[0] };

const char *kind_name(enum imlog_kind kind)
{
    return kind > IMLOG_KIND_ANY && (unsigned)kind < KIND_COUNT ? names[kind] : "unknown";
}

bool kind_parse(const char *name, enum imlog_kind *kind)
{
    for (unsigned i = IMLOG_KIND_DIRECT; i < KIND_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *kind = (enum imlog_kind)i;
            return true;
        }
    }
    return false;
}

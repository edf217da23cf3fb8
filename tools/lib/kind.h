/* kind.h: session kinds and their names. */
#ifndef TOOLS_LIB_KIND_H
#define TOOLS_LIB_KIND_H

#include <imlog/imlog.h>

/* "direct", "group", "broadcast"; "unknown" otherwise. Static. */
const char *kind_name(enum imlog_kind kind);

/* The kind of that name; false if there is none. */
bool kind_parse(const char *name, enum imlog_kind *kind);

#endif

/* name.h: sessions and senders as they are named on a command line. Pure. */
#ifndef TOOLS_LIB_NAME_H
#define TOOLS_LIB_NAME_H

#include <imlog/error.h>
#include <stdint.h>

struct name {
    const char *key; /* NULL: it is an id */
    uint32_t key_bytes;
    uint64_t id;
};

/* "42" is an id, anything else a string key; "key:42" is the key "42". 0, or IMLOG_EINVALID
 * (`why` says why it can be neither). `what` is "session" or "sender". */
int name_parse(const char *what, const char *text, struct name *name, struct imlog_why *why);

#endif

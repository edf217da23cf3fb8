/* directory.h: the data directory a command reads, and how far it is with it. */
#ifndef TOOLS_DUMP_DIRECTORY_H
#define TOOLS_DUMP_DIRECTORY_H

#include "tools/lib/answer.h"
#include "tools/lib/progress.h"

#include <imlog/reader.h>

struct directory {
    const char *path;
    struct imlog_io *io;
    struct imlog_reader *reader;
    const struct imlog_io_ops *io_ops; /* the io's own */
    struct progress progress;
    uint64_t message_count; /* for the progress line; the command counts */
};

/* TOOL_OK, TOOL_USAGE if path is NULL, or TOOL_NO; after a complaint. directory_close() in any
 * case. One directory at a time; it must not move until closed. */
int directory_open(struct directory *directory, const char *path, struct answer *answer);
void directory_close(struct directory *directory);

/* Take the progress line away: before anything is printed, and at the end. */
void directory_quiet(struct directory *directory);

/* "KEY (ID)", or "ID" for one without a key, into text. */
enum { DIRECTORY_NAME_BYTES = 320 };
const char *directory_name(const struct directory *directory, uint64_t id,
                           char text[DIRECTORY_NAME_BYTES]);

/* "MEMBER": the key, or the id if it has none. */
void directory_name_doc(const struct directory *directory, struct doc_writer *writer,
                        const char *member, uint64_t id);

#endif

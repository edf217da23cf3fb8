/* reader_state.h: an open reader, shared by reader.c (messages), verify.c, reader_segments.c. */
#ifndef ENGINE_READER_STATE_H
#define ENGINE_READER_STATE_H

#include "engine/store/keys.h"
#include "engine/store/sessions.h"
#include "engine/walk.h"

#include <imlog/reader.h>

/* A segment file below the data directory: shard index, number. */
#define SEGMENT_FILE "shard-%03u/%010u.seg"

struct reader_shard {
    struct walk walk;
    uint64_t until_lsn; /* messages below are exported */
    struct keys keys;
    struct sessions sessions; /* kinds only */
    bool has_message;         /* `message` is the shard's next one */
    bool finished;
    struct imlog_message message;
};

struct imlog_reader {
    struct imlog_io *io;
    struct identity identity;
    bool prepared;             /* keys and kinds are read */
    int error;                 /* that ended imlog_reader_next() */
    struct reader_shard *last; /* gave the last message; to be moved on */
    uint64_t total_bytes;
    uint64_t prepared_bytes; /* read for keys and kinds */
    char path[DIR_PATH_BYTES];
    struct reader_shard shards[]; /* identity.shard_count of them */
};

/* Total size of the segment files of a shard. */
uint64_t reader_shard_bytes(const struct walk *walk);

#endif

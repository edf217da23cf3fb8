/* verify_state.h: one check of a data directory, shared by the files that do it: verify.c (what is
 * wrong, over segments, checkpoints, identity) and verify_segment.c (one segment). */
#ifndef ENGINE_VERIFY_STATE_H
#define ENGINE_VERIFY_STATE_H

#include "engine/reader_state.h"

#include <imlog/reader.h>

/* A message seen in a segment's batches. */
struct seen {
    uint64_t session_id;
    uint64_t seq;
    uint32_t offset;
    bool intact;
};

/* One finding, kept until the segment has been read again. */
struct kept {
    struct imlog_finding finding;
    const char *what;
};

struct verify {
    struct imlog_reader *reader;
    struct reader_shard *shard;
    uint32_t shard_index;
    void (*found)(void *arg, const struct imlog_finding *finding);
    void *arg;
    struct sessions latest; /* of the shard: the highest seq met */
    struct seen *seen;      /* of the segment */
    uint32_t seen_count;
    uint32_t seen_capacity;
    struct kept *kept; /* of the segment */
    uint32_t kept_count;
    uint32_t kept_capacity;
    char file[64];
    int64_t finding_count;
    int error;
};

/* ---- verify.c: findings ------------------------------------------------------------------ */

/* Room for one more item in an array of the check; NULL: no memory, and the check has failed. */
void *verify_grow(struct verify *verify, void *array, uint32_t count, uint32_t *capacity,
                  size_t item_bytes);
/* A structure is wrong, at an offset of the file. */
void verify_structure(struct verify *verify, uint64_t offset, uint32_t lost_records,
                      const char *what);
/* More seqs of a session are affected: extends the range before where they follow it. */
void verify_affected_range(struct verify *verify, uint64_t session_id, uint64_t first_seq,
                           uint64_t last_seq, uint64_t offset, const char *what);
void verify_affected(struct verify *verify, uint64_t session_id, uint64_t seq, uint64_t offset,
                     const char *what);
/* Tell whoever listens of all that was found since the last time. */
void verify_tell(struct verify *verify);

/* ---- verify_segment.c ---------------------------------------------------------------------- */

/* The segment the walk has entered. 0 or < 0: the check could not be done. */
int verify_segment(struct verify *verify);

#endif

/* snapshot.h: writing and loading checkpoints.
 *
 *     IDLE -> OPENING -> WRITING ... -> WAITING -> ENDING -> SYNCING -> RENAMING
 *          -> DIR_OPENING -> DIR_SYNCING -> DIR_CLOSING -> REMOVING -> IDLE
 *
 * State is captured a few chunks a turn while appends go on. So some of what is captured may not
 * be durable yet, and may lie in segments that are not sealed yet; the file is published (END
 * written, renamed) only once all of it is durable and every segment before the one that was
 * active when capturing ended is sealed. Then replay from the origin meets every case: a record
 * that is in the state already, one that is not, and footers for all indexes it cannot redo.
 *
 * The newest two are kept. A checkpoint that fails for lack of space is given up, and tried
 * again later; nothing depends on it but the time to open. */
#ifndef ENGINE_STORE_SNAPSHOT_H
#define ENGINE_STORE_SNAPSHOT_H

#include "engine/format/checkpoint.h"
#include "engine/log/recover.h"

struct store;

enum snapshot_state {
    SNAPSHOT_IDLE,
    SNAPSHOT_OPENING,
    SNAPSHOT_WRITING,
    SNAPSHOT_WAITING,
    SNAPSHOT_ENDING,
    SNAPSHOT_SYNCING,
    SNAPSHOT_CLOSING,
    SNAPSHOT_RENAMING,
    SNAPSHOT_DIR_OPENING,
    SNAPSHOT_DIR_SYNCING,
    SNAPSHOT_DIR_CLOSING,
    SNAPSHOT_REMOVING,
    SNAPSHOT_ABANDONING, /* after a failure, to IDLE */
};

enum { SNAPSHOT_BUFFER_CHUNKS = 8, SNAPSHOTS_KEPT = 2 };

struct snapshot {
    struct store *store;
    struct imlog_io_op op;
    struct iovec part;
    enum snapshot_state state;
    bool under_way;
    int file;
    int directory_file;
    char *temporary_path;
    char *path;
    uint64_t number; /* of the newest checkpoint, or the one being written */
    uint8_t *buffer; /* SNAPSHOT_BUFFER_CHUNKS chunks, while not IDLE */
    uint64_t file_offset;
    uint32_t chunk_index;
    enum checkpoint_kind kind; /* being captured */
    uint64_t cursor;           /* next segment, session, key, dedupe number */
    uint64_t cursor_end;
    struct checkpoint_head head;
    uint64_t captured_lsn;     /* log end when capturing ended */
    uint32_t captured_segment; /* active then */
    uint64_t begun_lsn;        /* log end when the newest one began */
    uint64_t published_lsn;    /* origin of the newest one */
    uint64_t newest_bytes;
    uint64_t count;
    uint64_t bytes_total;
};

int snapshot_init(struct snapshot *snapshot, struct store *store); /* 0 or -ENOMEM */
/* Nothing may be under way. Blocking: removes an unfinished file. */
void snapshot_deinit(struct snapshot *snapshot);

/* Begin one if enough was logged since the last, or `now`; take the next step of one. */
void snapshot_turn(struct snapshot *snapshot, bool now);
/* Whether a turn could make progress. */
bool snapshot_has_work(const struct snapshot *snapshot);

/* Load the newest valid checkpoint into an empty store (blocking). *origin is where to replay
 * from: the log's beginning if there is no checkpoint. Damaged ones are reported, and passed
 * over for an older one. */
int snapshot_load(struct store *store, struct log_origin *origin, struct imlog_why *why);

/* The number in a checkpoint's file name, or 0; and the name (room for 32 bytes). */
uint64_t snapshot_number(const char *name);
void snapshot_name(uint64_t number, char *name);

#endif

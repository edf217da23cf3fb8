/* imlog.h: the whole face of the engine, libimlog.
 *
 * An imlog_dir is a data directory; it holds a fixed number of shards. An imlog_shard is one
 * single-threaded engine: a log, an index, their memory. It has no threads, no locks and no
 * globals; it does nothing unless called.
 *
 * Thread rule: a shard, and the imlog_io it was opened with, are used by one thread only.
 * Different shards may live on different threads. An imlog_dir may be shared read-only.
 *
 * Callback rule: done() functions run only inside imlog_poll() or imlog_shard_turn(), never
 * inside the call that started the request. If that call returns < 0, done() never runs.
 * done() may start new requests and may free the request it was given.
 *
 * Errors: 0 or negative, -errno or <imlog/error.h>.
 *
 * The smallest program that uses all of this is tests/embed/embed.c. */
#ifndef IMLOG_H
#define IMLOG_H

#include <imlog/error.h>
#include <imlog/io.h>
#include <imlog/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct imlog_dir;
struct imlog_shard;

enum imlog_kind {
    IMLOG_KIND_ANY = 0, /* in a request: whatever the session is; a new one becomes a group */
    IMLOG_KIND_DIRECT = 1,
    IMLOG_KIND_GROUP = 2,
    IMLOG_KIND_BROADCAST = 3,
};

/* "direct", "group", "broadcast"; "unknown" otherwise. Borrowed, static. */
const char *imlog_kind_name(enum imlog_kind kind);

/* What an ack promises. Only durable is given today; lanes may ask for less later. */
enum imlog_ack {
    IMLOG_ACK_DURABLE = 1, /* on media: survives power loss */
};

/* ---- data directory ------------------------------------------------------------------- */

struct imlog_dir_options {
    uint32_t shard_count; /* 0: as created; for a new directory 0 means one per CPU core */
    bool create;          /* make the directory (its last component) if it is not there */
};

/* Open a data directory and lock it for this process.
 * IMLOG_ELOCKED: `why` names the holder's pid. IMLOG_EFOREIGN: not ours, and left untouched.
 * IMLOG_EMISMATCH: shard_count differs from the one stored. */
int imlog_dir_open(struct imlog_io *io, const char *path, const struct imlog_dir_options *options,
                   struct imlog_dir **dir, struct imlog_why *why);

/* Releases the lock. All shards must be closed. */
void imlog_dir_close(struct imlog_dir *dir);

uint32_t imlog_dir_shard_count(const struct imlog_dir *dir);

/* 16 random bytes made at creation. Borrowed. */
const uint8_t *imlog_dir_uuid(const struct imlog_dir *dir);

/* Which of shard_count shards owns an id (session or user): a fixed mix of its bits. */
uint32_t imlog_shard_of_id(uint64_t id, uint32_t shard_count);

/* Which shard resolves a string key. */
uint32_t imlog_shard_of_key(const void *key, uint32_t key_bytes, uint32_t shard_count);

/* ---- shard ---------------------------------------------------------------------------- */

enum imlog_severity { IMLOG_INFO, IMLOG_WARNING, IMLOG_ERROR };

struct imlog_shard_options {
    uint64_t segment_bytes;   /* size of a new segment; 0: IMLOG_SEGMENT_BYTES_DEFAULT */
    uint64_t hot_bytes;       /* RAM for the newest log, rounded up to a power of two; 0: default */
    uint64_t cache_bytes;     /* RAM for blocks read back; 0: default */
    uint32_t body_bytes_max;  /* 0: IMLOG_BODY_BYTES_DEFAULT */
    uint32_t dedupe_messages; /* retry window, in messages; 0: default */

    /* Rare news for people (recovery, damage, degraded, disk full); one line, no newline.
     * May be NULL. */
    void (*report)(void *arg, enum imlog_severity severity, const char *line);
    void *report_arg;
};

/* Open one shard: load its newest checkpoint, replay the log behind it, cut a torn tail, report
 * damage. Blocks, polling io, until the shard can serve. */
int imlog_shard_open(struct imlog_io *io, struct imlog_dir *dir, uint32_t shard_index,
                     const struct imlog_shard_options *options, struct imlog_shard **shard,
                     struct imlog_why *why);

/* Finish what is in flight (done() of every started request runs), write a checkpoint, and free
 * the shard. Blocks, polling io. Returns the first error met; the shard is gone in any case. */
int imlog_shard_close(struct imlog_shard *shard);

/* One turn: start the writes and reads that became possible, run done() of what finished.
 * Call it after io's poll() and after starting requests. Returns how many done() ran. */
uint32_t imlog_shard_turn(struct imlog_shard *shard);

/* For how long io's poll() may wait, given what the shard has to do: 0 if a turn would make
 * progress now, UINT64_MAX if only a new request or a completion can. */
uint64_t imlog_shard_wait_ns(const struct imlog_shard *shard);

/* For a program with one shard and nothing else on its io: poll for at most wait_ns (less if
 * the shard has something to do), then turn. Returns how many done() ran, or -errno. */
int imlog_poll(struct imlog_shard *shard, uint64_t wait_ns);

/* ---- append --------------------------------------------------------------------------- */

/* Append one message; it gets the next seq of its session, which is created by its first.
 *
 * A retry (same session_id, sender_id and client_msg_id != 0, inside the dedupe window) stores
 * nothing and gets the original seq and msg_id, with duplicate set, once those are durable. */
struct imlog_append {
    /* in */
    uint64_t session_id;    /* != 0 */
    uint64_t sender_id;     /* != 0 */
    uint64_t client_msg_id; /* 0: none, and then no dedupe */
    uint64_t client_ms;     /* the application's own time, kept as given */
    enum imlog_kind kind;
    uint16_t type;       /* the application's, kept as given */
    const void *body;    /* borrowed for the call only */
    uint32_t body_bytes; /* 0 .. body_bytes_max */
    void (*done)(struct imlog_append *append, int status);

    /* out, valid in done() when status is 0 */
    uint64_t seq;
    uint64_t msg_id;
    uint64_t server_ms;
    enum imlog_ack ack;
    bool duplicate;

    /* the engine's, between the call and done() */
    struct imlog_append *next;
    uint64_t end_lsn;
};

/* Returns 0 if accepted. If < 0, done() never runs and nothing was stored:
 *   IMLOG_ETOOBIG, IMLOG_EINVALID (id 0, unknown kind), IMLOG_EKIND,
 *   IMLOG_EBUSY (too much unwritten: let imlog_poll() make progress first),
 *   IMLOG_EDISKFULL, IMLOG_EDEGRADED.
 * done()'s status: 0, or IMLOG_EUNKNOWN when the write failed: the message may or may not be
 * there after reopening; only a retry with the same client_msg_id tells. */
int imlog_append(struct imlog_shard *shard, struct imlog_append *append);

/* ---- resolve -------------------------------------------------------------------------- */

/* Map a string key to its id, creating the id durably on first use. */
struct imlog_resolve {
    /* in */
    const void *key;                                         /* borrowed for the call only */
    uint32_t key_bytes;                                      /* 1 .. IMLOG_KEY_BYTES_MAX */
    void (*done)(struct imlog_resolve *resolve, int status); /* status as for append */

    /* out */
    uint64_t id; /* IMLOG_RESOLVED_ID_MIN or above; never given to another key */
    bool created;

    /* the engine's */
    struct imlog_resolve *next;
    uint64_t end_lsn;
};

/* The shard must be imlog_shard_of_key()'s. Errors as for append. */
int imlog_resolve(struct imlog_shard *shard, struct imlog_resolve *resolve);

/* The id of a key that was resolved before, durably; never makes one. 0 or IMLOG_ENOSESSION. */
int imlog_key_lookup(const struct imlog_shard *shard, const void *key, uint32_t key_bytes,
                     uint64_t *id);

/* Which shard knows the key of a resolved id; UINT32_MAX for an id that resolve never gives. */
uint32_t imlog_shard_of_resolved_id(uint64_t id, uint32_t shard_count);

/* The key of a resolved id: borrowed until the next call on the shard, not terminated. Returns
 * its byte count, or 0 if this shard gave no such id. */
uint32_t imlog_key_of_id(const struct imlog_shard *shard, uint64_t id, const void **key);

/* ---- pull ----------------------------------------------------------------------------- */

/* A message as stored. body is borrowed as the page that holds it. */
struct imlog_message {
    uint64_t session_id;
    uint64_t seq;
    uint64_t msg_id;
    uint64_t prev_msg_id; /* msg_id of seq - 1; 0 for seq 1 */
    uint64_t sender_id;
    uint64_t client_msg_id;
    uint64_t client_ms;
    uint64_t server_ms; /* when the node took it; part of msg_id */
    const void *body;
    uint32_t body_bytes;
    uint16_t type;
    enum imlog_kind kind; /* of the session; filled in by the reader, not by pull: see there */
};

enum imlog_gap_reason {
    IMLOG_GAP_DAMAGED = 1, /* stored once, failed its checksum now */
};

/* Seqs of the answered range that have no message: [first_seq, last_seq], and why. */
struct imlog_gap {
    uint64_t first_seq;
    uint64_t last_seq;
    enum imlog_gap_reason reason;
};

/* An answer. Messages and gaps together account for every seq of [first_seq, end_seq), both in
 * ascending order whatever the direction asked. An empty range has first_seq == end_seq.
 * Borrowed by done(), for its duration. */
struct imlog_page {
    const struct imlog_message *messages;
    uint32_t message_count;
    const struct imlog_gap *gaps;
    uint32_t gap_count;
    uint64_t first_seq;
    uint64_t end_seq;
    uint64_t session_first_seq;  /* of the session, 0 if it has no message */
    uint64_t session_latest_seq; /* newest durable one */
    bool more;                   /* the asked direction has more messages than were returned */
};

/* Messages of one session by position.
 *   forward  (backward false): seqs after_seq + 1, after_seq + 2, ...
 *   backward (backward true):  the newest with seq < before_seq (before_seq 0: the newest of
 *                              all), still delivered in ascending order.
 * At most count_max messages, and no more bodies than bytes_max bytes, but always at least one
 * message if there is one. */
struct imlog_pull {
    /* in */
    uint64_t session_id;
    uint64_t after_seq;  /* forward */
    uint64_t before_seq; /* backward */
    bool backward;
    uint32_t count_max; /* 1 .. IMLOG_PULL_MESSAGES_MAX; 0: the maximum */
    uint32_t bytes_max; /* 0: IMLOG_PULL_BYTES_DEFAULT */
    void (*done)(struct imlog_pull *pull, int status, const struct imlog_page *page);

    /* the engine's */
    struct imlog_pull *next;
    void *state;
};

/* Returns 0 if accepted, IMLOG_EINVALID, -ENOMEM.
 * done()'s status: 0, IMLOG_ENOSESSION, -ENOMEM, -EIO and the like when a read failed; page is
 * NULL then. Damaged messages are gaps, not failures. */
int imlog_pull(struct imlog_shard *shard, struct imlog_pull *pull);

/* ---- sessions ------------------------------------------------------------------------- */

struct imlog_session_info {
    uint64_t session_id;
    enum imlog_kind kind;
    uint64_t first_seq;  /* oldest kept */
    uint64_t latest_seq; /* newest durable */
    uint64_t latest_lsn; /* where the newest durable message lies in the shard's log */
    uint64_t message_count;
};

/* 0 or IMLOG_ENOSESSION. A session whose first message is not durable yet is not there yet, here
 * and in the list: a crash could still undo it, and nobody may have seen it then. */
int imlog_session_get(const struct imlog_shard *shard, uint64_t session_id,
                      struct imlog_session_info *info);

/* Up to count_max sessions in order of creation, from position *next (0 to start); *next is
 * then where to go on, and 0 at the end. Sessions made in between appear on later pages.
 * Returns how many were written to infos. */
uint32_t imlog_sessions_list(const struct imlog_shard *shard, uint64_t *next,
                             struct imlog_session_info *infos, uint32_t count_max);

/* ---- what the shard knows of itself --------------------------------------------------- */

/* Every figure of a shard, once: name, meaning. Counters count from open unless said. */
#define IMLOG_STATS(X)                                                                             \
    X(sessions, "sessions that exist")                                                             \
    X(keys, "string keys resolved")                                                                \
    X(segments, "segment files in use")                                                            \
    X(durable_lsn, "log bytes known durable, since creation")                                      \
    X(log_bytes, "log bytes given out, durable or not, since creation")                            \
    X(epoch, "how often the shard was opened for writing, since creation")                         \
    X(appends, "messages appended")                                                                \
    X(append_body_bytes, "bytes of their bodies")                                                  \
    X(append_duplicates, "retries answered from the dedupe window")                                \
    X(append_rejects, "appends refused: too big, busy, disk full, degraded")                       \
    X(batches, "group commits written")                                                            \
    X(batch_bytes, "bytes of those, padding included")                                             \
    X(batch_write_ns, "sum of their write times")                                                  \
    X(pulls, "pulls answered")                                                                     \
    X(pull_messages, "messages in their answers")                                                  \
    X(pull_reads, "disk reads they needed")                                                        \
    X(pull_read_bytes, "bytes of those")                                                           \
    X(cache_hits, "blocks found in the block cache")                                               \
    X(cache_misses, "blocks read from disk into it")                                               \
    X(damaged_messages, "messages found damaged when opening or reading")                          \
    X(damaged_footers, "segment footers that had to be rebuilt")                                   \
    X(torn_bytes, "bytes of torn tail cut when opening")                                           \
    X(replayed_records, "log records replayed when opening")                                       \
    X(open_ns, "how long opening took")                                                            \
    X(checkpoint_lsn, "log position the newest checkpoint covers")                                 \
    X(checkpoints, "checkpoints written")                                                          \
    X(checkpoint_bytes, "bytes of those")                                                          \
    X(footer_bytes, "bytes of segment footers written")                                            \
    X(zeroed_bytes, "bytes written to prepare segments ahead of use")                              \
    X(dedupe_messages, "messages in the dedupe window")                                            \
    X(unwritten_bytes, "bytes accepted and not yet durable")                                       \
    X(hot_bytes, "RAM for the newest log")                                                         \
    X(cache_bytes, "RAM for blocks read back")                                                     \
    X(index_bytes, "RAM for sessions, extents, keys and dedupe")                                   \
    X(degraded, "1 after a failed write, until reopened")                                          \
    X(disk_full, "1 while appends are refused for lack of space")

struct imlog_stats {
#define IMLOG_STATS_FIELD(name, meaning) uint64_t name;
    IMLOG_STATS(IMLOG_STATS_FIELD)
#undef IMLOG_STATS_FIELD
};

void imlog_stats_get(const struct imlog_shard *shard, struct imlog_stats *stats);

#endif

/* base.h: small data directories as a shard left them, kept as bytes: what whole-shard targets
 * spoil and open. Made once a process, by the shard itself, from fixed inputs. */
#ifndef FUZZ_BASE_H
#define FUZZ_BASE_H

#include <imlog/imlog.h>
#include <stdbool.h>
#include <stdint.h>

#define BASE_DIR       "/data"
#define BASE_SHARD_DIR "/data/shard-000"

enum base_kind {
    BASE_CLOSED,   /* some sealed segments, an active one, a checkpoint */
    BASE_REPLAYED, /* the same without the checkpoint */
    BASE_CRASHED,  /* power lost in the middle of work; no checkpoint */
    BASE_KINDS,
};

enum base_file_kind { BASE_IDENTITY, BASE_SEGMENT, BASE_CHECKPOINT };

/* Which of a directory's structures. */
enum base_spot_kind {
    BASE_LOG = 1,    /* segment heads, batch headers, records */
    BASE_FOOTER = 2, /* footer blocks and trailers */
    BASE_STATE = 4,  /* checkpoints */
};

enum {
    BASE_FILES_MAX = 12,
    BASE_MESSAGES_MAX = 512,
    BASE_SPOTS_MAX = 2048,
    BASE_SESSIONS = 6,
    BASE_SEQS_MAX = 128,
    BASE_BODY_BYTES_MAX = 1024,
    BASE_PATH_BYTES = 64,
};

struct base_file {
    char path[BASE_PATH_BYTES];
    uint8_t *bytes;
    uint32_t byte_count;
    enum base_file_kind kind;
    uint32_t number; /* of a segment */
};

/* The bytes of one structure that mean something: where spoiling is worth it. */
struct base_spot {
    enum base_spot_kind kind;
    uint32_t file;
    uint32_t offset;
    uint32_t byte_count;
};

struct base_message {
    struct imlog_append append; /* as asked for; and the seq and msg_id it was given */
    uint8_t body[BASE_BODY_BYTES_MAX];
    bool stored; /* its record is in the files: */
    uint32_t file;
    uint32_t offset; /* header and payload, without padding */
    uint32_t end_offset;
};

struct base {
    enum base_kind kind;
    struct base_file files[BASE_FILES_MAX]; /* segments in order, one behind the other */
    uint32_t file_count;
    struct base_spot spots[BASE_SPOTS_MAX];
    uint32_t spot_count;
    struct base_message messages[BASE_MESSAGES_MAX];
    uint32_t message_count;
    const struct base_message *by_seq[BASE_SESSIONS + 1][BASE_SEQS_MAX];
    uint32_t active_file;               /* the newest segment with a batch */
    uint64_t latest[BASE_SESSIONS + 1]; /* newest stored seq, by session id */
    uint64_t salt;                      /* the shard's */
};

const struct base *base_of(enum base_kind kind);

/* NULL if there is none. */
const struct base_message *base_message(const struct base *base, uint64_t session_id, uint64_t seq);

/* What the shards here are opened with. */
extern const struct imlog_shard_options base_options;

#endif

/* checkpoint.h: a shard's state at a log position, so that opening need not read the log from
 * its beginning. Pure.
 *
 *     [head, one block][chunk][chunk]...[chunk of kind END]
 *
 * Chunks are CHECKPOINT_CHUNK_BYTES each, checksummed one by one and numbered. A file without a
 * valid END is no checkpoint. State is captured while appends go on, so parts of it may be newer
 * than origin_lsn: replaying the log from the origin over it is idempotent. */
#ifndef ENGINE_FORMAT_CHECKPOINT_H
#define ENGINE_FORMAT_CHECKPOINT_H

#include "engine/base/assert.h"

#include <imlog/limits.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CHECKPOINT_MAGIC = 0x434c4d49,       /* "IMLC" */
    CHECKPOINT_CHUNK_MAGIC = 0x4b4c4d49, /* "IMLK" */
    CHECKPOINT_VERSION = 1,
    CHECKPOINT_CHUNK_BYTES = 64 * 1024,
};

struct checkpoint_head {     /* at  meaning                                                  */
    uint64_t head_checksum;  /*  0  XXH3 of bytes [8, 4096), seed: the shard's salt          */
    uint32_t magic;          /*  8  CHECKPOINT_MAGIC                                         */
    uint16_t version;        /* 12  CHECKPOINT_VERSION                                       */
    uint16_t shard_index;    /* 14                                                           */
    uint8_t uuid[16];        /* 16  of the data directory                                    */
    uint64_t number;         /* 32  rises with every checkpoint; also in the file's name     */
    uint64_t origin_lsn;     /* 40  replay from here: base of the oldest unsealed segment    */
    uint64_t origin_chain;   /* 48  prev_checksum of its first batch                         */
    uint64_t epoch;          /* 56                                                           */
    uint32_t origin_segment; /* 64                                                           */
    uint32_t reserved0;      /* 68  0                                                        */
    uint64_t log_end_lsn;    /* 72  when capturing began                                     */
    uint8_t reserved[4016];  /* 80  0                                                        */
};
static_assert(sizeof(struct checkpoint_head) == IMLOG_BLOCK_BYTES, "one block");
static_assert(offsetof(struct checkpoint_head, reserved) == 80, "no padding");

enum checkpoint_kind {
    CHECKPOINT_SEGMENTS = 1, /* struct checkpoint_segment */
    CHECKPOINT_SESSIONS = 2, /* struct checkpoint_session, each followed by its roots */
    CHECKPOINT_KEYS = 3,     /* u32 number, u8 key_bytes, key */
    CHECKPOINT_DEDUPE = 4,   /* struct dedupe_entry, oldest first */
    CHECKPOINT_END = 5,      /* struct checkpoint_end */
};

struct checkpoint_chunk {    /* at  meaning                                                   */
    uint64_t chunk_checksum; /*  0  XXH3 of the chunk's bytes [8, end), seed: the shard's salt */
    uint32_t magic;          /*  8  CHECKPOINT_CHUNK_MAGIC                                    */
    uint16_t kind;           /* 12  enum checkpoint_kind                                      */
    uint16_t version;        /* 14  CHECKPOINT_VERSION                                        */
    uint64_t number;         /* 16  the checkpoint's                                          */
    uint32_t index;          /* 24  of the chunk in the file, from 0                          */
    uint32_t entry_count;    /* 28                                                            */
    uint32_t payload_bytes;  /* 32  behind this header; the rest of the chunk is 0            */
    uint32_t reserved;       /* 36  0                                                         */
};
static_assert(sizeof(struct checkpoint_chunk) == 40, "on-disk size");
enum {
    CHECKPOINT_PAYLOAD_BYTES_MAX = CHECKPOINT_CHUNK_BYTES - (int)sizeof(struct checkpoint_chunk)
};

struct checkpoint_segment { /* a sealed segment: what its trailer says */
    uint32_t number;        /*  0 */
    uint32_t end_offset;    /*  4 */
    uint32_t extent_count;  /*  8 */
    uint32_t message_count; /* 12 */
    uint32_t batch_count;   /* 16 */
    uint32_t reserved;      /* 20  0 */
    uint64_t segment_bytes; /* 24 */
    uint64_t base_lsn;      /* 32 */
    uint64_t last_checksum; /* 40 */
    uint64_t min_server_ms; /* 48 */
    uint64_t max_server_ms; /* 56 */
    uint64_t epoch;         /* 64 */
};
static_assert(sizeof(struct checkpoint_segment) == 72, "on-disk size");

struct checkpoint_session { /* at  meaning */
    uint64_t session_id;    /*  0 */
    uint64_t latest_seq;    /*  8 */
    uint64_t last_msg_id;   /* 16 */
    uint64_t last_lsn;      /* 24 */
    uint32_t depth;         /* 32  extents */
    uint32_t prev_segment;  /* 36 */
    uint8_t kind;           /* 40  enum imlog_kind */
    uint8_t root_count;     /* 41  u32 segments follow, newest first */
    uint16_t reserved[3];   /* 42  0 */
};
static_assert(sizeof(struct checkpoint_session) == 48, "on-disk size");

struct checkpoint_end {     /* at  meaning */
    uint64_t durable_lsn;   /*  0  when it was published: all captured state is below */
    uint64_t last_msg_id;   /*  8 */
    uint32_t next_key;      /* 16 */
    uint32_t chunk_count;   /* 20  this one included */
    uint64_t session_count; /* 24 */
};
static_assert(sizeof(struct checkpoint_end) == 32, "on-disk size");

void checkpoint_head_encode(uint8_t *block, struct checkpoint_head *head, uint64_t salt);
int checkpoint_head_decode(const uint8_t *block, uint64_t salt, struct checkpoint_head *head);

/* Zero what is behind the payload, and put the header before it. */
void checkpoint_chunk_seal(uint8_t *chunk, enum checkpoint_kind kind, uint64_t number,
                           uint32_t index, uint32_t entry_count, uint32_t payload_bytes,
                           uint64_t salt);
/* 0 or IMLOG_ECORRUPT. */
int checkpoint_chunk_decode(const uint8_t *chunk, uint64_t number, uint32_t index, uint64_t salt,
                            struct checkpoint_chunk *header);

/* Take the next session of a SESSIONS chunk; *at moves past it, within payload_bytes. roots has
 * room for roots_max. 0 or IMLOG_ECORRUPT. */
int checkpoint_session_next(const uint8_t *payload, uint32_t payload_bytes, uint32_t *at,
                            struct checkpoint_session *session, uint32_t *roots,
                            uint32_t roots_max);

/* Take the next key of a KEYS chunk. key borrows the payload. 0 or IMLOG_ECORRUPT. */
int checkpoint_key_next(const uint8_t *payload, uint32_t payload_bytes, uint32_t *at,
                        uint32_t *number, const uint8_t **key, uint32_t *key_bytes);

#endif

/* record.h: one logged fact as bytes. Pure.
 *
 *     [record_header][payload][zeros to a multiple of 8]
 *
 * The header's checksum is seeded with the shard's salt and the record's lsn, so a record is
 * valid at its own place only: stale or misdirected bytes do not verify. It covers the
 * payload's checksum; so a header can be trusted (identity, length) when the payload cannot. */
#ifndef ENGINE_FORMAT_RECORD_H
#define ENGINE_FORMAT_RECORD_H

#include "engine/base/assert.h"

#include <imlog/imlog.h>
#include <stddef.h>
#include <stdint.h>

enum record_kind {
    RECORD_MESSAGE = 1, /* payload: message_head, body; type: the application's */
    RECORD_SESSION = 2, /* a session comes into being; type: enum imlog_kind; no payload */
    RECORD_KEY = 3,     /* a key got its id (subject_id); payload: the key */
};

struct record_header {         /* at  meaning                                        */
    uint64_t header_checksum;  /*  0  XXH3 of bytes [8, 40), seed record_seed()      */
    uint64_t payload_checksum; /*  8  XXH3 of the payload, seed 0                    */
    uint64_t subject_id;       /* 16  session id, or the key's id                    */
    uint64_t seq;              /* 24  message: its seq; else 0                       */
    uint32_t payload_bytes;    /* 32                                                 */
    uint8_t kind;              /* 36  enum record_kind                               */
    uint8_t flags;             /* 37  0                                              */
    uint16_t type;             /* 38  by kind                                        */
};
static_assert(sizeof(struct record_header) == 40, "on-disk size");
static_assert(offsetof(struct record_header, payload_bytes) == 32, "no padding");

struct message_head {       /* at  meaning                          */
    uint64_t msg_id;        /*  0                                   */
    uint64_t prev_msg_id;   /*  8  of seq - 1; 0 for seq 1          */
    uint64_t sender_id;     /* 16                                   */
    uint64_t client_msg_id; /* 24  0: none                          */
    uint64_t client_ms;     /* 32  the application's time           */
};
static_assert(sizeof(struct message_head) == 40, "on-disk size");

/* No session gets further: its seq has 48 bits wherever it is kept. */
#define RECORD_SEQ_MAX ((UINT64_C(1) << 48) - 1)

enum {
    RECORD_ALIGN_BYTES = 8,
    RECORD_PAYLOAD_BYTES_MAX = IMLOG_BODY_BYTES_MAX + (int)sizeof(struct message_head),
};

/* A record in memory: header fields and where the payload lies. */
struct record {
    struct record_header header;
    const uint8_t *payload; /* borrowed from the bytes it was decoded from */
    uint32_t record_bytes;  /* header, payload and padding */
};

/* The header checksum's seed: `salt` is the shard's (identity.h), lsn the record's own. */
static inline uint64_t record_seed(uint64_t salt, uint64_t lsn)
{
    return salt + lsn;
}

static inline uint32_t record_bytes(uint32_t payload_bytes)
{
    return (uint32_t)sizeof(struct record_header) +
           ((payload_bytes + RECORD_ALIGN_BYTES - 1) & ~(uint32_t)(RECORD_ALIGN_BYTES - 1));
}

/* Write header, payload (two parts, so that a message head and its body need not be joined
 * first) and padding at `out`; header's checksums and payload_bytes are filled in here.
 * Returns the bytes written, record_bytes(payload_bytes). */
uint32_t record_encode(uint8_t *out, struct record_header header, uint64_t salt, uint64_t lsn,
                       const void *first, uint32_t first_bytes, const void *second,
                       uint32_t second_bytes);

/* Decode what lies at `bytes`, of which byte_count may be read.
 *   0              all valid
 *   IMLOG_ECORRUPT the header is not a valid record's at this lsn; *record is unset
 *   -EBADMSG       the header is valid, the payload is not: *record has the identity
 *   -EMSGSIZE      the header is valid, and record->record_bytes are needed to go on */
int record_decode(const uint8_t *bytes, uint64_t byte_count, uint64_t salt, uint64_t lsn,
                  struct record *record);

/* The message in a valid RECORD_MESSAGE; views borrow the record's payload. IMLOG_ECORRUPT if
 * the payload is too short for a message head. `kind` stays IMLOG_KIND_ANY. */
int record_message(const struct record *record, struct imlog_message *message);

#endif

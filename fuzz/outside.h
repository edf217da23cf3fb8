/* outside.h: a spoiled data directory read without a shard: what the offline reader and verify
 * say of it, and which records in it are valid at all. */
#ifndef FUZZ_OUTSIDE_H
#define FUZZ_OUTSIDE_H

#include "fuzz/damage.h"

#include <imlog/reader.h>

enum { OUTSIDE_MESSAGES_MAX = 4096, OUTSIDE_FINDINGS_MAX = 1024 };

/* One message, as far as it must be told from others. */
struct said {
    uint64_t session_id;
    uint64_t seq;
    uint64_t msg_id;
    uint64_t sum; /* of everything else it says */
};

struct said said_of(const struct imlog_message *message);

struct outside {
    struct said messages[OUTSIDE_MESSAGES_MAX]; /* of the reader */
    uint32_t message_count;
    struct imlog_finding findings[OUTSIDE_FINDINGS_MAX]; /* of verify; texts gone */
    uint32_t finding_count;
    uint32_t structure_count; /* findings that name no message */
    bool told;                /* it could be read at all */
};

/* Everything the reader tells of the directory on this io. */
void outside_read(struct outside *outside, struct imlog_io *io);

bool outside_has(const struct outside *outside, const struct said *said);
/* Does verify name this message? */
bool outside_finds(const struct outside *outside, uint64_t session_id, uint64_t seq);

/* Does a record of the files say just this, with its checksums, at its own place? */
bool outside_proves(const struct damage *damage, const struct said *said);

#endif

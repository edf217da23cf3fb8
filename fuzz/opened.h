/* opened.h: a shard opened on a spoiled data directory, and everything it says held against what
 * is known to be true. */
#ifndef FUZZ_OPENED_H
#define FUZZ_OPENED_H

#include "fuzz/damage.h"

/* How the run goes about it. */
struct opened_habits {
    uint32_t page_count; /* messages a pull asks for */
    bool backward;
    bool reads;   /* the offline reader and verify have their say first */
    bool reopens; /* append, lose power, and open once more */
};

/* One byte of the input. */
struct opened_habits opened_habits(struct fuzz_input *input);

/* Laws, whatever the damage: opening ends, in a shard or in a clear refusal; what is served has a
 * valid record in the files; pages account for every seq; what was served before a crash is
 * served after it, and acked appends with it; no seq is given twice.
 *
 * And where no checksum was repaired: what is served is what was appended; a message whose record
 * is intact is served; only a file that is gone, cut or wiped keeps the shard from opening; what
 * verify does not find wrong is there. */
void opened_check(const struct damage *damage, const struct opened_habits *habits);

/* A whole run: [form and base: 1 byte][habits: 1 byte][steps of damage.c], the steps where
 * spot_kinds allows; of the bases, those of base_kinds (1 << enum base_kind) or else
 * BASE_CLOSED. */
void opened_run(const uint8_t *data, size_t byte_count, uint32_t spot_kinds, uint32_t base_kinds);

#endif

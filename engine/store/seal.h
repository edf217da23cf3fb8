/* seal.h: turning a rolled segment's index into its footer.
 *
 *     IDLE -> FOOTER (blocks written) -> TRAILER (written) -> IDLE, segment SEALED
 *
 * It begins once every batch of the segment is durable, one segment at a time, oldest first. A
 * crash before the trailer leaves the segment unsealed: its index is replayed and sealed again. */
#ifndef ENGINE_STORE_SEAL_H
#define ENGINE_STORE_SEAL_H

#include "engine/log/media.h"

struct store;

enum seal_state { SEAL_IDLE, SEAL_FOOTER, SEAL_TRAILER };

struct seal {
    struct store *store;
    struct imlog_io_op op;
    struct iovec part;
    enum seal_state state;
    struct segment *segment;
    struct segment_trailer *trailer; /* owned until it goes to the segment */
    uint8_t *blocks;                 /* owned; footer, then trailer block */
    uint64_t footer_bytes_total;     /* written since open */
    bool starved;                    /* found no memory: the next turn may be later than now */
};

/* Begin with the oldest segment that can be sealed. */
void seal_turn(struct seal *seal);
/* Whether a rolled segment could be sealed now, or is being. */
bool seal_has_work(const struct seal *seal);
/* Nothing may be under way. */
void seal_deinit(struct seal *seal);

#endif

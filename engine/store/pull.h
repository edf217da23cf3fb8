/* pull.h: messages of a session by position, from wherever they lie.
 *
 * A pull goes through passes. Each pass walks as far as what is in RAM allows: from the newest
 * extent along the links to those that hold the range (locate), then over the records (gather).
 * Blocks it misses are noted, read in parallel, and the next pass goes on with them. What was
 * gathered from disk is verified and copied out; what is hot is answered from the log's ring
 * without a copy. A pull with everything hot takes one pass and allocates nothing. */
#ifndef ENGINE_STORE_PULL_H
#define ENGINE_STORE_PULL_H

#include "engine/log/media.h"

#include <imlog/imlog.h>

struct store;
struct pull_state;

enum { PULLS_ACTIVE_MAX = 128 };

struct pulls {
    struct store *store;
    struct imlog_pull *waiting_first; /* not begun */
    struct imlog_pull *waiting_last;
    uint32_t waiting_count;
    struct pull_state *runnable;    /* reads are complete, or frames or an index may be there now */
    struct pull_state *starved;     /* wait for free frames or a rebuilt index */
    struct pull_state *spare;       /* freed, for reuse */
    uint32_t active_count;          /* begun, not answered */
    uint32_t reading_count;         /* of those: reads under way */
    struct imlog_message *messages; /* of the page being delivered */
    struct imlog_gap *gaps;
    uint64_t reads;
    uint64_t read_bytes;
};

int pulls_init(struct pulls *pulls, struct store *store); /* 0 or -ENOMEM */
/* None may be active. */
void pulls_deinit(struct pulls *pulls);

int pull_start(struct pulls *pulls, struct imlog_pull *pull);
/* Run what can run. Returns how many were answered. */
uint32_t pulls_turn(struct pulls *pulls);
bool pulls_runnable(const struct pulls *pulls);
bool pulls_idle(const struct pulls *pulls);

#endif

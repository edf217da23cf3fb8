/* store.h: one shard's state: sessions, keys, retry window, indexes in RAM, over its log.
 *
 * Everything here is a fold of the log: append.c makes records and applies them, fold.c applies
 * the same records when they are read back, snapshot.c shortens that. pull.c answers from all of
 * it; seal.c turns indexes into footers; rebuild.c replaces a damaged one. */
#ifndef ENGINE_STORE_STORE_H
#define ENGINE_STORE_STORE_H

#include "engine/log/log.h"
#include "engine/store/cache.h"
#include "engine/store/clock.h"
#include "engine/store/dedupe.h"
#include "engine/store/extents.h"
#include "engine/store/keys.h"
#include "engine/store/pull.h"
#include "engine/store/rebuild.h"
#include "engine/store/seal.h"
#include "engine/store/sessions.h"
#include "engine/store/snapshot.h"

struct store_options {
    struct imlog_io *io;
    const char *directory; /* the shard's, copied */
    uint32_t shard_index;
    const uint8_t *uuid;
    uint64_t salt;
    struct imlog_shard_options limits; /* no field 0 */
};

struct store {
    struct imlog_io *io;
    struct log log;
    struct sessions sessions;
    struct keys keys;
    struct dedupe dedupe;
    struct clock clock;
    struct cache cache;
    struct extents *newest; /* indexes in RAM, by segment; newest is the active segment's, */
    struct extents *oldest; /* unless nothing was appended to that yet */
    struct pulls pulls;
    struct seal seal;
    struct snapshot snapshot;
    struct rebuild rebuild;
    struct imlog_append *appends_first; /* waiting for durability, in log order */
    struct imlog_append *appends_last;
    struct imlog_resolve *resolves_first;
    struct imlog_resolve *resolves_last;
    uint32_t durable_keys; /* key numbers below are durable */
    uint32_t body_bytes_max;
    struct imlog_stats stats; /* counters that no module below keeps */
};

/* ---- store.c: life and turns ------------------------------------------------------------ */

/* Load, recover, and be ready to append (blocking). */
int store_init(struct store *store, const struct store_options *options, struct imlog_why *why);
/* Finish, write a checkpoint, free (blocking). The first error met. */
int store_deinit(struct store *store);
uint32_t store_turn(struct store *store);
uint64_t store_wait_ns(const struct store *store);
void store_stats(const struct store *store, struct imlog_stats *stats);

/* Index of a segment in RAM, or NULL. */
struct extents *store_extents(const struct store *store, uint32_t segment);
/* Add one to the list (at its place by segment). */
void store_add_extents(struct store *store, struct extents *extents);
void store_remove_extents(struct store *store, struct extents *extents);

/* ---- append.c: requests that write -------------------------------------------------------- */

int store_append(struct store *store, struct imlog_append *append);
int store_resolve(struct store *store, struct imlog_resolve *resolve);
/* Run done() of those that are durable, or that never will be. Returns how many. */
uint32_t store_ack(struct store *store);
/* A session's extent in the newest index: EXTENT_NONE if it has none there yet; and a new one
 * (room must have been reserved). */
uint32_t store_open_extent(const struct store *store, uint32_t session_index);
void store_begin_extent(struct store *store, uint32_t session_index, uint64_t first_seq);
bool store_has_acks(const struct store *store);

/* ---- fold.c: records read back ------------------------------------------------------------ */

/* Replay the log from an origin over the state loaded so far (blocking). */
int store_replay(struct store *store, const struct log_origin *origin, struct imlog_why *why);

/* ---- visible.c: what readers may see --------------------------------------------------------- */

/* The newest durable message of a session: its seq (0: none yet) and lsn. */
uint64_t store_durable_seq(const struct store *store, uint32_t session_index, uint64_t *lsn);
int store_session_info(const struct store *store, uint32_t session_index,
                       struct imlog_session_info *info);
/* A session's index entry in an index in RAM, or NULL. */
const struct extent *store_extent(const struct store *store, const struct extents *extents,
                                  uint32_t session_index);

#endif

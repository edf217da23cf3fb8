/* sessions.h: one fixed slot of RAM a session.
 *
 * Slots lie in creation order and never move; an index (hash_index.h) finds them by id. With the
 * index's share a session costs about 62 bytes. Sessions are never removed yet. */
#ifndef ENGINE_STORE_SESSIONS_H
#define ENGINE_STORE_SESSIONS_H

#include "engine/base/assert.h"
#include "engine/base/hash_index.h"
#include "engine/store/roots.h"

#include <imlog/imlog.h>

struct session {
    uint64_t session_id;
    uint64_t last_msg_id;     /* of latest_seq */
    uint64_t latest_seq : 48; /* given out; durable once last_lsn is */
    uint64_t kind : 8;
    uint64_t reserved : 8;
    uint64_t last_lsn;            /* of latest_seq's record; 0: no message yet */
    uint32_t depth;               /* extents so far */
    uint32_t open_extent;         /* its extent in the index of segment roots[0] while that
                                     segment is active; else meaningless */
    uint32_t prev_segment;        /* links of its newest extent, see roots.h */
    uint32_t roots[ROOTS_INLINE]; /* [0]: the segment of its newest extent */
};
static_assert(sizeof(struct session) == 56, "RAM per session is a design figure");

enum { SESSIONS_PER_CHUNK = 4096 };
#define SESSION_NONE HASH_INDEX_NONE

/* All zero is empty. */
struct sessions {
    struct hash_index index;
    struct session **chunks;
    uint32_t chunk_count;
    uint32_t chunk_capacity;
    uint32_t count;
    struct roots roots;
};

static inline struct session *sessions_at(const struct sessions *sessions, uint32_t index)
{
    return &sessions->chunks[index / SESSIONS_PER_CHUNK][index % SESSIONS_PER_CHUNK];
}

/* The slot's index, or SESSION_NONE. */
uint32_t sessions_find(const struct sessions *sessions, uint64_t session_id);

/* Make room for one more, so that sessions_add() of this id cannot fail. 0 or -ENOMEM. */
int sessions_reserve(struct sessions *sessions, uint64_t session_id);

/* A new, empty slot; room must have been reserved, the id must not be there. */
uint32_t sessions_add(struct sessions *sessions, uint64_t session_id, enum imlog_kind kind);

/* The session's newest extent is in `segment` from now on; returns its links. */
struct roots_links sessions_link(struct sessions *sessions, uint32_t index, uint32_t segment);

/* The links of its newest extent once more. */
struct roots_links sessions_links(const struct sessions *sessions, uint32_t index);

uint64_t sessions_ram_bytes(const struct sessions *sessions);
void sessions_deinit(struct sessions *sessions);

#endif

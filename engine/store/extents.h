/* extents.h: the index of one segment in RAM: where each session's messages lie in it.
 *
 * The active segment's index grows with appends; when the segment is sealed it becomes the
 * footer (footer.h), and it is kept for as long as the segment is hot. */
#ifndef ENGINE_STORE_EXTENTS_H
#define ENGINE_STORE_EXTENTS_H

#include "engine/format/segment.h"
#include "engine/store/roots.h"

enum { EXTENT_INLINE = 2 };
#define EXTENT_NONE UINT32_MAX

struct extent {
    uint64_t session_id;
    uint64_t first_seq;
    uint32_t count;
    uint32_t capacity; /* EXTENT_INLINE: offsets are in `few`, else `many` is owned */
    struct roots_links links;
    union {
        uint32_t few[EXTENT_INLINE];
        uint32_t *many;
    } offsets; /* in the file, by seq - first_seq; SEGMENT_OFFSET_LOST where damaged */
};
static_assert(sizeof(struct extent) == 40, "RAM per extent is a design figure");

struct extents {
    struct extents *newer; /* list kept by the store, by segment */
    struct extents *older;
    uint32_t segment;
    bool keep; /* stands in for a damaged footer: never dropped */
    struct extent *array;
    uint32_t count;
    uint32_t capacity;
    uint32_t message_count;
    uint32_t *by_session; /* indexes in session order, once sorted; owned */
    uint64_t offsets_bytes;
    uint64_t min_server_ms; /* 0: none */
    uint64_t max_server_ms;
};

/* NULL: no memory. */
struct extents *extents_create(uint32_t segment);
void extents_destroy(struct extents *extents);

/* Make sure that opening an extent and adding one message (to extent `index`, or to a new one if
 * EXTENT_NONE) cannot fail. 0 or -ENOMEM. */
int extents_reserve(struct extents *extents, uint32_t index);

/* A new, empty extent; returns its index. */
uint32_t extents_open(struct extents *extents, uint64_t session_id, uint64_t first_seq,
                      struct roots_links links);

/* The next message of an extent lies at `offset`. */
void extents_add(struct extents *extents, uint32_t index, uint32_t offset);

void extents_saw_time(struct extents *extents, uint64_t server_ms);

static inline const uint32_t *extent_offsets(const struct extent *extent)
{
    return extent->capacity > EXTENT_INLINE ? extent->offsets.many : extent->offsets.few;
}

/* Bring them in session order (when no more will be opened). 0 or -ENOMEM. */
int extents_sort(struct extents *extents);

/* After extents_sort(): the session's extent, or NULL. */
const struct extent *extents_find(const struct extents *extents, uint64_t session_id);

/* Bytes of the footer these would make, trailer not counted, if one message of a new session
 * were added. */
uint64_t extents_footer_bytes(const struct extents *extents);

uint64_t extents_ram_bytes(const struct extents *extents);

#endif

/* roots.h: the links from a session's newest extent back to its older ones, chosen as in
 * E. W. Myers, "An applicative random-access stack", Information Processing Letters 17 (1983).
 *
 * A session's extents form a list. Seen from the newest, it is split into complete binary trees
 * whose sizes are the digits of the list's length in skew binary: 2^k - 1, only the two smallest
 * may be equal. A new extent joins those two into one tree when they are equal, else it is a tree
 * of its own. Each extent links to the one before it (prev) and to the root of the next tree
 * (jump); walking jump where it does not overshoot, else prev, finds any old extent in O(log n).
 *
 * To add an extent, only the roots are needed, newest first. A session keeps ROOTS_INLINE of
 * them itself; a deeper one spills the rest here, at most log2(extents) of them. A root that
 * could not be kept (no memory) reads as SEGMENT_UNKNOWN, which costs a search, not an answer. */
#ifndef ENGINE_STORE_ROOTS_H
#define ENGINE_STORE_ROOTS_H

#include "engine/base/hash_index.h"
#include "engine/format/segment.h"

enum { ROOTS_INLINE = 3, ROOTS_MAX = 33 };

struct roots_entry {
    uint64_t key;
    uint32_t segment; /* or the next free entry */
};

/* The spilled roots of all sessions. All zero is empty. */
struct roots {
    struct hash_index index;
    struct roots_entry *entries;
    uint32_t entry_count;
    uint32_t entry_capacity;
    uint32_t free_entry; /* list of freed entries, +1; 0: none */
};

/* Trees in a list of `depth` extents. */
uint32_t roots_count(uint32_t depth);

/* Links of the new extent. */
struct roots_links {
    uint32_t prev_segment;
    uint32_t jump_segment;
};

/* Put an extent in `segment` in front of a list of `depth` extents, whose newest roots are in
 * inline_roots and whose others were spilled under `owner`. inline_roots is updated; the caller
 * adds 1 to its depth. */
struct roots_links roots_push(struct roots *roots, uint32_t owner, uint32_t depth,
                              uint32_t inline_roots[ROOTS_INLINE], uint32_t segment);

/* All roots, newest first, into `all` (ROOTS_MAX); returns how many. */
uint32_t roots_get(const struct roots *roots, uint32_t owner, uint32_t depth,
                   const uint32_t inline_roots[ROOTS_INLINE], uint32_t *all);

/* Set all roots of a list (when loading); count must be roots_count(depth). */
void roots_set(struct roots *roots, uint32_t owner, uint32_t depth,
               uint32_t inline_roots[ROOTS_INLINE], const uint32_t *all);

uint64_t roots_ram_bytes(const struct roots *roots);
void roots_deinit(struct roots *roots);

#endif

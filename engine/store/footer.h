/* footer.h: a segment's index as its footer blocks: made from extents, and looked up in. Pure:
 * where blocks come from is the caller's. */
#ifndef ENGINE_STORE_FOOTER_H
#define ENGINE_STORE_FOOTER_H

#include "engine/store/extents.h"

/* The footer's blocks, in file order, without the trailer: aligned, allocated for the caller to
 * free(); *byte_count is a multiple of the block. trailer's counts are filled in (number and
 * end_offset must be). `extents` must be sorted. 0 or -ENOMEM. */
int footer_encode(const struct extents *extents, uint64_t salt, struct segment_trailer *trailer,
                  uint8_t **blocks, uint64_t *byte_count);

/* Which extents block may hold the session, from the fence blocks. fence(arg, i) gives the i-th
 * fence block, checked, or NULL if it is not there now.
 * The block's index; -EAGAIN if a fence block was NULL; IMLOG_ENOSESSION if none can hold it. */
int64_t footer_locate(const struct segment_trailer *trailer, uint64_t session_id,
                      const uint8_t *(*fence)(void *arg, uint32_t index), void *arg);

/* The session's entry in a checked extents block of entry_count entries; false if absent. */
bool footer_entry(const uint8_t *block, uint32_t entry_count, uint64_t session_id,
                  struct segment_extent *entry);

/* The i-th offset of a checked offsets block. */
uint32_t footer_offset(const uint8_t *block, uint32_t index);

#endif

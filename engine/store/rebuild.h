/* rebuild.h: an index in RAM for a sealed segment whose footer is damaged, made from its
 * batches. Its links are unknown: readers then look through older segments one by one. */
#ifndef ENGINE_STORE_REBUILD_H
#define ENGINE_STORE_REBUILD_H

#include "engine/log/media.h"
#include "engine/log/scan.h"
#include "engine/store/extents.h"

struct store;

/* The sorted index of everything a scan (just set up) can find, with all links
 * SEGMENT_UNKNOWN. 0 or -ENOMEM. Pure. */
int rebuild_extents(struct scan scan, struct extents **extents);

/* One segment at a time is read back, in parts, while the shard goes on serving. */
struct rebuild {
    struct store *store;
    struct media_read read;
    struct iovec part;
    struct segment *segment; /* NULL: idle */
    uint8_t *image;
    uint64_t read_bytes;
    uint64_t part_bytes;  /* of the next read: fewer where one failed */
    uint64_t asked_bytes; /* of the one under way */
    bool under_way;
    bool finished;                  /* image complete: build in the next turn */
    struct segment *failed_segment; /* could not be read for want of something, */
    int failed_error;               /* which whoever asks next is told */
    uint64_t count;                 /* segments rebuilt since open */
};

/* Ask for a segment's index; waits its turn while another is being made. 0: wait for it; or why
 * it cannot be had now (-ENOMEM, -EMFILE and the like), which says nothing about the disk. */
int rebuild_want(struct rebuild *rebuild, struct segment *segment);
/* Make the index of a segment that has been read, or give it up. */
void rebuild_turn(struct rebuild *rebuild);
void rebuild_deinit(struct rebuild *rebuild);

#endif

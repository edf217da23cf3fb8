/* media.h: where a shard's bytes live. The second, coarser seam: create a segment, append a
 * batch durably, read a range, seal, list. This is the one implementation so far, files in a
 * directory; nothing above knows a file handle.
 *
 *     DIR/shard-000/0000000001.seg   segment files, numbered from 1
 *
 * A segment's life:
 *
 *     (prepared file) --begin--> ACTIVE --roll--> ROLLED --footer written--> SEALED
 *                                                  (only ACTIVE takes batches)
 *
 * A segment that is not sealed keeps its file open. Files of sealed ones are opened on demand, and
 * at most MEDIA_OPEN_FILES_MAX are kept. */
#ifndef ENGINE_LOG_MEDIA_H
#define ENGINE_LOG_MEDIA_H

#include "engine/format/segment.h"

#include <imlog/io.h>
#include <stdbool.h>
#include <stdint.h>

enum { MEDIA_OPEN_FILES_MAX = 256, MEDIA_PATH_BYTES = 4096, MEDIA_SECTOR_BYTES = 512 };

enum segment_state { SEGMENT_ACTIVE, SEGMENT_ROLLED, SEGMENT_SEALED };

struct media_read;

/* What is known of a segment in RAM. Lives as long as the media. */
struct segment {
    uint32_t number;
    enum segment_state state;
    uint64_t segment_bytes; /* file size */
    uint64_t base_lsn;
    uint64_t end_lsn;     /* exclusive; of ACTIVE: what was handed out so far */
    uint64_t first_chain; /* prev_checksum of its first batch */
    uint32_t batch_count;
    bool head_torn; /* found so when the log was opened */
    struct segment_trailer *trailer; /* set once sealed; owned */
    bool footer_damaged;             /* its index was rebuilt in RAM; do not read the footer */

    /* media's */
    char *path;
    int file; /* -1: not open */
    bool opening;
    bool closing;
    uint32_t reads;             /* under way */
    uint64_t used_tick;         /* for closing the least recently used */
    struct media_read *waiting; /* for the file to open */
    struct imlog_io_op open_op;
    struct imlog_io_op close_op;
    struct media *media;
};

/* One range read, embedded in its owner. */
struct media_read {
    void (*done)(struct media_read *read, int32_t result); /* bytes (fewer: the file ends, or an
                                                              error follows) or -errno */
    struct imlog_io_op op;
    struct iovec *parts; /* borrowed until done(); used up as bytes arrive, like the next two */
    uint32_t part_count;
    uint64_t offset;
    uint64_t arrived_bytes;
    struct segment *segment;
    struct media_read *next;
};

struct media {
    struct imlog_io *io;
    char *directory; /* DIR/shard-NNN */
    uint32_t shard_index;
    struct segment **segments; /* ascending by number, without holes */
    uint32_t segment_count;
    uint32_t segment_capacity;
    uint32_t open_files;
    uint32_t operations; /* opens, closes and reads under way */
    uint64_t tick;
};

/* `directory` is copied. 0 or -ENOMEM. */
int media_init(struct media *media, struct imlog_io *io, const char *directory,
               uint32_t shard_index);
/* Closes all files (blocking). Nothing may be under way but what polling finishes. */
void media_deinit(struct media *media);

/* DIR/shard-NNN/NNNNNNNNNN.seg into path (MEDIA_PATH_BYTES). */
void media_segment_path(const struct media *media, uint32_t number, char *path);
/* The number in a segment's file name, or 0 if the name is no segment's. */
uint32_t media_segment_number(const char *name);

/* Add the next segment (number must follow the last one's). NULL: no memory. `file` is its open
 * handle, or -1. */
struct segment *media_add(struct media *media, uint32_t number, uint64_t segment_bytes,
                          uint64_t base_lsn, int file);

/* NULL if there is no such segment. */
struct segment *media_segment(const struct media *media, uint32_t number);

static inline uint64_t segment_offset_of_lsn(const struct segment *segment, uint64_t lsn)
{
    return lsn - segment->base_lsn + IMLOG_BLOCK_BYTES;
}

static inline uint64_t segment_lsn_of_offset(const struct segment *segment, uint64_t offset)
{
    return segment->base_lsn + offset - IMLOG_BLOCK_BYTES;
}

/* ACTIVE -> ROLLED -> SEALED; asserts that the step is allowed. */
void segment_move(struct segment *segment, enum segment_state state);

/* Start a read; opens the file first where needed. If < 0, done() never runs. */
int media_read_start(struct segment *segment, struct media_read *read);

#endif

/* walk.h: a shard's log read from outside, record by record, in log order; see reader.h.
 *
 * Follows the same rules as recovery (log/recover.c), but changes nothing, goes on over missing
 * files, and can be stepped. One segment is in memory at a time. */
#ifndef ENGINE_WALK_H
#define ENGINE_WALK_H

#include "engine/dir.h"
#include "engine/log/recover.h"

/* Where a record was found. */
struct walk_record {
    uint32_t offset;
    bool payload_valid;
};

struct walk {
    struct imlog_io *io;
    char directory[DIR_PATH_BYTES]; /* the shard's */
    uint64_t salt;
    uint16_t shard_index;
    uint32_t *numbers; /* segment files there are, ascending */
    uint32_t number_count;

    uint32_t at; /* in numbers: the segment in memory */
    struct image image;
    struct image next; /* the one after it, once loaded */
    struct segment_trailer trailer;
    bool sealed;
    struct scan scan;
    bool scanning;            /* image and scan are of numbers[at] */
    uint64_t end_lsn;         /* where the next segment must begin */
    bool placed;              /* end_lsn is known */
    uint64_t until_lsn;       /* beside a running node: from here on an unsealed segment may change
                                 while it is read, so the walk ends there */
    uint64_t known_lsn;       /* all below was durable once, by a checkpoint */
    uint64_t durable_lsn;     /* highest watermark met */
    uint64_t records_end_lsn; /* end of the last batch that holds records */
    struct scan_item item;
    enum scan_verdict verdict;   /* of item */
    struct walk_record *records; /* of item */
    uint32_t record_count;
    uint32_t record_capacity;
    uint32_t record_at;
    uint32_t blind_number; /* newest file passed over of which bytes could not be read; 0: none */
    bool no_memory;
    uint64_t read_bytes;      /* of segment files so far */
    uint64_t image_bytes_max; /* size of the largest one seen */
};

/* List the segment files. 0 or -errno. */
int walk_open(struct walk *walk, struct imlog_io *io, const char *dir_path,
              const struct identity *identity, uint32_t shard_index);
void walk_close(struct walk *walk);

/* Start (again) at the first segment. */
void walk_rewind(struct walk *walk);

/* Enter the next segment that belongs to the log. 1, 0 at the end, < 0. */
int walk_next_segment(struct walk *walk);
/* The next batch or damaged range of the segment, its records in walk->records. 1; 0 at the
 * segment's end; < 0. */
int walk_next_item(struct walk *walk);
/* The next record, over segments and items. 1; 0 at the end; < 0. *lsn: its place. */
int walk_next_record(struct walk *walk, struct record *record, uint64_t *lsn, bool *payload_valid);

/* Whether anything read so far, or the segment behind this one, proves that the log was durable
 * beyond lsn: what is broken there is damage then, and else perhaps a torn tail. */
bool walk_was_durable(const struct walk *walk, uint64_t lsn);

/* The record at walk->records[i] once more. */
void walk_record_at(const struct walk *walk, uint32_t i, struct record *record);

#endif

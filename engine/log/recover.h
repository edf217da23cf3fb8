/* recover.h: reading a log back when a shard opens.
 *
 * From a starting point (the newest checkpoint's, or the very beginning) every segment is read
 * whole, scanned (scan.h), and its records handed in log order to a fold. The log is then at
 * its end: a torn tail is cut simply by writing over it; damage was reported. */
#ifndef ENGINE_LOG_RECOVER_H
#define ENGINE_LOG_RECOVER_H

#include "engine/log/log.h"
#include "engine/log/scan.h"

struct log_origin {
    uint32_t segment;     /* the first to read */
    uint64_t base_lsn;    /* its base */
    uint64_t chain;       /* its first batch's prev_checksum */
    uint64_t epoch;       /* highest seen so far */
    uint64_t durable_lsn; /* all below was durable */
};

/* Who gets the records. All may return an error, which ends recovery. */
struct log_fold {
    void *arg;
    int (*segment_begin)(void *arg, struct segment *segment, bool sealed);
    int (*record)(void *arg, const struct record *record, const struct log_position *position,
                  bool payload_valid);
    /* A damaged range; the records salvaged from it were handed over before. lost_records counts
     * those whose identity is gone, 0 also if it cannot be told. */
    int (*damage)(void *arg, struct segment *segment, const struct scan_item *item,
                  uint32_t lost_records);
    int (*segment_end)(void *arg, struct segment *segment, const uint8_t *image);
};

struct log_recovered {
    uint64_t torn_bytes;
    uint64_t records;
    uint64_t newest_wall_ms; /* the node's time in the newest batch header */
};

/* Blocking. The segments before the origin are in the table already, sealed. */
int log_recover(struct log *log, const struct log_origin *origin, const struct log_fold *fold,
                struct log_recovered *recovered, struct imlog_why *why);

/* A segment file in memory. */
struct image {
    uint8_t *bytes;
    uint64_t byte_count;
    uint64_t unreadable_end; /* of the last block the disk would not give; 0: it gave all */
    int file;                /* open handle, or -1 */
};

/* Read a whole file (blocking). -ENOENT if there is none. Keeps the file open if keep_open.
 * Blocks that cannot be read are zeros; any other error ends it. */
int image_load(struct imlog_io *io, const char *path, bool keep_open, struct image *image);
void image_unload(struct imlog_io *io, struct image *image);

/* Set up a scan of the image. base_lsn: from the head if it is valid, else from the first batch,
 * else `base_lsn`. trailer: of a sealed segment, or NULL. Returns 0, or IMLOG_EFOREIGN if the
 * image was never used as this segment (zeros, or of an earlier life). */
int image_scan(const struct image *image, uint32_t number, uint16_t shard_index, uint64_t salt,
               uint64_t base_lsn, const struct segment_trailer *trailer, struct scan *scan);

/* Tell a scan where the segment that follows (`number`) begins, if its head is valid. */
void image_bounds(const struct image *next, uint32_t number, struct scan *scan);

/* Whether the image of the segment that follows (`number`) proves that the scanned one was
 * durable beyond where its scan ended; if so the scan can go on, to find what is missing. */
bool image_proves_more(const struct image *next, uint32_t number, struct scan *scan);

/* The trailer of a sealed segment's image; IMLOG_ECORRUPT if it has none. */
int image_trailer(const struct image *image, uint32_t number, uint64_t salt,
                  struct segment_trailer *trailer);

#endif

/* scan.h: what a segment's bytes say, whoever asks: recovery, verify, export, index rebuild.
 * Pure: works on a whole segment file in memory.
 *
 * Batches are accepted along the chain. At the first place where no valid batch follows:
 *   - if later bytes prove that this place was durable once (a later valid batch carries a
 *     watermark above it, or the caller knows from elsewhere), it is *damage*: the range up to
 *     the next trustworthy batch is reported, and the scan goes on there;
 *   - otherwise it is the *end*: what follows was never acked (a torn tail). */
#ifndef ENGINE_LOG_SCAN_H
#define ENGINE_LOG_SCAN_H

#include "engine/format/batch.h"
#include "engine/format/record.h"
#include "engine/format/segment.h"

struct scan {
    const uint8_t *image; /* borrowed: the file from its first byte */
    uint64_t end_offset;  /* batches lie in [IMLOG_BLOCK_BYTES, end_offset) at most */
    uint64_t base_lsn;
    uint64_t offset;      /* where the next batch is expected */
    uint64_t durable_lsn; /* all below is known to have been durable; rises */
    uint64_t epoch;       /* of the last batch accepted */
    uint64_t chain;       /* its header checksum */
    bool chain_known;
    bool evidence_read; /* durable_lsn includes every watermark in the image */
    bool next_known;    /* the next segment's head says where it begins: */
    uint64_t next_lsn;
    uint64_t next_chain;
    uint64_t salt;
    uint32_t segment;
    uint16_t shard_index;
};

enum scan_verdict { SCAN_BATCH, SCAN_DAMAGE, SCAN_END };

struct scan_item {
    uint64_t offset; /* of the batch, or of the damaged range */
    uint64_t end_offset;
    uint64_t lsn;
    bool header_valid; /* DAMAGE: the range begins with this batch header, and is that batch */
    struct batch_header header;
};

/* The next batch, damaged range, or the end (item: where). Damage ranges end at end_offset where
 * nothing valid follows in a segment that is known durable up to there. */
enum scan_verdict scan_next(struct scan *scan, struct scan_item *item);

/* The highest watermark in any valid batch header of the image from `offset` on. */
uint64_t scan_evidence(const struct scan *scan, uint64_t offset);

typedef void scan_record_fn(void *arg, const struct record *record, uint64_t offset,
                            bool payload_valid);

/* The records of a valid batch, in order. 0, or IMLOG_ECORRUPT if they do not fill it exactly
 * (which a valid checksum makes a bug of the writer, or an attack). */
int scan_records(const struct scan *scan, const struct scan_item *item, scan_record_fn *each,
                 void *arg);

/* Every record of a damaged range whose header is intact, found at any place it could lie.
 * Returns how many there were. */
uint32_t scan_salvage(const struct scan *scan, const struct scan_item *item, scan_record_fn *each,
                      void *arg);

#endif

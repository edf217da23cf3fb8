/* scan.c: the validity rules of docs/FORMAT.md, section "Recovery", on a segment in memory. */
#include "engine/log/scan.h"

#include "engine/base/assert.h"

#include <errno.h>
#include <imlog/planted.h>

static struct batch_place scan_place(const struct scan *scan, uint64_t offset)
{
    return (struct batch_place){.salt = scan->salt,
                                .lsn = scan->base_lsn + offset - IMLOG_BLOCK_BYTES,
                                .segment = scan->segment,
                                .offset = (uint32_t)offset,
                                .shard_index = scan->shard_index};
}

static bool scan_header_at(const struct scan *scan, uint64_t offset, struct batch_header *header)
{
    struct batch_place place = scan_place(scan, offset);
    return offset < scan->end_offset &&
           batch_header_decode(scan->image + offset, scan->end_offset - offset, &place, header) &&
           header->batch_bytes <= scan->end_offset - offset;
}

uint64_t scan_evidence(const struct scan *scan, uint64_t offset)
{
    uint64_t durable_lsn = 0;
    struct batch_header header;
    for (; offset < scan->end_offset; offset += IMLOG_BLOCK_BYTES) {
        if (scan_header_at(scan, offset, &header) && header.durable_lsn > durable_lsn)
            durable_lsn = header.durable_lsn;
    }
    return durable_lsn;
}

static bool scan_intact(const struct scan *scan, uint64_t offset, struct batch_header *header)
{
    return scan_header_at(scan, offset, header) &&
           (header->epoch >= scan->epoch || IMLOG_PLANTED(stale_tail_believed)) &&
           batch_records_valid(scan->image + offset, scan->end_offset - offset, header);
}

static void scan_accept(struct scan *scan, const struct scan_item *item)
{
    scan->offset = item->end_offset;
    scan->chain = item->header.header_checksum;
    scan->chain_known = true;
    scan->epoch = item->header.epoch;
    if (item->header.durable_lsn > scan->durable_lsn)
        scan->durable_lsn = item->header.durable_lsn;
}

/* The next segment begins right here: nothing is missing, whatever bytes follow (a footer whose
 * trailer is damaged). */
static bool scan_at_next(const struct scan *scan, uint64_t lsn)
{
    return scan->next_known && lsn == scan->next_lsn &&
           (!scan->chain_known || scan->chain == scan->next_chain);
}

/* Where a damaged range ends at the latest. */
static uint64_t scan_known_end(const struct scan *scan, uint64_t lsn)
{
    uint64_t end_lsn = scan->durable_lsn;
    if (scan->next_known && scan->next_lsn > lsn && scan->next_lsn < end_lsn)
        end_lsn = scan->next_lsn;
    uint64_t end_offset = end_lsn - scan->base_lsn + IMLOG_BLOCK_BYTES;
    return end_offset < scan->end_offset ? end_offset : scan->end_offset;
}

/* Find where the range that is broken at scan->offset ends. */
static enum scan_verdict scan_broken(struct scan *scan, struct scan_item *item)
{
    if (!scan->evidence_read) {
        uint64_t evidence = scan_evidence(scan, scan->offset);
        scan->durable_lsn = evidence > scan->durable_lsn ? evidence : scan->durable_lsn;
        scan->evidence_read = true;
    }
    if (item->lsn >= scan->durable_lsn || IMLOG_PLANTED(damage_taken_for_torn) ||
        scan->offset >= scan->end_offset || scan_at_next(scan, item->lsn))
        return SCAN_END;

    /* A batch whose own header follows on the chain has only lost its contents. */
    item->header_valid = scan_header_at(scan, scan->offset, &item->header) &&
                         item->header.epoch >= scan->epoch &&
                         (!scan->chain_known || item->header.prev_checksum == scan->chain);
    if (item->header_valid) {
        item->end_offset = scan->offset + item->header.batch_bytes;
        scan_accept(scan, item);
        return SCAN_DAMAGE;
    }
    uint64_t known_end = scan_known_end(scan, item->lsn);
    struct batch_header header;
    uint64_t offset = scan->offset + IMLOG_BLOCK_BYTES;
    while (offset < known_end && !scan_intact(scan, offset, &header))
        offset += IMLOG_BLOCK_BYTES;
    item->end_offset = offset;
    scan->offset = offset;
    scan->chain_known = false;
    return SCAN_DAMAGE;
}

enum scan_verdict scan_next(struct scan *scan, struct scan_item *item)
{
    IMLOG_ASSERT(scan->offset % IMLOG_BLOCK_BYTES == 0);
    item->offset = scan->offset;
    item->end_offset = scan->offset;
    item->lsn = scan->base_lsn + scan->offset - IMLOG_BLOCK_BYTES;
    item->header_valid = false;
    if (scan_intact(scan, scan->offset, &item->header) &&
        (!scan->chain_known || IMLOG_PLANTED(stale_tail_believed) ||
         item->header.prev_checksum == scan->chain)) {
        item->header_valid = true;
        item->end_offset = scan->offset + item->header.batch_bytes;
        scan_accept(scan, item);
        return SCAN_BATCH;
    }
    return scan_broken(scan, item);
}

int scan_records(const struct scan *scan, const struct scan_item *item, scan_record_fn *each,
                 void *arg)
{
    uint64_t offset = item->offset + sizeof(struct batch_header);
    uint64_t end_offset = offset + item->header.records_bytes;
    uint32_t count = 0;
    while (offset < end_offset) {
        struct record record;
        int error = record_decode(scan->image + offset, end_offset - offset, scan->salt,
                                  scan->base_lsn + offset - IMLOG_BLOCK_BYTES, &record);
        if (error < 0)
            return IMLOG_ECORRUPT;
        each(arg, &record, offset, true);
        offset += record.record_bytes;
        count++;
    }
    return count == item->header.record_count ? 0 : IMLOG_ECORRUPT;
}

uint32_t scan_salvage(const struct scan *scan, const struct scan_item *item, scan_record_fn *each,
                      void *arg)
{
    uint32_t found = 0;
    uint64_t offset = item->offset;
    if (item->header_valid)
        offset += sizeof(struct batch_header);
    while (offset + sizeof(struct record_header) <= item->end_offset) {
        struct record record;
        int error = record_decode(scan->image + offset, item->end_offset - offset, scan->salt,
                                  scan->base_lsn + offset - IMLOG_BLOCK_BYTES, &record);
        if (error == IMLOG_ECORRUPT || error == -EMSGSIZE) {
            offset += RECORD_ALIGN_BYTES;
            continue;
        }
        each(arg, &record, offset, error == 0);
        found++;
        offset += record.record_bytes;
    }
    return found;
}

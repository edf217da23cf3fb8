/* fuzz_batch.c: any bytes as the batches of one segment, under the rules of log/scan.h.
 *
 *     [durable: 1 byte][next segment: 1 byte][flip: 2 bytes]
 *     then up to 8 batches, each from the next block boundary on:
 *     [form: 1 byte][bytes: 2 bytes][that many bytes]
 *
 * Laws: the scan's items lie side by side and it ends; a batch it accepts has the checksums of its
 * bytes, the chain and the epoch of the one before, and seals back to itself; its records are
 * valid and fill it; what is salvaged from damage is valid and lies in order; a spoiled bit is
 * never accepted. */
#include "engine/base/checksum.h"
#include "engine/log/scan.h"
#include "fuzz/fuzz.h"
#include "fuzz/repair.h"
#include "tests/lib/golden.h"

#include <errno.h>

#define SALT GOLDEN_SALT

enum { /* such that the golden batch may lie at its place */
       SEGMENT = GOLDEN_SEGMENT,
       SHARD = GOLDEN_SHARD,
       BASE_LSN = GOLDEN_LSN - GOLDEN_OFFSET + IMLOG_BLOCK_BYTES,
       BLOCKS_MAX = 8,
       BATCHES_MAX = 8,

       FORM_PLACE = 1,   /* say the right place, version and magic */
       FORM_SUMS = 2,    /* sizes, records and checksums repaired */
       FORM_CHAIN = 4,   /* follow the batch before */
       FORM_DURABLE = 8, /* the watermark is its own lsn */
       FORM_SPOIL = 16,  /* and then one bit of the records is wrong */
};

struct image {
    uint8_t bytes[BLOCKS_MAX * IMLOG_BLOCK_BYTES];
    uint64_t end_offset;
};

static uint64_t lsn_at(uint64_t offset)
{
    return BASE_LSN + offset - IMLOG_BLOCK_BYTES;
}

/* ---- making ------------------------------------------------------------------------------ */

static void place_batch(uint8_t *bytes, uint64_t offset, uint64_t form, uint64_t chain)
{
    struct batch_header header;
    memcpy(&header, bytes, sizeof(header));
    if ((form & FORM_PLACE) != 0) {
        header.magic = BATCH_MAGIC;
        header.version = BATCH_VERSION;
        header.shard_index = SHARD;
        header.segment = SEGMENT;
        header.offset = (uint32_t)offset;
        header.lsn = lsn_at(offset);
        header.flags = 0;
        header.epoch &= 3;
    }
    if ((form & FORM_CHAIN) != 0)
        header.prev_checksum = chain;
    if ((form & FORM_DURABLE) != 0)
        header.durable_lsn = lsn_at(offset);
    memcpy(bytes, &header, sizeof(header));
}

static void make_image(struct image *image, struct fuzz_input *input)
{
    uint64_t offset = IMLOG_BLOCK_BYTES;
    uint64_t chain = 0;
    memset(image->bytes, 0, image->end_offset); /* of the run before */
    for (int i = 0; i < BATCHES_MAX && fuzz_left(input) > 0 && offset < sizeof(image->bytes); i++) {
        uint8_t *bytes = image->bytes + offset;
        uint64_t room = sizeof(image->bytes) - offset;
        uint64_t form = fuzz_take(input, 1);
        uint64_t wanted = fuzz_take(input, 2);
        size_t taken;
        const uint8_t *from = fuzz_take_bytes(input, wanted < room ? wanted : room, &taken);
        if (taken > 0)
            memcpy(bytes, from, taken);
        place_batch(bytes, offset, form, chain);
        uint64_t batch_bytes = (taken + IMLOG_BLOCK_BYTES) & ~(uint64_t)(IMLOG_BLOCK_BYTES - 1);
        if ((form & FORM_SUMS) != 0)
            batch_bytes = repair_batch(bytes, room, SALT, lsn_at(offset));
        memcpy(&chain, bytes, sizeof(chain));
        if ((form & FORM_SPOIL) != 0)
            bytes[sizeof(struct batch_header) + wanted % 256] ^= 4;
        offset += batch_bytes;
    }
    image->end_offset = offset < sizeof(image->bytes) ? offset + IMLOG_BLOCK_BYTES : offset;
    if (image->end_offset > sizeof(image->bytes))
        image->end_offset = sizeof(image->bytes);
}

/* ---- laws -------------------------------------------------------------------------------- */

struct tiles {
    const struct scan *scan;
    uint64_t at; /* no record may lie before */
    uint64_t end_offset;
    uint32_t count;
    bool side_by_side;
};

static void check_record(void *arg, const struct record *record, uint64_t offset,
                         bool payload_valid)
{
    struct tiles *tiles = arg;
    struct record again;
    FUZZ_CHECK(tiles->side_by_side ? offset == tiles->at : offset >= tiles->at);
    FUZZ_CHECK(offset % RECORD_ALIGN_BYTES == 0);
    FUZZ_CHECK(offset + record->record_bytes <= tiles->end_offset);
    FUZZ_CHECK(record->payload == tiles->scan->image + offset + sizeof(struct record_header));
    int verdict = record_decode(tiles->scan->image + offset, tiles->end_offset - offset, SALT,
                                lsn_at(offset), &again);
    FUZZ_CHECK(verdict == (payload_valid ? 0 : -EBADMSG));
    tiles->at = offset + record->record_bytes;
    tiles->count++;
}

/* Sealing what was decoded makes the same bytes, but for padding. */
static void check_seal(const struct scan *scan, const struct scan_item *item)
{
    const uint8_t *batch = scan->image + item->offset;
    uint64_t used_bytes = sizeof(item->header) + item->header.records_bytes;
    uint8_t *again = fuzz_copy(batch, item->header.batch_bytes);
    uint64_t used_end = item->header.batch_bytes;
    while (used_end > used_bytes && batch[used_end - 1] == 0)
        used_end--;
    if (used_end == used_bytes) { /* a writer leaves zeros there */
        FUZZ_CHECK(batch_seal(again, item->header, SALT) == item->header.header_checksum);
        FUZZ_CHECK(memcmp(again, batch, item->header.batch_bytes) == 0);
    }
    free(again);
}

static void check_batch(const struct scan *before, const struct scan *scan,
                        const struct scan_item *item)
{
    const struct batch_header *header = &item->header;
    FUZZ_CHECK(item->header_valid);
    FUZZ_CHECK(header->lsn == item->lsn && header->offset == item->offset);
    FUZZ_CHECK(header->segment == SEGMENT && header->shard_index == SHARD);
    FUZZ_CHECK(item->end_offset == item->offset + header->batch_bytes);
    FUZZ_CHECK(header->epoch >= before->epoch);
    FUZZ_CHECK(!before->chain_known || header->prev_checksum == before->chain);
    FUZZ_CHECK(scan->chain == header->header_checksum);
    FUZZ_CHECK(checksum(scan->image + item->offset + sizeof(*header),
                        header->batch_bytes - sizeof(*header), 0) == header->records_checksum);
    struct tiles tiles = {.scan = scan,
                          .at = item->offset + sizeof(*header),
                          .end_offset = item->offset + sizeof(*header) + header->records_bytes,
                          .side_by_side = true};
    int error = scan_records(scan, item, check_record, &tiles);
    FUZZ_CHECK(error == 0 || error == IMLOG_ECORRUPT);
    if (error == 0)
        FUZZ_CHECK(tiles.at == tiles.end_offset && tiles.count == header->record_count);
    check_seal(scan, item);
}

static void check_damage(const struct scan *before, const struct scan *scan,
                         const struct scan_item *item)
{
    struct tiles tiles = {.scan = scan, .at = item->offset, .end_offset = item->end_offset};
    FUZZ_CHECK(item->lsn < scan->durable_lsn);
    FUZZ_CHECK(item->header_valid || !scan->chain_known);
    FUZZ_CHECK(scan->epoch >= before->epoch);
    FUZZ_CHECK(scan_salvage(scan, item, check_record, &tiles) == tiles.count);
}

static void run_scan(struct scan scan)
{
    struct scan_item item;
    for (;;) {
        struct scan before = scan;
        enum scan_verdict verdict = scan_next(&scan, &item);
        FUZZ_CHECK(item.offset == before.offset);
        FUZZ_CHECK(item.lsn == lsn_at(item.offset));
        FUZZ_CHECK(scan.durable_lsn >= before.durable_lsn);
        if (verdict == SCAN_END) {
            FUZZ_CHECK(item.end_offset == item.offset && scan.offset == before.offset);
            FUZZ_CHECK(item.offset >= scan.end_offset || item.lsn >= scan.durable_lsn ||
                       (scan.next_known && item.lsn == scan.next_lsn));
            return;
        }
        FUZZ_CHECK(item.end_offset > item.offset && item.end_offset <= scan.end_offset);
        FUZZ_CHECK(item.end_offset % IMLOG_BLOCK_BYTES == 0 && scan.offset == item.end_offset);
        if (verdict == SCAN_BATCH)
            check_batch(&before, &scan, &item);
        else
            check_damage(&before, &scan, &item);
    }
}

/* A bit flipped in the first batch: it is not accepted any more. */
static void check_flip(struct image *image, struct scan scan, uint64_t bit)
{
    struct scan_item item;
    struct scan first = scan;
    if (scan_next(&first, &item) != SCAN_BATCH)
        return;
    uint64_t at = item.offset + bit / 8 % item.header.batch_bytes;
    image->bytes[at] ^= (uint8_t)(1U << (bit % 8));
    FUZZ_CHECK(scan_next(&scan, &item) != SCAN_BATCH);
    image->bytes[at] ^= (uint8_t)(1U << (bit % 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    static struct image image;
    struct fuzz_input input = fuzz_input_of(data, byte_count);
    uint64_t durable = fuzz_take(&input, 1);
    uint64_t next = fuzz_take(&input, 1);
    uint64_t bit = fuzz_take(&input, 2);
    make_image(&image, &input);
    uint8_t *bytes = fuzz_copy(image.bytes, image.end_offset);
    struct scan scan = {.image = bytes,
                        .end_offset = image.end_offset,
                        .base_lsn = BASE_LSN,
                        .offset = IMLOG_BLOCK_BYTES,
                        .durable_lsn = BASE_LSN + durable % 16 * IMLOG_BLOCK_BYTES,
                        .chain_known = (durable & 0x80) != 0,
                        .next_known = (next & 0x80) != 0,
                        .next_lsn = BASE_LSN + next % 16 * IMLOG_BLOCK_BYTES,
                        .salt = SALT,
                        .segment = SEGMENT,
                        .shard_index = SHARD};
    run_scan(scan);
    scan.image = image.bytes;
    check_flip(&image, scan, bit);
    free(bytes);
    return 0;
}

/* The rules of recovery on bytes: what is a chain, what is a torn tail, what is damage. */
#include "engine/log/scan.h"
#include "tests/lib/prng.h"

#include <imlog/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGE_BYTES = IMLOG_SEGMENT_BYTES_MIN, BATCHES = 12, SALT = 77, SEGMENT = 5, SHARD = 3 };

static const uint64_t base_lsn = 40960;

/* A segment in memory and where its batches lie. */
struct maker {
    uint8_t *image;
    uint64_t offset;
    uint64_t chain;
    uint64_t durable_lsn;
    uint64_t epoch;
    uint64_t offsets[64];
    uint32_t counts[64];
    uint32_t batch_count;
    uint64_t next_seq;
};

static uint64_t lsn_at(uint64_t offset)
{
    return base_lsn + offset - IMLOG_BLOCK_BYTES;
}

static void maker_init(struct maker *maker)
{
    *maker = (struct maker){.offset = IMLOG_BLOCK_BYTES, .epoch = 1, .next_seq = 1};
    maker->image = calloc(1, IMAGE_BYTES);
    assert_non_null(maker->image);
    maker->durable_lsn = base_lsn;
}

static void maker_add(struct maker *maker, uint32_t record_count, uint32_t body_bytes)
{
    uint8_t *batch = maker->image + maker->offset;
    uint32_t used_bytes = sizeof(struct batch_header);
    for (uint32_t i = 0; i < record_count; i++) {
        static uint8_t body[65536];
        struct message_head head = {.msg_id = maker->next_seq, .sender_id = 1};
        struct record_header header = {
            .subject_id = 9, .seq = maker->next_seq++, .kind = RECORD_MESSAGE};
        memset(body, (int)(header.seq & 0xff), body_bytes);
        used_bytes +=
            record_encode(batch + used_bytes, header, SALT, lsn_at(maker->offset) + used_bytes,
                          &head, sizeof(head), body, body_bytes);
    }
    struct batch_header header = {.shard_index = SHARD,
                                  .segment = SEGMENT,
                                  .offset = (uint32_t)maker->offset,
                                  .lsn = lsn_at(maker->offset),
                                  .epoch = maker->epoch,
                                  .records_bytes = used_bytes - (uint32_t)sizeof(header),
                                  .record_count = record_count,
                                  .prev_checksum = maker->chain,
                                  .durable_lsn = maker->durable_lsn};
    maker->chain = batch_seal(batch, header, SALT);
    maker->offsets[maker->batch_count] = maker->offset;
    maker->counts[maker->batch_count++] = record_count;
    maker->offset += batch_padded_bytes(header.records_bytes);
}

static struct scan scan_of(const struct maker *maker)
{
    return (struct scan){.image = maker->image,
                         .end_offset = IMAGE_BYTES,
                         .base_lsn = base_lsn,
                         .offset = IMLOG_BLOCK_BYTES,
                         .chain_known = true,
                         .salt = SALT,
                         .segment = SEGMENT,
                         .shard_index = SHARD};
}

struct counter {
    uint64_t seqs[1000];
    uint32_t count;
    uint32_t broken; /* payloads */
};

static void count_record(void *arg, const struct record *record, uint64_t offset,
                         bool payload_valid)
{
    struct counter *counter = arg;
    (void)offset;
    assert_int_equal(record->header.kind, RECORD_MESSAGE);
    counter->seqs[counter->count++] = record->header.seq;
    counter->broken += !payload_valid;
}

/* Batches of some sizes; each but the first says that the one before is durable. */
static void maker_fill(struct maker *maker)
{
    struct prng prng = {.state = 4};
    for (uint32_t i = 0; i < BATCHES; i++) {
        uint64_t offset = maker->offset;
        maker_add(maker, 1 + (uint32_t)prng_below(&prng, 9), (uint32_t)prng_below(&prng, 3000));
        maker->durable_lsn = lsn_at(offset);
    }
}

static void an_intact_chain_is_read_to_its_end(void **state)
{
    (void)state;
    struct maker maker;
    struct scan_item item;
    struct counter counter = {.count = 0};
    maker_init(&maker);
    maker_fill(&maker);
    struct scan scan = scan_of(&maker);
    for (uint32_t i = 0; i < BATCHES; i++) {
        assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
        assert_int_equal(item.offset, maker.offsets[i]);
        assert_int_equal(scan_records(&scan, &item, count_record, &counter), 0);
    }
    assert_int_equal(scan_next(&scan, &item), SCAN_END);
    assert_int_equal(item.offset, maker.offset);
    assert_int_equal(scan.chain, maker.chain);
    for (uint32_t i = 0; i < counter.count; i++)
        assert_int_equal(counter.seqs[i], i + 1);
    assert_int_equal(counter.count, maker.next_seq - 1);
    free(maker.image);
}

/* The last batch cut at every byte: it ends there, and nothing is called damage. */
static void a_tail_torn_at_any_byte_is_cut(void **state)
{
    (void)state;
    struct maker maker;
    maker_init(&maker);
    maker_fill(&maker);
    uint64_t last = maker.offsets[BATCHES - 1];
    uint64_t last_bytes = maker.offset - last;
    uint8_t *whole = malloc(last_bytes);
    assert_non_null(whole);
    memcpy(whole, maker.image + last, last_bytes);
    uint64_t full_bytes = last_bytes; /* the padding's zeros are there anyway */
    while (whole[full_bytes - 1] == 0)
        full_bytes--;
    memset(maker.image + last, 0, last_bytes);
    for (uint64_t cut = 0; cut < full_bytes; cut++) {
        struct scan scan = scan_of(&maker);
        struct scan_item item;
        enum scan_verdict verdict;
        uint32_t batch_count = 0;
        while ((verdict = scan_next(&scan, &item)) == SCAN_BATCH)
            batch_count++;
        assert_int_equal(verdict, SCAN_END);
        assert_int_equal(batch_count, BATCHES - 1);
        assert_int_equal(item.offset, last);
        maker.image[last + cut] = whole[cut];
    }
    free(whole);
    free(maker.image);
}

/* Any bit of a batch that a later one calls durable: damage, of that batch and no other. */
static void a_flip_below_the_watermark_is_damage(void **state)
{
    (void)state;
    struct maker maker;
    struct prng prng = {.state = 8};
    maker_init(&maker);
    maker_fill(&maker);
    for (uint32_t round = 0; round < 3000; round++) {
        uint32_t hit = (uint32_t)prng_below(&prng, BATCHES - 2);
        uint64_t begin = maker.offsets[hit];
        uint64_t at = begin + prng_below(&prng, maker.offsets[hit + 1] - begin);
        if (prng_one_in(&prng, 2))
            at = begin + prng_below(&prng, 200);
        maker.image[at] ^= (uint8_t)(1U << round % 8);
        struct scan scan = scan_of(&maker);
        struct scan_item item;
        enum scan_verdict verdict;
        uint32_t index = 0;
        while ((verdict = scan_next(&scan, &item)) != SCAN_END) {
            assert_int_equal(item.offset, maker.offsets[index]);
            assert_int_equal(verdict, index == hit ? SCAN_DAMAGE : SCAN_BATCH);
            if (index == hit) {
                assert_int_equal(item.end_offset, maker.offsets[index + 1]);
                assert_int_equal(item.header_valid, at >= begin + sizeof(struct batch_header));
            }
            index++;
        }
        assert_int_equal(index, BATCHES);
        maker.image[at] ^= (uint8_t)(1U << round % 8);
    }
    free(maker.image);
}

static void salvage_finds_every_record_with_an_intact_header(void **state)
{
    (void)state;
    struct maker maker;
    struct prng prng = {.state = 15};
    maker_init(&maker);
    maker_fill(&maker);
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t hit = (uint32_t)prng_below(&prng, BATCHES - 2);
        struct scan scan = scan_of(&maker);
        struct scan_item item;
        struct counter before = {.count = 0};
        struct counter after = {.count = 0};
        for (uint32_t i = 0; i <= hit; i++)
            assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
        assert_int_equal(scan_records(&scan, &item, count_record, &before), 0);
        uint64_t used_end = item.offset + sizeof(struct batch_header) + item.header.records_bytes;
        uint64_t at = item.offset + prng_below(&prng, used_end - item.offset);
        maker.image[at] ^= 0x10;
        scan = scan_of(&maker);
        while (scan_next(&scan, &item) != SCAN_DAMAGE)
            continue;
        uint32_t found = scan_salvage(&scan, &item, count_record, &after);
        assert_int_equal(found, after.count);
        assert_true(before.count - after.count <= 1); /* the one whose header was hit */
        for (uint32_t i = 0, j = 0; j < after.count; i++, j++) {
            if (before.seqs[i] != after.seqs[j])
                i++;
            assert_int_equal(before.seqs[i], after.seqs[j]);
        }
        assert_true(after.broken + (before.count - after.count) <= 1);
        maker.image[at] ^= 0x10;
    }
    free(maker.image);
}

/* After a cut, a new epoch writes over the tail; old batches that still lie behind it at their
 * own places are no part of the log. */
static void batches_of_an_earlier_epoch_are_not_accepted(void **state)
{
    (void)state;
    for (uint32_t cut = 1; cut < BATCHES - 1; cut++) {
        struct maker maker;
        struct scan_item item;
        maker_init(&maker);
        struct prng prng = {.state = 4};
        uint64_t chains[BATCHES];
        for (uint32_t i = 0; i < BATCHES; i++) { /* watermark stays: none was acked */
            chains[i] = maker.chain;
            maker_add(&maker, 1 + (uint32_t)prng_below(&prng, 5), 100);
        }
        maker.offset = maker.offsets[cut];
        maker.chain = chains[cut];
        maker.batch_count = cut;
        maker.epoch = 2;
        maker.durable_lsn = lsn_at(maker.offset);
        maker_add(&maker, 0, 0); /* what log_start() writes */
        struct scan scan = scan_of(&maker);
        for (uint32_t i = 0; i <= cut; i++)
            assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
        assert_int_equal(scan_next(&scan, &item), SCAN_END);
        assert_int_equal(item.offset, maker.offset);
        free(maker.image);
    }
}

static void batches_of_other_places_are_not_accepted(void **state)
{
    (void)state;
    struct maker maker;
    struct scan_item item;
    maker_init(&maker);
    maker_fill(&maker);
    for (int what = 0; what < 4; what++) {
        struct scan scan = scan_of(&maker);
        scan.segment += what == 0;
        scan.shard_index = what == 1 ? SHARD + 1 : SHARD;
        scan.salt += what == 2;
        scan.base_lsn += what == 3 ? IMLOG_BLOCK_BYTES : 0;
        assert_int_equal(scan_next(&scan, &item), SCAN_END);
    }
    /* a valid batch copied elsewhere in the same file */
    memcpy(maker.image + maker.offset, maker.image + maker.offsets[0],
           maker.offsets[1] - maker.offsets[0]);
    struct scan scan = scan_of(&maker);
    for (uint32_t i = 0; i < BATCHES; i++)
        assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
    assert_int_equal(scan_next(&scan, &item), SCAN_END);
    free(maker.image);
}

/* Right place, right epoch, valid throughout, but the successor of another batch. */
static void batches_off_the_chain_are_not_accepted(void **state)
{
    (void)state;
    struct maker maker;
    struct maker other;
    struct scan_item item;
    maker_init(&maker);
    maker_init(&other);
    other.chain = 1; /* another history */
    maker_add(&maker, 3, 500);
    maker_add(&other, 3, 500);
    maker_add(&other, 3, 500);
    memcpy(maker.image + other.offsets[1], other.image + other.offsets[1],
           other.offset - other.offsets[1]);
    struct scan scan = scan_of(&maker);
    assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
    assert_int_equal(scan_next(&scan, &item), SCAN_END);
    assert_int_equal(item.offset, other.offsets[1]);
    free(maker.image);
    free(other.image);
}

/* A lost write in the middle: the batch is zeros, later ones are there. */
static void a_lost_write_below_the_watermark_is_damage(void **state)
{
    (void)state;
    for (uint32_t hit = 0; hit < BATCHES - 2; hit++) {
        struct maker maker;
        struct scan_item item;
        maker_init(&maker);
        maker_fill(&maker);
        memset(maker.image + maker.offsets[hit], 0, maker.offsets[hit + 1] - maker.offsets[hit]);
        struct scan scan = scan_of(&maker);
        for (uint32_t i = 0; i < BATCHES; i++)
            assert_int_equal(scan_next(&scan, &item), i == hit ? SCAN_DAMAGE : SCAN_BATCH);
        assert_int_equal(scan_next(&scan, &item), SCAN_END);
        free(maker.image);
    }
}

/* Known durable from elsewhere (a trailer, a checkpoint): damage up to there, even with nothing
 * valid behind it. */
static void what_is_known_durable_is_never_cut(void **state)
{
    (void)state;
    struct maker maker;
    struct scan_item item;
    maker_init(&maker);
    maker_fill(&maker);
    memset(maker.image + maker.offsets[4], 0, IMAGE_BYTES - maker.offsets[4]);
    struct scan scan = scan_of(&maker);
    scan.durable_lsn = lsn_at(maker.offset);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
    assert_int_equal(scan_next(&scan, &item), SCAN_DAMAGE);
    assert_int_equal(item.offset, maker.offsets[4]);
    assert_int_equal(item.end_offset, maker.offset);
    assert_int_equal(scan_next(&scan, &item), SCAN_END);
    free(maker.image);
}

/* The next segment's head says where it begins: what is missing before it is damage up to there,
 * and nothing is missing where it begins, whatever bytes follow. */
static void the_next_segment_bounds_the_damage(void **state)
{
    (void)state;
    struct maker maker;
    struct scan_item item;
    maker_init(&maker);
    maker_fill(&maker);
    for (int what = 0; what < 5; what++) {
        struct scan scan = scan_of(&maker);
        scan.durable_lsn = lsn_at(maker.offset) + 6 * IMLOG_BLOCK_BYTES; /* a later watermark */
        scan.next_known = true;
        scan.next_lsn = lsn_at(maker.offset) + (what < 3 ? 0 : (uint64_t)IMLOG_BLOCK_BYTES * 2);
        scan.next_lsn += what == 4 ? 6 * IMLOG_BLOCK_BYTES : 0;
        scan.next_chain = what == 0 ? maker.chain : 1;
        for (uint32_t i = 0; i < BATCHES; i++)
            assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
        scan.chain_known = what != 2; /* else nothing says that the two do not fit */
        bool ends = what == 0 || what == 2;
        uint32_t lost_blocks = ends ? 0 : what == 3 ? 2 : 6;
        assert_int_equal(scan_next(&scan, &item), ends ? SCAN_END : SCAN_DAMAGE);
        assert_int_equal(item.end_offset, maker.offset + lost_blocks * IMLOG_BLOCK_BYTES);
    }
    free(maker.image);
}

/* A batch that would reach beyond where batches end is none, valid as it is. */
static void no_batch_reaches_beyond_the_end(void **state)
{
    (void)state;
    struct maker maker;
    struct scan_item item;
    maker_init(&maker);
    maker_add(&maker, 3, 100);
    uint64_t last = maker.offset;
    maker_add(&maker, 9, 3000);
    for (uint32_t blocks = 0; last + blocks * IMLOG_BLOCK_BYTES <= maker.offset; blocks++) {
        struct scan scan = scan_of(&maker);
        scan.end_offset = last + (uint64_t)blocks * IMLOG_BLOCK_BYTES;
        scan.durable_lsn = lsn_at(maker.offset);
        assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
        enum scan_verdict cut = blocks == 0 ? SCAN_END : SCAN_DAMAGE;
        assert_int_equal(scan_next(&scan, &item),
                         scan.end_offset == maker.offset ? SCAN_BATCH : cut);
        assert_true(item.end_offset <= scan.end_offset);
    }
    free(maker.image);
}

/* A valid header off the chain or of an older epoch is no part of the damage it begins; behind
 * damage, where the chain is lost, it is taken at its word. */
static void a_stale_header_below_the_watermark_says_nothing(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct maker maker;
        struct scan_item item;
        maker_init(&maker);
        maker.epoch = 2;
        maker_add(&maker, 3, 100);
        maker.epoch = what == 1 ? 1 : 2;
        maker.chain += what == 2;
        maker_add(&maker, 3, 100);
        maker.image[maker.offsets[1] + 200] ^= 1; /* and its records are broken */
        struct scan scan = scan_of(&maker);
        scan.durable_lsn = lsn_at(maker.offset);
        assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
        assert_int_equal(scan_next(&scan, &item), SCAN_DAMAGE);
        assert_int_equal(item.header_valid, what == 0);
        scan = scan_of(&maker);
        scan.durable_lsn = lsn_at(maker.offset);
        scan.offset = maker.offsets[1];
        scan.epoch = 1;
        scan.chain_known = false;
        assert_int_equal(scan_next(&scan, &item), SCAN_DAMAGE);
        assert_true(item.header_valid);
        free(maker.image);
    }
}

/* Valid checksums around records that do not fill their batch: a writer's bug, or an attack. */
static void records_that_do_not_fill_their_batch_are_damage(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct maker maker;
        struct scan_item item;
        struct counter counter = {.count = 0};
        maker_init(&maker);
        maker_add(&maker, 4, 100);
        struct batch_header header;
        uint8_t *batch = maker.image + maker.offsets[0];
        memcpy(&header, batch, sizeof(header));
        header.record_count += what == 1;          /* says one more than there are */
        header.records_bytes -= what == 2 ? 8 : 0; /* cuts the last one */
        (void)batch_seal(batch, header, SALT);
        struct scan scan = scan_of(&maker);
        assert_int_equal(scan_next(&scan, &item), SCAN_BATCH);
        int expected = what == 0 ? 0 : IMLOG_ECORRUPT;
        assert_int_equal(scan_records(&scan, &item, count_record, &counter), expected);
        counter.count = 0;
        item.end_offset = item.offset + sizeof(header) + header.records_bytes;
        assert_int_equal(scan_salvage(&scan, &item, count_record, &counter), what == 2 ? 3 : 4);
        free(maker.image);
    }
}

static void random_bytes_are_no_log(void **state)
{
    (void)state;
    struct prng prng = {.state = 2};
    struct maker maker;
    struct scan_item item;
    struct counter counter = {.count = 0};
    maker_init(&maker);
    for (uint32_t i = 0; i < IMAGE_BYTES; i += 8) {
        uint64_t value = prng_next(&prng);
        memcpy(maker.image + i, &value, 8);
    }
    struct scan scan = scan_of(&maker);
    assert_int_equal(scan_next(&scan, &item), SCAN_END);
    assert_int_equal(scan_evidence(&scan, IMLOG_BLOCK_BYTES), 0);
    item.end_offset = IMAGE_BYTES;
    assert_int_equal(scan_salvage(&scan, &item, count_record, &counter), 0);
    free(maker.image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_intact_chain_is_read_to_its_end),
        cmocka_unit_test(a_tail_torn_at_any_byte_is_cut),
        cmocka_unit_test(a_flip_below_the_watermark_is_damage),
        cmocka_unit_test(salvage_finds_every_record_with_an_intact_header),
        cmocka_unit_test(batches_of_an_earlier_epoch_are_not_accepted),
        cmocka_unit_test(batches_of_other_places_are_not_accepted),
        cmocka_unit_test(batches_off_the_chain_are_not_accepted),
        cmocka_unit_test(a_lost_write_below_the_watermark_is_damage),
        cmocka_unit_test(what_is_known_durable_is_never_cut),
        cmocka_unit_test(the_next_segment_bounds_the_damage),
        cmocka_unit_test(no_batch_reaches_beyond_the_end),
        cmocka_unit_test(a_stale_header_below_the_watermark_says_nothing),
        cmocka_unit_test(records_that_do_not_fill_their_batch_are_damage),
        cmocka_unit_test(random_bytes_are_no_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

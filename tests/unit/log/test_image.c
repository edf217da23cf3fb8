/* A segment file read whole: what it may claim to be, and what the file behind it proves. */
#include "engine/log/recover.h"
#include "tests/lib/disk.h"

#include "engine/io/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SALT = 77, SEGMENT = 5, SHARD = 3, BLOCKS = 64, BLOCK = IMLOG_BLOCK_BYTES };

static const uint64_t base_lsn = 40960;

static struct image image_of(uint32_t block_count)
{
    struct image image = {.byte_count = (uint64_t)block_count * BLOCK, .file = -1};
    image.bytes = calloc(block_count, BLOCK);
    assert_non_null(image.bytes);
    return image;
}

static struct segment_head some_head(uint32_t number, uint64_t lsn)
{
    return (struct segment_head){.shard_index = SHARD,
                                 .salt = SALT,
                                 .number = number,
                                 .segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                 .base_lsn = lsn,
                                 .prev_checksum = 99};
}

/* An empty batch at this block; its watermark. */
static void put_batch(struct image *image, uint32_t number, uint64_t lsn, uint32_t block,
                      uint64_t durable_lsn)
{
    struct batch_header header = {.shard_index = SHARD,
                                  .segment = number,
                                  .offset = block * BLOCK,
                                  .lsn = lsn + (uint64_t)(block - 1) * BLOCK,
                                  .epoch = 1,
                                  .durable_lsn = durable_lsn};
    (void)batch_seal(image->bytes + (size_t)block * BLOCK, header, SALT);
}

static int scan_of(const struct image *image, struct scan *scan)
{
    return image_scan(image, SEGMENT, SHARD, SALT, base_lsn, NULL, scan);
}

static void a_head_counts_at_its_own_place_only(void **state)
{
    (void)state;
    struct image image = image_of(BLOCKS);
    for (int what = 0; what < 4; what++) {
        struct scan scan;
        struct segment_head head = some_head(SEGMENT, 3 * base_lsn);
        head.number += what == 1;
        head.shard_index = (uint16_t)(head.shard_index + (what == 2));
        head.salt += what == 3;
        segment_head_encode(image.bytes, &head);
        put_batch(&image, SEGMENT, base_lsn, 1, 0);
        assert_int_equal(scan_of(&image, &scan), 0);
        assert_int_equal(scan.chain_known, what == 0);
        assert_int_equal(scan.base_lsn, what == 0 ? 3 * base_lsn : base_lsn);
    }
    free(image.bytes);
}

/* Without a head the first batch header that is left says where the segment begins, wherever the
 * log seems to end; without any the file was never used. */
static void a_file_without_head_is_known_by_its_batches(void **state)
{
    (void)state;
    struct scan scan;
    struct image image = image_of(BLOCKS);
    assert_int_equal(scan_of(&image, &scan), IMLOG_EFOREIGN);
    put_batch(&image, SEGMENT, 5 * base_lsn, 9, 0);
    assert_int_equal(scan_of(&image, &scan), 0);
    assert_int_equal(scan.base_lsn, 5 * base_lsn);
    put_batch(&image, SEGMENT, 7 * base_lsn, 1, 0);
    assert_int_equal(scan_of(&image, &scan), 0);
    assert_int_equal(scan.base_lsn, 7 * base_lsn);
    free(image.bytes);
}

static void a_file_of_less_than_two_blocks_holds_nothing(void **state)
{
    (void)state;
    struct image image = image_of(2);
    struct segment_head head = some_head(SEGMENT, base_lsn);
    struct segment_trailer trailer;
    struct scan scan;
    segment_head_encode(image.bytes, &head);
    put_batch(&image, SEGMENT, base_lsn, 1, 0);
    assert_int_equal(scan_of(&image, &scan), 0);
    for (image.byte_count = 0; image.byte_count <= BLOCK; image.byte_count += BLOCK) {
        assert_int_equal(scan_of(&image, &scan), IMLOG_EFOREIGN);
        assert_int_equal(image_trailer(&image, SEGMENT, SALT, &trailer), IMLOG_ECORRUPT);
    }
    free(image.bytes);
}

static void a_trailer_whose_footer_does_not_fit_is_none(void **state)
{
    (void)state;
    struct image image = image_of(BLOCKS);
    for (uint32_t end_block = 56; end_block < 64; end_block++) {
        struct segment_trailer trailer = {.shard_index = SHARD,
                                          .number = SEGMENT,
                                          .end_offset = end_block * BLOCK,
                                          .end_lsn = (uint64_t)(end_block - 1) * BLOCK,
                                          .extent_count = 1,
                                          .message_count = 1,
                                          .extents_blocks = 1,
                                          .offsets_blocks = 1,
                                          .fence_blocks = 1};
        struct segment_trailer decoded;
        segment_trailer_encode(image.bytes + (size_t)(BLOCKS - 1) * BLOCK, &trailer, SALT);
        bool fits = end_block + 3 + 1 <= BLOCKS;
        assert_int_equal(image_trailer(&image, SEGMENT, SALT, &decoded), fits ? 0 : IMLOG_ECORRUPT);
    }
    free(image.bytes);
}

static void the_next_head_bounds_a_scan_if_it_is_the_next_one(void **state)
{
    (void)state;
    struct image next = image_of(2);
    for (int what = 0; what < 5; what++) {
        struct scan scan = {.salt = SALT, .shard_index = SHARD};
        struct segment_head head = some_head(SEGMENT + 1, 9 * base_lsn);
        head.number += what == 1;
        head.shard_index = (uint16_t)(head.shard_index + (what == 2));
        head.salt += what == 3;
        next.byte_count = what == 4 ? 0 : 2 * (uint64_t)BLOCK;
        segment_head_encode(next.bytes, &head);
        image_bounds(&next, SEGMENT + 1, &scan);
        assert_int_equal(scan.next_known, what == 0);
        assert_int_equal(scan.next_lsn, what == 0 ? 9 * base_lsn : 0);
        assert_int_equal(scan.next_chain, what == 0 ? 99 : 0);
    }
    free(next.bytes);
}

/* A scan of an image without batches, and a next one that begins and knows what it is told. */
static bool proves(uint64_t next_lsn, uint64_t durable_lsn, uint64_t end_offset, struct scan *scan)
{
    struct image image = image_of(BLOCKS);
    struct image next = image_of(BLOCKS);
    struct segment_head head = some_head(SEGMENT + 1, next_lsn);
    *scan = (struct scan){.image = image.bytes,
                          .end_offset = end_offset,
                          .base_lsn = base_lsn,
                          .offset = 4 * BLOCK,
                          .salt = SALT,
                          .segment = SEGMENT,
                          .shard_index = SHARD};
    segment_head_encode(next.bytes, &head);
    put_batch(&next, SEGMENT + 1, next_lsn, 1, durable_lsn);
    bool more = image_proves_more(&next, SEGMENT + 1, scan);
    free(image.bytes);
    free(next.bytes);
    return more;
}

static void the_next_file_proves_what_it_knows_and_no_more(void **state)
{
    (void)state;
    const uint64_t end_lsn = base_lsn + 3 * (uint64_t)BLOCK; /* where the scan ended */
    const uint64_t whole = BLOCKS * (uint64_t)BLOCK;
    struct scan scan;
    assert_false(proves(end_lsn, end_lsn + BLOCK, whole, &scan)); /* nothing is missing between */
    assert_false(proves(end_lsn + 8 * BLOCK, end_lsn, whole, &scan)); /* it knows of nothing */
    assert_true(proves(end_lsn + 8 * BLOCK, end_lsn + 5 * BLOCK, whole, &scan));
    assert_int_equal(scan.durable_lsn, end_lsn + 5 * BLOCK);
    assert_int_equal(scan.end_offset, (4 + 5) * BLOCK);
    assert_true(proves(end_lsn + 8 * BLOCK, end_lsn + 20 * BLOCK, whole, &scan));
    assert_int_equal(scan.end_offset, (4 + 8) * BLOCK); /* and not beyond its own beginning */
    /* A file cut short ends where it ends, whatever the next one knows. */
    assert_true(proves(end_lsn + 80 * BLOCK, end_lsn + 80 * BLOCK, whole, &scan));
    assert_int_equal(scan.end_offset, whole);
    assert_false(proves(end_lsn + 8 * BLOCK, end_lsn + 8 * BLOCK, 4 * BLOCK, &scan));
    struct image none = {.file = -1};
    assert_false(image_proves_more(&none, SEGMENT + 1, &scan));
}

/* ---- from the disk --------------------------------------------------------------------------- */

static struct disk *disk_with_file(uint64_t byte_count)
{
    struct disk *disk = disk_create(1);
    struct imlog_io *io = disk_io(disk);
    uint8_t *bytes = malloc(byte_count + 1);
    assert_non_null(bytes);
    memset(bytes, 0x5a, byte_count);
    int file = blocking_open(io, "/f", O_RDWR | O_CREAT);
    assert_true(file >= 0);
    if (byte_count > 0)
        assert_int_equal(blocking_write(io, file, bytes, byte_count, 0, 0), 0);
    assert_int_equal(blocking_close(io, file), 0);
    free(bytes);
    return disk;
}

static void an_empty_file_is_read_as_one(void **state)
{
    (void)state;
    struct disk *disk = disk_with_file(0);
    struct image image;
    assert_int_equal(image_load(disk_io(disk), "/f", true, &image), 0);
    assert_null(image.bytes);
    assert_true(image.file >= 0);
    image_unload(disk_io(disk), &image);
    disk_destroy(disk);
}

/* Only what says that the disk cannot read is read around: another error ends it, wherever it
 * comes, and nothing stays open. */
static void any_other_error_ends_the_reading(void **state)
{
    (void)state;
    struct disk *disk = disk_with_file(BLOCKS * (uint64_t)BLOCK);
    struct image image;
    for (int unreadable = 0; unreadable < 2; unreadable++) {
        if (unreadable)
            disk_fail(disk, &(struct disk_fault){.kind = DISK_READ, .error = -EIO});
        disk_fail(disk, &(struct disk_fault){.kind = DISK_READ, .error = -ENOMEM});
        assert_int_equal(image_load(disk_io(disk), "/f", true, &image), -ENOMEM);
        assert_null(image.bytes);
        assert_int_equal(image.file, -1);
        disk_heal(disk);
    }
    disk_destroy(disk);
}

static void unreadable_blocks_are_zeros_and_the_others_themselves(void **state)
{
    (void)state;
    struct disk *disk = disk_with_file(BLOCKS * (uint64_t)BLOCK);
    struct image image;
    disk_set_unreadable(disk, "/f", 20 * BLOCK, 3 * BLOCK);
    assert_int_equal(image_load(disk_io(disk), "/f", false, &image), 0);
    assert_int_equal(image.byte_count, BLOCKS * BLOCK);
    for (uint32_t block = 0; block < BLOCKS; block++) {
        for (uint32_t i = 0; i < BLOCK; i++)
            assert_int_equal(image.bytes[block * BLOCK + i], block >= 20 && block < 23 ? 0 : 0x5a);
    }
    image_unload(disk_io(disk), &image);
    disk_destroy(disk);
}

static int no_file_bytes(struct imlog_io *io, int file, uint64_t *bytes)
{
    (void)io;
    (void)file;
    (void)bytes;
    return -EIO;
}

static void a_file_of_unknown_size_is_not_read(void **state)
{
    (void)state;
    struct disk *disk = disk_with_file(BLOCK);
    struct imlog_io *io = disk_io(disk);
    struct imlog_io_ops ops = *io->ops;
    struct image image;
    ops.file_bytes = no_file_bytes;
    io->ops = &ops;
    assert_int_equal(image_load(io, "/f", true, &image), -EIO);
    assert_null(image.bytes);
    assert_int_equal(image.file, -1);
    disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_counts_at_its_own_place_only),
        cmocka_unit_test(a_file_without_head_is_known_by_its_batches),
        cmocka_unit_test(a_file_of_less_than_two_blocks_holds_nothing),
        cmocka_unit_test(a_trailer_whose_footer_does_not_fit_is_none),
        cmocka_unit_test(the_next_head_bounds_a_scan_if_it_is_the_next_one),
        cmocka_unit_test(the_next_file_proves_what_it_knows_and_no_more),
        cmocka_unit_test(an_empty_file_is_read_as_one),
        cmocka_unit_test(any_other_error_ends_the_reading),
        cmocka_unit_test(unreadable_blocks_are_zeros_and_the_others_themselves),
        cmocka_unit_test(a_file_of_unknown_size_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

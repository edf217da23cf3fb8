/* The segment table finds by number; files are opened on demand, few stay open, and
 * every read gets the bytes of its own segment. */
#include "engine/log/media.h"
#include "tests/lib/disk.h"
#include "tests/lib/prng.h"

#include "engine/io/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEGMENTS = MEDIA_OPEN_FILES_MAX + 60, BLOCKS = 3 };

struct fixture {
    struct disk *disk;
    struct imlog_io *io;
    struct media media;
};

/* Sealed segments whose every byte is their number's low byte. */
static void fixture_init(struct fixture *fixture, uint64_t seed, uint32_t segment_count)
{
    fixture->disk = disk_create(seed);
    fixture->io = disk_io(fixture->disk);
    assert_int_equal(blocking_mkdir(fixture->io, "/m"), 0);
    assert_int_equal(media_init(&fixture->media, fixture->io, "/m", 0), 0);
    for (uint32_t number = 1; number <= segment_count; number++) {
        char path[MEDIA_PATH_BYTES];
        uint8_t bytes[BLOCKS * IMLOG_BLOCK_BYTES];
        memset(bytes, (int)(number & 0xff), sizeof(bytes));
        media_segment_path(&fixture->media, number, path);
        int file = blocking_open(fixture->io, path, O_RDWR | O_CREAT);
        assert_true(file >= 0);
        assert_int_equal(blocking_write(fixture->io, file, bytes, sizeof(bytes), 0, 0), 0);
        assert_int_equal(blocking_close(fixture->io, file), 0);
        struct segment *segment =
            media_add(&fixture->media, number, sizeof(bytes), (number - 1) * UINT64_C(8192), -1);
        assert_non_null(segment);
        segment->end_lsn = number * UINT64_C(8192);
        segment_move(segment, SEGMENT_ROLLED);
        segment_move(segment, SEGMENT_SEALED);
    }
}

static void fixture_deinit(struct fixture *fixture)
{
    media_deinit(&fixture->media);
    disk_destroy(fixture->disk);
}

struct some_read {
    struct media_read read;
    struct iovec part;
    uint8_t bytes[IMLOG_BLOCK_BYTES];
    int32_t result;
    bool pending;
};

static void handle_some_read(struct media_read *read, int32_t result)
{
    struct some_read *some = (struct some_read *)(void *)read;
    some->result = result;
    some->pending = false;
}

static void some_read_start(struct fixture *fixture, struct some_read *some, uint32_t number)
{
    memset(some, 0, sizeof(*some));
    some->part = (struct iovec){.iov_base = some->bytes, .iov_len = sizeof(some->bytes)};
    some->read.parts = &some->part;
    some->read.part_count = 1;
    some->read.offset = IMLOG_BLOCK_BYTES;
    some->read.done = handle_some_read;
    some->pending = true;
    assert_int_equal(media_read_start(media_segment(&fixture->media, number), &some->read), 0);
}

static void some_read_check(const struct some_read *some, uint32_t number)
{
    assert_false(some->pending);
    assert_int_equal(some->result, IMLOG_BLOCK_BYTES);
    for (uint32_t i = 0; i < IMLOG_BLOCK_BYTES; i += 100)
        assert_int_equal(some->bytes[i], number & 0xff);
}

/* More segments than files may be open, many reads at once, in any order. */
static void every_read_gets_its_own_segment(void **state)
{
    (void)state;
    static struct some_read reads[100];
    static uint32_t numbers[100];
    struct fixture fixture;
    struct prng prng = {.state = 3};
    fixture_init(&fixture, 1, SEGMENTS);
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            numbers[i] = 1 + (uint32_t)prng_below(&prng, SEGMENTS);
            some_read_start(&fixture, &reads[i], numbers[i]);
        }
        while (fixture.media.operations > 0)
            assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
        for (uint32_t i = 0; i < 100; i++)
            some_read_check(&reads[i], numbers[i]);
    }
    fixture_deinit(&fixture);
}

/* A busy machine gives less than was asked: that is no damage, and the rest is asked for. */
static void a_short_read_is_continued(void **state)
{
    (void)state;
    struct fixture fixture;
    struct some_read read;
    fixture_init(&fixture, 7, 2);
    disk_fail(fixture.disk,
              &(struct disk_fault){.kind = DISK_READ, .short_bytes = 512, .for_ever = true});
    some_read_start(&fixture, &read, 2);
    while (fixture.media.operations > 0)
        assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
    some_read_check(&read, 2);
    disk_heal(fixture.disk);
    disk_truncate(fixture.disk, "/m/0000000002.seg", IMLOG_BLOCK_BYTES + 1536);
    some_read_start(&fixture, &read, 2); /* but not for ever: the file may end */
    while (fixture.media.operations > 0)
        assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
    assert_int_equal(read.result, 1536);
    fixture_deinit(&fixture);
}

static void only_so_many_files_stay_open(void **state)
{
    (void)state;
    struct fixture fixture;
    struct some_read read;
    fixture_init(&fixture, 2, SEGMENTS);
    for (uint32_t number = 1; number <= SEGMENTS; number++) {
        some_read_start(&fixture, &read, number);
        while (fixture.media.operations > 0)
            assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
        some_read_check(&read, number);
        assert_true(fixture.media.open_files <= MEDIA_OPEN_FILES_MAX);
    }
    fixture_deinit(&fixture);
}

static void a_file_that_cannot_be_opened_fails_its_reads_only(void **state)
{
    (void)state;
    struct fixture fixture;
    struct some_read reads[3];
    fixture_init(&fixture, 3, 2);
    disk_fail(fixture.disk,
              &(struct disk_fault){.kind = DISK_OPEN, .path_part = "0001.seg", .error = -EMFILE});
    some_read_start(&fixture, &reads[0], 1);
    some_read_start(&fixture, &reads[1], 1);
    some_read_start(&fixture, &reads[2], 2);
    while (fixture.media.operations > 0)
        assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
    assert_int_equal(reads[0].result, -EMFILE);
    assert_int_equal(reads[1].result, -EMFILE);
    some_read_check(&reads[2], 2);
    some_read_start(&fixture, &reads[0], 1); /* and the next one tries again */
    while (fixture.media.operations > 0)
        assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
    some_read_check(&reads[0], 1);
    fixture_deinit(&fixture);
}

static void poll_all(struct fixture *fixture)
{
    while (fixture->media.operations > 0)
        assert_true(fixture->io->ops->poll(fixture->io, UINT64_MAX) >= 0);
}

/* More files in use at once than may stay open: none of them is closed under its read. */
static void files_in_use_are_not_closed(void **state)
{
    (void)state;
    static struct some_read reads[SEGMENTS];
    struct fixture fixture;
    fixture_init(&fixture, 5, SEGMENTS);
    disk_hold(fixture.disk, DISK_READ, true);
    for (uint32_t number = 1; number <= SEGMENTS; number++)
        some_read_start(&fixture, &reads[number - 1], number);
    while (disk_in_flight(fixture.disk, DISK_READ) < SEGMENTS)
        assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
    assert_int_equal(fixture.media.open_files, SEGMENTS);
    disk_hold(fixture.disk, DISK_READ, false);
    poll_all(&fixture);
    for (uint32_t number = 1; number <= SEGMENTS; number++)
        some_read_check(&reads[number - 1], number);
    fixture_deinit(&fixture);
}

/* A segment that is still written to keeps its file, however long nobody reads from it. */
static void files_that_are_written_to_stay_open(void **state)
{
    (void)state;
    struct fixture fixture;
    struct some_read read;
    fixture_init(&fixture, 6, SEGMENTS);
    media_segment(&fixture.media, 1)->state = SEGMENT_ROLLED;
    for (uint32_t number = 1; number <= SEGMENTS; number++) {
        some_read_start(&fixture, &read, number);
        poll_all(&fixture);
    }
    assert_true(media_segment(&fixture.media, 1)->file >= 0);
    assert_int_equal(media_segment(&fixture.media, 2)->file, -1);
    fixture_deinit(&fixture);
}

/* A close that cannot be started leaves the file open, and one more is open than should be; one
 * that is under way does not stop the file from being opened and read again. */
static void closing_never_costs_a_read(void **state)
{
    (void)state;
    struct fixture fixture;
    struct some_read read;
    fixture_init(&fixture, 7, SEGMENTS);
    disk_fail(fixture.disk,
              &(struct disk_fault){.kind = DISK_CLOSE, .error = -EAGAIN, .at_start = true});
    disk_hold(fixture.disk, DISK_CLOSE, true);
    for (uint32_t number = 1; number <= MEDIA_OPEN_FILES_MAX + 2; number++) {
        some_read_start(&fixture, &read, number);
        while (read.pending)
            assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
        some_read_check(&read, number);
    }
    assert_int_equal(disk_in_flight(fixture.disk, DISK_CLOSE), 1);
    assert_int_equal(fixture.media.open_files, MEDIA_OPEN_FILES_MAX + 1);
    some_read_start(&fixture, &read, 1); /* the one that is being closed */
    assert_true(media_segment(&fixture.media, 1)->closing);
    while (read.pending)
        assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
    some_read_check(&read, 1);
    some_read_start(&fixture, &read, SEGMENTS); /* one more to close; it cannot be that one */
    while (read.pending)
        assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
    some_read_check(&read, SEGMENTS);
    assert_true(media_segment(&fixture.media, 1)->file >= 0);
    disk_hold(fixture.disk, DISK_CLOSE, false);
    fixture_deinit(&fixture);
}

static void a_read_that_cannot_start_says_so(void **state)
{
    (void)state;
    struct fixture fixture;
    struct some_read some;
    fixture_init(&fixture, 8, 1);
    struct segment *segment = media_segment(&fixture.media, 1);
    struct disk_fault fault = {.kind = DISK_OPEN, .error = -EAGAIN, .at_start = true};
    disk_fail(fixture.disk, &fault);
    memset(&some, 0, sizeof(some));
    assert_int_equal(media_read_start(segment, &some.read), -EAGAIN);
    fault.kind = DISK_READ; /* once the file is open; the read has been taken by then */
    disk_fail(fixture.disk, &fault);
    some_read_start(&fixture, &some, 1);
    poll_all(&fixture);
    assert_int_equal(some.result, -EAGAIN);
    disk_fail(fixture.disk, &fault);
    assert_int_equal(media_read_start(segment, &some.read), -EAGAIN);
    assert_int_equal(segment->reads, 0);
    fixture_deinit(&fixture);
}

static int failing_poll(struct imlog_io *io, uint64_t wait_ns)
{
    (void)io;
    (void)wait_ns;
    return -EBADF;
}

/* The end waits for what is under way, unless it would never come. */
static void the_end_waits_for_reads_while_they_can_come(void **state)
{
    (void)state;
    for (int broken = 0; broken < 2; broken++) {
        struct fixture fixture;
        static struct some_read read; /* the broken disk may still have it */
        fixture_init(&fixture, 9, 1);
        some_read_start(&fixture, &read, 1);
        const struct imlog_io_ops *sound = fixture.io->ops;
        struct imlog_io_ops ops = *sound;
        ops.poll = broken ? failing_poll : sound->poll;
        fixture.io->ops = &ops;
        media_deinit(&fixture.media);
        assert_int_equal(read.pending, broken);
        assert_int_equal(fixture.media.segment_count, 0);
        fixture.io->ops = sound;
        disk_destroy(fixture.disk);
    }
}

static void an_empty_table_finds_nothing(void **state)
{
    (void)state;
    struct media media = {.segment_count = 0};
    assert_null(media_segment(&media, 0));
    assert_null(media_segment(&media, 1));
}

static void segments_are_found_by_number(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 4, 50);
    const struct media *media = &fixture.media;
    assert_null(media_segment(media, 0));
    assert_null(media_segment(media, 51));
    for (uint32_t number = 1; number <= 50; number++) {
        struct segment *segment = media_segment(media, number);
        assert_int_equal(segment->number, number);
        assert_int_equal(segment_offset_of_lsn(segment, segment->base_lsn), IMLOG_BLOCK_BYTES);
        assert_int_equal(segment_lsn_of_offset(segment, IMLOG_BLOCK_BYTES + 8),
                         segment->base_lsn + 8);
    }
    fixture_deinit(&fixture);
}

static void file_names_and_numbers_are_one_to_one(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "1.seg",
                                         "0000000001.se",
                                         "0000000001.segx",
                                         "x000000001.seg",
                                         "00000000001.seg",
                                         "0000000000.seg",
                                         "4294967295.seg",
                                         "checkpoint.tmp",
                                         "LOCK"};
    struct media media = {.directory = (char *)(uintptr_t) "/m"};
    struct prng prng = {.state = 9};
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t number = (uint32_t)prng_next(&prng);
        char path[MEDIA_PATH_BYTES];
        if (number == 0 || number == SEGMENT_UNKNOWN)
            continue;
        media_segment_path(&media, number, path);
        assert_int_equal(media_segment_number(path + strlen("/m/")), number);
    }
    for (uint32_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(media_segment_number(others[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_read_gets_its_own_segment),
        cmocka_unit_test(a_short_read_is_continued),
        cmocka_unit_test(only_so_many_files_stay_open),
        cmocka_unit_test(a_file_that_cannot_be_opened_fails_its_reads_only),
        cmocka_unit_test(files_in_use_are_not_closed),
        cmocka_unit_test(files_that_are_written_to_stay_open),
        cmocka_unit_test(closing_never_costs_a_read),
        cmocka_unit_test(a_read_that_cannot_start_says_so),
        cmocka_unit_test(the_end_waits_for_reads_while_they_can_come),
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(segments_are_found_by_number),
        cmocka_unit_test(file_names_and_numbers_are_one_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

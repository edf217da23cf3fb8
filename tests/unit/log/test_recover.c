/* Reading a log back: files of other states, damage, and whoever folds the records may refuse. */
#include "tests/lib/segment_map.h"
#include "tests/unit/log/fixture.h"

static const char *path_of(uint32_t number, char path[64])
{
    (void)snprintf(path, 64, "/log/%010u.seg", number);
    return path;
}

static void flip(struct fixture *fixture, uint32_t number, uint64_t offset)
{
    char path[64];
    disk_flip_bit(fixture->disk, path_of(number, path), offset * 8);
}

/* A whole file from another disk. */
static void copy_file(struct fixture *to, const struct fixture *from, uint32_t number)
{
    char path[64];
    uint64_t byte_count = disk_file_bytes(from->disk, path_of(number, path));
    uint8_t *bytes = malloc(byte_count);
    assert_non_null(bytes);
    disk_peek(from->disk, path, 0, bytes, byte_count);
    disk_poke(to->disk, path, 0, bytes, byte_count);
    free(bytes);
}

/* ---- the fold -------------------------------------------------------------------------------- */

/* Whichever call refuses, and whether in sound bytes or in damaged ones: recovery ends with its
 * error at once, and the next one reads everything. */
static void an_error_of_the_fold_ends_recovery(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    for (uint32_t i = 0; i < 5; i++)
        put(&fixture, 100, false); /* several in a batch */
    fill(&fixture, 3, 100000, 3);
    uint64_t next_seq = fixture.next_seq;
    stop(&fixture);
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged) /* the first record's payload */
            flip(&fixture, 1, 2 * IMLOG_BLOCK_BYTES + sizeof(struct batch_header) + 500);
        for (enum call call = BEGIN; call < CALLS; call++) {
            fixture.failing = call;
            fixture.error = -ENOMEM;
            bool met = call != DAMAGE || damaged;
            assert_int_equal(try_open(&fixture), met ? -ENOMEM : 0);
            assert_int_equal(fixture.calls[call], met);
            if (!met)
                log_deinit(&fixture.log);
        }
    }
    fixture.error = 0;
    assert_int_equal(try_open(&fixture), 0);
    assert_int_equal(fixture.next_seq, next_seq);
    assert_int_equal(fixture.calls[DAMAGE], 1);
    log_deinit(&fixture.log);
    disk_destroy(fixture.disk);
}

/* Valid checksums around records that do not fill the batch: damage, with what can be saved. */
static void a_sealed_batch_of_nonsense_is_damage(void **state)
{
    (void)state;
    struct fixture fixture;
    struct segment_map map;
    struct batch_header header;
    uint8_t batch[IMLOG_BLOCK_BYTES];
    char path[64];
    fixture_init(&fixture);
    fill(&fixture, 1, 100, 5);
    uint64_t next_seq = fixture.next_seq;
    stop(&fixture);
    segment_map_read(&map, fixture.disk, path_of(1, path));
    uint64_t offset = map.batches[map.batch_count - 1].offset;
    disk_peek(fixture.disk, path, offset, batch, sizeof(batch));
    memcpy(&header, batch, sizeof(header));
    assert_int_equal(header.record_count, 1);
    header.record_count = 2;
    (void)batch_seal(batch, header, SALT);
    disk_poke(fixture.disk, path, offset, batch, sizeof(batch));
    assert_int_equal(try_open(&fixture), 0);
    assert_int_equal(fixture.calls[DAMAGE], 1);
    assert_int_equal(fixture.next_seq, next_seq);
    log_deinit(&fixture.log);
    fixture.failing = RECORD;
    fixture.error = -ENOMEM;
    assert_int_equal(try_open(&fixture), -ENOMEM);
    segment_map_deinit(&map);
    disk_destroy(fixture.disk);
}

/* The last batches of a segment are gone, and with them all watermarks above: the next segment
 * knows that they were durable. */
static void what_the_next_segment_knows_to_be_missing_is_damage(void **state)
{
    (void)state;
    struct fixture fixture;
    struct segment_map map;
    char path[64];
    static const uint8_t zeros[64 * IMLOG_BLOCK_BYTES];
    fixture_init(&fixture);
    fill(&fixture, 2, 100000, 5);
    uint64_t next_seq = fixture.next_seq;
    uint64_t end_lsn = fixture.log.media.segments[0]->end_lsn;
    stop(&fixture);
    segment_map_read(&map, fixture.disk, path_of(1, path));
    for (uint32_t i = map.batch_count - 3; i < map.batch_count; i++)
        disk_poke(fixture.disk, path, map.batches[i].offset, zeros,
                  map.batches[i].end_offset - map.batches[i].offset);
    assert_int_equal(try_open(&fixture), 0);
    assert_int_equal(fixture.calls[DAMAGE], 1);
    assert_int_equal(fixture.next_seq, next_seq);
    assert_int_equal(fixture.log.media.segments[0]->end_lsn, end_lsn);
    segment_map_deinit(&map);
    log_deinit(&fixture.log);
    disk_destroy(fixture.disk);
}

/* Its size is in its head; but no segment is shorter than the least there is. */
static void a_headless_segment_that_is_cut_short_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    char path[64];
    fixture_init(&fixture);
    fill(&fixture, 2, 30000, 9);
    stop(&fixture);
    flip(&fixture, 2, 100);
    disk_truncate(fixture.disk, path_of(2, path), (uint64_t)64 * IMLOG_BLOCK_BYTES);
    assert_int_equal(try_open(&fixture), IMLOG_ECORRUPT);
    assert_non_null(strstr(fixture.why.text, "cut short"));
    disk_destroy(fixture.disk);
}

/* ---- files of other states ------------------------------------------------------------------- */

/* Two logs of the same shard that went different ways; the second one's segment 2 begins before
 * the first one's segment 1 ends. */
static void two_histories(struct fixture *one, struct fixture *other, uint32_t more_count)
{
    fixture_init(one);
    fill(one, 2, 30000, 3);
    fixture_init(other);
    fill(other, 2, 100000, more_count);
    assert_true(other->log.media.segments[1]->base_lsn < one->log.media.segments[0]->end_lsn);
    stop(one);
    stop(other);
    copy_file(one, other, 2);
}

static void a_file_of_another_history_that_was_durable_is_refused(void **state)
{
    (void)state;
    for (uint32_t more_count = 0; more_count < 20; more_count += 19) {
        for (int headless = 0; headless < 2; headless++) {
            struct fixture one;
            struct fixture other;
            char path[64];
            two_histories(&one, &other, more_count);
            if (headless)
                flip(&one, 2, 100);
            uint8_t before[IMLOG_BLOCK_BYTES];
            uint8_t after[IMLOG_BLOCK_BYTES];
            disk_peek(one.disk, path_of(2, path), IMLOG_BLOCK_BYTES, before, sizeof(before));
            assert_int_equal(try_open(&one), IMLOG_ECORRUPT);
            assert_string_not_equal(one.why.text, "");
            disk_peek(one.disk, path, IMLOG_BLOCK_BYTES, after, sizeof(after));
            assert_memory_equal(before, after, sizeof(before));
            disk_destroy(one.disk);
            disk_destroy(other.disk);
        }
    }
}

/* Of an older epoch than what the log ends with: a tail that was cut, whatever it held. */
static void a_file_of_a_tail_that_was_cut_is_not_the_log(void **state)
{
    (void)state;
    struct fixture one;
    struct fixture other;
    two_histories(&one, &other, 0);
    assert_int_equal(try_open(&other), 0);
    log_deinit(&other.log);
    disk_destroy(one.disk);
    fixture_init(&one);
    stop(&one);
    assert_int_equal(try_open(&one), 0); /* a second life, a higher epoch */
    assert_int_equal(log_start(&one.log, FOOTER_BYTES), 0);
    fill(&one, 2, 30000, 0);
    uint64_t end_lsn = one.log.media.segments[0]->end_lsn;
    stop(&one);
    copy_file(&one, &other, 2);
    assert_int_equal(try_open(&one), 0);
    assert_int_equal(one.log.media.segment_count, 1);
    assert_int_equal(one.log.fill_lsn, end_lsn);
    log_deinit(&one.log);
    disk_destroy(one.disk);
    disk_destroy(other.disk);
}

/* A file behind the end that cannot be looked at might hold what was acked. */
static void a_file_behind_the_end_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct fixture fixture;
    char path[64];
    fixture_init(&fixture);
    fill(&fixture, 4, 100000, 0);
    stop(&fixture);
    disk_remove(fixture.disk, path_of(2, path));
    disk_fail(fixture.disk,
              &(struct disk_fault){.kind = DISK_OPEN, .path_part = "0004.seg", .error = -EACCES});
    disk_fail(fixture.disk,
              &(struct disk_fault){.kind = DISK_OPEN, .path_part = "0003.seg", .error = -EACCES});
    assert_int_equal(try_open(&fixture), -EACCES);
    assert_non_null(strstr(fixture.why.text, "0003.seg"));
    assert_int_equal(try_open(&fixture), IMLOG_ECORRUPT); /* segment 3 can be read, and says so */
    assert_non_null(strstr(fixture.why.text, "missing"));
    disk_remove(fixture.disk, path_of(3, path));
    assert_int_equal(try_open(&fixture), -EACCES);
    assert_non_null(strstr(fixture.why.text, "0004.seg"));
    assert_int_equal(try_open(&fixture), IMLOG_ECORRUPT);
    assert_non_null(strstr(fixture.why.text, "missing"));
    disk_destroy(fixture.disk);
}

static void a_log_shorter_than_its_checkpoint_says_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fill(&fixture, 1, 100, 5);
    uint64_t end_lsn = fixture.log.durable_lsn;
    stop(&fixture);
    struct log_origin origin = {.segment = 1, .durable_lsn = end_lsn};
    assert_int_equal(try_recover(&fixture, &origin), 0);
    assert_int_equal(fixture.calls[DAMAGE], 0);
    log_deinit(&fixture.log);
    origin = (struct log_origin){.segment = 2, .base_lsn = end_lsn, .durable_lsn = end_lsn + 4096};
    assert_int_equal(try_recover(&fixture, &origin), IMLOG_ECORRUPT);
    assert_non_null(strstr(fixture.why.text, "checkpoint"));
    disk_destroy(fixture.disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_of_the_fold_ends_recovery),
        cmocka_unit_test(a_sealed_batch_of_nonsense_is_damage),
        cmocka_unit_test(what_the_next_segment_knows_to_be_missing_is_damage),
        cmocka_unit_test(a_headless_segment_that_is_cut_short_is_refused),
        cmocka_unit_test(a_file_of_another_history_that_was_durable_is_refused),
        cmocka_unit_test(a_file_of_a_tail_that_was_cut_is_not_the_log),
        cmocka_unit_test(a_file_behind_the_end_that_cannot_be_read_is_an_error),
        cmocka_unit_test(a_log_shorter_than_its_checkpoint_says_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

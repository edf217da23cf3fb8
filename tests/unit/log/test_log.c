/* Group commit: batches fill while one is written, durability rises in log order whatever order
 * writes complete in, and a failed write ends it all. */
#include "engine/log/log.h"
#include "engine/log/recover.h"
#include "tests/lib/disk.h"
#include "tests/lib/prng.h"

#include "engine/io/blocking.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { FOOTER_BYTES = 3 * IMLOG_BLOCK_BYTES };

struct fixture {
    struct disk *disk;
    struct imlog_io *io;
    struct log log;
    uint64_t next_seq;
    uint32_t error_reports;
};

static void handle_report(void *arg, enum imlog_severity severity, const char *line)
{
    struct fixture *fixture = arg;
    (void)line;
    fixture->error_reports += severity == IMLOG_ERROR;
}

static int fold_begin(void *arg, struct segment *segment, bool sealed)
{
    (void)arg;
    (void)segment;
    (void)sealed;
    return 0;
}

static int fold_record(void *arg, const struct record *record, const struct log_position *position,
                       bool payload_valid)
{
    struct fixture *fixture = arg;
    (void)position;
    assert_true(payload_valid);
    assert_int_equal(record->header.seq, fixture->next_seq);
    fixture->next_seq++;
    return 0;
}

static int fold_damage(void *arg, struct segment *segment, const struct scan_item *item,
                       uint32_t lost_records)
{
    (void)arg;
    (void)segment;
    (void)item;
    (void)lost_records;
    fail_msg("damage");
    return 0;
}

static int fold_end(void *arg, struct segment *segment, const uint8_t *image)
{
    (void)arg;
    (void)segment;
    (void)image;
    return 0;
}

static void log_open(struct fixture *fixture)
{
    static const uint8_t uuid[16] = {1, 2, 3};
    struct log_options options = {.io = fixture->io,
                                  .directory = "/log",
                                  .uuid = uuid,
                                  .salt = 99,
                                  .segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                  .hot_bytes = 32 << 20,
                                  .report = handle_report,
                                  .report_arg = fixture};
    struct log_fold fold = {.arg = fixture,
                            .segment_begin = fold_begin,
                            .record = fold_record,
                            .damage = fold_damage,
                            .segment_end = fold_end};
    struct log_origin origin = {.segment = 1};
    struct log_recovered recovered;
    struct imlog_why why;
    fixture->next_seq = 1;
    assert_int_equal(log_init(&fixture->log, &options), 0);
    assert_int_equal(log_recover(&fixture->log, &origin, &fold, &recovered, &why), 0);
    assert_int_equal(log_start(&fixture->log, FOOTER_BYTES), 0);
}

static void fixture_init(struct fixture *fixture, uint64_t seed)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->disk = disk_create(seed);
    fixture->io = disk_io(fixture->disk);
    assert_int_equal(blocking_mkdir(fixture->io, "/log"), 0);
    assert_int_equal(blocking_sync_directory(fixture->io, "/"), 0);
    log_open(fixture);
}

static void fixture_deinit(struct fixture *fixture)
{
    log_deinit(&fixture->log);
    disk_destroy(fixture->disk);
}

/* Returns what log_room() said; the record's end lsn in *end_lsn. */
static int put(struct fixture *fixture, uint32_t body_bytes)
{
    static uint8_t body[IMLOG_BODY_BYTES_MAX];
    struct message_head head = {.msg_id = fixture->next_seq, .sender_id = 1};
    struct record_header header = {
        .subject_id = 1, .seq = fixture->next_seq, .kind = RECORD_MESSAGE};
    uint32_t bytes = record_bytes((uint32_t)sizeof(head) + body_bytes);
    int error = log_room(&fixture->log, bytes, FOOTER_BYTES);
    if (error < 0)
        return error;
    fixture->next_seq++;
    (void)log_put(&fixture->log, &header, &head, sizeof(head), body, body_bytes);
    return 0;
}

static void poll_once(struct fixture *fixture)
{
    assert_true(fixture->io->ops->poll(fixture->io, 1000000) >= 0);
}

static void rest(struct fixture *fixture)
{
    for (int i = 0; i < 60; i++) {
        log_turn(&fixture->log);
        poll_once(fixture);
    }
}

static uint32_t log_writes(const struct fixture *fixture)
{
    return fixture->log.in_flight;
}

/* Until the next segment is ready and the log idle. */
static void quiet(struct fixture *fixture)
{
    rest(fixture);
    while (fixture->log.prepare.state != PREPARE_READY ||
           fixture->log.records_end_lsn > fixture->log.watermark_lsn)
        rest(fixture);
    rest(fixture);
    assert_int_equal(log_writes(fixture), 0);
}

static void the_next_batch_fills_while_one_is_written(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    quiet(&fixture);
    disk_hold(fixture.disk, DISK_WRITE, true);
    assert_int_equal(put(&fixture, 100), 0);
    log_turn(&fixture.log);
    assert_int_equal(log_writes(&fixture), 1);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(put(&fixture, 100), 0);
        log_turn(&fixture.log);
    }
    assert_int_equal(log_writes(&fixture), 1); /* one batch in flight, one filling */
    assert_int_equal(fixture.log.fill_count, 50);
    uint64_t batches = fixture.log.stats.batches;
    disk_hold(fixture.disk, DISK_WRITE, false);
    assert_int_equal(log_flush(&fixture.log), 0);
    assert_int_equal(fixture.log.stats.batches, batches + 2);
    assert_int_equal(fixture.log.durable_lsn, log_end_lsn(&fixture.log));
    fixture_deinit(&fixture);
}

/* Full batches are written side by side, but no more than so many. */
static void writes_in_flight_are_bounded(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 2);
    quiet(&fixture);
    disk_hold(fixture.disk, DISK_WRITE, true);
    int error = 0;
    while (error == 0) {
        error = put(&fixture, 60000);
        log_turn(&fixture.log);
        assert_true(log_writes(&fixture) <= IMLOG_WRITES_IN_FLIGHT_MAX);
    }
    assert_int_equal(error, IMLOG_EBUSY);
    assert_int_equal(log_writes(&fixture), IMLOG_WRITES_IN_FLIGHT_MAX);
    assert_true(log_end_lsn(&fixture.log) - fixture.log.durable_lsn <= LOG_UNWRITTEN_BYTES_MAX);
    disk_hold(fixture.disk, DISK_WRITE, false);
    assert_int_equal(log_flush(&fixture.log), 0);
    rest(&fixture);
    assert_int_equal(put(&fixture, 60000), 0);
    fixture_deinit(&fixture);
}

/* durable_lsn moves only over a prefix, whatever order the disk answers in. */
static void durability_rises_in_log_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fixture fixture;
        fixture_init(&fixture, seed);
        quiet(&fixture);
        disk_hold(fixture.disk, DISK_WRITE, true);
        assert_int_equal(put(&fixture, 200000), 0);
        uint64_t first_end = log_end_lsn(&fixture.log);
        log_turn(&fixture.log);
        disk_hold_newest(fixture.disk, DISK_WRITE); /* the first one is the last to land */
        for (int i = 0; i < 3; i++) {
            assert_int_equal(put(&fixture, 200000), 0);
            log_turn(&fixture.log);
        }
        uint64_t durable_lsn = fixture.log.durable_lsn;
        disk_hold(fixture.disk, DISK_WRITE, false);
        for (int i = 0; i < 20; i++)
            poll_once(&fixture);
        assert_int_equal(log_writes(&fixture), 1);
        assert_int_equal(fixture.log.durable_lsn, durable_lsn);
        disk_let_go(fixture.disk);
        while (log_writes(&fixture) > 0)
            poll_once(&fixture);
        assert_true(fixture.log.durable_lsn > first_end);
        assert_int_equal(log_flush(&fixture.log), 0);
        fixture_deinit(&fixture);
    }
}

static void no_batch_is_larger_than_the_bounds(void **state)
{
    (void)state;
    struct fixture fixture;
    struct prng prng = {.state = 5};
    fixture_init(&fixture, 3);
    for (int i = 0; i < 400; i++) {
        uint32_t body_bytes =
            (uint32_t)prng_below(&prng, prng_one_in(&prng, 8) ? IMLOG_BODY_BYTES_MAX + 1 : 50000);
        while (put(&fixture, body_bytes) == IMLOG_EBUSY)
            rest(&fixture);
        assert_true(batch_padded_bytes(fixture.log.fill_bytes) <= IMLOG_BATCH_BYTES_MAX);
        assert_true(fixture.log.fill_count == 1 ||
                    fixture.log.fill_bytes <= IMLOG_BATCH_FILL_BYTES);
        log_turn(&fixture.log);
        poll_once(&fixture);
    }
    assert_int_equal(log_flush(&fixture.log), 0);
    assert_true(fixture.log.media.segment_count > 5);
    for (uint32_t i = 0; i < fixture.log.media.segment_count; i++) {
        const struct segment *segment = fixture.log.media.segments[i];
        uint64_t used = segment_offset_of_lsn(segment, segment->end_lsn);
        assert_true(used + FOOTER_BYTES + IMLOG_BLOCK_BYTES <= segment->segment_bytes);
    }
    fixture_deinit(&fixture);
}

/* After a pause an empty batch says that the last record is durable; and then no more of them. */
static void a_pause_gets_one_watermark(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 4);
    quiet(&fixture);
    uint64_t batches = fixture.log.stats.batches;
    assert_int_equal(put(&fixture, 100), 0);
    assert_int_equal(log_flush(&fixture.log), 0);
    assert_true(fixture.log.watermark_lsn < fixture.log.records_end_lsn);
    log_turn(&fixture.log);
    uint64_t now_ns = fixture.io->ops->monotonic_ns(fixture.io);
    assert_in_range(log_wait_ns(&fixture.log, now_ns), 1, LOG_IDLE_WATERMARK_NS);
    for (int i = 0; i < 300; i++)
        rest(&fixture);
    assert_int_equal(fixture.log.stats.batches, batches + 2);
    assert_true(fixture.log.watermark_lsn >= fixture.log.records_end_lsn);
    assert_int_equal(log_wait_ns(&fixture.log, fixture.io->ops->monotonic_ns(fixture.io)),
                     UINT64_MAX);
    fixture_deinit(&fixture);
}

/* After a failed write nothing becomes durable any more, whatever still completes. */
static void fail_one_write(uint64_t seed, const struct disk_fault *fault)
{
    struct fixture fixture;
    fixture_init(&fixture, seed);
    quiet(&fixture);
    assert_int_equal(put(&fixture, 1000), 0);
    assert_int_equal(log_flush(&fixture.log), 0);
    uint64_t durable_lsn = fixture.log.durable_lsn;
    uint64_t acked_seq = fixture.next_seq;
    disk_hold(fixture.disk, DISK_WRITE, true);
    disk_fail(fixture.disk, fault);
    for (int i = 0; i < 6; i++) {
        (void)put(&fixture, 200000);
        log_turn(&fixture.log);
    }
    disk_hold(fixture.disk, DISK_WRITE, false);
    for (int i = 0; i < 30; i++)
        rest(&fixture);
    assert_true(fixture.log.degraded);
    assert_int_equal(fixture.error_reports, 1);
    assert_int_equal(log_flush(&fixture.log), IMLOG_EDEGRADED);
    assert_int_equal(put(&fixture, 100), IMLOG_EDEGRADED);
    uint64_t reached_lsn = fixture.log.durable_lsn;
    assert_true(reached_lsn >= durable_lsn);
    uint64_t writes = disk_op_count(fixture.disk, DISK_WRITE);
    rest(&fixture);
    assert_int_equal(disk_op_count(fixture.disk, DISK_WRITE), writes); /* nothing is written */
    assert_int_equal(fixture.log.durable_lsn, reached_lsn);
    assert_int_equal(log_wait_ns(&fixture.log, 0), UINT64_MAX);
    disk_heal(fixture.disk);
    disk_crash(fixture.disk, DISK_DROP_ALL);
    log_deinit(&fixture.log);
    disk_restart(fixture.disk);
    log_open(&fixture);
    assert_true(fixture.next_seq >= acked_seq);
    fixture_deinit(&fixture);
}

static void a_failed_or_short_write_degrades(void **state)
{
    (void)state;
    for (uint64_t skip = 0; skip < 4; skip++) {
        for (int how = 0; how < 4; how++) {
            static const int errors[] = {-EIO, -ENOSPC, 0, -EAGAIN};
            fail_one_write(1 + skip * 4 + (uint64_t)how,
                           &(struct disk_fault){.kind = DISK_WRITE,
                                                .skip_count = skip,
                                                .error = errors[how],
                                                .short_bytes = how == 2 ? 4096 : 0,
                                                .at_start = how == 3});
        }
    }
}

/* Flushed at random places, crashed at random moments: everything durable comes back, once. */
static void what_was_durable_comes_back_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct fixture fixture;
        struct prng prng = {.state = seed};
        fixture_init(&fixture, seed);
        uint64_t durable_seq = 0;
        for (int life = 0; life < 4; life++) {
            for (uint64_t i = prng_below(&prng, 150); i > 0; i--) {
                (void)put(&fixture, (uint32_t)prng_below(&prng, 150000));
                log_turn(&fixture.log);
                if (prng_one_in(&prng, 3))
                    poll_once(&fixture);
            }
            if (prng_one_in(&prng, 2) && log_flush(&fixture.log) == 0)
                durable_seq = fixture.next_seq - 1;
            disk_crash(fixture.disk, (enum disk_crash)prng_below(&prng, DISK_CRASH_KINDS));
            log_deinit(&fixture.log);
            disk_restart(fixture.disk);
            log_open(&fixture);
            assert_true(fixture.next_seq - 1 >= durable_seq);
            durable_seq = fixture.next_seq - 1;
            assert_int_equal(fixture.log.epoch, life + 2);
        }
        fixture_deinit(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_batch_fills_while_one_is_written),
        cmocka_unit_test(writes_in_flight_are_bounded),
        cmocka_unit_test(durability_rises_in_log_order),
        cmocka_unit_test(no_batch_is_larger_than_the_bounds),
        cmocka_unit_test(a_pause_gets_one_watermark),
        cmocka_unit_test(a_failed_or_short_write_degrades),
        cmocka_unit_test(what_was_durable_comes_back_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

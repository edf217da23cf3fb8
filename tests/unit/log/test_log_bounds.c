/* The log at its bounds, and where the disk or the kernel gives up under it. */
#include "tests/unit/log/fixture.h"

static uint64_t now_ns(const struct fixture *fixture)
{
    struct imlog_io *io = disk_io(fixture->disk);
    return io->ops->monotonic_ns(io);
}

/* Until the next segment is ready and nothing is under way. */
static void quiet(struct fixture *fixture)
{
    while (fixture->log.prepare.state != PREPARE_READY || fixture->log.in_flight > 0 ||
           fixture->log.records_end_lsn > fixture->log.watermark_lsn)
        turn(fixture);
}

static void end(struct fixture *fixture)
{
    log_deinit(&fixture->log);
    disk_destroy(fixture->disk);
}

/* Small batches and large ones in turn fill the queue before they fill the memory. */
static void a_full_queue_takes_no_more(void **state)
{
    (void)state;
    for (uint32_t first = 0; first < 2; first++) {
        struct fixture fixture;
        fixture_begin(&fixture);
        fixture.segment_bytes = 32 << 20;
        fixture.hot_bytes = 64 << 20;
        assert_int_equal(try_open(&fixture), 0);
        assert_int_equal(log_start(&fixture.log, FOOTER_BYTES), 0);
        quiet(&fixture);
        struct log *log = &fixture.log;
        disk_hold(fixture.disk, DISK_WRITE, true);
        int error = 0;
        for (uint32_t i = first; error == 0; i++)
            error = try_put(&fixture, i % 2 == 0 ? 8 : IMLOG_BATCH_FILL_BYTES);
        assert_int_equal(error, IMLOG_EBUSY);
        assert_int_equal(log->queue_tail - log->queue_head, LOG_QUEUE_BATCHES);
        assert_true(log_end_lsn(log) - log->durable_lsn < LOG_UNWRITTEN_BYTES_MAX / 2 + (1 << 20));
        uint64_t seq = fixture.next_seq;
        assert_int_equal(try_put(&fixture, 8), IMLOG_EBUSY);
        assert_int_equal(fixture.next_seq, seq);
        disk_hold(fixture.disk, DISK_WRITE, false);
        flush(&fixture);
        put(&fixture, 8, true);
        end(&fixture);
    }
}

/* While a reader looks at them, the pages of the ring are not written over. */
static void what_is_pinned_is_not_written_over(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct log *log = &fixture.log;
    while (log->fill_lsn < 2 * log->ring.ring_bytes)
        put(&fixture, 100000, true);
    quiet(&fixture);
    uint64_t pinned_lsn = log_hot_floor(log) + 3 * (uint64_t)IMLOG_BLOCK_BYTES;
    uint8_t before[IMLOG_BLOCK_BYTES];
    memcpy(before, ring_at(&log->ring, pinned_lsn), sizeof(before));
    log->pinned_lsn = pinned_lsn;
    int error = 0;
    for (uint32_t count = 0; error == 0; count++) {
        error = try_put(&fixture, 1000);
        if (error == 0)
            flush(&fixture);
        assert_memory_equal(ring_at(&log->ring, pinned_lsn), before, sizeof(before));
        assert_true(count < 10);
    }
    assert_int_equal(error, IMLOG_EBUSY);
    log->pinned_lsn = UINT64_MAX;
    put(&fixture, 1000, true);
    end(&fixture);
}

static void a_log_with_work_does_not_wait(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    struct log *log = &fixture.log;
    quiet(&fixture);
    put(&fixture, 100, false);
    assert_int_equal(log_wait_ns(log, now_ns(&fixture)), 0); /* a batch to close */
    put(&fixture, IMLOG_BATCH_FILL_BYTES, false);
    assert_true(log->queue_next != log->queue_tail);
    assert_int_equal(log_wait_ns(log, now_ns(&fixture)), 0); /* a batch to write */
    flush(&fixture);
    assert_true(log->records_end_lsn > log->watermark_lsn);
    uint64_t begun_ns = now_ns(&fixture);
    assert_int_equal(log_wait_ns(log, begun_ns), LOG_IDLE_WATERMARK_NS); /* the pause begins */
    log_turn(log);
    assert_in_range(log_wait_ns(log, now_ns(&fixture)), 1, LOG_IDLE_WATERMARK_NS);
    disk_advance_ns(fixture.disk, LOG_IDLE_WATERMARK_NS);
    assert_int_equal(log_wait_ns(log, now_ns(&fixture)), 0); /* and is over */
    log_turn(log);
    assert_int_equal(log->in_flight, 1);
    flush(&fixture);
    assert_int_equal(log_wait_ns(log, now_ns(&fixture)), UINT64_MAX);
    end(&fixture);
}

/* The next segment cannot be made: a full disk says so and is waited out; a failing one makes the
 * log busy, until its next turn gives up. */
static void a_segment_that_cannot_be_made_refuses_appends(void **state)
{
    (void)state;
    static const int errors[] = {-ENOSPC, -EIO};
    for (int what = 0; what < 2; what++) {
        struct fixture fixture;
        struct log *log = &fixture.log;
        fixture_begin(&fixture);
        fixture.hot_bytes = 4 * IMLOG_SEGMENT_BYTES_MIN; /* a segment's worth may be unwritten */
        assert_int_equal(try_open(&fixture), 0);
        assert_int_equal(log_start(log, FOOTER_BYTES), 0);
        quiet(&fixture);
        disk_fail(fixture.disk, &(struct disk_fault){.kind = DISK_ALLOCATE, .error = errors[what]});
        fill(&fixture, 2, 100000, 0);
        while (log->prepare.state != PREPARE_FAILED)
            turn(&fixture);
        int error = 0;
        while (error == 0) /* without a turn of the log in between */
            error = try_put(&fixture, 60000);
        assert_int_equal(error, what == 0 ? IMLOG_EDISKFULL : IMLOG_EBUSY);
        assert_false(log->degraded);
        log_turn(log);
        assert_int_equal(log->degraded, what == 1);
        assert_int_equal(fixture.error_reports, what);
        end(&fixture);
    }
}

/* Nothing can be written: opening says so, whichever operation of making the first segment it is
 * that fails, and the next opening works. */
static void a_log_that_cannot_be_begun_says_why(void **state)
{
    (void)state;
    static const enum disk_op_kind kinds[] = {DISK_OPEN, DISK_ALLOCATE, DISK_WRITE, DISK_SYNC};
    for (int what = 0; what < 4; what++) {
        struct fixture fixture;
        fixture_begin(&fixture);
        assert_int_equal(try_open(&fixture), 0);
        disk_fail(fixture.disk, &(struct disk_fault){.kind = kinds[what], .error = -EIO});
        assert_int_equal(log_start(&fixture.log, FOOTER_BYTES), -EIO);
        assert_true(fixture.log.degraded);
        log_deinit(&fixture.log);
        assert_int_equal(try_open(&fixture), 0);
        assert_int_equal(log_start(&fixture.log, FOOTER_BYTES), 0);
        put(&fixture, 100, true);
        end(&fixture);
    }
}

/* The torn tail is wiped, and what was read made durable, before anything is served; where that
 * fails the log does not open. */
static void a_tail_that_cannot_be_settled_keeps_the_log_closed(void **state)
{
    (void)state;
    static const enum disk_op_kind kinds[] = {DISK_WRITE, DISK_SYNC, DISK_OPEN};
    for (int what = 0; what < 3; what++) {
        struct fixture fixture;
        char path[64];
        uint8_t torn[2 * IMLOG_BLOCK_BYTES];
        fixture_init(&fixture);
        put(&fixture, 100, true);
        uint32_t end_offset = fixture.log.fill_offset;
        disk_crash(fixture.disk, DISK_KEEP_ALL);
        log_deinit(&fixture.log);
        disk_restart(fixture.disk);
        (void)snprintf(path, sizeof(path), "/log/%010u.seg", 1);
        memset(torn, 0xab, sizeof(torn));
        disk_poke(fixture.disk, path, end_offset, torn, sizeof(torn));
        assert_int_equal(try_open(&fixture), 0);
        assert_int_equal(fixture.recovered.torn_bytes, sizeof(torn));
        disk_fail(fixture.disk, &(struct disk_fault){.kind = kinds[what], .error = -EIO});
        assert_int_equal(log_start(&fixture.log, FOOTER_BYTES), -EIO);
        log_deinit(&fixture.log);
        assert_int_equal(try_open(&fixture), 0);
        assert_int_equal(log_start(&fixture.log, FOOTER_BYTES), 0);
        disk_peek(fixture.disk, path, end_offset + IMLOG_BLOCK_BYTES, torn, IMLOG_BLOCK_BYTES);
        for (uint32_t i = 0; i < IMLOG_BLOCK_BYTES; i++)
            assert_int_equal(torn[i], 0);
        assert_int_equal(fixture.next_seq, 2);
        end(&fixture);
    }
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static int failing_poll(struct imlog_io *io, uint64_t wait_ns)
{
    (void)io;
    (void)wait_ns;
    return -EBADF;
}

/* What waits for a ring that does not answer any more ends with its error, and does not hang. */
static void a_broken_ring_ends_every_wait(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        struct fixture fixture;
        fixture_begin(&fixture);
        assert_int_equal(try_open(&fixture), 0);
        if (what == 0) {
            assert_int_equal(log_start(&fixture.log, FOOTER_BYTES), 0);
            assert_int_equal(try_put(&fixture, 100), 0);
        }
        struct imlog_io *io = disk_io(fixture.disk);
        struct imlog_io_ops ops = *io->ops;
        ops.poll = failing_poll;
        io->ops = &ops;
        if (what == 0) {
            log_turn(&fixture.log);
            assert_int_equal(fixture.log.in_flight, 1);
            assert_true(fixture.log.prepare.under_way);
            assert_int_equal(log_flush(&fixture.log), -EBADF);
        } else {
            assert_int_equal(log_start(&fixture.log, FOOTER_BYTES), -EBADF);
        }
        end(&fixture);
    }
}

static void a_log_without_memory_for_its_ring_is_none(void **state)
{
    (void)state;
    static const uint8_t uuid[16] = {1};
    struct fixture fixture;
    struct log_options options = {.directory = "/log",
                                  .uuid = uuid,
                                  .segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                  .hot_bytes = UINT64_C(1) << 60};
    fixture_begin(&fixture);
    options.io = disk_io(fixture.disk);
    assert_int_equal(log_init(&fixture.log, &options), -ENOMEM);
    disk_destroy(fixture.disk);
}

static void reports_may_go_nowhere(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    fixture.silent = true;
    assert_int_equal(try_open(&fixture), 0);
    log_degrade(&fixture.log, "a test", -EIO);
    assert_true(fixture.log.degraded);
    assert_int_equal(fixture.error_reports, 0);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_takes_no_more),
        cmocka_unit_test(what_is_pinned_is_not_written_over),
        cmocka_unit_test(a_log_with_work_does_not_wait),
        cmocka_unit_test(a_segment_that_cannot_be_made_refuses_appends),
        cmocka_unit_test(a_log_that_cannot_be_begun_says_why),
        cmocka_unit_test(a_tail_that_cannot_be_settled_keeps_the_log_closed),
        cmocka_unit_test(a_broken_ring_ends_every_wait),
        cmocka_unit_test(a_log_without_memory_for_its_ring_is_none),
        cmocka_unit_test(reports_may_go_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

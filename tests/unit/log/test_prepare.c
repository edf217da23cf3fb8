/* A segment file is ready only once all of it is allocated, written and named durably; any
 * step may fail, and then it is tried again or given up, never believed. */
#include "engine/log/prepare.h"
#include "tests/lib/disk.h"

#include "engine/io/blocking.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SEGMENT_BYTES = IMLOG_SEGMENT_BYTES_MIN };

struct fixture {
    struct disk *disk;
    struct imlog_io *io;
    struct media media;
    struct prepare prepare;
};

static void fixture_init(struct fixture *fixture, uint64_t seed)
{
    fixture->disk = disk_create(seed);
    fixture->io = disk_io(fixture->disk);
    assert_int_equal(blocking_mkdir(fixture->io, "/m"), 0);
    assert_int_equal(blocking_sync_directory(fixture->io, "/"), 0);
    assert_int_equal(media_init(&fixture->media, fixture->io, "/m", 0), 0);
    assert_int_equal(prepare_init(&fixture->prepare, fixture->io, &fixture->media, SEGMENT_BYTES),
                     0);
}

static void fixture_deinit(struct fixture *fixture)
{
    prepare_deinit(&fixture->prepare);
    media_deinit(&fixture->media);
    disk_destroy(fixture->disk);
}

/* Turn until ready or failed. */
static void run(struct fixture *fixture)
{
    struct prepare *prepare = &fixture->prepare;
    prepare_turn(prepare, 1);
    while (prepare->under_way)
        assert_true(fixture->io->ops->poll(fixture->io, UINT64_MAX) >= 0);
}

static void a_ready_file_survives_power_loss_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct fixture fixture;
        fixture_init(&fixture, seed);
        run(&fixture);
        assert_int_equal(fixture.prepare.state, PREPARE_READY);
        disk_crash(fixture.disk, DISK_DROP_ALL);
        prepare_deinit(&fixture.prepare);
        disk_restart(fixture.disk);
        assert_int_equal(disk_file_bytes(fixture.disk, "/m/0000000001.seg"), SEGMENT_BYTES);
        fixture.prepare.io = NULL;
        fixture_deinit(&fixture);
    }
}

/* Each operation fails once; then the retry comes, not before its time, and succeeds. */
static void any_step_may_fail_and_is_retried(void **state)
{
    (void)state;
    uint32_t failed_count = 0;
    for (uint32_t step = 0;; step++) {
        struct fixture fixture;
        fixture_init(&fixture, step + 1);
        disk_fail(fixture.disk, &(struct disk_fault){.kind = DISK_OP_KINDS,
                                                     .skip_count = step,
                                                     .error = -ENOSPC,
                                                     .at_start = step % 2 == 1});
        run(&fixture);
        bool failed = fixture.prepare.state == PREPARE_FAILED;
        failed_count += failed;
        if (failed) {
            assert_true(prepare_may_retry(&fixture.prepare));
            run(&fixture);
            assert_int_equal(fixture.prepare.state, PREPARE_FAILED); /* too early */
            uint64_t now_ns = fixture.io->ops->monotonic_ns(fixture.io);
            assert_true(prepare_wait_ns(&fixture.prepare, now_ns) > 0);
            disk_advance_ns(fixture.disk, PREPARE_RETRY_NS);
            now_ns = fixture.io->ops->monotonic_ns(fixture.io);
            assert_int_equal(prepare_wait_ns(&fixture.prepare, now_ns), 0);
            run(&fixture);
        }
        assert_int_equal(fixture.prepare.state, PREPARE_READY);
        assert_int_equal(prepare_wait_ns(&fixture.prepare, 0), UINT64_MAX);
        fixture_deinit(&fixture);
        if (!failed)
            break;
    }
    assert_true(failed_count >= 9); /* open, allocate, 4 writes, sync, open, sync */
}

static void a_short_write_is_want_of_space(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    disk_fail(fixture.disk,
              &(struct disk_fault){.kind = DISK_WRITE, .skip_count = 2, .short_bytes = 8192});
    run(&fixture);
    assert_int_equal(fixture.prepare.state, PREPARE_FAILED);
    assert_int_equal(fixture.prepare.error, -ENOSPC);
    fixture_deinit(&fixture);
}

static void a_full_disk_is_waited_out(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    disk_set_free_bytes(fixture.disk, SEGMENT_BYTES - 1);
    for (int i = 0; i < 5; i++) {
        run(&fixture);
        assert_int_equal(fixture.prepare.state, PREPARE_FAILED);
        assert_true(prepare_may_retry(&fixture.prepare));
        disk_advance_ns(fixture.disk, PREPARE_RETRY_NS);
    }
    disk_set_free_bytes(fixture.disk, SEGMENT_BYTES);
    run(&fixture);
    assert_int_equal(fixture.prepare.state, PREPARE_READY);
    fixture_deinit(&fixture);
}

static void a_failing_disk_is_not_retried(void **state)
{
    (void)state;
    static const int final[] = {-EIO, -EROFS, -EINVAL, -ENODEV};
    static const int passing[] = {-ENOSPC, -EDQUOT, -EMFILE, -ENFILE, -ENOMEM, -EAGAIN};
    for (uint32_t i = 0; i < 4; i++)
        assert_false(prepare_may_retry(&(struct prepare){.error = final[i]}));
    for (uint32_t i = 0; i < 6; i++)
        assert_true(prepare_may_retry(&(struct prepare){.error = passing[i]}));
}

static void a_file_system_without_allocation_is_served(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    disk_fail(fixture.disk,
              &(struct disk_fault){.kind = DISK_ALLOCATE, .error = -EOPNOTSUPP, .for_ever = true});
    run(&fixture);
    assert_int_equal(fixture.prepare.state, PREPARE_READY);
    assert_int_equal(disk_file_bytes(fixture.disk, "/m/0000000001.seg"), SEGMENT_BYTES);
    fixture_deinit(&fixture);
}

static void a_taken_file_makes_room_for_the_next(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    run(&fixture);
    int file = prepare_take(&fixture.prepare);
    assert_int_equal(fixture.prepare.state, PREPARE_IDLE);
    assert_int_equal(prepare_wait_ns(&fixture.prepare, 0), 0);
    prepare_turn(&fixture.prepare, 2);
    while (fixture.prepare.under_way)
        assert_true(fixture.io->ops->poll(fixture.io, UINT64_MAX) >= 0);
    assert_int_equal(fixture.prepare.state, PREPARE_READY);
    assert_int_equal(disk_file_bytes(fixture.disk, "/m/0000000002.seg"), SEGMENT_BYTES);
    assert_int_equal(blocking_close(fixture.io, file), 0);
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ready_file_survives_power_loss_whole),
        cmocka_unit_test(any_step_may_fail_and_is_retried),
        cmocka_unit_test(a_short_write_is_want_of_space),
        cmocka_unit_test(a_full_disk_is_waited_out),
        cmocka_unit_test(a_failing_disk_is_not_retried),
        cmocka_unit_test(a_file_system_without_allocation_is_served),
        cmocka_unit_test(a_taken_file_makes_room_for_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

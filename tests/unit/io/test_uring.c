/* The production backend keeps the seam's promises on a real file system, on the newest ring the
 * kernel gives and on a plain one; and says why it cannot where it cannot. */
#define _GNU_SOURCE /* O_DIRECT */
#include "engine/io/blocking.h"
#include "engine/io/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/io_uring.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct imlog_io *io;
    char folder[PATH_MAX / 2];
};

static void path_of(const struct fixture *fixture, const char *name, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/%s", fixture->folder, name);
}

static void fixture_init(struct fixture *fixture, bool plain_ring)
{
    const struct imlog_uring_options options = {.entries = 64, .plain_ring = plain_ring};
    const char *parent = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    struct imlog_why why = {""};
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "%s/imlog-uring-XXXXXX", parent);
    assert_non_null(mkdtemp(fixture->folder));
    if (imlog_uring_create(&options, &fixture->io, &why) < 0)
        fail_msg("%s", why.text);
}

static void fixture_deinit(struct fixture *fixture)
{
    imlog_uring_destroy(fixture->io);
    assert_int_equal(rmdir(fixture->folder), 0);
}

static uint8_t *aligned_bytes(size_t byte_count, int fill)
{
    uint8_t *bytes = aligned_alloc(4096, byte_count);
    assert_non_null(bytes);
    memset(bytes, fill, byte_count);
    return bytes;
}

static void round_trip(bool plain_ring, int extra_flags)
{
    struct fixture fixture;
    char path[PATH_MAX];
    char other[PATH_MAX];
    fixture_init(&fixture, plain_ring);
    struct imlog_io *io = fixture.io;
    path_of(&fixture, "file", path);
    path_of(&fixture, "other", other);
    uint8_t *bytes = aligned_bytes(1 << 20, 0x5b);
    uint8_t *back = aligned_bytes(1 << 20, 0);
    int file = blocking_open(io, path, O_RDWR | O_CREAT | O_TRUNC | extra_flags);
    assert_true(file >= 0);
    assert_int_equal(blocking_allocate(io, file, 2 << 20), 0);
    uint64_t file_bytes = 0;
    assert_int_equal(io->ops->file_bytes(io, file, &file_bytes), 0);
    assert_int_equal(file_bytes, 2 << 20);
    assert_int_equal(blocking_write(io, file, bytes, 1 << 20, 4096, IMLOG_IO_DURABLE), 0);
    assert_int_equal(blocking_read(io, file, back, 1 << 20, 4096), 1 << 20);
    assert_memory_equal(bytes, back, 1 << 20);
    assert_int_equal(blocking_sync(io, file), 0);
    assert_int_equal(blocking_close(io, file), 0);
    assert_int_equal(blocking_rename(io, path, other), 0);
    assert_int_equal(blocking_sync_directory(io, fixture.folder), 0);
    assert_int_equal(blocking_open(io, path, O_RDONLY), -ENOENT);
    assert_int_equal(blocking_unlink(io, other), 0);
    free(bytes);
    free(back);
    fixture_deinit(&fixture);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    round_trip(false, 0);
    round_trip(false, O_DIRECT);
}

static void a_plain_ring_does_the_same(void **state)
{
    (void)state;
    round_trip(true, 0);
    round_trip(true, O_DIRECT);
}

/* /dev/shm is tmpfs, which has no O_DIRECT before Linux 6.6: the open succeeds there as well. */
static void a_file_system_without_direct_io_is_served(void **state)
{
    (void)state;
    struct fixture fixture;
    char path[] = "/dev/shm/imlog-uring-XXXXXX";
    fixture_init(&fixture, false);
    int made = mkstemp(path);
    assert_true(made >= 0);
    (void)close(made);
    int file = blocking_open(fixture.io, path, O_RDWR | O_DIRECT);
    assert_true(file >= 0);
    uint8_t *bytes = aligned_bytes(4096, 7);
    assert_int_equal(blocking_write(fixture.io, file, bytes, 4096, 0, IMLOG_IO_DURABLE), 0);
    assert_int_equal(blocking_close(fixture.io, file), 0);
    assert_int_equal(blocking_unlink(fixture.io, path), 0);
    free(bytes);
    fixture_deinit(&fixture);
}

struct counted_op {
    struct imlog_io_op op;
    uint8_t *bytes;
    struct iovec part;
    int done_count;
    int32_t result;
};

static void handle_counted(struct imlog_io_op *op, int32_t result)
{
    struct counted_op *counted = (struct counted_op *)(void *)op;
    counted->done_count++;
    counted->result = result;
}

/* More operations at once than the ring has entries: each is done exactly once. */
static void every_operation_is_done_once(void **state)
{
    (void)state;
    enum { OPERATIONS = 300 };
    static struct counted_op ops[OPERATIONS];
    struct fixture fixture;
    char path[PATH_MAX];
    fixture_init(&fixture, false);
    path_of(&fixture, "many", path);
    int file = blocking_open(fixture.io, path, O_RDWR | O_CREAT);
    assert_true(file >= 0);
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        ops[i] =
            (struct counted_op){.op.done = handle_counted, .bytes = aligned_bytes(4096, (int)i)};
        ops[i].part = (struct iovec){.iov_base = ops[i].bytes, .iov_len = 4096};
        assert_int_equal(fixture.io->ops->write(fixture.io, &ops[i].op, file, &ops[i].part, 1,
                                                (uint64_t)i * 4096, 0),
                         0);
    }
    for (uint32_t done = 0; done < OPERATIONS;) {
        int ran = fixture.io->ops->poll(fixture.io, 1000000000);
        assert_true(ran >= 0);
        done += (uint32_t)ran;
    }
    uint8_t back[4096];
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        assert_int_equal(ops[i].done_count, 1);
        assert_int_equal(ops[i].result, 4096);
        assert_int_equal(blocking_read(fixture.io, file, back, 4096, (uint64_t)i * 4096), 4096);
        assert_memory_equal(back, ops[i].bytes, 4096);
        free(ops[i].bytes);
    }
    assert_int_equal(blocking_close(fixture.io, file), 0);
    assert_int_equal(blocking_unlink(fixture.io, path), 0);
    fixture_deinit(&fixture);
}

static void a_poll_without_work_ends_with_its_time(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, false);
    const struct imlog_io_ops *ops = fixture.io->ops;
    uint64_t begun_ns = ops->monotonic_ns(fixture.io);
    assert_int_equal(ops->poll(fixture.io, 0), 0);
    assert_int_equal(ops->poll(fixture.io, 5000000), 0);
    assert_true(ops->monotonic_ns(fixture.io) - begun_ns >= 5000000);
    fixture_deinit(&fixture);
}

static void a_lock_keeps_others_out_until_it_is_given_back(void **state)
{
    (void)state;
    struct fixture fixture;
    char path[PATH_MAX];
    fixture_init(&fixture, false);
    path_of(&fixture, "LOCK", path);
    int first = blocking_open(fixture.io, path, O_RDWR | O_CREAT);
    int second = blocking_open(fixture.io, path, O_RDWR);
    assert_int_equal(fixture.io->ops->lock(fixture.io, first), 0);
    assert_int_equal(fixture.io->ops->lock(fixture.io, second), -EWOULDBLOCK);
    fixture.io->ops->unlock(fixture.io, first);
    assert_int_equal(fixture.io->ops->lock(fixture.io, second), 0);
    assert_int_equal(blocking_close(fixture.io, first), 0);
    assert_int_equal(blocking_close(fixture.io, second), 0);
    assert_int_equal(blocking_unlink(fixture.io, path), 0);
    fixture_deinit(&fixture);
}

static void count_name(void *arg, const char *name)
{
    uint32_t *count = arg;
    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    (*count)++;
}

static void directories_are_listed_and_space_is_told(void **state)
{
    (void)state;
    struct fixture fixture;
    char path[PATH_MAX];
    uint32_t count = 0;
    uint64_t free_bytes = 0;
    fixture_init(&fixture, false);
    const struct imlog_io_ops *ops = fixture.io->ops;
    path_of(&fixture, "sub", path);
    assert_int_equal(blocking_mkdir(fixture.io, path), 0);
    assert_int_equal(blocking_mkdir(fixture.io, path), -EEXIST);
    assert_int_equal(ops->list(fixture.io, fixture.folder, count_name, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(ops->list(fixture.io, "/nowhere/at/all", count_name, &count), -ENOENT);
    assert_int_equal(ops->free_bytes(fixture.io, fixture.folder, &free_bytes), 0);
    assert_true(free_bytes > 0);
    uint8_t one[600] = {0};
    uint8_t two[600] = {0};
    ops->random(fixture.io, one, sizeof(one));
    ops->random(fixture.io, two, sizeof(two));
    assert_memory_not_equal(one, two, sizeof(one));
    assert_true(ops->wall_ms(fixture.io) > 1700000000000);
    assert_int_equal(rmdir(path), 0);
    fixture_deinit(&fixture);
}

static void a_refusal_names_cause_and_fix(void **state)
{
    (void)state;
    static const struct {
        int error;
        int given;
        const char *cause;
        const char *fix;
    } cases[] = {
        {-ENOSYS, IMLOG_EURING, "seccomp", "io_uring_setup"},
        {-EPERM, IMLOG_EURING, "kernel.io_uring_disabled", "allow"},
        {-EACCES, IMLOG_EURING, "kernel.io_uring_disabled", "allow"},
        {-ENOMEM, IMLOG_EURING, "memory", "RLIMIT_MEMLOCK"},
        {-EMFILE, -EMFILE, "descriptor", "RLIMIT_NOFILE"},
        {-ENFILE, -ENFILE, "descriptor", "RLIMIT_NOFILE"},
        {-EINVAL, -EINVAL, "could not be set up", "Invalid argument"},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct imlog_why why = {""};
        assert_int_equal(uring_explain(cases[i].error, &why), cases[i].given);
        if (strstr(why.text, cases[i].cause) == NULL || strstr(why.text, cases[i].fix) == NULL)
            fail_msg("%s: %s", imlog_error_name(cases[i].error), why.text);
        assert_int_equal(uring_explain(cases[i].error, NULL), cases[i].given);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_plain_ring_does_the_same),
        cmocka_unit_test(a_file_system_without_direct_io_is_served),
        cmocka_unit_test(every_operation_is_done_once),
        cmocka_unit_test(a_poll_without_work_ends_with_its_time),
        cmocka_unit_test(a_lock_keeps_others_out_until_it_is_given_back),
        cmocka_unit_test(directories_are_listed_and_space_is_told),
        cmocka_unit_test(a_refusal_names_cause_and_fix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

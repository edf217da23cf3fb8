/* One operation at a time, whole or an error, over short reads and failing steps. */
#include "engine/io/blocking.h"
#include "tests/lib/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES = 3 * 1024 * 1024 + 5000 };

static int new_file(struct imlog_io *io, const char *path)
{
    int file = blocking_open(io, path, O_RDWR | O_CREAT | O_TRUNC);
    assert_true(file >= 0);
    return file;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct disk *disk = disk_create(1);
    struct imlog_io *io = disk_io(disk);
    uint8_t *bytes = malloc(BYTES);
    uint8_t *back = malloc(BYTES + 100);
    assert_non_null(bytes);
    assert_non_null(back);
    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761U >> 24);
    int file = new_file(io, "/f");
    assert_int_equal(blocking_write(io, file, bytes, BYTES, 7, 0), 0);
    assert_int_equal(blocking_sync(io, file), 0);
    disk_fail(disk,
              &(struct disk_fault){.kind = DISK_READ, .skip_count = 1, .short_bytes = 100000});
    assert_int_equal(blocking_read(io, file, back, BYTES + 100, 7), BYTES); /* to the end */
    assert_memory_equal(bytes, back, BYTES);
    assert_int_equal(blocking_read(io, file, back, 10, BYTES + 7), 0);
    assert_int_equal(blocking_close(io, file), 0);
    free(bytes);
    free(back);
    disk_destroy(disk);
}

static void a_short_write_is_an_error(void **state)
{
    (void)state;
    struct disk *disk = disk_create(1);
    struct imlog_io *io = disk_io(disk);
    static uint8_t bytes[BYTES];
    int file = new_file(io, "/f");
    disk_fail(disk, &(struct disk_fault){.kind = DISK_WRITE, .skip_count = 2, .short_bytes = 512});
    assert_int_equal(blocking_write(io, file, bytes, BYTES, 0, 0), -EIO);
    disk_fail(disk, &(struct disk_fault){.kind = DISK_WRITE, .error = -ENOSPC});
    assert_int_equal(blocking_write(io, file, bytes, BYTES, 0, 0), -ENOSPC);
    assert_int_equal(blocking_write(io, file, bytes, 0, 0, 0), 0);
    disk_destroy(disk);
}

static void errors_come_back_from_start_and_from_completion(void **state)
{
    (void)state;
    struct disk *disk = disk_create(1);
    struct imlog_io *io = disk_io(disk);
    uint8_t byte;
    int file = new_file(io, "/f");
    for (int at_start = 0; at_start < 2; at_start++) {
        for (int kind = DISK_OPEN; kind < DISK_OP_KINDS; kind++)
            disk_heal(disk);
        disk_fail(disk, &(struct disk_fault){.kind = DISK_OP_KINDS,
                                             .error = -EDQUOT,
                                             .for_ever = true,
                                             .at_start = at_start == 1});
        assert_int_equal(blocking_open(io, "/f", O_RDONLY), -EDQUOT);
        assert_int_equal(blocking_read(io, file, &byte, 1, 0), -EDQUOT);
        assert_int_equal(blocking_write(io, file, &byte, 1, 0, 0), -EDQUOT);
        assert_int_equal(blocking_sync(io, file), -EDQUOT);
        assert_int_equal(blocking_allocate(io, file, 1), -EDQUOT);
        assert_int_equal(blocking_rename(io, "/f", "/g"), -EDQUOT);
        assert_int_equal(blocking_unlink(io, "/f"), -EDQUOT);
        assert_int_equal(blocking_mkdir(io, "/d"), -EDQUOT);
        assert_int_equal(blocking_sync_directory(io, "/"), -EDQUOT);
    }
    disk_heal(disk);
    assert_true(disk_has(disk, "/f"));
    disk_destroy(disk);
}

static void names_are_durable_once_their_directory_is_synced(void **state)
{
    (void)state;
    struct disk *disk = disk_create(1);
    struct imlog_io *io = disk_io(disk);
    assert_int_equal(blocking_mkdir(io, "/d"), 0);
    assert_int_equal(blocking_mkdir(io, "/d"), -EEXIST);
    assert_int_equal(blocking_sync_directory(io, "/"), 0);
    assert_int_equal(blocking_close(io, new_file(io, "/d/a")), 0);
    assert_int_equal(blocking_sync_directory(io, "/d"), 0);
    assert_int_equal(blocking_rename(io, "/d/a", "/d/b"), 0);
    disk_crash(disk, DISK_DROP_ALL);
    disk_restart(disk);
    assert_true(disk_has(disk, "/d/a"));
    assert_false(disk_has(disk, "/d/b"));
    assert_int_equal(blocking_rename(io, "/d/a", "/d/b"), 0);
    assert_int_equal(blocking_sync_directory(io, "/d"), 0);
    disk_crash(disk, DISK_DROP_ALL);
    disk_restart(disk);
    assert_false(disk_has(disk, "/d/a"));
    assert_true(disk_has(disk, "/d/b"));
    assert_int_equal(blocking_sync_directory(io, "/nowhere"), -ENOENT);
    disk_destroy(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_short_write_is_an_error),
        cmocka_unit_test(errors_come_back_from_start_and_from_completion),
        cmocka_unit_test(names_are_durable_once_their_directory_is_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A data directory is made whole or not at all, belongs to one at a time, and nothing of anybody
 * else's is ever touched. */
#include "tests/lib/world.h"

#include "engine/format/identity.h"
#include "engine/io/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct imlog_dir_options create_two = {.shard_count = 2, .create = true};
static const struct imlog_dir_options as_it_is = {.shard_count = 0};

struct fixture {
    struct disk *disk;
    struct imlog_io *io;
    struct imlog_dir *dir;
    struct imlog_why why;
};

static void fixture_init(struct fixture *fixture, uint64_t seed)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->disk = disk_create(seed);
    fixture->io = disk_io(fixture->disk);
}

static int dir_open(struct fixture *fixture, const struct imlog_dir_options *options)
{
    fixture->why.text[0] = '\0';
    int error = imlog_dir_open(fixture->io, "/data", options, &fixture->dir, &fixture->why);
    if (error < 0)
        assert_string_not_equal(fixture->why.text, "");
    return error;
}

static void a_made_directory_survives_power_loss(void **state)
{
    (void)state;
    struct fixture fixture;
    uint8_t uuid[16];
    fixture_init(&fixture, 1);
    assert_int_equal(dir_open(&fixture, &create_two), 0);
    assert_int_equal(imlog_dir_shard_count(fixture.dir), 2);
    memcpy(uuid, imlog_dir_uuid(fixture.dir), 16);
    disk_crash(fixture.disk, DISK_DROP_ALL);
    imlog_dir_close(fixture.dir);
    disk_restart(fixture.disk);
    assert_int_equal(dir_open(&fixture, &as_it_is), 0);
    assert_int_equal(imlog_dir_shard_count(fixture.dir), 2);
    assert_memory_equal(imlog_dir_uuid(fixture.dir), uuid, 16);
    imlog_dir_close(fixture.dir);
    disk_destroy(fixture.disk);
}

static void creation_may_fail_or_crash_at_any_step(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t step = 0; failed; step++) {
        struct fixture fixture;
        fixture_init(&fixture, step + 1);
        disk_fail(fixture.disk, &(struct disk_fault){.kind = DISK_OP_KINDS,
                                                     .skip_count = step / 2,
                                                     .error = -ENOSPC,
                                                     .for_ever = true});
        failed = dir_open(&fixture, &create_two) < 0;
        disk_crash(fixture.disk, step % 2 == 0 ? DISK_ANY : DISK_PROCESS);
        if (!failed)
            imlog_dir_close(fixture.dir);
        disk_restart(fixture.disk);
        assert_int_equal(dir_open(&fixture, &create_two), 0); /* goes on from there */
        imlog_dir_close(fixture.dir);
        assert_int_equal(dir_open(&fixture, &as_it_is), 0);
        imlog_dir_close(fixture.dir);
        disk_destroy(fixture.disk);
        assert_true(step < 200);
    }
}

/* The first opener dies right before the names are durable; the second one must see to it. */
static void names_that_a_dead_process_left_are_made_durable(void **state)
{
    (void)state;
    struct fixture fixture;
    for (uint64_t skip_count = 0; skip_count < 20; skip_count++) {
        fixture_init(&fixture, skip_count + 1);
        disk_fail(fixture.disk, &(struct disk_fault){.kind = DISK_SYNC,
                                                     .skip_count = skip_count,
                                                     .error = -EIO,
                                                     .for_ever = true});
        if (dir_open(&fixture, &create_two) == 0)
            imlog_dir_close(fixture.dir);
        disk_crash(fixture.disk, DISK_PROCESS);
        disk_restart(fixture.disk);
        assert_int_equal(dir_open(&fixture, &create_two), 0);
        uint8_t uuid[16];
        memcpy(uuid, imlog_dir_uuid(fixture.dir), sizeof(uuid));
        disk_crash(fixture.disk, DISK_DROP_ALL);
        imlog_dir_close(fixture.dir);
        disk_restart(fixture.disk);
        assert_int_equal(dir_open(&fixture, &as_it_is), 0);
        assert_memory_equal(imlog_dir_uuid(fixture.dir), uuid, sizeof(uuid));
        imlog_dir_close(fixture.dir);
        disk_destroy(fixture.disk);
    }
}

static void a_directory_that_lost_its_identity_is_not_made_anew(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    world_append_busy(world, 1, 100, 0);
    world_settle(world);
    world_close(world);
    disk_remove(world->disk, WORLD_DIR "/imlog.id");
    assert_int_equal(world_try_open(world), IMLOG_EFOREIGN);
    assert_non_null(strstr(world->why.text, "imlog.id"));
    assert_non_null(strstr(world->why.text, "shard-000"));
    assert_true(disk_has(world->disk, WORLD_SHARD_DIR "/0000000001.seg"));
    world_destroy(world);
}

static void a_second_opener_is_refused_and_told_the_pid(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    assert_int_equal(dir_open(&fixture, &create_two), 0);
    struct imlog_dir *first = fixture.dir;
    assert_int_equal(dir_open(&fixture, &as_it_is), IMLOG_ELOCKED);
    assert_non_null(strstr(fixture.why.text, "process 4711"));
    imlog_dir_close(first);
    assert_int_equal(dir_open(&fixture, &as_it_is), 0);
    imlog_dir_close(fixture.dir);
    disk_destroy(fixture.disk);
}

static void a_foreign_directory_is_left_as_it_is(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    assert_int_equal(dir_open(&fixture, &as_it_is), -ENOENT);
    assert_int_equal(blocking_mkdir(fixture.io, "/data"), 0);
    assert_int_equal(dir_open(&fixture, &as_it_is), IMLOG_EFOREIGN);
    int file = blocking_open(fixture.io, "/data/photos.zip", O_CREAT | O_RDWR);
    assert_int_equal(blocking_close(fixture.io, file), 0);
    assert_int_equal(dir_open(&fixture, &create_two), IMLOG_EFOREIGN);
    assert_non_null(strstr(fixture.why.text, "photos.zip"));
    assert_false(disk_has(fixture.disk, "/data/LOCK"));
    assert_false(disk_has(fixture.disk, "/data/imlog.id"));
    disk_remove(fixture.disk, "/data/photos.zip");
    file = blocking_open(fixture.io, "/data/imlog.id", O_CREAT | O_RDWR);
    assert_int_equal(blocking_write(fixture.io, file, "something else", 14, 0, 0), 0);
    assert_int_equal(blocking_close(fixture.io, file), 0);
    assert_int_equal(dir_open(&fixture, &create_two), IMLOG_EFOREIGN);
    assert_int_equal(disk_file_bytes(fixture.disk, "/data/imlog.id"), 14);
    disk_destroy(fixture.disk);
}

static void another_shard_count_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    assert_int_equal(dir_open(&fixture, &create_two), 0);
    imlog_dir_close(fixture.dir);
    const struct imlog_dir_options three = {.shard_count = 3};
    const struct imlog_dir_options too_many = {.shard_count = IMLOG_SHARDS_MAX + 1};
    assert_int_equal(dir_open(&fixture, &three), IMLOG_EMISMATCH);
    assert_int_equal(dir_open(&fixture, &too_many), IMLOG_EINVALID);
    assert_int_equal(dir_open(&fixture, &create_two), 0);
    imlog_dir_close(fixture.dir);
    disk_destroy(fixture.disk);
}

static void a_damaged_identity_is_named_unless_one_copy_is_whole(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    assert_int_equal(dir_open(&fixture, &create_two), 0);
    imlog_dir_close(fixture.dir);
    disk_flip_bit(fixture.disk, "/data/imlog.id", 8 * 20);
    assert_int_equal(dir_open(&fixture, &as_it_is), 0);
    imlog_dir_close(fixture.dir);
    disk_flip_bit(fixture.disk, "/data/imlog.id", 8 * (4096 + 40));
    assert_int_equal(dir_open(&fixture, &as_it_is), IMLOG_ECORRUPT);
    assert_int_equal(dir_open(&fixture, &create_two), IMLOG_ECORRUPT); /* never made anew */
    disk_destroy(fixture.disk);
}

/* What cannot be read is neither foreign nor damaged, and one copy is enough. */
static void an_identity_that_cannot_be_read_is_called_that(void **state)
{
    (void)state;
    static const uint64_t copy_bytes = IDENTITY_FILE_BYTES / IDENTITY_COPIES;
    struct fixture fixture;
    fixture_init(&fixture, 1);
    assert_int_equal(dir_open(&fixture, &create_two), 0);
    imlog_dir_close(fixture.dir);
    for (uint64_t copy = 0; copy < IDENTITY_COPIES; copy++) {
        disk_set_unreadable(fixture.disk, "/data/imlog.id", copy * copy_bytes, copy_bytes);
        assert_int_equal(dir_open(&fixture, &as_it_is), 0);
        imlog_dir_close(fixture.dir);
    }
    disk_set_unreadable(fixture.disk, "/data/imlog.id", 0, IDENTITY_FILE_BYTES);
    assert_int_equal(dir_open(&fixture, &create_two), -EIO);
    assert_non_null(strstr(fixture.why.text, "cannot read"));
    disk_destroy(fixture.disk);
}

static void every_id_and_key_has_one_shard(void **state)
{
    (void)state;
    uint32_t counts[7] = {0};
    for (uint64_t id = 1; id <= 70000; id++) {
        uint32_t shard = imlog_shard_of_id(id, 7);
        assert_in_range(shard, 0, 6);
        counts[shard]++;
        assert_int_equal(imlog_shard_of_id(id, 1), 0);
    }
    for (uint32_t i = 0; i < 7; i++)
        assert_in_range(counts[i], 9000, 11000);
    assert_int_equal(imlog_shard_of_key("abc", 3, 1), 0);
    assert_in_range(imlog_shard_of_key("abc", 3, 7), 0, 6);
    assert_int_equal(imlog_shard_of_resolved_id(IMLOG_RESOLVED_ID_MIN - 1, 7), UINT32_MAX);
    assert_int_equal(imlog_shard_of_resolved_id(IMLOG_RESOLVED_ID_MIN + 6, 7), 6);
    assert_int_equal(imlog_shard_of_resolved_id(IMLOG_RESOLVED_ID_MIN + 7, 7), UINT32_MAX);
}

static void options_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    struct imlog_shard_options good = world->options;
    static const char *const names[] = {"segment_bytes", "segment_bytes",  "hot_bytes",
                                        "cache_bytes",   "body_bytes_max", "dedupe_messages"};
    for (int what = 0; what < 6; what++) {
        world->options = good;
        if (what == 0)
            world->options.segment_bytes = IMLOG_SEGMENT_BYTES_MIN - 4096;
        if (what == 1)
            world->options.segment_bytes = IMLOG_SEGMENT_BYTES_MAX + UINT64_C(4096);
        if (what == 2)
            world->options.hot_bytes = IMLOG_HOT_BYTES_MIN - 1;
        if (what == 3)
            world->options.cache_bytes = 1;
        if (what == 4)
            world->options.body_bytes_max = IMLOG_BODY_BYTES_MAX + 1;
        if (what == 5)
            world->options.dedupe_messages = IMLOG_DEDUPE_MESSAGES_MAX + 1;
        assert_int_equal(world_try_open(world), IMLOG_EINVALID);
        assert_non_null(strstr(world->why.text, names[what]));
    }
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_directory_survives_power_loss),
        cmocka_unit_test(creation_may_fail_or_crash_at_any_step),
        cmocka_unit_test(names_that_a_dead_process_left_are_made_durable),
        cmocka_unit_test(a_directory_that_lost_its_identity_is_not_made_anew),
        cmocka_unit_test(a_second_opener_is_refused_and_told_the_pid),
        cmocka_unit_test(a_foreign_directory_is_left_as_it_is),
        cmocka_unit_test(another_shard_count_is_refused),
        cmocka_unit_test(a_damaged_identity_is_named_unless_one_copy_is_whole),
        cmocka_unit_test(an_identity_that_cannot_be_read_is_called_that),
        cmocka_unit_test(every_id_and_key_has_one_shard),
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

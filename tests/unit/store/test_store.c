/* The store from inside: indexes that lie, records that contradict, and what its parts say they
 * have to do. Through imlog.h none of this can be brought about. */
#include "engine/store/store.h"
#include "tests/lib/disk.h"

#include "engine/io/blocking.h"

#include <errno.h>
#include <imlog/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct disk *disk;
    struct imlog_io *io;
    struct store store;
    struct imlog_append appends[4096];
    uint32_t append_count;
    bool saw_sealing;
};

static int try_open(struct fixture *fixture)
{
    static const uint8_t uuid[16] = {7};
    struct imlog_why why;
    struct store_options options = {.io = fixture->io,
                                    .directory = "/s",
                                    .uuid = uuid,
                                    .salt = 5,
                                    .limits = {.segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                               .hot_bytes = IMLOG_HOT_BYTES_MIN,
                                               .cache_bytes = IMLOG_CACHE_BYTES_MIN,
                                               .body_bytes_max = IMLOG_BODY_BYTES_MAX,
                                               .dedupe_messages = 100}};
    return store_init(&fixture->store, &options, &why);
}

static void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->disk = disk_create(1);
    fixture->io = disk_io(fixture->disk);
    assert_int_equal(blocking_mkdir(fixture->io, "/s"), 0);
    assert_int_equal(try_open(fixture), 0);
}

static void fixture_deinit(struct fixture *fixture)
{
    assert_int_equal(store_deinit(&fixture->store), 0);
    disk_destroy(fixture->disk);
}

static void turn(struct fixture *fixture)
{
    (void)store_turn(&fixture->store);
    if (fixture->store.seal.state != SEAL_IDLE) {
        assert_true(seal_has_work(&fixture->store.seal));
        fixture->saw_sealing = true;
    }
    assert_true(fixture->io->ops->poll(fixture->io, 1000000) >= 0);
}

static uint32_t acked_count;

static void handle_appended(struct imlog_append *append, int status)
{
    (void)append;
    assert_int_equal(status, 0);
    acked_count++;
}

/* One message, durable. */
static void append(struct fixture *fixture, uint64_t session_id, uint32_t body_bytes)
{
    static uint8_t body[IMLOG_BODY_BYTES_MAX];
    struct imlog_append *message = &fixture->appends[fixture->append_count++];
    *message = (struct imlog_append){.session_id = session_id,
                                     .sender_id = 1,
                                     .body = body,
                                     .body_bytes = body_bytes,
                                     .done = handle_appended};
    uint32_t before = acked_count;
    while (store_append(&fixture->store, message) == IMLOG_EBUSY)
        turn(fixture);
    while (acked_count == before)
        turn(fixture);
}

struct pulled {
    struct imlog_pull pull;
    uint32_t message_count;
    struct imlog_gap gap; /* the first */
    uint32_t gap_count;
    bool done;
};

static void handle_pulled(struct imlog_pull *pull, int status, const struct imlog_page *page)
{
    struct pulled *pulled = (struct pulled *)(void *)pull;
    assert_int_equal(status, 0);
    pulled->message_count = page->message_count;
    pulled->gap_count = page->gap_count;
    if (page->gap_count > 0)
        pulled->gap = page->gaps[0];
    pulled->done = true;
}

static struct pulled pull_all(struct fixture *fixture, uint64_t session_id)
{
    struct pulled pulled = {.pull = {.session_id = session_id, .done = handle_pulled}};
    assert_int_equal(pull_start(&fixture->store.pulls, &pulled.pull), 0);
    while (!pulled.done)
        turn(fixture);
    return pulled;
}

static uint32_t *offsets_of(struct extent *extent)
{
    return extent->capacity > EXTENT_INLINE ? extent->offsets.many : extent->offsets.few;
}

/* An index in RAM that points at another message, or at what is none: never served for it. */
static void an_index_that_points_elsewhere_serves_nothing_wrong(void **state)
{
    (void)state;
    static struct fixture fixture;
    fixture_init(&fixture);
    for (int i = 0; i < 3; i++) {
        append(&fixture, 1, 100);
        append(&fixture, 2, 100);
    }
    struct extents *extents = fixture.store.newest;
    assert_int_equal(extents->array[0].session_id, 1);
    uint32_t *offsets = offsets_of(&extents->array[0]);
    const uint32_t own = offsets[1];
    const uint32_t lies[] = {
        offsets[0],                                                    /* the one before */
        offsets_of(&extents->array[1])[1],                             /* another session's */
        2 * IMLOG_BLOCK_BYTES + (uint32_t)sizeof(struct batch_header), /* a session's record */
    };
    for (int what = 0; what < 3; what++) {
        offsets[1] = lies[what];
        struct pulled pulled = pull_all(&fixture, 1);
        assert_int_equal(pulled.message_count, 2);
        assert_int_equal(pulled.gap_count, 1);
        assert_int_equal(pulled.gap.first_seq, 2);
        assert_int_equal(pulled.gap.last_seq, 2);
    }
    offsets[1] = own;
    assert_int_equal(pull_all(&fixture, 1).message_count, 3);
    fixture_deinit(&fixture);
}

/* Until it is sorted, an index is searched in its own order. */
static void an_index_is_searched_sorted_or_not(void **state)
{
    (void)state;
    static struct fixture fixture;
    fixture_init(&fixture);
    append(&fixture, 9, 10);
    append(&fixture, 3, 10);
    struct store *store = &fixture.store;
    static const struct roots_links links = {SEGMENT_NONE, SEGMENT_NONE};
    for (int sorted = 0; sorted < 2; sorted++) {
        struct extents *older = extents_create(1000);
        assert_non_null(older);
        assert_int_equal(extents_reserve(older, EXTENT_NONE), 0);
        (void)extents_open(older, 4, 1, links);
        assert_int_equal(extents_reserve(older, EXTENT_NONE), 0);
        (void)extents_open(older, 3, 1, links);
        if (sorted)
            assert_int_equal(extents_sort(older), 0);
        const struct extent *extent =
            store_extent(store, older, sessions_find(&store->sessions, 3));
        assert_ptr_equal(extent, &older->array[1]);
        assert_null(store_extent(store, older, sessions_find(&store->sessions, 9)));
        extents_destroy(older);
    }
    fixture_deinit(&fixture);
}

/* A key's record, as none of ours would be written. */
static void put_key(struct fixture *fixture, uint64_t id, const char *key)
{
    struct record_header header = {.subject_id = id, .kind = RECORD_KEY};
    assert_int_equal(log_room(&fixture->store.log, record_bytes(32), IMLOG_BLOCK_BYTES), 0);
    (void)log_put(&fixture->store.log, &header, key, (uint32_t)strlen(key), NULL, 0);
    assert_int_equal(log_flush(&fixture->store.log), 0);
}

static void stop(struct fixture *fixture)
{
    disk_crash(fixture->disk, DISK_KEEP_ALL);
    (void)store_deinit(&fixture->store);
    disk_restart(fixture->disk);
}

static void a_key_that_is_there_is_not_given_twice(void **state)
{
    (void)state;
    static struct fixture fixture;
    const void *name;
    fixture_init(&fixture);
    append(&fixture, 1, 10);
    put_key(&fixture, IMLOG_RESOLVED_ID_MIN, "one");
    put_key(&fixture, IMLOG_RESOLVED_ID_MIN + (1 << 8), "one"); /* the same by another number */
    put_key(&fixture, IMLOG_RESOLVED_ID_MIN, "two");            /* another by the same number */
    stop(&fixture);
    assert_int_equal(try_open(&fixture), 0);
    assert_int_equal(fixture.store.keys.count, 1);
    assert_int_equal(keys_find(&fixture.store.keys, "one", 3), 0);
    assert_int_equal(keys_find(&fixture.store.keys, "two", 3), UINT32_MAX);
    assert_int_equal(keys_name(&fixture.store.keys, 0, &name), 3);
    put_key(&fixture, IMLOG_RESOLVED_ID_MIN + 1, "of another shard");
    stop(&fixture);
    assert_int_equal(try_open(&fixture), IMLOG_ECORRUPT);
    disk_destroy(fixture.disk);
}

/* What is being done, is to be done, and is not: what sleeping depends on. */
static void the_parts_know_what_they_have_to_do(void **state)
{
    (void)state;
    static struct fixture fixture;
    fixture_init(&fixture);
    struct store *store = &fixture.store;
    assert_false(snapshot_has_work(&store->snapshot)); /* nothing was logged */
    assert_false(seal_has_work(&store->seal));
    while (store->log.media.segment_count < 2)
        append(&fixture, 1, 200000);
    while (store->snapshot.count < 1 || store->snapshot.state != SNAPSHOT_IDLE)
        turn(&fixture);
    assert_true(fixture.saw_sealing);
    assert_false(seal_has_work(&store->seal));
    assert_false(snapshot_has_work(&store->snapshot)); /* too early for another */
    store->snapshot.begun_lsn = 0;
    store->snapshot.newest_bytes = 0; /* as if that had been small, and long ago */
    assert_true(snapshot_has_work(&store->snapshot));
    turn(&fixture);
    assert_false(snapshot_has_work(&store->snapshot)); /* it is being done */
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_that_points_elsewhere_serves_nothing_wrong),
        cmocka_unit_test(an_index_is_searched_sorted_or_not),
        cmocka_unit_test(a_key_that_is_there_is_not_given_twice),
        cmocka_unit_test(the_parts_know_what_they_have_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Appends and keys: what is refused and why, what a retry gets, what is remembered. */
#include "tests/lib/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void never_done(struct imlog_append *append, int status)
{
    (void)append;
    (void)status;
    fail_msg("done() of a refused append ran");
}

static struct imlog_append plain_append(void)
{
    return (struct imlog_append){
        .session_id = 1, .sender_id = 2, .body = "x", .body_bytes = 1, .done = never_done};
}

static void what_is_wrong_is_refused_and_stores_nothing(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world->options.body_bytes_max = 100;
    world_open(world);
    struct imlog_append append = plain_append();
    append.session_id = 0;
    assert_int_equal(imlog_append(world->shard, &append), IMLOG_EINVALID);
    append = plain_append();
    append.sender_id = 0;
    assert_int_equal(imlog_append(world->shard, &append), IMLOG_EINVALID);
    append = plain_append();
    append.kind = (enum imlog_kind)4;
    assert_int_equal(imlog_append(world->shard, &append), IMLOG_EINVALID);
    append = plain_append();
    append.body_bytes = 101;
    assert_int_equal(imlog_append(world->shard, &append), IMLOG_ETOOBIG);
    assert_int_equal(world_stats(world).append_rejects, 4);
    assert_int_equal(world_stats(world).sessions, 0);
    world_rest(world, 100000000);
    world_append_busy(world, 1, 100, 0);
    world_check_all(world);
    world_destroy(world);
}

static void note_done(struct imlog_append *append, int status)
{
    assert_int_equal(status, 0);
    append->done = NULL;
}

static void append_now(struct world *world, uint64_t session_id, enum imlog_kind kind)
{
    struct imlog_append append = plain_append();
    append.session_id = session_id;
    append.kind = kind;
    append.done = note_done;
    assert_int_equal(imlog_append(world->shard, &append), 0);
    while (append.done != NULL)
        world_poll(world, UINT64_MAX);
}

static void a_session_keeps_the_kind_it_was_made_with(void **state)
{
    (void)state;
    static const enum imlog_kind kinds[] = {IMLOG_KIND_DIRECT, IMLOG_KIND_GROUP,
                                            IMLOG_KIND_BROADCAST};
    struct world *world = world_create(1);
    assert_int_equal(world_try_open(world), 0);
    for (int life = 0; life < 3; life++) {
        for (uint64_t i = 0; i < 3; i++) {
            struct imlog_append append = plain_append();
            append_now(world, 10 + i, kinds[i]);
            append_now(world, 10 + i, IMLOG_KIND_ANY);
            append.session_id = 10 + i;
            append.kind = kinds[(i + 1) % 3];
            assert_int_equal(imlog_append(world->shard, &append), IMLOG_EKIND);
            struct imlog_session_info info;
            assert_int_equal(imlog_session_get(world->shard, 10 + i, &info), 0);
            assert_int_equal(info.kind, kinds[i]);
        }
        append_now(world, 20, IMLOG_KIND_ANY);
        struct imlog_session_info info;
        assert_int_equal(imlog_session_get(world->shard, 20, &info), 0);
        assert_int_equal(info.kind, IMLOG_KIND_GROUP);
        if (life == 0)
            world_crash(world, DISK_DROP_ALL); /* kinds come from the log */
        else
            world_close(world); /* and from a checkpoint */
        assert_int_equal(world_try_open(world), 0);
    }
    world_destroy(world);
}

/* P3: before durability, after it, after a restart, after a crash: the original's answer. */
static void a_retry_gets_the_original(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *world = world_create(seed);
        world_open(world);
        disk_hold(world->disk, DISK_WRITE, true);
        for (uint64_t i = 1; i <= 50; i++)
            assert_int_equal(world_append(world, 1 + i % 3, 100, i), 0);
        for (uint32_t i = 0; i < 50; i += 3)
            assert_int_equal(world_retry(world, i), 0);
        world_poll(world, 0);
        assert_int_equal(world->pending_appends, 50 + 17); /* none is acked before the original */
        disk_hold(world->disk, DISK_WRITE, false);
        world_settle(world);
        for (uint32_t life = 0; life < 3; life++) {
            for (uint32_t i = 0; i < world->model->count; i++)
                assert_int_equal(world_retry(world, i), 0);
            world_settle(world);
            if (life == 0)
                world_close(world);
            else
                world_crash(world, (enum disk_crash)(seed % DISK_CRASH_KINDS));
            world_open(world);
        }
        assert_int_equal(world->model->count, 50);
        world_check_all(world);
        world_destroy(world);
    }
}

/* The window ends exactly where the model says, also when it was rebuilt on open. */
static void the_window_is_the_same_after_a_restart(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *world = world_create(seed);
        world->options.dedupe_messages = 20;
        world_open(world);
        for (uint64_t i = 1; i <= 200; i++)
            world_append_busy(world, 1 + i % 3, prng_one_in(&world->prng, 5) ? 300000 : 10,
                              prng_one_in(&world->prng, 3) ? 0 : i);
        world_settle(world);
        if (seed % 2 == 0)
            world_close(world);
        else
            world_crash(world, DISK_ANY);
        world_open(world);
        for (uint32_t i = 0; i < world->model->count; i++) {
            if (world->model->all[i].client_msg_id == 0)
                continue;
            if (!model_in_window(world->model, i, 20))
                continue;
            assert_int_equal(world_retry(world, i), 0);
        }
        world_settle(world);
        assert_int_equal(world_stats(world).dedupe_messages, 20);
        world_destroy(world);
    }
}

static void too_much_unwritten_is_busy_and_passes(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    world_open(world);
    disk_hold(world->disk, DISK_WRITE, true);
    int error = 0;
    for (uint32_t i = 0; i < 1000 && error == 0; i++) {
        error = world_append(world, 1, 60000, 0);
        world_poll(world, 0);
    }
    assert_int_equal(error, IMLOG_EBUSY);
    assert_int_equal(world->model->acked_count, 0);
    disk_hold(world->disk, DISK_WRITE, false);
    world_settle(world);
    world_append_busy(world, 1, 60000, 0);
    world_check_all(world);
    world_destroy(world);
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void a_key_has_one_id_for_ever(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *world = world_create(seed);
        world_open(world);
        for (uint32_t life = 0; life < 4; life++) {
            for (uint32_t i = 0; i < 100; i++) {
                char key[32];
                (void)snprintf(key, sizeof(key), "key %u", (unsigned)prng_below(&world->prng, 150));
                assert_int_equal(world_resolve(world, key), 0);
                if (prng_one_in(&world->prng, 4))
                    world_poll(world, 0);
            }
            if (life % 2 == 0)
                world_settle(world);
            if (life == 1)
                world_close(world);
            else
                world_crash(world, (enum disk_crash)(seed % DISK_CRASH_KINDS));
            world_open(world); /* the model looks every key up */
        }
        for (uint32_t i = 0; i < world->model->key_count; i++) {
            const struct model_key *key = &world->model->keys[i];
            const void *name = NULL;
            if (key->id == 0)
                continue;
            assert_int_equal(imlog_key_of_id(world->shard, key->id, &name), strlen(key->text));
            assert_memory_equal(name, key->text, strlen(key->text));
            assert_int_equal(imlog_shard_of_resolved_id(key->id, 1), 0);
        }
        world_destroy(world);
    }
}

static void a_key_is_looked_up_only_once_durable(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    uint64_t id;
    const void *name;
    world_open(world);
    disk_hold(world->disk, DISK_WRITE, true);
    assert_int_equal(world_resolve(world, "new"), 0);
    assert_int_equal(world_resolve(world, "new"), 0); /* the same id, and waits for it */
    world_poll(world, 0);
    assert_int_equal(imlog_key_lookup(world->shard, "new", 3, &id), IMLOG_ENOSESSION);
    assert_int_equal(imlog_key_of_id(world->shard, IMLOG_RESOLVED_ID_MIN, &name), 0);
    assert_int_equal(world->pending_resolves, 2);
    disk_hold(world->disk, DISK_WRITE, false);
    world_settle(world);
    assert_int_equal(imlog_key_lookup(world->shard, "new", 3, &id), 0);
    assert_int_equal(id, world->model->keys[0].id);
    world_destroy(world);
}

static void keys_of_bad_length_are_refused(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    uint8_t key[IMLOG_KEY_BYTES_MAX + 1] = {1};
    uint64_t id;
    world_open(world);
    struct imlog_resolve resolve = {.key = key, .key_bytes = 0};
    assert_int_equal(imlog_resolve(world->shard, &resolve), IMLOG_EINVALID);
    resolve.key_bytes = sizeof(key);
    assert_int_equal(imlog_resolve(world->shard, &resolve), IMLOG_EINVALID);
    assert_int_equal(imlog_key_lookup(world->shard, key, 0, &id), IMLOG_EINVALID);
    assert_int_equal(imlog_key_lookup(world->shard, key, sizeof(key), &id), IMLOG_EINVALID);
    world_destroy(world);
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void the_list_pages_through_every_session_once(void **state)
{
    (void)state;
    struct world *world = world_create(1);
    struct imlog_session_info infos[7];
    static uint32_t seen[MODEL_SESSIONS_MAX];
    world_open(world);
    for (uint64_t id = 1; id <= 300; id++)
        world_append_busy(world, id, 10, 0);
    world_settle(world);
    uint64_t next = 0;
    do {
        uint32_t count = imlog_sessions_list(world->shard, &next, infos, 7);
        for (uint32_t i = 0; i < count; i++)
            seen[infos[i].session_id]++;
    } while (next != 0);
    for (uint64_t id = 1; id <= 300; id++)
        assert_int_equal(seen[id], 1);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_refused_and_stores_nothing),
        cmocka_unit_test(a_session_keeps_the_kind_it_was_made_with),
        cmocka_unit_test_teardown(a_retry_gets_the_original, world_name_seed),
        cmocka_unit_test_teardown(the_window_is_the_same_after_a_restart, world_name_seed),
        cmocka_unit_test(too_much_unwritten_is_busy_and_passes),
        cmocka_unit_test_teardown(a_key_has_one_id_for_ever, world_name_seed),
        cmocka_unit_test(a_key_is_looked_up_only_once_durable),
        cmocka_unit_test(keys_of_bad_length_are_refused),
        cmocka_unit_test(the_list_pages_through_every_session_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

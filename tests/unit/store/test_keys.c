/* A key and its id are one to one, in both directions, for any bytes of any length. */
#include "engine/store/keys.h"
#include "tests/lib/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { KEYS = 30000 };

/* The i-th key: its own bytes and byte count; zeros and high bytes too. */
static uint32_t key_of(uint32_t i, uint8_t key[IMLOG_KEY_BYTES_MAX])
{
    struct prng prng = {.state = i / 2}; /* neighbours share a prefix */
    for (uint32_t at = 0; at < IMLOG_KEY_BYTES_MAX; at++)
        key[at] = (uint8_t)prng_next(&prng);
    memcpy(key, &i, sizeof(i));
    return 4 + (uint32_t)prng_below(&prng, IMLOG_KEY_BYTES_MAX - 3);
}

static void keys_and_ids_are_one_to_one(void **state)
{
    (void)state;
    struct keys keys = {.shard_index = 200};
    uint8_t key[IMLOG_KEY_BYTES_MAX];
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t key_bytes = key_of(i, key);
        assert_int_equal(keys_find(&keys, key, key_bytes), UINT32_MAX);
        assert_int_equal(keys_reserve(&keys, key, key_bytes, i), 0);
        keys_add(&keys, key, key_bytes, i);
    }
    assert_int_equal(keys.count, KEYS);
    assert_int_equal(keys.next_number, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t key_bytes = key_of(i, key);
        const void *name = NULL;
        assert_int_equal(keys_find(&keys, key, key_bytes), i);
        assert_int_equal(keys_name(&keys, i, &name), key_bytes);
        assert_memory_equal(name, key, key_bytes);
        if (key_bytes > 4)
            assert_int_equal(keys_find(&keys, key, key_bytes - 1), UINT32_MAX);
        uint64_t id = keys_id_of_number(&keys, i);
        assert_true(id >= IMLOG_RESOLVED_ID_MIN);
        assert_int_equal(keys_number_of_id(&keys, id), i);
        assert_int_equal(keys_number_of_id(&keys, id + 1), UINT32_MAX); /* another shard's */
    }
    keys_deinit(&keys);
}

static void ids_of_others_have_no_number(void **state)
{
    (void)state;
    struct keys keys = {.shard_index = 3};
    assert_int_equal(keys_number_of_id(&keys, 0), UINT32_MAX);
    assert_int_equal(keys_number_of_id(&keys, IMLOG_RESOLVED_ID_MIN - 1), UINT32_MAX);
    assert_int_equal(keys_number_of_id(&keys, IMLOG_RESOLVED_ID_MIN), UINT32_MAX);
    assert_int_equal(keys_number_of_id(&keys, IMLOG_RESOLVED_ID_MIN + 3), 0);
    assert_int_equal(keys_number_of_id(&keys, UINT64_MAX), UINT32_MAX);
    uint64_t largest = IMLOG_RESOLVED_ID_MIN + (((uint64_t)UINT32_MAX - 1) << 8 | 3);
    assert_int_equal(keys_number_of_id(&keys, largest), UINT32_MAX - 1);
    assert_int_equal(keys_number_of_id(&keys, largest + 256), UINT32_MAX);
}

/* Numbers that damage took stay empty. */
static void numbers_may_have_gaps(void **state)
{
    (void)state;
    struct keys keys = {.shard_index = 0};
    const void *name;
    assert_int_equal(keys_reserve(&keys, "a", 1, 100000), 0);
    keys_add(&keys, "a", 1, 100000);
    assert_int_equal(keys.next_number, 100001);
    assert_int_equal(keys_name(&keys, 99999, &name), 0);
    assert_int_equal(keys_name(&keys, 100001, &name), 0);
    assert_int_equal(keys_name(&keys, UINT32_MAX, &name), 0);
    assert_int_equal(keys_name(&keys, 100000, &name), 1);
    assert_int_equal(keys_reserve(&keys, "b", 1, 5), 0);
    keys_add(&keys, "b", 1, 5);
    assert_int_equal(keys_find(&keys, "b", 1), 5);
    assert_int_equal(keys_find(&keys, "a", 1), 100000);
    assert_int_equal(keys_reserve(&keys, "c", 1, UINT32_MAX - 1), -ENOMEM);
    keys_deinit(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_ids_are_one_to_one),
        cmocka_unit_test(ids_of_others_have_no_number),
        cmocka_unit_test(numbers_may_have_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

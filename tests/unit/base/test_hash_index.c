/* The index does what a plain array does, through growth and removal, also when hashes collide. */
#include "engine/base/hash_index.h"

#include "engine/base/checksum.h"
#include "tests/lib/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ENTRIES = 5000, OPERATIONS = 100000 };

struct table {
    uint64_t hash_mask; /* few bits: many collisions */
    bool there[ENTRIES];
    uint32_t count;
};

static uint64_t hash_of(const void *arg, uint32_t value)
{
    const struct table *table = arg;
    return mix64(value + 1) & table->hash_mask;
}

struct probe {
    uint32_t value;
};

static bool matches(const void *arg, uint32_t value)
{
    return ((const struct probe *)arg)->value == value;
}

static void run_operations(uint64_t hash_mask, uint64_t seed)
{
    static struct table table;
    static struct hash_index index;
    struct prng prng = {.state = seed};
    memset(&table, 0, sizeof(table));
    memset(&index, 0, sizeof(index));
    table.hash_mask = hash_mask;
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        uint32_t value = (uint32_t)prng_below(&prng, i < OPERATIONS / 2 ? ENTRIES : 50);
        struct probe probe = {.value = value};
        uint64_t hash = hash_of(&table, value);
        uint32_t found = hash_index_find(&index, hash, matches, &probe);
        assert_int_equal(found, table.there[value] ? value : HASH_INDEX_NONE);
        if (table.there[value] && prng_one_in(&prng, 2)) {
            hash_index_remove(&index, hash, value, hash_of, &table);
            table.there[value] = false;
            table.count--;
        } else if (!table.there[value]) {
            assert_int_equal(hash_index_reserve(&index, hash, hash_of, &table), 0);
            hash_index_insert(&index, hash, value);
            table.there[value] = true;
            table.count++;
        }
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < HASH_INDEX_PARTITIONS; i++)
        count += index.partitions[i].count;
    assert_int_equal(count, table.count);
    for (uint32_t value = 0; value < ENTRIES; value++) {
        struct probe probe = {.value = value};
        assert_int_equal(hash_index_find(&index, hash_of(&table, value), matches, &probe),
                         table.there[value] ? value : HASH_INDEX_NONE);
    }
    hash_index_deinit(&index);
    assert_int_equal(hash_index_bytes(&index), 0);
}

static void it_agrees_with_a_plain_array(void **state)
{
    (void)state;
    run_operations(UINT64_MAX, 1);
    run_operations(UINT64_MAX, 2);
}

static void it_agrees_with_a_plain_array_when_hashes_collide(void **state)
{
    (void)state;
    run_operations(UINT64_C(0x0f000000f0000000), 3);
    run_operations(UINT64_C(0x00000000ff000000), 4);
}

/* One insertion moves at most the entries of one partition. */
static void growth_is_one_partition_at_a_time(void **state)
{
    (void)state;
    static struct table table = {.hash_mask = UINT64_MAX};
    static struct hash_index index;
    for (uint32_t value = 0; value < 100000; value++) {
        uint64_t hash = hash_of(&table, value);
        uint64_t before = hash_index_bytes(&index);
        assert_int_equal(hash_index_reserve(&index, hash, hash_of, &table), 0);
        hash_index_insert(&index, hash, value);
        uint64_t grown = hash_index_bytes(&index) - before;
        assert_true(grown <= 32 + 4 * (uint64_t)index.partitions[hash >> 56].capacity);
    }
    assert_in_range(hash_index_bytes(&index), 400000, 100000 * 8);
    hash_index_deinit(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_plain_array),
        cmocka_unit_test(it_agrees_with_a_plain_array_when_hashes_collide),
        cmocka_unit_test(growth_is_one_partition_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The checksum is XXH3-64 as published: values that never change, because they are on disk. */
#include "engine/base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void known_values_hold(void **state)
{
    (void)state;
    assert_true(checksum("", 0, 0) == UINT64_C(0x2d06800538d394c2)); /* XXH3's own test vector */
    assert_true(checksum("a", 1, 0) == UINT64_C(0xe6c632b61e964e1f));
    assert_true(checksum("abc", 3, 0) == UINT64_C(0x78af5f94892f3950));
}

static void seed_length_and_bytes_all_count(void **state)
{
    (void)state;
    uint8_t bytes[300];
    memset(bytes, 1, sizeof(bytes));
    for (uint32_t count = 1; count < 300; count++) {
        uint64_t sum = checksum(bytes, count, 7);
        assert_true(checksum(bytes, count, 8) != sum);
        assert_true(checksum(bytes, count - 1, 7) != sum);
        bytes[count / 2] ^= 1;
        assert_true(checksum(bytes, count, 7) != sum);
        bytes[count / 2] ^= 1;
    }
}

static void mixing_loses_nothing_and_moves_every_bit(void **state)
{
    (void)state;
    assert_true(mix64(0) == 0);
    assert_true(mix64(1) == UINT64_C(0x5692161d100b05e5));
    for (uint32_t bit = 0; bit < 64; bit++) {
        int moved = 0;
        for (uint64_t value = 1; value <= 200; value++)
            moved += __builtin_popcountll(mix64(value) ^ mix64(value ^ UINT64_C(1) << bit));
        assert_in_range(moved, 200 * 26, 200 * 38); /* half of 64 bits, more or less */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values_hold),
        cmocka_unit_test(seed_length_and_bytes_all_count),
        cmocka_unit_test(mixing_loses_nothing_and_moves_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

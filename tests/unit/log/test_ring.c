/* The ring maps its pages twice, so that any range no longer than itself lies in one piece. */
#include "engine/log/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { RING_BYTES = 1 << 20 };

static void both_maps_are_the_same_bytes(void **state)
{
    (void)state;
    struct ring ring;
    assert_int_equal(ring_init(&ring, RING_BYTES), 0);
    for (uint32_t at = 0; at < RING_BYTES; at += 4093) {
        ring.memory[at] = (uint8_t)(at >> 4);
        assert_int_equal(ring.memory[at + RING_BYTES], (uint8_t)(at >> 4));
        ring.memory[at + RING_BYTES] = (uint8_t)~at;
        assert_int_equal(ring.memory[at], (uint8_t)~at);
    }
    ring_deinit(&ring);
}

static void a_range_over_the_end_is_contiguous(void **state)
{
    (void)state;
    struct ring ring;
    assert_int_equal(ring_init(&ring, RING_BYTES), 0);
    uint64_t lsn = UINT64_C(77) * RING_BYTES - 1000;
    uint8_t *at = ring_at(&ring, lsn);
    for (uint32_t i = 0; i < RING_BYTES; i++)
        at[i] = (uint8_t)(i % 251);
    for (uint32_t i = 0; i < RING_BYTES; i += 999)
        assert_int_equal(*ring_at(&ring, lsn + i), i % 251);
    assert_ptr_equal(ring_at(&ring, lsn + RING_BYTES), at);
    ring_deinit(&ring);
}

static void deinit_of_a_ring_that_is_not_there_does_nothing(void **state)
{
    (void)state;
    struct ring ring = {.memory = NULL};
    ring_deinit(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_maps_are_the_same_bytes),
        cmocka_unit_test(a_range_over_the_end_is_contiguous),
        cmocka_unit_test(deinit_of_a_ring_that_is_not_there_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

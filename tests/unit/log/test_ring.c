/* The ring maps its pages twice, so that any range no longer than itself lies in one piece. */
#include "engine/log/ring.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

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

/* What ring_init() says while a limit is in force. */
static int init_limited(__rlimit_resource_t resource, rlim_t limit, uint64_t ring_bytes)
{
    struct rlimit before;
    struct ring ring;
    assert_int_equal(getrlimit(resource, &before), 0);
    struct rlimit tight = {.rlim_cur = limit, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(resource, &tight), 0);
    int error = ring_init(&ring, ring_bytes);
    assert_int_equal(setrlimit(resource, &before), 0);
    assert_null(ring.memory);
    return error;
}

static void a_ring_that_cannot_be_had_says_why(void **state)
{
    (void)state;
    assert_int_equal(init_limited(RLIMIT_NOFILE, 0, RING_BYTES), -EMFILE);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(init_limited(RLIMIT_FSIZE, RING_BYTES / 2, RING_BYTES), -EFBIG);
    (void)signal(SIGXFSZ, before);
    assert_int_equal(init_limited(RLIMIT_NOFILE, 1024, UINT64_C(1) << 60), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_maps_are_the_same_bytes),
        cmocka_unit_test(a_range_over_the_end_is_contiguous),
        cmocka_unit_test(a_ring_that_cannot_be_had_says_why),
        cmocka_unit_test(deinit_of_a_ring_that_is_not_there_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

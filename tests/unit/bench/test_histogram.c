/* test_histogram.c: laws of the latency histogram. */
#include "bench/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* wants the ones above before it */

enum { SAMPLES = 20000 };

struct fixture {
    struct histogram one;
    struct histogram other;
    uint64_t values[SAMPLES];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    histogram_init(&fixture->one);
    histogram_init(&fixture->other);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Of every magnitude: random bits, shifted by a random amount. */
static void fill(struct fixture *fixture)
{
    uint64_t state = 42;

    for (size_t at = 0; at < SAMPLES; at++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        fixture->values[at] = state >> (state >> 58);
    }
}

static void quantiles_are_never_low_and_at_most_1_in_128_high(void **state)
{
    static const double shares[] = {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0};
    struct fixture *fixture = *state;

    fill(fixture);
    for (size_t at = 0; at < SAMPLES; at++) {
        histogram_record(&fixture->one, fixture->values[at], 1);
    }
    qsort(fixture->values, SAMPLES, sizeof(fixture->values[0]), compare);
    for (size_t at = 0; at < sizeof(shares) / sizeof(shares[0]); at++) {
        double exact = shares[at] * SAMPLES;
        size_t rank = (size_t)exact;
        rank += (double)rank < exact || rank == 0;
        uint64_t truth = fixture->values[rank - 1];
        uint64_t found = histogram_quantile(&fixture->one, shares[at]);
        assert_true(found >= truth);
        assert_true(found - truth <= truth / 128);
    }
}

static void small_values_are_exact(void **state)
{
    struct fixture *fixture = *state;

    for (uint64_t value = 0; value < 256; value++) {
        histogram_init(&fixture->one);
        histogram_record(&fixture->one, value, 1);
        histogram_record(&fixture->one, UINT64_MAX, 1);
        assert_int_equal(histogram_quantile(&fixture->one, 0.5), value);
    }
}

static void whole_range_fits(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t bit = 0; bit < 64; bit++) {
        uint64_t power = UINT64_C(1) << bit;
        histogram_record(&fixture->one, power, 1);
        histogram_record(&fixture->one, power - 1, 1);
        histogram_record(&fixture->one, power | (power - 1), 1);
    }
    assert_int_equal(fixture->one.total_count, 3 * 64);
    assert_int_equal(histogram_quantile(&fixture->one, 1.0), UINT64_MAX);
    assert_int_equal(histogram_quantile(&fixture->one, 0.0), 0);
}

static void empty_one_answers_zero(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(histogram_quantile(&fixture->one, 0.5), 0);
    assert_int_equal(histogram_quantile(&fixture->one, 1.0), 0);
}

static void counted_record_equals_as_many_records(void **state)
{
    struct fixture *fixture = *state;

    histogram_record(&fixture->one, 777, 5);
    for (int at = 0; at < 5; at++) {
        histogram_record(&fixture->other, 777, 1);
    }
    assert_memory_equal(&fixture->one, &fixture->other, sizeof(fixture->one));
}

static void merging_equals_recording_in_one(void **state)
{
    struct fixture *fixture = *state;
    struct histogram *whole = calloc(1, sizeof(*whole));

    fill(fixture);
    for (size_t at = 0; at < SAMPLES; at++) {
        histogram_record(at % 3 == 0 ? &fixture->one : &fixture->other, fixture->values[at], 1);
        histogram_record(whole, fixture->values[at], 1);
    }
    histogram_merge(&fixture->one, &fixture->other);
    assert_memory_equal(&fixture->one, whole, sizeof(*whole));
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(quantiles_are_never_low_and_at_most_1_in_128_high, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(small_values_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_range_fits, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_one_answers_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(counted_record_equals_as_many_records, setup, teardown),
        cmocka_unit_test_setup_teardown(merging_equals_recording_in_one, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

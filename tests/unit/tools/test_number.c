/* test_number.c: numbers, times and names as people write them. */
#include "tools/lib/number.h"

#include "tools/lib/moment.h"
#include "tools/lib/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void numbers_are_digits_within_bounds(void **state)
{
    uint64_t value;
    (void)state;
    assert_true(number_parse("18446744073709551615", 0, UINT64_MAX, &value) && value == UINT64_MAX);
    assert_true(number_parse("007", 7, 7, &value) && value == 7);
    static const char *const wrong[] = {"",   "-1",  "+1",  " 1",
                                        "1 ", "0x1", "1.0", "18446744073709551616"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(number_parse(wrong[i], 0, UINT64_MAX, &value));
    assert_false(number_parse("6", 7, 9, &value));
    assert_false(number_parse("10", 7, 9, &value));
}

static void factors_are_above_zero_and_finite(void **state)
{
    double value;
    (void)state;
    assert_true(number_parse_factor("0.5", &value) && value == 0.5);
    assert_true(number_parse_factor("20", &value) && value == 20);
    static const char *const wrong[] = {"", "0", "-1", "nan", "inf", "1e9", "fast", "1.2.3", "."};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(number_parse_factor(wrong[i], &value));
}

static void grouped_numbers_have_commas(void **state)
{
    char text[NUMBER_GROUPED_BYTES];
    (void)state;
    assert_string_equal(number_grouped(0, text), "0");
    assert_string_equal(number_grouped(999, text), "999");
    assert_string_equal(number_grouped(1000, text), "1,000");
    assert_string_equal(number_grouped(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

static void means(const char *text, uint64_t expected_ms)
{
    uint64_t ms = 0;
    assert_true(moment_parse(text, &ms));
    assert_true(ms == expected_ms);
}

static void moments_are_milliseconds_or_iso_8601(void **state)
{
    (void)state;
    means("1103966040000", 1103966040000);
    means("1970-01-01", 0);
    means("2004-12-25T09:14", 1103966040000);
    means("2004-12-25T09:14:00Z", 1103966040000);
    means("2004-12-25 09:14:00.25", 1103966040250);
    means("2004-12-25T10:14:00+01:00", 1103966040000);
    means("2004-12-25T03:44:00-0530", 1103966040000);
    means("2000-02-29T00:00:00Z", 951782400000);
    static const char *const wrong[] = {
        "",
        "now",
        "2004-12",
        "2004-02-30",
        "2001-02-29",
        "2004-13-01",
        "2004-12-25T",
        "2004-12-25T25:00",
        "2004-12-25T09:14:00X",
        "1969-12-31",
        "2004-00-01",
        "2004-12-25T9:14",
        "2004-12-25T09:14:00.",
        "2004-12-25T09:14Zz",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t ms;
        if (moment_parse(wrong[i], &ms))
            fail_msg("\"%s\" is taken for a time", wrong[i]);
    }
}

static void moments_print_and_parse_to_the_same(void **state)
{
    char text[MOMENT_TEXT_BYTES];
    static const uint64_t moments[] = {
        0, 1, 999, 1103966040250, 253402300799999, 253402300800000, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++)
        means(moment_text(moments[i], text), moments[i]);
    assert_string_equal(moment_text(1103966040250, text), "2004-12-25T09:14:00.250Z");
}

static void names_are_ids_or_keys(void **state)
{
    struct name name;
    struct imlog_why why;
    char key[300] = "";
    (void)state;
    assert_int_equal(name_parse("session", "42", &name, &why), 0);
    assert_true(name.key == NULL && name.id == 42);
    assert_int_equal(name_parse("session", "key:42", &name, &why), 0);
    assert_string_equal(name.key, "42");
    assert_int_equal(name_parse("session", "g:#ubuntu", &name, &why), 0);
    assert_int_equal(name.key_bytes, 9);
    assert_int_equal(name_parse("session", "-1", &name, &why), 0); /* a key */
    assert_int_equal(name_parse("session", "0", &name, &why), IMLOG_EINVALID);
    assert_int_equal(name_parse("session", "18446744073709551616", &name, &why), IMLOG_EINVALID);
    assert_int_equal(name_parse("session", "", &name, &why), IMLOG_EINVALID);
    assert_int_equal(name_parse("session", "key:", &name, &why), IMLOG_EINVALID);
    memset(key, 'k', 256);
    assert_int_equal(name_parse("session", key, &name, &why), IMLOG_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_digits_within_bounds),
        cmocka_unit_test(factors_are_above_zero_and_finite),
        cmocka_unit_test(grouped_numbers_have_commas),
        cmocka_unit_test(moments_are_milliseconds_or_iso_8601),
        cmocka_unit_test(moments_print_and_parse_to_the_same),
        cmocka_unit_test(names_are_ids_or_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

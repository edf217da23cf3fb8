/* Every error has one number, a name and a text; so has every errno; nothing is ever NULL. */
#include "engine/base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct listed {
    int code;
    const char *name;
    const char *text;
};

static const struct listed all[] = {
#define LISTED(name, code, text) {code, #name, text},
    IMLOG_ERRORS(LISTED)
#undef LISTED
};

enum { LISTED_COUNT = sizeof(all) / sizeof(all[0]) };

static void every_error_has_its_name_and_text(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LISTED_COUNT; i++) {
        assert_string_equal(imlog_error_name(all[i].code), all[i].name);
        assert_string_equal(imlog_error_text(all[i].code), all[i].text);
        assert_true(strlen(all[i].text) > 5);
        assert_true(all[i].code <= -5001 && all[i].code > -6000);
        for (uint32_t j = 0; j < i; j++) {
            assert_int_not_equal(all[i].code, all[j].code);
            assert_string_not_equal(all[i].text, all[j].text);
        }
    }
}

static void numbers_on_the_wire_never_change(void **state)
{
    (void)state;
    assert_int_equal(IMLOG_ECORRUPT, -5001);
    assert_int_equal(IMLOG_EDEGRADED, -5003);
    assert_int_equal(IMLOG_EDISKFULL, -5004);
    assert_int_equal(IMLOG_EUNKNOWN, -5011);
    assert_int_equal(IMLOG_EBUSY, -5016);
    assert_int_equal(IMLOG_EUNSUPPORTED, -5019);
}

static void system_errors_are_named_too(void **state)
{
    (void)state;
    assert_string_equal(imlog_error_name(-ENOSPC), "ENOSPC");
    assert_string_equal(imlog_error_text(-ENOSPC), strerror(ENOSPC));
    assert_string_equal(imlog_error_name(0), "OK");
    assert_string_equal(imlog_error_text(0), "ok");
}

static void unknown_numbers_have_a_text_too(void **state)
{
    (void)state;
    static const int others[] = {1, 5001, -4095, -4999, -5000, -6000, -1000000};
    for (uint32_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_string_equal(imlog_error_name(others[i]), "unknown error");
        assert_non_null(imlog_error_text(others[i]));
    }
}

static void a_why_is_filled_cut_and_optional(void **state)
{
    (void)state;
    struct imlog_why why;
    char text[2 * sizeof(why.text)];
    assert_int_equal(why_set(&why, -EIO, "%s %d", "disk", 7), -EIO);
    assert_string_equal(why.text, "disk 7");
    assert_int_equal(why_set(NULL, -EIO, "%d", 1), -EIO);
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)why_set(&why, 0, "%s", text);
    assert_int_equal(strlen(why.text), sizeof(why.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_name_and_text),
        cmocka_unit_test(numbers_on_the_wire_never_change),
        cmocka_unit_test(system_errors_are_named_too),
        cmocka_unit_test(unknown_numbers_have_a_text_too),
        cmocka_unit_test(a_why_is_filled_cut_and_optional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

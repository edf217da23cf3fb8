/* test_text.c: bytes made fit to be shown, and base64. */
#include "tools/lib/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void shows_as(const char *bytes, size_t byte_count, const char *shown)
{
    char *text = text_printable(bytes, byte_count);
    assert_string_equal(text, shown);
    free(text);
}

static void what_commands_a_terminal_is_escaped(void **state)
{
    (void)state;
    shows_as("plain", 5, "plain");
    shows_as("Grüße, 世界 🙂", strlen("Grüße, 世界 🙂"), "Grüße, 世界 🙂");
    shows_as("\x1b[31m\n\t\\\x7f", 9, "\\x1b[31m\\n\\t\\\\\\x7f");
    shows_as("\xc2\x9b"
             "31m",
             5, "\\u{9b}31m");
    shows_as("\xe2\x80\xae", 3, "\\u{202e}");
    shows_as("a\0b", 3, "a\\x00b");
}

static void what_is_no_utf8_is_escaped_byte_by_byte(void **state)
{
    (void)state;
    shows_as("\xff\xc3", 2, "\\xff\\xc3");                   /* no start; cut off */
    shows_as("\xc0\x80", 2, "\\xc0\\x80");                   /* overlong */
    shows_as("\xe0\x80\x80", 3, "\\xe0\\x80\\x80");          /* overlong */
    shows_as("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* a surrogate */
    shows_as("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* past the last character */
}

static void base64_reads_back_to_the_same(void **state)
{
    uint8_t bytes[256];
    (void)state;
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t byte_count = 0; byte_count < 70; byte_count++) {
        size_t decoded_bytes = 0;
        char *text = text_base64_encode(bytes, byte_count);
        uint8_t *decoded = text_base64_decode(text, strlen(text), &decoded_bytes);
        assert_non_null(decoded);
        assert_int_equal(decoded_bytes, byte_count);
        assert_memory_equal(decoded, bytes, byte_count);
        free(text);
        free(decoded);
    }
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const wrong[] = {
        "A", "AA", "AAA", "A===", "====", "AA=A", "?AAA", "AB==", "AA==AAAA", "AAB="};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        size_t byte_count = 0;
        assert_null(text_base64_decode(wrong[i], strlen(wrong[i]), &byte_count));
        assert_true(byte_count == SIZE_MAX);
    }
}

static void a_uuid_has_its_usual_form(void **state)
{
    uint8_t uuid[16];
    char text[TEXT_UUID_BYTES];
    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        uuid[i] = i;
    assert_string_equal(text_uuid(uuid, text), "00010203-0405-0607-0809-0a0b0c0d0e0f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_commands_a_terminal_is_escaped),
        cmocka_unit_test(what_is_no_utf8_is_escaped_byte_by_byte),
        cmocka_unit_test(base64_reads_back_to_the_same),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(a_uuid_has_its_usual_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

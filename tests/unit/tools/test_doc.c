/* test_doc.c: JSON out. (JSON in is tried through test_history.c.) */
#include "tools/lib/doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void a_document_is_written_as_it_goes(void **state)
{
    char *text = NULL;
    size_t text_bytes = 0;
    struct doc_writer writer = {.out = open_memstream(&text, &text_bytes)};
    (void)state;
    doc_object_begin(&writer, NULL);
    doc_number(&writer, "big", UINT64_MAX);
    doc_signed(&writer, "small", -5008);
    doc_array_begin(&writer, "list");
    doc_bool(&writer, NULL, true);
    doc_null(&writer, NULL);
    doc_object_begin(&writer, NULL);
    doc_object_end(&writer);
    doc_array_begin(&writer, NULL);
    doc_array_end(&writer);
    doc_array_end(&writer);
    doc_real(&writer, "half", 0.5);
    doc_text(&writer, "text", "a\"b\n\x01");
    doc_bytes(&writer, "body", "body64", "ok\0", 3);
    doc_bytes(&writer, "body", "body64", "\xff", 1);
    doc_bytes(&writer, "key", NULL, "\xff", 1);
    doc_object_end(&writer);
    assert_int_equal(fclose(writer.out), 0);
    assert_string_equal(text, "{\"big\":18446744073709551615,\"small\":-5008,"
                              "\"list\":[true,null,{},[]],\"half\":0.5,"
                              "\"text\":\"a\\\"b\\n\\u0001\",\"body\":\"ok\\u0000\","
                              "\"body64\":\"/w==\",\"key_base64\":\"/w==\"}");
    free(text);
}

static void no_character_in_a_string_ends_a_line(void **state)
{
    static const char bytes[] = "a\xc2\x85"
                                "b\xe2\x80\xa8"
                                "c\xe2\x80\xa9\xe2\x80\xaa\xc2\xa0\xe2";
    char *text = NULL;
    size_t text_bytes = 0;
    struct doc_writer writer = {.out = open_memstream(&text, &text_bytes)};
    (void)state;
    doc_bytes(&writer, NULL, NULL, bytes, sizeof bytes - 2);
    assert_int_equal(fclose(writer.out), 0);
    assert_string_equal(text, "\"a\\u0085b\\u2028c\\u2029\xe2\x80\xaa\xc2\xa0\"");
    free(text);
}

static void numbers_are_read_exactly(void **state)
{
    static const char text[] = "{\"a\":18446744073709551615,\"b\":9223372036854775807,"
                               "\"c\":\"18446744073709551615\",\"d\":-1,\"e\":1e3,\"f\":"
                               "\"x\\\"99999999999999999999\"}";
    struct doc *doc = doc_parse(text, sizeof text - 1, NULL);
    uint64_t value;
    size_t byte_count;
    (void)state;
    assert_non_null(doc);
    assert_true(doc_get_number(doc, "a", &value) && value == UINT64_MAX);
    assert_true(doc_get_number(doc, "b", &value) && value == INT64_MAX);
    assert_false(doc_get_number(doc, "c", &value));
    assert_false(doc_get_number(doc, "d", &value));
    assert_false(doc_get_number(doc, "e", &value));
    assert_false(doc_get_number(doc, "none", &value));
    assert_null(doc_get_text(doc, "a", &byte_count));
    assert_string_equal(doc_get_text(doc, "f", &byte_count), "x\"99999999999999999999");
    doc_destroy(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_written_as_it_goes),
        cmocka_unit_test(no_character_in_a_string_ends_a_line),
        cmocka_unit_test(numbers_are_read_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

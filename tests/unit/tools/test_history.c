/* test_history.c: History JSONL, read and printed. */
#include "tools/lib/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(const char *text, struct history_line *line, struct imlog_why *why)
{
    return history_parse(text, strlen(text), line, why);
}

static void a_line_says_everything_a_message_has(void **state)
{
    struct history_line line;
    (void)state;
    assert_int_equal(parse("{\"session\":\"g:#ubuntu\",\"kind\":\"group\",\"sender\":\"crimsun\","
                           "\"ts_ms\":1103966040000,\"text\":\"h\\u00e9\\u0000!\",\"type\":7,"
                           "\"client_msg_id\":18446744073709551615,\"seq\":1,\"more\":[{}]}",
                           &line, NULL),
                     0);
    assert_int_equal(line.session.key_bytes, 9);
    assert_memory_equal(line.session.key, "g:#ubuntu", 9);
    assert_memory_equal(line.sender.key, "crimsun", 7);
    assert_int_equal(line.kind, IMLOG_KIND_GROUP);
    assert_true(line.ts_ms == 1103966040000);
    assert_int_equal(line.type, 7);
    assert_true(line.client_msg_id == UINT64_MAX);
    assert_int_equal(line.body_bytes, 5);
    assert_memory_equal(line.body, "h\xc3\xa9\0!", 5);
    history_line_deinit(&line);
}

static void integers_are_ids_and_strings_are_keys(void **state)
{
    struct history_line line;
    (void)state;
    assert_int_equal(parse("{\"session\":42,\"sender\":\"42\",\"text\":\"\"}", &line, NULL), 0);
    assert_null(line.session.key);
    assert_int_equal(line.session.id, 42);
    assert_memory_equal(line.sender.key, "42", 2);
    assert_int_equal(line.body_bytes, 0);
    assert_int_equal(line.kind, IMLOG_KIND_ANY);
    history_line_deinit(&line);
    assert_int_equal(
        parse("{\"session\":18446744073709551615,\"sender\":1,\"text\":\"#\"}", &line, NULL), 0);
    assert_true(line.session.id == UINT64_MAX);
    history_line_deinit(&line);
}

static void what_is_wrong_with_a_line_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } wrong[] = {
        {"", "JSON"},
        {"{", "JSON"},
        {"[1]", "object"},
        {"{} {}", "JSON"},
        {"{\"sender\":1,\"text\":\"x\"}", "\"session\" is missing"},
        {"{\"session\":0,\"sender\":1,\"text\":\"x\"}", "\"session\""},
        {"{\"session\":-1,\"sender\":1,\"text\":\"x\"}", "\"session\""},
        {"{\"session\":1.5,\"sender\":1,\"text\":\"x\"}", "\"session\""},
        {"{\"session\":\"\",\"sender\":1,\"text\":\"x\"}", "0 bytes"},
        {"{\"session\":1,\"text\":\"x\"}", "\"sender\" is missing"},
        {"{\"session\":1,\"sender\":null,\"text\":\"x\"}", "\"sender\""},
        {"{\"session\":1,\"sender\":1}", "\"text\""},
        {"{\"session\":1,\"sender\":1,\"text\":7}", "\"text\" is no string"},
        {"{\"session\":1,\"sender\":1,\"body_base64\":\"?\"}", "base64"},
        {"{\"session\":1,\"sender\":1,\"body_base64\":1}", "\"body_base64\" is no string"},
        {"{\"session\":1,\"sender\":1,\"text\":\"x\",\"body_base64\":\"eA==\"}", "both"},
        {"{\"session\":1,\"session_base64\":\"eA==\",\"sender\":1,\"text\":\"x\"}", "both"},
        {"{\"session\":1,\"sender\":1,\"text\":\"x\",\"kind\":\"crowd\"}", "\"kind\""},
        {"{\"session\":1,\"sender\":1,\"text\":\"x\",\"type\":65536}", "65535"},
        {"{\"session\":1,\"sender\":1,\"text\":\"x\",\"ts_ms\":\"now\"}", "\"ts_ms\""},
        {"{\"session\":1,\"sender\":1,\"text\":\"x\",\"client_msg_id\":18446744073709551616}",
         "\"client_msg_id\""},
        {"{\"session\":1,\"session\":1,\"sender\":1,\"text\":\"x\"}", "JSON"},
        {"{\"session\":1,\"sender\":1,\"text\":\"\xff\"}", "JSON"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct history_line line;
        struct imlog_why why = {.text = ""};
        assert_int_equal(parse(wrong[i].text, &line, &why), IMLOG_EINVALID);
        if (strstr(why.text, wrong[i].says) == NULL)
            fail_msg("%s: says \"%s\", not \"%s\"", wrong[i].text, why.text, wrong[i].says);
        assert_int_equal(parse(wrong[i].text, &line, NULL), IMLOG_EINVALID);
    }
}

static void a_key_longer_than_a_node_takes_is_refused(void **state)
{
    char text[IMLOG_KEY_BYTES_MAX + 64];
    char key[IMLOG_KEY_BYTES_MAX + 2] = "";
    struct history_line line;
    (void)state;
    memset(key, 'k', IMLOG_KEY_BYTES_MAX + 1);
    (void)snprintf(text, sizeof text, "{\"session\":\"%s\",\"sender\":1,\"text\":\"\"}", key);
    assert_int_equal(parse(text, &line, NULL), IMLOG_EINVALID);
    key[IMLOG_KEY_BYTES_MAX] = '\0';
    (void)snprintf(text, sizeof text, "{\"session\":\"%s\",\"sender\":1,\"text\":\"\"}", key);
    assert_int_equal(parse(text, &line, NULL), 0);
    history_line_deinit(&line);
}

/* Print, read, compare. */
static void same_after_printing(const struct history_record *record)
{
    char *text = NULL;
    size_t text_bytes = 0;
    struct history_line line;
    FILE *out = open_memstream(&text, &text_bytes);
    history_print(out, record);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(text[text_bytes - 1], '\n');
    assert_null(memchr(text, '\n', text_bytes - 1));
    assert_int_equal(history_parse(text, text_bytes - 1, &line, NULL), 0);

    const struct imlog_message *message = record->message;
    assert_int_equal(line.session.key_bytes, record->session.key_bytes);
    if (record->session.key != NULL)
        assert_memory_equal(line.session.key, record->session.key, line.session.key_bytes);
    else
        assert_true(line.session.id == record->session.id);
    assert_int_equal(line.sender.key_bytes, record->sender.key_bytes);
    assert_int_equal(line.kind, message->kind);
    assert_int_equal(line.type, message->type);
    assert_true(line.ts_ms == message->client_ms);
    assert_true(line.client_msg_id == message->client_msg_id);
    assert_int_equal(line.body_bytes, message->body_bytes);
    if (line.body_bytes > 0)
        assert_memory_equal(line.body, message->body, line.body_bytes);
    history_line_deinit(&line);
    free(text);
}

static void what_is_printed_reads_back_to_the_same(void **state)
{
    uint8_t every_byte[256];
    struct imlog_message message = {.session_id = 1,
                                    .sender_id = UINT64_MAX,
                                    .client_msg_id = UINT64_MAX,
                                    .client_ms = UINT64_MAX,
                                    .type = UINT16_MAX,
                                    .kind = IMLOG_KIND_DIRECT,
                                    .body = every_byte};
    struct history_record record = {.message = &message, .session.id = 1, .sender.id = UINT64_MAX};
    (void)state;
    for (uint32_t i = 0; i < 256; i++)
        every_byte[i] = (uint8_t)i;
    message.body_bytes = 256;
    same_after_printing(&record);
    message.body_bytes = 128; /* UTF-8, with NUL and every control character */
    same_after_printing(&record);
    message.body_bytes = 0;
    same_after_printing(&record);
    record.session = (struct history_name){.key = "a\"\\\n", .key_bytes = 4};
    record.sender = (struct history_name){.key = "\xff\xfe", .key_bytes = 2};
    same_after_printing(&record);
}

/* The sanitizers judge. */
static void any_bytes_are_a_line_or_are_refused(void **state)
{
    static const char good[] = "{\"session\":\"g\",\"sender\":18446744073709551615,"
                               "\"body_base64\":\"AP8=\",\"client_msg_id\":99999999999999999999}";
    char bytes[sizeof good];
    (void)state;
    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (int value = 0; value < 256; value++) {
            struct history_line line;
            memcpy(bytes, good, sizeof good);
            bytes[i] = (char)value;
            if (history_parse(bytes, sizeof good - 1, &line, NULL) == 0)
                history_line_deinit(&line);
            if (history_parse(bytes, i, &line, NULL) == 0)
                history_line_deinit(&line);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_everything_a_message_has),
        cmocka_unit_test(integers_are_ids_and_strings_are_keys),
        cmocka_unit_test(what_is_wrong_with_a_line_is_named),
        cmocka_unit_test(a_key_longer_than_a_node_takes_is_refused),
        cmocka_unit_test(what_is_printed_reads_back_to_the_same),
        cmocka_unit_test(any_bytes_are_a_line_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_options.c: options taken from a command line, after a table. */
#include "tools/lib/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fields {
    bool flag;
    const char *text;
    struct option_number number;
    struct option_texts texts;
};

static const struct option table[] = {
    {.name = "flag", .help = "", .type = OPTION_FLAG, .offset = offsetof(struct fields, flag)},
    {.name = "text",
     .value = "T",
     .help = "",
     .type = OPTION_TEXT,
     .offset = offsetof(struct fields, text)},
    {.name = "number",
     .value = "N",
     .help = "",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct fields, number),
     .min = 2,
     .max = 9},
    {.name = "texts",
     .value = "T",
     .help = "",
     .type = OPTION_TEXTS,
     .offset = offsetof(struct fields, texts)},
    {.name = NULL},
};

static char *words[16];

static int take(struct fields *fields, bool stop_at_word, const char *line)
{
    static char copy[256];
    const struct option_set set = {table, fields};
    int word_count = 0;
    *fields = (struct fields){0};
    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[word_count++] = word;
    return options_take(word_count, words, &set, 1, stop_at_word);
}

static void options_are_taken_and_words_remain_in_order(void **state)
{
    struct fields fields;
    (void)state;
    assert_int_equal(take(&fields, false, "a --flag b --text=x=y --number 7 - --texts 1 --texts 2"),
                     3);
    assert_string_equal(words[0], "a");
    assert_string_equal(words[1], "b");
    assert_string_equal(words[2], "-");
    assert_true(fields.flag);
    assert_string_equal(fields.text, "x=y");
    assert_true(fields.number.given && fields.number.value == 7);
    assert_int_equal(fields.texts.count, 2);
}

static void behind_two_dashes_nothing_is_an_option(void **state)
{
    struct fields fields;
    (void)state;
    assert_int_equal(take(&fields, false, "a -- --flag --"), 3);
    assert_false(fields.flag);
    assert_string_equal(words[1], "--flag");
}

static void the_first_word_can_end_it(void **state)
{
    struct fields fields;
    (void)state;
    assert_int_equal(take(&fields, true, "--flag verb --unknown"), 2);
    assert_true(fields.flag);
    assert_string_equal(words[0], "verb");
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const wrong[] = {"--what", "-f",         "--flag=1",    "--text",
                                        "--fla",  "--number 1", "--number=10", "--number x"};
    struct fields fields;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_true(take(&fields, false, wrong[i]) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_taken_and_words_remain_in_order),
        cmocka_unit_test(behind_two_dashes_nothing_is_an_option),
        cmocka_unit_test(the_first_word_can_end_it),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* options.c: options taken from a command line, after the tables. */
#include "tools/lib/options.h"

#include "tools/lib/complain.h"
#include "tools/lib/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The option that a word of name_bytes names, and the struct it goes to. */
static const struct option *option_find(const struct option_set *sets, uint32_t set_count,
                                        const char *name, size_t name_bytes, char **into)
{
    for (uint32_t i = 0; i < set_count; i++) {
        for (const struct option *option = sets[i].options; option->name != NULL; option++) {
            if (strlen(option->name) == name_bytes && memcmp(option->name, name, name_bytes) == 0) {
                *into = sets[i].into;
                return option;
            }
        }
    }
    return NULL;
}

static int number_set(const struct option *option, struct option_number *number, const char *value)
{
    number->given = true;
    if (number_parse(value, option->min, option->max, &number->value))
        return 0;
    complain("--%s %s: expected a number from %" PRIu64 " to %" PRIu64, option->name, value,
             option->min, option->max);
    return -1;
}

static int option_set_value(const struct option *option, void *field, const char *value)
{
    struct option_texts *texts = field;
    switch (option->type) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)field = value;
        return 0;
    case OPTION_NUMBER:
        return number_set(option, field, value);
    case OPTION_TEXTS:
        if (texts->count < OPTION_TEXTS_MAX) {
            texts->texts[texts->count++] = value;
            return 0;
        }
        complain("--%s is given more than %d times", option->name, OPTION_TEXTS_MAX);
        return -1;
    }
    return -1;
}

/* argv[at] is an option: how many words it and its value are, or < 0 after a complaint. */
static int option_take(int argc, char **argv, int at, const struct option_set *sets,
                       uint32_t set_count)
{
    const char *name = argv[at] + 2;
    const char *equals = strchr(name, '=');
    const size_t name_bytes = equals == NULL ? strlen(name) : (size_t)(equals - name);
    char *into = NULL;
    const struct option *option =
        argv[at][1] != '-' ? NULL : option_find(sets, set_count, name, name_bytes, &into);
    if (option == NULL) {
        complain("unknown option %s (a text that starts with \"-\" goes behind \"--\")", argv[at]);
        return -1;
    }
    if (option->type == OPTION_FLAG && equals != NULL) {
        complain("--%s takes no value", option->name);
        return -1;
    }
    const bool next_word = option->type != OPTION_FLAG && equals == NULL;
    if (next_word && at + 1 == argc) {
        complain("--%s needs a value: --%s %s", option->name, option->name, option->value);
        return -1;
    }
    const char *value = equals != NULL ? equals + 1 : next_word ? argv[at + 1] : NULL;
    if (option_set_value(option, into + option->offset, value) < 0)
        return -1;
    return next_word ? 2 : 1;
}

int options_take(int argc, char **argv, const struct option_set *sets, uint32_t set_count,
                 bool stop_at_word)
{
    int kept_count = 0;
    int at = 0;
    while (at < argc) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (argv[at][0] == '-' && argv[at][1] != '\0') {
            const int taken_count = option_take(argc, argv, at, sets, set_count);
            if (taken_count < 0)
                return -1;
            at += taken_count;
        } else if (stop_at_word) {
            break;
        } else {
            argv[kept_count++] = argv[at++];
        }
    }
    while (at < argc)
        argv[kept_count++] = argv[at++];
    return kept_count;
}

void options_print(const struct option *options)
{
    for (const struct option *option = options; option->name != NULL; option++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s", option->name,
                       option->value == NULL ? "" : " ",
                       option->value == NULL ? "" : option->value);
        (void)printf("  %-24s %s\n", left, option->help);
    }
}

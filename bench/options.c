/* options.c: arguments to struct options. */
#include "bench/options.h"

#include <errno.h>
#include <imlog/limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum options_form { FORM_TEXT, FORM_FLAG, FORM_U32, FORM_U64, FORM_SECONDS };

struct options_spec {
    size_t offset; /* of its field */
    enum options_form form;
    bool in_bytes; /* takes k, m and g */
    uint64_t value_min;
    uint64_t value_max;
};

static const struct {
    const char *name;
    const char *argument;
    const char *help;
} options_words[OPTIONS_COUNT] = {
#define OPTIONS_WORDS(symbol, name, argument, help) {name, argument, help},
    OPTIONS(OPTIONS_WORDS)
#undef OPTIONS_WORDS
};

#define FIELD(field) offsetof(struct options, field)

/* Ids chosen by a backend stay below IMLOG_RESOLVED_ID_MIN. */
static const struct options_spec options_specs[OPTIONS_COUNT] = {
    [OPTIONS_SERVER] = {FIELD(server), FORM_TEXT, false, 0, 0},
    [OPTIONS_DATA_DIR] = {FIELD(data_dir), FORM_TEXT, false, 0, 0},
    [OPTIONS_CONNECTIONS] = {FIELD(connections), FORM_U32, false, 1, 65536},
    [OPTIONS_WINDOW] = {FIELD(window), FORM_U32, false, 1, 1 << 20},
    [OPTIONS_BATCH] = {FIELD(batch), FORM_U32, false, 1, IMLOG_REQUEST_ITEMS_MAX},
    [OPTIONS_BYTES] = {FIELD(body_bytes), FORM_U32, true, 1, 16 * 1024 * 1024},
    [OPTIONS_SESSIONS] = {FIELD(sessions), FORM_U64, false, 1, UINT32_MAX},
    [OPTIONS_FIRST_SESSION] = {FIELD(first_session), FORM_U64, false, 1, IMLOG_RESOLVED_ID_MIN / 2},
    [OPTIONS_ROUNDS] = {FIELD(in_rounds), FORM_FLAG, false, 0, 0},
    [OPTIONS_SECONDS] = {FIELD(seconds), FORM_SECONDS, false, 0, 86400},
    [OPTIONS_WARMUP] = {FIELD(warmup_s), FORM_SECONDS, false, 0, 86400},
    [OPTIONS_MESSAGES] = {FIELD(messages), FORM_U64, false, 1, UINT64_C(1) << 40},
    [OPTIONS_PULL_COUNT] = {FIELD(count), FORM_U32, false, 1, IMLOG_PULL_MESSAGES_MAX},
    [OPTIONS_NO_FILL] = {FIELD(no_fill), FORM_FLAG, false, 0, 0},
    [OPTIONS_SHARDS] = {FIELD(shards), FORM_U32, false, 1, IMLOG_SHARDS_MAX},
    [OPTIONS_HOT_BYTES] = {FIELD(hot_bytes), FORM_U64, true, IMLOG_HOT_BYTES_MIN,
                           UINT64_C(1) << 40},
    [OPTIONS_SERVER_THREADS] = {FIELD(server_threads), FORM_U32, false, 1, 64},
    [OPTIONS_APART] = {FIELD(apart), FORM_FLAG, false, 0, 0},
    [OPTIONS_FILE_BYTES] = {FIELD(file_bytes), FORM_U64, true, 1024 * 1024, UINT64_C(1) << 40},
};

void options_default(struct options *options)
{
    *options = (struct options){
        .server = "127.0.0.1:7700",
        .connections = 64,
        .window = 1,
        .batch = 1,
        .body_bytes = 256,
        .sessions = 100 * 1000,
        .first_session = 1,
        .seconds = 5.0,
        .warmup_s = 1.0,
        .count = 20,
        .shards = 1,
        .server_threads = 1,
        .file_bytes = UINT64_C(1) << 30,
    };
}

static int options_refuse(const char *name, const char *text, const struct options_spec *spec)
{
    (void)fprintf(stderr, "imlog-bench: %s '%s': give a number from %llu to %llu%s\n", name, text,
                  (unsigned long long)spec->value_min, (unsigned long long)spec->value_max,
                  spec->in_bytes ? ", k, m or g may follow" : "");
    return -1;
}

/* k, m, g: powers of 1024. Returns the factor, 0 if it is none of them. */
static uint64_t options_factor(const char *suffix)
{
    static const char letters[] = "kmg";

    if (suffix[0] == '\0') {
        return 1;
    }
    const char *found = strchr(letters, suffix[0]);
    if (found == NULL || suffix[1] != '\0') {
        return 0;
    }
    return UINT64_C(1024) << (10 * (found - letters));
}

static int options_number(const char *name, const char *text, const struct options_spec *spec,
                          uint64_t *value)
{
    char *end = NULL;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    uint64_t factor = spec->in_bytes ? options_factor(end) : (uint64_t)(*end == '\0');
    if (errno != 0 || text[0] < '0' || text[0] > '9' || factor == 0 ||
        number > spec->value_max / factor || number * factor < spec->value_min) {
        return options_refuse(name, text, spec);
    }
    *value = number * factor;
    return 0;
}

static int options_seconds(const char *name, const char *text, const struct options_spec *spec,
                           double *value)
{
    char *end = NULL;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(number) || number < 0 ||
        number > (double)spec->value_max) {
        return options_refuse(name, text, spec);
    }
    *value = number;
    return 0;
}

static int options_set(struct options *options, uint32_t option, const char *text)
{
    const struct options_spec *spec = &options_specs[option];
    const char *name = options_words[option].name;
    char *field = (char *)options + spec->offset;
    uint64_t number = 0;

    switch (spec->form) {
    case FORM_TEXT:
        memcpy(field, &text, sizeof(text));
        return 0;
    case FORM_FLAG:
        memcpy(field, &(bool){true}, sizeof(bool));
        return 0;
    case FORM_SECONDS:
        return options_seconds(name, text, spec, (double *)(void *)field);
    case FORM_U32:
        if (options_number(name, text, spec, &number) < 0) {
            return -1;
        }
        memcpy(field, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
        return 0;
    case FORM_U64:
        if (options_number(name, text, spec, &number) < 0) {
            return -1;
        }
        memcpy(field, &number, sizeof(number));
        return 0;
    }
    return -1;
}

static uint32_t options_find(const char *name)
{
    uint32_t option = 0;

    while (option < OPTIONS_COUNT && strcmp(options_words[option].name, name) != 0) {
        option++;
    }
    return option;
}

int options_parse(struct options *options, uint32_t allowed_set, int argument_count,
                  char **arguments)
{
    for (int at = 0; at < argument_count; at++) {
        const char *name = arguments[at];
        uint32_t option = options_find(name);
        const char *text = NULL;

        if (option == OPTIONS_COUNT || (allowed_set & (1U << option)) == 0) {
            (void)fprintf(stderr,
                          "imlog-bench: %s is no option of this workload; --help after its "
                          "name lists them\n",
                          name);
            return -1;
        }
        if (options_specs[option].form != FORM_FLAG) {
            if (++at == argument_count) {
                (void)fprintf(stderr, "imlog-bench: %s needs %s after it\n", name,
                              options_words[option].argument);
                return -1;
            }
            text = arguments[at];
        }
        if (options_set(options, option, text) < 0) {
            return -1;
        }
    }
    return 0;
}

void options_print(uint32_t set)
{
    for (uint32_t option = 0; option < OPTIONS_COUNT; option++) {
        if ((set & (1U << option)) != 0) {
            (void)printf("  %-16s %-10s %s\n", options_words[option].name,
                         options_words[option].argument, options_words[option].help);
        }
    }
}

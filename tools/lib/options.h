/* options.h: the options of a command, as a table: what is parsed and what --help says. */
#ifndef TOOLS_LIB_OPTIONS_H
#define TOOLS_LIB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char *; NULL: not given */
    OPTION_TEXTS,  /* struct option_texts; may be given again and again */
    OPTION_NUMBER, /* struct option_number */
};

struct option_number {
    bool given;
    uint64_t value;
};

enum { OPTION_TEXTS_MAX = 256 };

struct option_texts {
    uint32_t count;
    const char *texts[OPTION_TEXTS_MAX];
};

struct option {
    const char *name;  /* without "--"; NULL ends a table */
    const char *value; /* what it takes, for --help; NULL for a flag */
    const char *help;
    enum option_type type;
    size_t offset; /* of its field in the struct that is filled in */
    uint64_t min;  /* OPTION_NUMBER */
    uint64_t max;
};

/* One table and the struct it fills, which starts out all zero. */
struct option_set {
    const struct option *options;
    void *into;
};

/* Take every option out of argv[0, argc): "--name value" or "--name=value". What remains moves to
 * the front, in order; behind "--" nothing is an option. With stop_at_word it ends at the first
 * word that is no option. Returns how many remain; < 0 after a complaint. */
int options_take(int argc, char **argv, const struct option_set *sets, uint32_t set_count,
                 bool stop_at_word);

/* Print a table as --help shows it. */
void options_print(const struct option *options);

#endif

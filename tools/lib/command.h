/* command.h: a tool as one table of commands: finding the command, its options, --help and
 * --version. Arguments are checked before anything is opened. */
#ifndef TOOLS_LIB_COMMAND_H
#define TOOLS_LIB_COMMAND_H

#include "tools/lib/options.h"

/* What a command is run with. */
struct command_call {
    const void *common; /* the tool's own struct, filled by its common options */
    const void *args;   /* the command's */
    char **words;       /* what was no option */
    uint32_t word_count;
};

struct command {
    const char *name;
    const char *words; /* for --help: "SESSION [SESSION ...]" */
    const char *summary;
    const char *notes; /* more of --help, whole lines; may be NULL */
    uint32_t word_count_min;
    uint32_t word_count_max;
    const struct option *options;
    size_t args_bytes;
    int (*run)(const struct command_call *call); /* enum tool_exit */
};

struct tool {
    const char *name;
    const char *summary;
    const struct option *common_options;
    void *common;                          /* all zero, or the defaults */
    const struct command *const *commands; /* NULL ends it */
};

/* The whole of main(). */
int command_main(const struct tool *tool, int argc, char **argv);

/* For commands that find more wrong with their arguments: complains, points to --help, and
 * returns TOOL_USAGE. */
__attribute__((format(printf, 1, 2))) int command_misused(const char *format, ...);

#endif

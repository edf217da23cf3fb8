/* command.c: a tool as one table of commands. */
#include "tools/lib/command.h"

#include "tools/lib/complain.h"

#include <imlog/version.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options of every tool. */
struct always {
    bool help;
    bool version;
};

static const struct option always_options[] = {
    {.name = "help",
     .help = "this text",
     .type = OPTION_FLAG,
     .offset = offsetof(struct always, help)},
    {.name = "version",
     .help = "print the version",
     .type = OPTION_FLAG,
     .offset = offsetof(struct always, version)},
    {.name = NULL},
};

static struct {
    const char *tool;
    const char *command;
} named = {"", ""}; /* what --help is pointed to for */

static int misused(void)
{
    (void)fprintf(stderr, "Try '%s%s%s --help'.\n", named.tool, named.command[0] == '\0' ? "" : " ",
                  named.command);
    return TOOL_USAGE;
}

int command_misused(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    complain("%s", text);
    return misused();
}

static void tool_help(const struct tool *tool)
{
    (void)printf("usage: %s [OPTION ...] COMMAND ...\n\n%s\n\nCommands:\n", tool->name,
                 tool->summary);
    for (const struct command *const *one = tool->commands; *one != NULL; one++)
        (void)printf("  %-10s %s\n", (*one)->name, (*one)->summary);
    (void)printf("\nOptions:\n");
    options_print(tool->common_options);
    options_print(always_options);
    (void)printf("\n'%s COMMAND --help' says more of a command.\n"
                 "Exit status: 0 done, 1 refused or failed, 2 wrong usage.\n",
                 tool->name);
}

static void command_help(const struct tool *tool, const struct command *command)
{
    (void)printf("usage: %s %s [OPTION ...]%s%s\n\n%s.\n", tool->name, command->name,
                 command->words[0] == '\0' ? "" : " ", command->words, command->summary);
    if (command->notes != NULL)
        (void)printf("\n%s", command->notes);
    (void)printf("\nOptions:\n");
    options_print(command->options);
    options_print(tool->common_options);
    options_print(always_options);
}

static const struct command *command_find(const struct tool *tool, const char *name)
{
    for (const struct command *const *one = tool->commands; *one != NULL; one++)
        if (strcmp((*one)->name, name) == 0)
            return *one;
    return NULL;
}

static int command_run(const struct tool *tool, const struct command *command, int argc,
                       char **argv, struct always *always)
{
    void *args = calloc(1, command->args_bytes + 1);
    if (args == NULL) {
        complain("out of memory");
        return TOOL_NO;
    }
    const struct option_set sets[] = {
        {command->options, args}, {tool->common_options, tool->common}, {always_options, always}};
    const int word_count = options_take(argc, argv, sets, 3, false);
    int code = TOOL_OK;
    if (word_count < 0)
        code = misused();
    else if (always->help)
        command_help(tool, command);
    else if ((uint32_t)word_count < command->word_count_min)
        code = command_misused("too few arguments; expected %s", command->words);
    else if ((uint32_t)word_count > command->word_count_max)
        code = command_misused("unexpected argument \"%s\"", argv[command->word_count_max]);
    else
        code = command->run(&(struct command_call){tool->common, args, argv, (uint32_t)word_count});
    free(args);
    return code;
}

static int tool_run(const struct tool *tool, int argc, char **argv)
{
    struct always always = {0};
    const struct option_set sets[] = {{tool->common_options, tool->common},
                                      {always_options, &always}};
    const int word_count = options_take(argc, argv, sets, 2, true);
    if (word_count < 0)
        return misused();
    if (always.version) {
        (void)printf("%s %s\n", tool->name, IMLOG_VERSION);
        return TOOL_OK;
    }
    if (word_count == 0 && always.help) {
        tool_help(tool);
        return TOOL_OK;
    }
    if (word_count == 0)
        return command_misused("which command?");
    const struct command *command = command_find(tool, argv[0]);
    if (command == NULL)
        return command_misused("unknown command \"%s\"", argv[0]);
    named.command = command->name;
    complain_as(tool->name, command->name);
    return command_run(tool, command, word_count - 1, argv + 1, &always);
}

int command_main(const struct tool *tool, int argc, char **argv)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* without it wide characters count as one column */
    named.tool = tool->name;
    complain_as(tool->name, "");
    const int code = tool_run(tool, argc - 1, argv + 1);
    const int unwritten = complain_unwritten();
    return code != TOOL_OK ? code : unwritten;
}

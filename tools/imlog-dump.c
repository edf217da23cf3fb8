/* imlog-dump.c: histories out of a data directory and into a node, and the check of a directory.
 * Each command is a file in tools/dump/. */
#include "tools/dump/dump.h"

static const struct command *const commands[] = {
    &dump_export, &dump_replay, &dump_verify, &dump_segments, NULL,
};

static const struct option common_options[] = {{.name = NULL}};

int main(int argc, char **argv)
{
    const struct tool tool = {
        .name = "imlog-dump",
        .summary = "Export and check an imlog data directory, beside its running node or without "
                   "one;\nreplay a history into a node.",
        .common_options = common_options,
        .commands = commands,
    };
    return command_main(&tool, argc, argv);
}

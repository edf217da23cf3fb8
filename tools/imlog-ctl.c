/* imlog-ctl.c: one question to a node, answered on the terminal or, with --json, as exactly one
 * JSON document. Each command is a file in tools/ctl/. */
#include "tools/ctl/ctl.h"

static const struct command *const commands[] = {
    &ctl_ping, &ctl_info, &ctl_append, &ctl_pull, &ctl_session, &ctl_sessions, &ctl_stats, NULL,
};

static const struct option common_options[] = {
    {.name = "server",
     .value = "HOST:PORT",
     .help = "the node (else $IMLOG_SERVER, else 127.0.0.1:7700)",
     .type = OPTION_TEXT,
     .offset = offsetof(struct ctl_common, server)},
    {.name = "json",
     .help = "answer with one JSON document",
     .type = OPTION_FLAG,
     .offset = offsetof(struct ctl_common, json)},
    {.name = NULL},
};

int main(int argc, char **argv)
{
    struct ctl_common common = {0};
    const struct tool tool = {
        .name = "imlog-ctl",
        .summary = "Ask an imlog node, or append to it.",
        .common_options = common_options,
        .common = &common,
        .commands = commands,
    };
    return command_main(&tool, argc, argv);
}

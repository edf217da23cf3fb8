/* ctl.h: the commands of imlog-ctl. */
#ifndef TOOLS_CTL_CTL_H
#define TOOLS_CTL_CTL_H

#include "tools/lib/command.h"

struct ctl_common {
    const char *server;
    bool json;
};

extern const struct command ctl_ping;
extern const struct command ctl_info;
extern const struct command ctl_append;
extern const struct command ctl_pull;
extern const struct command ctl_session;
extern const struct command ctl_sessions;
extern const struct command ctl_stats;

#endif

/* dump.h: the commands of imlog-dump. */
#ifndef TOOLS_DUMP_DUMP_H
#define TOOLS_DUMP_DUMP_H

#include "tools/lib/command.h"

extern const struct command dump_export;
extern const struct command dump_replay;
extern const struct command dump_verify;
extern const struct command dump_segments;

#endif

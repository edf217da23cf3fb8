/* server.h: which node a tool talks to. */
#ifndef TOOLS_LIB_SERVER_H
#define TOOLS_LIB_SERVER_H

#include <imlog/error.h>

/* *server: the one given, else $IMLOG_SERVER, else 127.0.0.1:7700; borrowed. 0, or IMLOG_EINVALID
 * if that is no HOST:PORT. */
int server_choose(const char *given, const char **server, struct imlog_why *why);

#endif

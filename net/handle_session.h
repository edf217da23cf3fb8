/* handle_session.h: how the state of a session is written, by itself and in lists. */
#ifndef NET_HANDLE_SESSION_H
#define NET_HANDLE_SESSION_H

#include "net/wire.h"

#include <imlog/imlog.h>

/* Fields 4 and up of a Session message. */
void session_put_info(struct wire_writer *writer, const struct imlog_session_info *info,
                      uint32_t shard_index);

#endif

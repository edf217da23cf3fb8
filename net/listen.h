/* listen.h: the address a node listens on, and one socket a thread bound to it. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <imlog/error.h>
#include <stdint.h>

enum { LISTEN_TEXT_BYTES = 320 };

struct listen_address {
    char host[256];
    char port[8];
};

/* "HOST:PORT", IPv6 as "[::1]:7700", an empty host for all addresses. 0 or IMLOG_EINVALID. */
int listen_parse(const char *text, struct listen_address *address, struct imlog_why *why);

/* Bind socket_count sockets to the same address, which nobody else may have. Port 0 picks one.
 * text is the address with the port picked. On failure no socket is left open. */
int listen_bind(const struct listen_address *address, int *sockets, uint32_t socket_count,
                char text[LISTEN_TEXT_BYTES], struct imlog_why *why);

/* Let clients in. 0 or -errno. */
int listen_start(int socket);

#endif

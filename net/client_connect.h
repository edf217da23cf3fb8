/* client_connect.h: a TCP connection, made within a given time. */
#ifndef NET_CLIENT_CONNECT_H
#define NET_CLIENT_CONNECT_H

#include <imlog/error.h>
#include <stdint.h>

uint64_t client_clock_ns(void); /* monotonic */

/* server: "HOST:PORT". Returns a connected non-blocking socket, which the caller closes, or
 * IMLOG_EINVALID (the text is no address), -EHOSTUNREACH (no such host), -ETIMEDOUT and others;
 * `why` says which, and what to look at. */
int client_connect_open(const char *server, uint32_t connect_ms, struct imlog_why *why);

#endif

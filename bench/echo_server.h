/* echo_server.h: the barest TCP server: what comes in goes out again. */
#ifndef BENCH_ECHO_SERVER_H
#define BENCH_ECHO_SERVER_H

#include <imlog/error.h>
#include <stdint.h>

struct echo_server;

/* Serves on a free loopback port, in threads of its own. */
int echo_server_create(uint32_t thread_count, struct echo_server **server, struct imlog_why *why);
/* Closes all connections and ends the threads. */
void echo_server_destroy(struct echo_server *server);

/* "127.0.0.1:PORT", borrowed. */
const char *echo_server_address(const struct echo_server *server);

#endif

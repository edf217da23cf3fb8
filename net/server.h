/* server.h: a node: a data directory served on a TCP port by one thread a core.
 *
 * Each thread has one ring for disk and sockets, some of the shards, a listener and its
 * connections; threads share nothing but mailboxes (worker.h). */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "net/listen.h"

#include <imlog/imlog.h>

struct server;

struct server_options {
    const char *data_dir;
    struct listen_address listen;
    uint32_t shard_count;     /* 0: as stored, or one a core in a new directory */
    uint32_t thread_count;    /* 0: one a core, but no more than shards */
    uint32_t connections_max; /* of all threads; 0: what RLIMIT_NOFILE allows */
    uint64_t idle_timeout_ms;
    uint64_t frame_timeout_ms;
    uint64_t slow_reader_timeout_ms;
    uint64_t heartbeat_ms;
    uint64_t drain_ms; /* server_drain() closes what is left after this */
    bool plain_ring;   /* nothing newer than Linux 5.15 */
    struct imlog_shard_options shard;

    /* News for people, one line each, from any thread. */
    void (*report)(void *arg, enum imlog_severity severity, const char *line);
    void *report_arg;
};

/* Open everything and serve. `options` is copied, its strings borrowed until server_wait().
 * On failure everything is closed again, and `why` is one line with cause and fix. */
int server_start(const struct server_options *options, struct server **server,
                 struct imlog_why *why);

const char *server_address(const struct server *server); /* with the port picked; borrowed */
uint32_t server_shard_count(const struct server *server);

/* Take no more connections and requests, answer those under way, close the shards. Returns at
 * once; server_wait() waits for the end of it and frees the server. */
void server_drain(struct server *server);
void server_wait(struct server *server);

#endif

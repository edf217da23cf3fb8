/* worker.h: one thread of a node. Its turn is the durability promise, top to bottom: turn.c.
 *
 * Life, driven by the server's phase: STARTING (the thread opens its ring and shards and says
 * so), SERVING, DRAINING (until every worker is quiet: no request of its connections under way
 * and no connection left), and then it closes its shards and ends. */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include "net/loop.h"
#include "net/mailbox.h"
#include "net/server.h"

#include <pthread.h>

enum server_phase { SERVER_STARTING, SERVER_SERVING, SERVER_DRAINING };

struct worker {
    struct server *server;
    pthread_t thread;
    int status; /* of starting */
    struct imlog_why why;
    bool accepting;
    bool draining;
    bool quiet;
    bool past_deadline;
    uint64_t drain_due_ms;
    int wake_file; /* an eventfd, read on the ring: mail came */
    uint64_t wake_count;
    bool waking; /* the read is under way */
    struct imlog_io_op wake_op;
    struct imlog_io *io;
    struct desk *desks;
    struct loop loop;
    struct dispatch dispatch;
    struct mailbox mailbox;
};

struct server {
    struct server_options options;
    struct node node;
    struct imlog_io *io; /* the starting thread's, for the directory */
    struct imlog_dir *dir;
    struct worker *workers;
    uint32_t started_count; /* threads running */
    char address[LISTEN_TEXT_BYTES];
    _Atomic enum server_phase phase;
    _Atomic uint32_t busy_count; /* workers that are not quiet yet */
    _Atomic uint32_t connection_count;
    pthread_mutex_t ready_lock; /* only while starting */
    pthread_cond_t ready;
    uint32_t ready_count; /* workers whose status is set */
};

/* The thread's main function; arg is the worker. */
void *worker_main(void *arg);

/* Have the worker look at phase and busy_count. Any thread. */
void worker_wake(struct worker *worker);

#endif

/* server.c: starting a node, and ending it.
 *
 * Start: directory and lock, port, then all shards in parallel on their threads, then clients.
 * So a client that gets through is served at once, and what cannot work fails before that.
 * End: see worker.h; the directory's lock goes last. */
#define _GNU_SOURCE
#include "net/server.h"

#include "net/why.h"
#include "net/worker.h"

#include <errno.h>
#include <imlog/assert.h>
#include <imlog/io_uring.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    SERVER_RING_ENTRIES = 64,  /* the starting thread's ring only opens the directory */
    SERVER_FILES_A_SHARD = 64, /* kept out of connections_max */
    SERVER_FILES_BESIDES = 64,
    SERVER_CONNECTIONS_MIN = 16,
};

static uint32_t server_core_count(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return 1;
    return (uint32_t)CPU_COUNT(&cores);
}

/* Connections by default: the files this process may have, less those that shards need. */
static int server_limit_connections(struct server *server, struct imlog_why *why)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return why_fill(why, -errno, "cannot read RLIMIT_NOFILE: %s", imlog_error_text(-errno));
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    uint64_t besides = SERVER_FILES_BESIDES + SERVER_FILES_A_SHARD * server->node.shard_count;
    uint64_t file_max = limit.rlim_cur > UINT32_MAX ? UINT32_MAX : limit.rlim_cur;
    uint64_t left = file_max > besides ? file_max - besides : 0;
    uint64_t wanted = server->options.connections_max;
    if (left < (wanted > 0 ? wanted : SERVER_CONNECTIONS_MIN))
        return why_fill(why, -EMFILE,
                        "RLIMIT_NOFILE is %llu: not enough for %llu connections and %llu other "
                        "files; raise it (ulimit -n) or lower connections_max",
                        (unsigned long long)file_max,
                        (unsigned long long)(wanted > 0 ? wanted : SERVER_CONNECTIONS_MIN),
                        (unsigned long long)besides);
    if (wanted == 0)
        server->options.connections_max = (uint32_t)left;
    return 0;
}

static void server_describe(struct server *server)
{
    const struct server_options *options = &server->options;
    struct node *node = &server->node;
    node->shard_count = imlog_dir_shard_count(server->dir);
    node->thread_count = options->thread_count;
    if (node->thread_count == 0) {
        uint32_t cores = server_core_count();
        node->thread_count = cores < node->shard_count ? cores : node->shard_count;
    }
    memcpy(node->uuid, imlog_dir_uuid(server->dir), sizeof node->uuid);
    node->body_bytes_max = options->shard.body_bytes_max != 0 ? options->shard.body_bytes_max
                                                              : IMLOG_BODY_BYTES_DEFAULT;
    node->idle_timeout_ms = options->idle_timeout_ms;
    node->frame_timeout_ms = options->frame_timeout_ms;
    node->slow_reader_timeout_ms = options->slow_reader_timeout_ms;
    node->heartbeat_ms = options->heartbeat_ms;
}

static int server_open_dir(struct server *server, struct imlog_why *why)
{
    struct imlog_uring_options ring = {.entries = SERVER_RING_ENTRIES,
                                       .plain_ring = server->options.plain_ring};
    int status = imlog_uring_create(&ring, &server->io, why);
    if (status < 0)
        return status;
    struct imlog_dir_options options = {.shard_count = server->options.shard_count, .create = true};
    return imlog_dir_open(server->io, server->options.data_dir, &options, &server->dir, why);
}

static int server_make_workers(struct server *server, struct imlog_why *why)
{
    uint32_t thread_count = server->node.thread_count;
    server->workers = calloc(thread_count, sizeof *server->workers);
    if (server->workers == NULL)
        return why_fill(why, -ENOMEM, "no memory for threads");
    for (uint32_t i = 0; i < thread_count; i++) {
        struct worker *worker = &server->workers[i];
        worker->server = server;
        worker->dispatch.thread_index = i;
        worker->loop.options.listen_socket = -1;
        worker->wake_file = -1;
        server->node.figures[i] = &worker->dispatch.figures;
    }
    for (uint32_t i = 0; i < thread_count; i++) {
        server->workers[i].wake_file = eventfd(0, EFD_CLOEXEC);
        if (server->workers[i].wake_file < 0)
            return why_fill(why, -errno, "cannot make an eventfd: %s", imlog_error_text(-errno));
    }
    return 0;
}

static int server_bind(struct server *server, struct imlog_why *why)
{
    int sockets[NODE_THREADS_MAX];
    int status = listen_bind(&server->options.listen, sockets, server->node.thread_count,
                             server->address, why);
    for (uint32_t i = 0; status == 0 && i < server->node.thread_count; i++)
        server->workers[i].loop.options.listen_socket = sockets[i];
    return status;
}

/* Run the threads and wait until each has opened its shards, or failed to. */
static int server_run_workers(struct server *server, struct imlog_why *why)
{
    uint32_t thread_count = server->node.thread_count;
    atomic_store(&server->busy_count, thread_count);
    int status = 0;
    for (uint32_t i = 0; i < thread_count && status == 0; i++) {
        struct worker *worker = &server->workers[i];
        int error = pthread_create(&worker->thread, NULL, worker_main, worker);
        server->started_count += error == 0;
        if (error != 0)
            status = why_fill(why, -error, "cannot start a thread: %s", imlog_error_text(-error));
    }
    (void)atomic_fetch_sub(&server->busy_count, thread_count - server->started_count);
    (void)pthread_mutex_lock(&server->ready_lock);
    while (server->ready_count < server->started_count)
        (void)pthread_cond_wait(&server->ready, &server->ready_lock);
    (void)pthread_mutex_unlock(&server->ready_lock);
    for (uint32_t i = 0; i < server->started_count && status == 0; i++) {
        status = server->workers[i].status;
        if (status < 0 && why != NULL)
            *why = server->workers[i].why;
    }
    return status;
}

static void server_move(struct server *server, enum server_phase phase)
{
    atomic_store(&server->phase, phase);
    for (uint32_t i = 0; i < server->started_count; i++)
        worker_wake(&server->workers[i]);
}

static int server_listen(struct server *server, struct imlog_why *why)
{
    for (uint32_t i = 0; i < server->node.thread_count; i++) {
        int error = listen_start(server->workers[i].loop.options.listen_socket);
        if (error < 0)
            return why_fill(why, error, "cannot listen on %s: %s", server->address,
                            imlog_error_text(error));
    }
    return 0;
}

static void server_destroy(struct server *server)
{
    for (uint32_t i = 0; server->workers != NULL && i < server->node.thread_count; i++) {
        struct worker *worker = &server->workers[i];
        if (worker->wake_file >= 0)
            (void)close(worker->wake_file);
        if (worker->loop.options.listen_socket >= 0)
            (void)close(worker->loop.options.listen_socket);
    }
    free(server->workers);
    if (server->dir != NULL)
        imlog_dir_close(server->dir);
    if (server->io != NULL)
        imlog_uring_destroy(server->io);
    (void)pthread_mutex_destroy(&server->ready_lock);
    (void)pthread_cond_destroy(&server->ready);
    free(server);
}

void server_wait(struct server *server)
{
    for (uint32_t i = 0; i < server->started_count; i++)
        (void)pthread_join(server->workers[i].thread, NULL);
    server_destroy(server);
}

/* A start that failed: workers that came up have nothing to do but to close. */
static void server_give_up(struct server *server)
{
    server_move(server, SERVER_DRAINING);
    server_wait(server);
}

static int server_open(struct server *server, struct imlog_why *why)
{
    int status = server_open_dir(server, why);
    if (status < 0)
        return status;
    server_describe(server);
    status = server_limit_connections(server, why);
    if (status == 0)
        status = server_make_workers(server, why);
    if (status == 0)
        status = server_bind(server, why);
    if (status == 0)
        status = server_run_workers(server, why);
    if (status == 0)
        status = server_listen(server, why);
    return status;
}

int server_start(const struct server_options *options, struct server **server,
                 struct imlog_why *why)
{
    struct server *made = calloc(1, sizeof *made);
    if (made == NULL)
        return why_fill(why, -ENOMEM, "no memory for the server");
    made->options = *options;
    (void)pthread_mutex_init(&made->ready_lock, NULL);
    (void)pthread_cond_init(&made->ready, NULL);
    int status = server_open(made, why);
    if (status < 0) {
        server_give_up(made);
        return status;
    }
    server_move(made, SERVER_SERVING);
    *server = made;
    return 0;
}

const char *server_address(const struct server *server)
{
    return server->address;
}

uint32_t server_shard_count(const struct server *server)
{
    return server->node.shard_count;
}

void server_drain(struct server *server)
{
    server_move(server, SERVER_DRAINING);
}

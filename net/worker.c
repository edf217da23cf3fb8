/* worker.c: a thread's start, turns and end.
 *
 * Waking: the worker sleeps only in its ring. Whoever sends it mail while it sleeps writes to its
 * eventfd, which the ring reads; see mailbox.c for why no mail is slept over. */
#include "net/worker.h"

#include "net/turn.h"
#include "net/why.h"

#include <errno.h>
#include <imlog/assert.h>
#include <imlog/io_uring.h>
#include <liburing.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORKER_RING_ENTRIES = 1024 };

static void worker_report(struct worker *worker, enum imlog_severity severity, const char *line)
{
    const struct server_options *options = &worker->server->options;
    options->report(options->report_arg, severity, line);
}

/* ---- waking ---------------------------------------------------------------------------- */

void worker_wake(struct worker *worker)
{
    uint64_t one = 1;
    ssize_t written = write(worker->wake_file, &one, sizeof one);
    IMLOG_ASSERT(written == sizeof one);
}

static void worker_start_waking(struct worker *worker)
{
    struct io_uring_sqe *sqe = imlog_uring_sqe(worker->io, &worker->wake_op);
    if (sqe == NULL)
        return; /* tried again every turn */
    io_uring_prep_read(sqe, worker->wake_file, &worker->wake_count, sizeof worker->wake_count, 0);
    io_uring_sqe_set_data(sqe, &worker->wake_op);
    worker->waking = true;
}

static void handle_wake_done(struct imlog_io_op *op, int32_t result)
{
    struct worker *worker =
        (struct worker *)(void *)((char *)op - offsetof(struct worker, wake_op));
    (void)result;
    worker->waking = false;
}

/* dispatch's send(). */
static void worker_send(void *arg, uint32_t thread_index, struct mail *mail)
{
    struct worker *worker = arg;
    struct worker *target = &worker->server->workers[thread_index];
    if (mailbox_send(&target->mailbox, mail))
        worker_wake(target);
}

/* ---- phases ---------------------------------------------------------------------------- */

static void worker_wake_others(struct worker *worker)
{
    struct server *server = worker->server;
    for (uint32_t i = 0; i < server->node.thread_count; i++)
        if (&server->workers[i] != worker)
            worker_wake(&server->workers[i]);
}

static void worker_drain(struct worker *worker)
{
    struct dispatch *dispatch = &worker->dispatch;
    if (!worker->draining) {
        worker->draining = true;
        worker->drain_due_ms = dispatch->now_ms + worker->server->options.drain_ms;
        loop_drain(&worker->loop);
    }
    if (!worker->past_deadline && dispatch->now_ms >= worker->drain_due_ms) {
        worker->past_deadline = true;
        loop_shut(&worker->loop);
    }
    if (worker->past_deadline)
        dispatch_refuse_waiting(dispatch, IMLOG_EDRAINING);
    if (worker->quiet || dispatch->request_count > 0 || !loop_is_empty(&worker->loop))
        return;
    worker->quiet = true;
    if (atomic_fetch_sub(&worker->server->busy_count, 1) == 1)
        worker_wake_others(worker);
}

/* Do what the phase asks; false when this worker is done. */
static bool worker_follow(struct worker *worker)
{
    enum server_phase phase = atomic_load(&worker->server->phase);
    if (phase == SERVER_SERVING && !worker->accepting) {
        worker->accepting = true;
        loop_accept(&worker->loop);
    }
    if (phase == SERVER_DRAINING)
        worker_drain(worker);
    return atomic_load(&worker->server->busy_count) > 0;
}

/* ---- turns ----------------------------------------------------------------------------- */

static uint64_t worker_wait_ns(const struct worker *worker)
{
    uint64_t wait_ns = dispatch_wait_ns(&worker->dispatch);
    uint64_t loop_ns = loop_wait_ns(&worker->loop);
    uint64_t due_ms = worker->drain_due_ms;
    wait_ns = wait_ns < loop_ns ? wait_ns : loop_ns;
    if (!worker->draining || worker->past_deadline)
        return wait_ns;
    uint64_t now_ms = worker->dispatch.now_ms;
    uint64_t drain_ns = due_ms > now_ms ? (due_ms - now_ms) * 1000000U : 0;
    return wait_ns < drain_ns ? wait_ns : drain_ns;
}

static void worker_tell_time(struct worker *worker)
{
    struct imlog_io *io = worker->io;
    worker->dispatch.now_ms = io->ops->monotonic_ns(io) / 1000000U;
    worker->dispatch.wall_ms = io->ops->wall_ms(io);
}

/* The only place that sleeps. Completions of sockets and disk run here. */
static void worker_wait(struct worker *worker)
{
    uint64_t wait_ns = worker_wait_ns(worker);
    if (!worker->waking)
        worker_start_waking(worker);
    if (wait_ns > 0 && !mailbox_sleep(&worker->mailbox))
        wait_ns = 0;
    int rc = worker->io->ops->poll(worker->io, wait_ns);
    mailbox_awake(&worker->mailbox);
    if (rc < 0) {
        struct imlog_why why;
        (void)why_fill(&why, rc, "the ring failed: %s; stopping at once, start again to recover",
                       imlog_error_text(rc));
        worker_report(worker, IMLOG_ERROR, why.text);
        _exit(1); /* what was acked is durable, and nothing else can be finished */
    }
    worker_tell_time(worker);
}

static void worker_read(void *arg)
{
    struct worker *worker = arg;
    loop_read(&worker->loop);
}

static void worker_write(void *arg)
{
    struct worker *worker = arg;
    loop_write(&worker->loop);
}

static bool worker_turn(struct worker *worker)
{
    const struct carrier carrier = {.read = worker_read, .write = worker_write, .arg = worker};
    worker_wait(worker); /* the only place that sleeps */
    turn_run(&worker->dispatch, &worker->mailbox, &carrier);
    return worker_follow(worker);
}

/* ---- start and end --------------------------------------------------------------------- */

static int worker_open_shards(struct worker *worker)
{
    struct server *server = worker->server;
    const struct node *node = &server->node;
    uint32_t thread_index = worker->dispatch.thread_index;
    uint32_t desk_count =
        (node->shard_count - thread_index + node->thread_count - 1) / node->thread_count;
    if (thread_index >= node->shard_count)
        desk_count = 0;
    worker->desks = calloc(desk_count > 0 ? desk_count : 1, sizeof *worker->desks);
    if (worker->desks == NULL)
        return why_fill(&worker->why, -ENOMEM, "no memory for a thread's shards");
    int status = 0;
    uint32_t opened = 0;
    for (; opened < desk_count && status == 0; opened += status == 0) {
        struct desk *desk = &worker->desks[opened];
        desk->shard_index = thread_index + opened * node->thread_count;
        status = imlog_shard_open(worker->io, server->dir, desk->shard_index,
                                  &server->options.shard, &desk->shard, &worker->why);
    }
    dispatch_init(&worker->dispatch, node, thread_index, worker->desks, opened);
    worker->dispatch.send = worker_send;
    worker->dispatch.send_arg = worker;
    return status;
}

static int worker_open(struct worker *worker, int listen_socket)
{
    struct server *server = worker->server;
    struct imlog_uring_options ring = {.entries = WORKER_RING_ENTRIES,
                                       .plain_ring = server->options.plain_ring};
    int status = imlog_uring_create(&ring, &worker->io, &worker->why);
    if (status < 0)
        return status;
    status = worker_open_shards(worker);
    if (status < 0)
        return status;
    worker_tell_time(worker);
    struct loop_options options = {.listen_socket = listen_socket,
                                   .plain = server->options.plain_ring,
                                   .connections_max = server->options.connections_max,
                                   .connection_count = &server->connection_count,
                                   .report = server->options.report,
                                   .report_arg = server->options.report_arg};
    return loop_open(&worker->loop, worker->io, &worker->dispatch, &options, &worker->why);
}

static void worker_close_shards(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->dispatch.desk_count; i++) {
        struct desk *desk = &worker->desks[i];
        int status = imlog_shard_close(desk->shard);
        if (status == 0)
            continue;
        struct imlog_why why;
        (void)why_fill(&why, status, "closing shard %u: %s; it recovers when opened",
                       desk->shard_index, imlog_error_text(status));
        worker_report(worker, IMLOG_WARNING, why.text);
    }
    worker->dispatch.desk_count = 0;
}

/* The read of the eventfd is the last thing under way. */
static void worker_stop_waking(struct worker *worker)
{
    if (worker->waking)
        worker_wake(worker);
    while (worker->waking && worker->io->ops->poll(worker->io, UINT64_MAX) >= 0)
        continue;
}

static void worker_close(struct worker *worker)
{
    if (worker->io == NULL)
        return;
    if (worker->desks != NULL) {
        worker_close_shards(worker);
        worker_stop_waking(worker);
        dispatch_deinit(&worker->dispatch);
    }
    if (worker->loop.io != NULL)
        loop_close(&worker->loop);
    free(worker->desks);
    imlog_uring_destroy(worker->io);
}

static void worker_say_ready(struct worker *worker, int status)
{
    struct server *server = worker->server;
    (void)pthread_mutex_lock(&server->ready_lock);
    worker->status = status;
    server->ready_count++;
    (void)pthread_cond_signal(&server->ready);
    (void)pthread_mutex_unlock(&server->ready_lock);
}

void *worker_main(void *arg)
{
    struct worker *worker = arg;
    worker->wake_op.done = handle_wake_done;
    int status = worker_open(worker, worker->loop.options.listen_socket);
    if (status < 0)
        (void)atomic_fetch_sub(&worker->server->busy_count, 1);
    worker_say_ready(worker, status);
    while (status == 0 && worker_turn(worker))
        continue;
    worker_close(worker);
    return NULL;
}

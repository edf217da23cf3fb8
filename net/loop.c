/* loop.c: accepting, the lists of links with something to do, timers.
 *
 * Accepting: poll says that somebody is there, then a bounded number are taken. When that fails
 * for lack of something (file descriptors, memory) it is tried again after a moment: the
 * connections wait in the kernel meanwhile. */
#define _GNU_SOURCE /* accept4 */
#include "net/loop.h"

#include "net/why.h"

#include <errno.h>
#include <imlog/assert.h>
#include <imlog/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LOOP_ACCEPTS_A_TURN = 64,
    LOOP_ACCEPT_AGAIN_MS = 100,
    LOOP_REPORT_MS = 1000, /* at most one line about accepting in this time */
    LOOP_SCRATCH_BYTES = 65536,
    LOOP_REFUSED_RETRY_MS = 1000,
};

/* ---- lists ----------------------------------------------------------------------------- */

void loop_add(struct loop *loop, struct link *link)
{
    link->next = loop->links;
    link->previous = NULL;
    if (loop->links != NULL)
        loop->links->previous = link;
    loop->links = link;
    figure_add(&loop->dispatch->figures.connections, 1);
}

void loop_remove(struct loop *loop, struct link *link)
{
    if (link->previous != NULL)
        link->previous->next = link->next;
    else
        loop->links = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    (void)atomic_fetch_sub(loop->options.connection_count, 1);
    figure_sub(&loop->dispatch->figures.connections, 1);
}

void loop_completed(struct loop *loop, struct link *link)
{
    link->next_completed = NULL;
    if (loop->completed_first == NULL)
        loop->completed_first = link;
    else
        loop->completed_last->next_completed = link;
    loop->completed_last = link;
}

void loop_changed(struct loop *loop, struct link *link)
{
    if (link->is_changed)
        return;
    link->is_changed = true;
    link->next_changed = loop->changed;
    loop->changed = link;
}

/* ---- accepting ------------------------------------------------------------------------- */

static void loop_report(struct loop *loop, const char *line)
{
    uint64_t now_ms = loop->dispatch->now_ms;
    if (loop->reported_ms != 0 && now_ms - loop->reported_ms < LOOP_REPORT_MS)
        return;
    loop->reported_ms = now_ms;
    loop->options.report(loop->options.report_arg, IMLOG_WARNING, line);
}

/* Tell a client that there are too many, and close. */
static void loop_refuse(struct loop *loop, int socket)
{
    struct imlog_why why;
    struct wire_writer writer = {.at = NULL};
    uint8_t bytes[FRAME_HEADER_BYTES + sizeof why.text + 32];
    (void)why_fill(&why, 0,
                   "this node takes at most %u connections; close some, or raise "
                   "connections_max",
                   loop->options.connections_max);
    writer.at = bytes + FRAME_HEADER_BYTES;
    wire_put_sint(&writer, 1, IMLOG_EBUSY);
    wire_put_text(&writer, 2, why.text);
    wire_put_uint(&writer, 3, LOOP_REFUSED_RETRY_MS);
    struct frame_header header = {
        .body_bytes = (uint32_t)writer.byte_count, .version = FRAME_VERSION, .type = FRAME_ERROR};
    frame_encode(bytes, &header);
    (void)send(socket, bytes, FRAME_HEADER_BYTES + header.body_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(socket, SHUT_WR);
    (void)close(socket);
    figure_add(&loop->dispatch->figures.connections_refused, 1);
    loop_report(loop, why.text);
}

static void loop_take(struct loop *loop, int socket)
{
    int one = 1;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    uint32_t count = atomic_fetch_add(loop->options.connection_count, 1);
    struct link *link = NULL;
    if (count < loop->options.connections_max) {
        if (timers_reserve(&loop->timers, loop->timers.timer_count + 2) == 0)
            link = link_create(loop, socket);
        if (link != NULL) {
            figure_add(&loop->dispatch->figures.connections_accepted, 1);
            return;
        }
    }
    (void)atomic_fetch_sub(loop->options.connection_count, 1);
    loop_refuse(loop, socket);
}

static void loop_start_accept(struct loop *loop)
{
    if (loop->accepting || loop->stopping)
        return;
    struct io_uring_sqe *sqe = imlog_uring_sqe(loop->io, &loop->accept_op);
    if (sqe == NULL) {
        timers_set(&loop->timers, &loop->accept_timer,
                   loop->dispatch->now_ms + LOOP_ACCEPT_AGAIN_MS);
        return;
    }
    io_uring_prep_poll_add(sqe, loop->options.listen_socket, POLLIN);
    io_uring_sqe_set_data(sqe, &loop->accept_op);
    loop->accepting = true;
}

static void handle_accept_timer(struct timer *timer)
{
    struct loop *loop =
        (struct loop *)(void *)((char *)timer - offsetof(struct loop, accept_timer));
    loop_start_accept(loop);
}

static void loop_accept_failed(struct loop *loop, int error)
{
    struct imlog_why why;
    figure_add(&loop->dispatch->figures.accept_errors, 1);
    (void)why_fill(&why, error, "cannot take a connection: %s; trying again every %d ms",
                   imlog_error_text(-error), LOOP_ACCEPT_AGAIN_MS);
    loop_report(loop, why.text);
    timers_set(&loop->timers, &loop->accept_timer, loop->dispatch->now_ms + LOOP_ACCEPT_AGAIN_MS);
}

/* The peer gave up, or a signal came: not our failure. */
static bool loop_accept_is_harmless(int error)
{
    return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO;
}

static void handle_accept_ready(struct imlog_io_op *op, int32_t result)
{
    struct loop *loop = (struct loop *)(void *)((char *)op - offsetof(struct loop, accept_op));
    (void)result; /* accepting tells */
    loop->accepting = false;
    loop->accept_ready = true;
}

static void loop_take_waiting(struct loop *loop)
{
    loop->accept_ready = false;
    for (uint32_t i = 0; i < LOOP_ACCEPTS_A_TURN && !loop->stopping; i++) {
        int socket = accept4(loop->options.listen_socket, NULL, NULL, SOCK_CLOEXEC);
        if (socket >= 0) {
            loop_take(loop, socket);
        } else if (loop_accept_is_harmless(errno)) {
            break;
        } else {
            loop_accept_failed(loop, errno);
            return;
        }
    }
    loop_start_accept(loop);
}

void loop_accept(struct loop *loop)
{
    loop_start_accept(loop);
}

/* ---- life ------------------------------------------------------------------------------ */

int loop_open(struct loop *loop, struct imlog_io *io, struct dispatch *dispatch,
              const struct loop_options *options, struct imlog_why *why)
{
    *loop = (struct loop){.io = io,
                          .dispatch = dispatch,
                          .options = *options,
                          .accept_timer = {.fire = handle_accept_timer},
                          .accept_op = {.done = handle_accept_ready}};
    if (timers_reserve(&loop->timers, 2) < 0)
        return why_fill(why, -ENOMEM, "no memory for timers");
    if (!options->plain)
        loop->shares_buffers = receive_buffers_open(&loop->buffers, imlog_uring_ring(io)) == 0;
    if (loop->shares_buffers)
        return 0;
    loop->scratch = malloc(LOOP_SCRATCH_BYTES);
    return loop->scratch != NULL ? 0 : why_fill(why, -ENOMEM, "no memory to receive into");
}

void loop_close(struct loop *loop)
{
    IMLOG_ASSERT(loop_is_empty(loop));
    receive_buffers_close(&loop->buffers);
    timers_deinit(&loop->timers);
    free(loop->scratch);
    if (loop->options.listen_socket >= 0)
        (void)close(loop->options.listen_socket);
    loop->options.listen_socket = -1;
}

void loop_drain(struct loop *loop)
{
    loop->stopping = true;
    timers_clear(&loop->timers, &loop->accept_timer);
    (void)shutdown(loop->options.listen_socket, SHUT_RDWR); /* ends the poll on it */
    for (struct link *link = loop->links; link != NULL; link = link->next)
        conn_end(&link->conn);
}

void loop_shut(struct loop *loop)
{
    for (struct link *link = loop->links; link != NULL; link = link->next)
        link_shut(link);
}

bool loop_is_empty(const struct loop *loop)
{
    return loop->links == NULL && !loop->accepting;
}

/* ---- turns ----------------------------------------------------------------------------- */

void loop_read(struct loop *loop)
{
    struct link *link = loop->completed_first;
    loop->completed_first = NULL;
    for (struct link *next; link != NULL; link = next) {
        next = link->next_completed;
        link_complete(link);
    }
    if (loop->accept_ready)
        loop_take_waiting(loop);
    timers_run(&loop->timers, loop->dispatch->now_ms);
}

/* Links that ask to be looked at again while they are have their turn in the next one. */
void loop_write(struct loop *loop)
{
    struct link *link = loop->changed;
    loop->changed = NULL;
    for (struct link *next; link != NULL; link = next) {
        next = link->next_changed;
        link->is_changed = false;
        link_update(link);
    }
}

uint64_t loop_wait_ns(const struct loop *loop)
{
    if (loop->changed != NULL)
        return 0;
    uint64_t due_ms = timers_due_ms(&loop->timers);
    uint64_t now_ms = loop->dispatch->now_ms;
    if (due_ms == UINT64_MAX)
        return UINT64_MAX;
    return due_ms > now_ms ? (due_ms - now_ms) * 1000000U : 0;
}

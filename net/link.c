/* link.c: receiving and sending for one connection, and its end.
 *
 * At most one receive and one send are under way. A receive is started only when the connection
 * wants bytes: what it does not take stays in the kernel, and TCP holds the client back.
 *
 * Completions are only noted while the ring is polled; connections hear of them in the turn's
 * reading, when the time of the turn has been told. */
#include "net/link.h"

#include "net/loop.h"

#include <errno.h>
#include <imlog/assert.h>
#include <imlog/io_uring.h>
#include <liburing.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LINK_LINGER_MS = 500,
    LINK_SCRATCH_BYTES = 65536, /* as loop.c makes it */
};

static struct link *link_of_conn(struct conn *conn)
{
    return (struct link *)(void *)conn;
}

static void handle_conn_changed(struct conn *conn)
{
    struct link *link = link_of_conn(conn);
    loop_changed(link->loop, link);
}

static uint64_t link_now_ms(const struct link *link)
{
    return link->conn.dispatch->now_ms;
}

static struct figures *link_figures(struct link *link)
{
    return &link->conn.dispatch->figures;
}

/* ---- receiving ------------------------------------------------------------------------- */

static void handle_receive_done(struct imlog_io_op *op, int32_t result)
{
    struct link *link = (struct link *)(void *)((char *)op - offsetof(struct link, receive_op));
    link->receiving = false;
    link->received = result;
    link->buffer_index = -1;
    if ((op->flags & IORING_CQE_F_BUFFER) != 0)
        link->buffer_index = (int32_t)(op->flags >> IORING_CQE_BUFFER_SHIFT);
    if (!link->has_sent)
        loop_completed(link->loop, link);
    link->has_received = true;
}

static void link_prepare_receive(struct link *link, struct io_uring_sqe *sqe)
{
    if (!link->loop->shares_buffers) {
        io_uring_prep_poll_add(sqe, link->socket, POLLIN);
        return;
    }
    if (link->space != NULL) {
        io_uring_prep_recv(sqe, link->socket, link->space, link->space_bytes, 0);
    } else {
        io_uring_prep_recv(sqe, link->socket, NULL, RECEIVE_BUFFER_BYTES, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = RECEIVE_BUFFER_GROUP;
    }
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* what was there has just been received */
}

static void link_receive(struct link *link)
{
    struct io_uring_sqe *sqe = imlog_uring_sqe(link->loop->io, &link->receive_op);
    if (sqe == NULL) {
        loop_changed(link->loop, link); /* the kernel takes nothing now: next turn */
        return;
    }
    link->space = NULL;
    if (link->state == LINK_OPEN)
        link->space_bytes = conn_space(&link->conn, &link->space);
    link_prepare_receive(link, sqe);
    io_uring_sqe_set_data(sqe, &link->receive_op);
    link->receiving = true;
}

/* Without shared buffers: poll said there is something. */
static int32_t link_receive_now(struct link *link, const uint8_t **bytes)
{
    uint8_t *into = link->space != NULL ? link->space : link->loop->scratch;
    size_t byte_max = link->space != NULL ? link->space_bytes : LINK_SCRATCH_BYTES;
    ssize_t count = recv(link->socket, into, byte_max, MSG_DONTWAIT);
    *bytes = into;
    return count < 0 ? -errno : (int32_t)count;
}

static void link_take_bytes(struct link *link, const uint8_t *bytes, int32_t result)
{
    uint32_t byte_count = result > 0 ? (uint32_t)result : 0;
    if (link->space != NULL)
        conn_received(&link->conn, byte_count);
    else if (byte_count > 0 && link->state == LINK_OPEN)
        conn_receive(&link->conn, bytes, byte_count);
    link->space = NULL;
}

static bool link_may_go_on(int32_t result)
{
    return result == -EAGAIN || result == -EINTR || result == -ENOBUFS;
}

static void link_complete_receive(struct link *link)
{
    struct loop *loop = link->loop;
    const uint8_t *bytes = NULL;
    int32_t result = link->received;
    if (link->buffer_index >= 0)
        bytes = receive_buffers_get(&loop->buffers, (uint16_t)link->buffer_index);
    if (!loop->shares_buffers && result > 0)
        result = link->state != LINK_SHUT ? link_receive_now(link, &bytes) : 0;
    if (result == -ENOBUFS)
        figure_add(&link_figures(link)->receive_buffers_short, 1);
    link_take_bytes(link, bytes, result);
    if (link->buffer_index >= 0)
        receive_buffers_put(&loop->buffers, (uint16_t)link->buffer_index);
    if (result == 0) {
        link->got_end = true;
        conn_end(&link->conn);
    } else if (result < 0 && !link_may_go_on(result)) {
        link->got_end = true;
        conn_lose(&link->conn);
    }
}

/* ---- sending --------------------------------------------------------------------------- */

static void handle_send_done(struct imlog_io_op *op, int32_t result)
{
    struct link *link = (struct link *)(void *)((char *)op - offsetof(struct link, send_op));
    link->sending = false;
    link->sent = result;
    if (!link->has_received)
        loop_completed(link->loop, link);
    link->has_sent = true;
}

static void link_complete_send(struct link *link)
{
    if (link->sent > 0)
        conn_sent(&link->conn, (uint64_t)link->sent);
    else if (!link_may_go_on(link->sent))
        conn_lose(&link->conn);
}

void link_complete(struct link *link)
{
    bool has_sent = link->has_sent;
    bool has_received = link->has_received;
    link->has_sent = false;
    link->has_received = false;
    if (has_sent)
        link_complete_send(link);
    if (has_received)
        link_complete_receive(link);
    loop_changed(link->loop, link);
}

static void link_send(struct link *link)
{
    struct io_uring_sqe *sqe = imlog_uring_sqe(link->loop->io, &link->send_op);
    if (sqe == NULL) {
        loop_changed(link->loop, link);
        return;
    }
    uint32_t part_count = chunk_queue_peek(&link->conn.output, link->parts, LINK_PARTS_MAX);
    IMLOG_ASSERT(part_count > 0);
    if (part_count == 1) {
        io_uring_prep_send(sqe, link->socket, link->parts[0].iov_base, link->parts[0].iov_len,
                           MSG_NOSIGNAL);
    } else {
        link->message = (struct msghdr){.msg_iov = link->parts, .msg_iovlen = part_count};
        io_uring_prep_sendmsg(sqe, link->socket, &link->message, MSG_NOSIGNAL);
    }
    io_uring_sqe_set_data(sqe, &link->send_op);
    link->sending = true;
}

/* ---- life ------------------------------------------------------------------------------ */

static void link_move(struct link *link, enum link_state to)
{
    IMLOG_ASSERT(to > link->state);
    link->state = to;
    loop_changed(link->loop, link);
}

void link_shut(struct link *link)
{
    if (link->state == LINK_SHUT)
        return;
    (void)shutdown(link->socket, SHUT_RDWR); /* ends what is under way */
    link_move(link, LINK_SHUT);
    conn_lose(&link->conn);
}

/* A peer that has been silent sends nothing that a reset could answer. */
static bool link_is_silent(const struct link *link)
{
    return link_now_ms(link) - link->conn.heard_ms >= LINK_LINGER_MS;
}

/* All that will be sent has been. */
static void link_finish(struct link *link)
{
    if (link->conn.state == CONN_LOST || link->got_end || link_is_silent(link)) {
        link_shut(link);
        return;
    }
    (void)shutdown(link->socket, SHUT_WR);
    link_move(link, LINK_LINGERING);
    timers_set(&link->loop->timers, &link->timer, link_now_ms(link) + LINK_LINGER_MS);
}

static void link_late(struct link *link, enum conn_verdict verdict)
{
    struct figures *figures = link_figures(link);
    switch (verdict) {
    case CONN_IDLE:
        figure_add(&figures->timeouts_idle, 1);
        break;
    case CONN_FRAME_LATE:
        figure_add(&figures->timeouts_frame, 1);
        break;
    case CONN_SLOW:
        figure_add(&figures->timeouts_slow, 1);
        break;
    case CONN_FINE:
        break;
    }
    link_shut(link);
}

static void handle_link_timer(struct timer *timer)
{
    struct link *link = (struct link *)(void *)((char *)timer - offsetof(struct link, timer));
    if (link->state == LINK_SHUT)
        return;
    if (link->state == LINK_LINGERING) {
        link_shut(link);
        return;
    }
    enum conn_verdict verdict = conn_check(&link->conn);
    if (verdict != CONN_FINE) {
        link_late(link, verdict);
        return;
    }
    uint64_t due_ms = conn_due_ms(&link->conn);
    timers_set(&link->loop->timers, timer,
               due_ms > link_now_ms(link) ? due_ms : link_now_ms(link) + 1);
}

struct link *link_create(struct loop *loop, int socket)
{
    struct link *link = malloc(sizeof *link);
    if (link == NULL)
        return NULL;
    *link = (struct link){.loop = loop,
                          .state = LINK_OPEN,
                          .socket = socket,
                          .buffer_index = -1,
                          .timer = {.fire = handle_link_timer},
                          .receive_op = {.done = handle_receive_done},
                          .send_op = {.done = handle_send_done}};
    conn_init(&link->conn, loop->dispatch, handle_conn_changed);
    timers_set(&loop->timers, &link->timer, conn_due_ms(&link->conn));
    loop_add(loop, link);
    loop_changed(loop, link);
    return link;
}

static void link_destroy(struct link *link)
{
    timers_clear(&link->loop->timers, &link->timer);
    loop_remove(link->loop, link);
    conn_deinit(&link->conn);
    free(link);
}

/* Shut, and no completion to come: the socket goes; the rest when nothing points to it. */
static void link_release(struct link *link)
{
    if (link->receiving || link->sending)
        return;
    if (link->socket >= 0)
        (void)close(link->socket);
    link->socket = -1;
    if (!conn_is_held(&link->conn) && !link->is_changed)
        link_destroy(link);
}

void link_update(struct link *link)
{
    if (link->state == LINK_OPEN && conn_is_done(&link->conn))
        link_finish(link);
    if (link->state == LINK_LINGERING && link->got_end)
        link_shut(link);
    if (link->state == LINK_SHUT) {
        link_release(link);
        return;
    }
    if (link->state == LINK_OPEN && !link->sending && link->conn.output.byte_count > 0)
        link_send(link);
    if (!link->receiving && !link->got_end &&
        (link->state == LINK_LINGERING || conn_wants_bytes(&link->conn)))
        link_receive(link);
}

/* dispatch.c: from frames to the desks of shards and back; see dispatch.h.
 *
 * Order: appends of one connection to one session keep theirs, because every step between is
 * first in, first out: frames of a connection, mail from this thread to the shard's, the desk. */
#include "net/dispatch.h"

#include "net/conn.h"
#include "net/handler.h"
#include "net/limits.h"
#include "net/why.h"

#include <imlog/assert.h>
#include <imlog/planted.h>
#include <stddef.h>

enum { DISPATCH_RETRY_NS = 1000000 }; /* how long to sleep at most while something waits */

void dispatch_init(struct dispatch *dispatch, const struct node *node, uint32_t thread_index,
                   struct desk *desks, uint32_t desk_count)
{
    *dispatch = (struct dispatch){
        .node = node, .thread_index = thread_index, .desks = desks, .desk_count = desk_count};
    for (uint32_t i = 0; i < desk_count; i++)
        desks[i].dispatch = dispatch;
}

void dispatch_deinit(struct dispatch *dispatch)
{
    IMLOG_ASSERT(dispatch->request_count == 0);
    pool_deinit(&dispatch->pool);
}

/* ---- frames ---------------------------------------------------------------------------- */

static void dispatch_count_request(struct figures *figures, uint16_t type)
{
    switch (type) {
    case FRAME_PING:
        return figure_add(&figures->requests_ping, 1);
    case FRAME_INFO:
        return figure_add(&figures->requests_info, 1);
    case FRAME_STATS:
        return figure_add(&figures->requests_stats, 1);
    case FRAME_RESOLVE:
        return figure_add(&figures->requests_resolve, 1);
    case FRAME_NAMES:
        return figure_add(&figures->requests_names, 1);
    case FRAME_APPEND:
        return figure_add(&figures->requests_append, 1);
    case FRAME_PULL:
        return figure_add(&figures->requests_pull, 1);
    case FRAME_SESSION:
        return figure_add(&figures->requests_session, 1);
    case FRAME_SESSIONS:
        return figure_add(&figures->requests_sessions, 1);
    default:
        return;
    }
}

bool dispatch_frame(struct dispatch *dispatch, struct conn *conn, struct frame *frame)
{
    if (frame->header.type == FRAME_HEARTBEAT) {
        figure_add(&dispatch->figures.heartbeats, 1);
        return true;
    }
    struct imlog_why why;
    const struct handler *handler = handler_of(frame->header.type);
    int status;
    if (handler == NULL)
        status = why_fill(&why, IMLOG_EUNSUPPORTED, "request type 0x%04x is not known here",
                          frame->header.type);
    else
        status = handler->take(dispatch, conn, handler, frame, &why);
    if (status == REQUEST_LATER)
        return false;
    dispatch_count_request(&dispatch->figures, frame->header.type);
    if (status == 0)
        return true;
    figure_add(&dispatch->figures.requests_bad, 1);
    conn_error(conn, frame->header.request_id, status, why.text, 0);
    return true;
}

void dispatch_ready(struct dispatch *dispatch, struct conn *conn)
{
    if (conn->is_ready)
        return;
    conn->is_ready = true;
    conn->next_ready = NULL;
    if (dispatch->ready_first == NULL)
        dispatch->ready_first = conn;
    else
        dispatch->ready_last->next_ready = conn;
    dispatch->ready_last = conn;
}

/* Those that get ready meanwhile have their turn in the next one. */
void dispatch_read(struct dispatch *dispatch)
{
    struct conn *conn = dispatch->ready_first;
    dispatch->ready_first = NULL;
    for (struct conn *next; conn != NULL; conn = next) {
        next = conn->next_ready;
        conn->is_ready = false;
        conn_continue(conn);
    }
}

bool dispatch_has_room(const struct dispatch *dispatch)
{
    return dispatch->weight_bytes < DISPATCH_WEIGHT_BYTES_MAX;
}

/* ---- parts ----------------------------------------------------------------------------- */

static struct desk *dispatch_desk(struct dispatch *dispatch, uint32_t shard_index)
{
    struct desk *desk = &dispatch->desks[shard_index / dispatch->node->thread_count];
    IMLOG_ASSERT(desk->shard_index == shard_index);
    return desk;
}

static void desk_push(struct desk *desk, struct part *part)
{
    part->next = NULL;
    if (desk->waiting_first == NULL)
        desk->waiting_first = part;
    else
        desk->waiting_last->next = part;
    desk->waiting_last = part;
    desk->waiting_bytes += part->weight_bytes;
}

static struct part *desk_pop(struct desk *desk)
{
    struct part *part = desk->waiting_first;
    if (part == NULL)
        return NULL;
    desk->waiting_first = part->next;
    if (!IMLOG_PLANTED(desk_room_leaks))
        desk->waiting_bytes -= part->weight_bytes;
    return part;
}

static void desk_push_back(struct desk *desk, struct part *part)
{
    part->next = desk->waiting_first;
    if (desk->waiting_first == NULL)
        desk->waiting_last = part;
    desk->waiting_first = part;
    desk->waiting_bytes += part->weight_bytes;
}

static void desk_take(struct desk *desk, struct part *part)
{
    const struct handler *handler = part->request->handler;
    struct figures *figures = &desk->dispatch->figures;
    part->desk = desk;
    if (handler->run != NULL) {
        handler->run(part);
    } else if (!handler->writes) {
        (void)part_run(part); /* goes on by itself as its items get done */
    } else if (desk->waiting_bytes + part->weight_bytes > DESK_WAITING_BYTES_MAX &&
               desk->waiting_first != NULL) {
        figure_add(&figures->parts_refused, 1);
        part_refuse(part, IMLOG_PLANTED(refused_part_is_silent) ? 0 : IMLOG_EBUSY);
    } else {
        desk_push(desk, part);
    }
}

static void desk_run_waiting(struct desk *desk)
{
    for (struct part *part; (part = desk_pop(desk)) != NULL;) {
        if (part_run(part) != IMLOG_EBUSY)
            continue;
        figure_add(&desk->dispatch->figures.parts_held, 1);
        if (IMLOG_PLANTED(held_part_goes_last))
            desk_push(desk, part);
        else
            desk_push_back(desk, part);
        return;
    }
}

void dispatch_part(struct dispatch *dispatch, struct part *part)
{
    uint32_t thread_index = node_thread_of_shard(dispatch->node, part->shard_index);
    figure_add(&dispatch->figures.parts, 1);
    if (thread_index == dispatch->thread_index) {
        desk_take(dispatch_desk(dispatch, part->shard_index), part);
        return;
    }
    figure_add(&dispatch->figures.parts_across, 1);
    part->mail.kind = MAIL_PART;
    dispatch->send(dispatch->send_arg, thread_index, &part->mail);
}

void dispatch_return(struct dispatch *dispatch, struct part *part)
{
    struct dispatch *home = part->request->home;
    if (home == dispatch) {
        request_part_returned(part);
        return;
    }
    part->mail.kind = MAIL_RETURN;
    dispatch->send(dispatch->send_arg, home->thread_index, &part->mail);
}

void dispatch_mail(struct dispatch *dispatch, struct mail *mail)
{
    struct part *part = (struct part *)(void *)((char *)mail - offsetof(struct part, mail));
    if (mail->kind == MAIL_RETURN) {
        IMLOG_ASSERT(part->request->home == dispatch);
        request_part_returned(part);
        return;
    }
    IMLOG_ASSERT(mail->kind == MAIL_PART);
    desk_take(dispatch_desk(dispatch, part->shard_index), part);
}

/* ---- turns ----------------------------------------------------------------------------- */

void dispatch_turn(struct dispatch *dispatch)
{
    for (uint32_t i = 0; i < dispatch->desk_count; i++) {
        struct desk *desk = &dispatch->desks[i];
        desk_run_waiting(desk);
        desk->progressed = imlog_shard_turn(desk->shard) > 0;
    }
}

static uint64_t desk_wait_ns(const struct desk *desk)
{
    uint64_t wait_ns = imlog_shard_wait_ns(desk->shard);
    if (desk->waiting_first == NULL)
        return wait_ns;
    if (desk->progressed)
        return 0;
    return wait_ns < DISPATCH_RETRY_NS ? wait_ns : DISPATCH_RETRY_NS;
}

uint64_t dispatch_wait_ns(const struct dispatch *dispatch)
{
    if (dispatch->ready_first != NULL && dispatch_has_room(dispatch))
        return 0;
    uint64_t least_ns = UINT64_MAX;
    for (uint32_t i = 0; i < dispatch->desk_count; i++) {
        uint64_t wait_ns = desk_wait_ns(&dispatch->desks[i]);
        least_ns = wait_ns < least_ns ? wait_ns : least_ns;
    }
    return least_ns;
}

void dispatch_refuse_waiting(struct dispatch *dispatch, int status)
{
    for (uint32_t i = 0; i < dispatch->desk_count; i++)
        for (struct part *part; (part = desk_pop(&dispatch->desks[i])) != NULL;)
            part_refuse(part, status);
}

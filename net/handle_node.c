/* handle_node.c: PingRequest and InfoRequest, answered by the thread that got them. */
#include "net/conn.h"
#include "net/handler.h"
#include "net/limits.h"
#include "net/why.h"

#include <errno.h>
#include <imlog/version.h>
#include <stddef.h>

/* Write put's fields as the whole reply. */
static int node_answer(struct dispatch *home, struct conn *conn, const struct frame *frame,
                       void (*put)(struct wire_writer *writer, const struct dispatch *home),
                       struct imlog_why *why)
{
    struct wire_writer writer = {.at = NULL};
    put(&writer, home);
    uint32_t byte_count = (uint32_t)writer.byte_count;
    struct chunk_queue body = {0};
    writer.at = chunk_queue_extend(&body, &home->pool, byte_count, byte_count);
    if (writer.at == NULL)
        return why_fill(why, -ENOMEM, "no memory for the answer");
    put(&writer, home);
    conn_reply(conn, (uint16_t)(frame->header.type | FRAME_REPLY), frame->header.request_id, &body);
    return 0;
}

static void ping_put(struct wire_writer *writer, const struct dispatch *home)
{
    wire_put_uint(writer, 1, home->wall_ms);
}

static int ping_take(struct dispatch *home, struct conn *conn, const struct handler *handler,
                     struct frame *frame, struct imlog_why *why)
{
    (void)handler;
    int status = handler_check_body(frame, why);
    return status < 0 ? status : node_answer(home, conn, frame, ping_put, why);
}

static void info_put(struct wire_writer *writer, const struct dispatch *home)
{
    const struct node *node = home->node;
    wire_put_text(writer, 1, IMLOG_VERSION);
    wire_put_uint(writer, 2, FRAME_VERSION);
    wire_put_bytes(writer, 3, node->uuid, sizeof node->uuid);
    wire_put_uint(writer, 4, node->shard_count);
    wire_put_uint(writer, 5, node->body_bytes_max);
    wire_put_uint(writer, 6, IMLOG_FRAME_BYTES_MAX);
    wire_put_uint(writer, 7, IMLOG_REQUEST_ITEMS_MAX);
    wire_put_uint(writer, 8, IMLOG_PULL_MESSAGES_MAX);
    wire_put_uint(writer, 9, node->idle_timeout_ms);
    wire_put_uint(writer, 10, home->wall_ms);
}

static int info_take(struct dispatch *home, struct conn *conn, const struct handler *handler,
                     struct frame *frame, struct imlog_why *why)
{
    (void)handler;
    int status = handler_check_body(frame, why);
    return status < 0 ? status : node_answer(home, conn, frame, info_put, why);
}

const struct handler handle_ping = {.type = FRAME_PING, .take = ping_take};
const struct handler handle_info = {.type = FRAME_INFO, .take = info_take};

/* handler.c: the table of request types, and what their handlers share. */
#include "net/handler.h"

#include "net/dispatch.h"
#include "net/why.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stddef.h>

static const struct handler *const handlers[] = {
    &handle_append, &handle_pull,     &handle_resolve, &handle_session, &handle_names,
    &handle_ping,   &handle_sessions, &handle_info,    &handle_stats,
};

const struct handler *handler_of(uint16_t type)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i]->type == type)
            return handlers[i];
    return NULL;
}

void handler_put_result(struct wire_writer *writer, const struct item *item)
{
    wire_put_uint(writer, 1, item->index);
    if (item->status >= 0)
        return;
    wire_put_sint(writer, 2, item->status);
    wire_put_text(writer, 3, imlog_error_text(item->status));
}

void handler_put_measured(struct part *part, uint32_t number, uint64_t byte_count,
                          void (*put)(struct wire_writer *writer, const void *arg), const void *arg)
{
    struct wire_writer head = {.at = NULL};
    wire_put_message(&head, number, byte_count);
    uint64_t total_bytes = head.byte_count + byte_count;
    uint64_t ahead = part->item_count < 64 ? part->item_count : 64; /* results like this one */
    uint64_t new_bytes = total_bytes * (ahead > 0 && total_bytes < 4096 ? ahead : 1);
    struct wire_writer writer = {.at = chunk_queue_extend(&part->reply, &part->desk->dispatch->pool,
                                                          (uint32_t)total_bytes, new_bytes)};
    if (writer.at == NULL) {
        part->status = -ENOMEM;
        return;
    }
    wire_put_message(&writer, number, byte_count);
    put(&writer, arg);
    IMLOG_ASSERT(writer.byte_count == total_bytes);
}

void handler_put(struct part *part, uint32_t number,
                 void (*put)(struct wire_writer *writer, const void *arg), const void *arg)
{
    struct wire_writer fields = {.at = NULL};
    put(&fields, arg);
    handler_put_measured(part, number, fields.byte_count, put, arg);
}

int handler_check_body(const struct frame *frame, struct imlog_why *why)
{
    struct wire_reader reader = wire_reader_of(frame->body, frame->header.body_bytes);
    struct wire_field field;
    int rc;
    do
        rc = wire_next(&reader, &field);
    while (rc > 0);
    return rc < 0 ? why_fill(why, rc, "the request's body is no valid protobuf") : 0;
}

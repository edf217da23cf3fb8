/* request.c: making requests, running their parts, putting replies together.
 *
 * Duty: every request taken ends in exactly one reply, and gives back what it held, whatever
 * happens to its connection meanwhile. */
#include "net/request.h"

#include "net/conn.h"
#include "net/dispatch.h"
#include "net/handler.h"
#include "net/limits.h"
#include "net/why.h"

#include <errno.h>
#include <imlog/assert.h>
#include <imlog/planted.h>
#include <stddef.h>

/* ---- making ---------------------------------------------------------------------------- */

static uint64_t request_head_bytes(uint32_t part_count)
{
    uint64_t byte_count = offsetof(struct request, parts) + part_count * sizeof(struct part);
    return (byte_count + 15) & ~(uint64_t)15;
}

void *request_bytes(struct request *request, uint32_t part_count)
{
    return (char *)request + request_head_bytes(part_count);
}

struct request *request_create(struct dispatch *home, struct conn *conn,
                               const struct handler *handler, const struct frame *frame,
                               uint32_t part_count, uint64_t byte_count)
{
    uint64_t total_bytes = request_head_bytes(part_count) + byte_count;
    struct request *request = pool_take(&home->pool, total_bytes);
    if (request == NULL)
        return NULL;
    memset(request, 0, request_head_bytes(part_count));
    request->handler = handler;
    request->conn = conn;
    request->home = home;
    request->request_id = frame->header.request_id;
    request->weight_bytes = total_bytes;
    atomic_init(&request->room_bytes, IMLOG_REPLY_BYTES_MAX);
    return request;
}

static void request_destroy(struct request *request)
{
    struct pool *pool = &request->home->pool;
    chunk_queue_clear(&request->head, pool);
    for (uint32_t i = 0; i < request->part_count; i++)
        chunk_queue_clear(&request->parts[i].reply, pool);
    pool_give(pool, request->frame_block);
    pool_give(pool, request);
}

void request_start(struct request *request)
{
    struct dispatch *home = request->home;
    home->request_count++;
    home->weight_bytes += request->weight_bytes;
    figure_add(&home->figures.requests_under_way, 1);
    figure_add(&home->figures.request_weight_bytes, request->weight_bytes);
    conn_hold(request->conn, request->weight_bytes);
    /* The request is gone when its last part is back, which may be inside dispatch_part(). */
    uint32_t part_count = request->part_count;
    request->parts_away_count = part_count;
    IMLOG_ASSERT(part_count > 0);
    for (uint32_t i = 0; i < part_count; i++)
        dispatch_part(home, &request->parts[i]);
}

/* ---- items ----------------------------------------------------------------------------- */

struct split { /* a request while its items are found */
    struct request *request;
    struct dispatch *home;
    const struct handler *handler;
    char *items;
    uint32_t item_count;
};

/* First look: how many items there are, and that the fields are sound. */
static int64_t request_count_items(const struct handler *handler, const struct frame *frame)
{
    struct wire_reader reader = wire_reader_of(frame->body, frame->header.body_bytes);
    struct wire_field field;
    int64_t item_count = 0;
    int rc;
    while ((rc = wire_next(&reader, &field)) > 0) {
        if (field.number != 1)
            continue;
        int64_t more = handler->ids ? wire_count_uint64(&field)
                                    : (field.type == WIRE_BYTES ? 1 : (int64_t)IMLOG_EPROTO);
        if (more < 0)
            return more;
        item_count += more;
    }
    return rc < 0 ? rc : item_count;
}

static struct part *request_part(struct split *split, uint32_t shard_index)
{
    struct part *part = split->home->part_of_shard[shard_index];
    if (part != NULL)
        return part;
    part = &split->request->parts[split->request->part_count++];
    part->request = split->request;
    part->shard_index = shard_index;
    split->home->part_of_shard[shard_index] = part;
    return part;
}

static void part_add(struct part *part, struct item *item)
{
    item->part = part;
    if (part->first_item == NULL)
        part->first_item = part->next_item = item;
    else
        part->last_item->next = item;
    part->last_item = item;
    part->item_count++;
}

static int request_add(struct split *split, const uint8_t *bytes, uint64_t value)
{
    const struct handler *handler = split->handler;
    struct request *request = split->request;
    uint64_t offset = (uint64_t)split->item_count * handler->item_bytes;
    struct item *item = (struct item *)(void *)(split->items + offset);
    memset(item, 0, handler->item_bytes);
    item->index = split->item_count++;
    int status = handler->decode(item, bytes, value);
    if (status < 0)
        return status;
    uint32_t shard_count = split->home->node->shard_count;
    struct part *part = request_part(split, handler->shard_of(item, shard_count));
    part_add(part, item);
    part->weight_bytes += handler->item_bytes + (handler->borrows ? value : 0);
    request->weight_bytes += handler->result_bytes(item, split->home->node->body_bytes_max);
    return 0;
}

static int request_add_field(struct split *split, const struct wire_field *field)
{
    const struct handler *handler = split->handler;
    if (field->number != 1)
        return handler->option != NULL ? handler->option(split->request, field) : 0;
    if (!handler->ids || field->type == WIRE_VARINT)
        return request_add(split, field->bytes, field->value);
    struct wire_reader reader = wire_reader_of(field->bytes, field->value);
    int status = 0;
    for (uint64_t id; status >= 0 && reader.at < reader.end;) {
        status = wire_varint(&reader, &id);
        if (status >= 0)
            status = request_add(split, NULL, id);
    }
    return status < 0 ? status : 0;
}

/* Second look: decode the items and deal them out to parts. */
static int request_split(struct split *split, const uint8_t *body, uint32_t body_bytes)
{
    struct wire_reader reader = wire_reader_of(body, body_bytes);
    struct wire_field field;
    int status = 0;
    while (status == 0 && wire_next(&reader, &field) > 0)
        status = request_add_field(split, &field);
    for (uint32_t i = 0; i < split->request->part_count; i++)
        split->home->part_of_shard[split->request->parts[i].shard_index] = NULL;
    return status;
}

/* The body where it stays as long as the request: in the frame's own block, or copied behind the
 * items. */
static const uint8_t *request_keep_body(struct request *request, uint8_t *space,
                                        struct frame *frame)
{
    if (frame->block != NULL) {
        request->frame_block = frame->block;
        request->weight_bytes += frame->header.body_bytes;
        frame->block = NULL;
        return frame->body;
    }
    memcpy(space, frame->body, frame->header.body_bytes);
    return space;
}

static void request_answer_empty(struct conn *conn, const struct frame *frame)
{
    struct chunk_queue no_body = {0};
    conn_reply(conn, (uint16_t)(frame->header.type | FRAME_REPLY), frame->header.request_id,
               &no_body);
}

/* A request with its items decoded and dealt out. 0 or an error. */
static int request_make(struct dispatch *home, struct conn *conn, const struct handler *handler,
                        struct frame *frame, uint32_t item_count, struct request **made)
{
    uint32_t shard_count = home->node->shard_count;
    uint32_t part_count = item_count < shard_count ? item_count : shard_count;
    uint64_t item_bytes = (uint64_t)item_count * handler->item_bytes;
    bool copies = handler->borrows && frame->block == NULL;
    struct request *request = request_create(home, conn, handler, frame, part_count,
                                             item_bytes + (copies ? frame->header.body_bytes : 0));
    if (request == NULL)
        return -ENOMEM;
    char *items = request_bytes(request, part_count);
    const uint8_t *body = frame->body;
    if (handler->borrows)
        body = request_keep_body(request, (uint8_t *)items + item_bytes, frame);
    struct split split = {.request = request, .home = home, .handler = handler, .items = items};
    int status = request_split(&split, body, frame->header.body_bytes);
    if (status < 0) {
        request_destroy(request);
        return status;
    }
    IMLOG_ASSERT(split.item_count == item_count);
    request->item_count = item_count;
    atomic_init(&request->room_bytes,
                IMLOG_REPLY_BYTES_MAX - (int64_t)item_count * RESULT_BYTES_MAX);
    *made = request;
    return 0;
}

/* Not now: the frame is as it was. */
static int request_put_back(struct request *request, struct frame *frame)
{
    if (request->frame_block != NULL)
        frame->block = request->frame_block;
    request->frame_block = NULL;
    request_destroy(request);
    return REQUEST_LATER;
}

int request_take_items(struct dispatch *home, struct conn *conn, const struct handler *handler,
                       struct frame *frame, struct imlog_why *why)
{
    struct request *request;
    int64_t item_count = request_count_items(handler, frame);
    if (item_count < 0)
        return why_fill(why, (int)item_count, "the request's body is no valid protobuf");
    if (item_count > IMLOG_REQUEST_ITEMS_MAX)
        return why_fill(why, IMLOG_EINVALID, "%lld items in one request; at most %d are taken",
                        (long long)item_count, IMLOG_REQUEST_ITEMS_MAX);
    int status = request_make(home, conn, handler, frame, (uint32_t)item_count, &request);
    if (status == IMLOG_EPROTO)
        return why_fill(why, status, "an item or a field is no valid protobuf of its type");
    if (status < 0)
        return why_fill(why, status, "no memory for the request");
    if (item_count == 0) {
        request_destroy(request);
        request_answer_empty(conn, frame);
        return 0;
    }
    if (!conn_has_room(conn, request->weight_bytes))
        return request_put_back(request, frame);
    request_start(request);
    return 0;
}

/* ---- at the shard ---------------------------------------------------------------------- */

bool request_reserve(struct request *request, uint64_t byte_count)
{
    int64_t wanted_bytes = (int64_t)byte_count;
    return atomic_fetch_sub(&request->room_bytes, wanted_bytes) >= wanted_bytes ||
           IMLOG_PLANTED(reply_not_bounded);
}

bool request_is_full(struct request *request)
{
    return atomic_load(&request->room_bytes) <= 0;
}

static void part_put_results(struct part *part)
{
    const struct handler *handler = part->request->handler;
    uint64_t total_bytes = 0;
    uint64_t failed_count = 0;
    for (struct item *item = part->first_item; item != NULL; item = item->next) {
        struct wire_writer counter = {.at = NULL};
        if (handler->put != NULL) {
            handler->put(&counter, item);
            struct wire_writer head = {.at = NULL};
            wire_put_message(&head, 1, counter.byte_count);
            total_bytes += head.byte_count + counter.byte_count;
        }
        failed_count += item->status < 0;
    }
    figure_add(&part->desk->dispatch->figures.items, part->item_count);
    figure_add(&part->desk->dispatch->figures.items_failed, failed_count);
    if (handler->put == NULL)
        return;
    struct wire_writer writer = {.at = chunk_queue_extend(&part->reply, &part->desk->dispatch->pool,
                                                          (uint32_t)total_bytes, total_bytes)};
    if (writer.at == NULL) {
        part->status = handler->writes ? IMLOG_EUNKNOWN : -ENOMEM;
        return;
    }
    for (struct item *item = part->first_item; item != NULL; item = item->next) {
        struct wire_writer counter = {.at = NULL};
        handler->put(&counter, item);
        wire_put_message(&writer, 1, counter.byte_count);
        handler->put(&writer, item);
    }
    IMLOG_ASSERT(writer.byte_count == total_bytes);
}

void part_finish(struct part *part)
{
    struct dispatch *dispatch = part->desk->dispatch;
    IMLOG_ASSERT(part->under_way_count == 0);
    IMLOG_ASSERT(part->next_item == NULL);
    part_put_results(part);
    id_set_deinit(&part->failed, &dispatch->pool);
    dispatch_return(dispatch, part);
}

/* True when all items have been started. */
static bool part_start_items(struct part *part, int *status)
{
    const struct handler *handler = part->request->handler;
    while (part->next_item != NULL) {
        if (handler->at_once_max != 0 && part->under_way_count == handler->at_once_max)
            return false;
        struct item *item = part->next_item;
        int rc = handler->start(part, item);
        if (rc == IMLOG_EBUSY) {
            if (IMLOG_PLANTED(busy_item_is_skipped))
                part->next_item = item->next;
            *status = rc;
            return false;
        }
        part->under_way_count += rc == ITEM_UNDER_WAY && !IMLOG_PLANTED(answered_before_durable);
        part->next_item = item->next;
    }
    return true;
}

int part_run(struct part *part)
{
    int status = 0;
    if (part_start_items(part, &status) && part->under_way_count == 0)
        part_finish(part);
    return status;
}

void part_item_done(struct part *part)
{
    IMLOG_ASSERT(part->under_way_count > 0);
    part->under_way_count--;
    if (part->next_item != NULL && part->request->handler->writes)
        return; /* it waits at the desk for its next run */
    (void)part_run(part);
}

void part_refuse(struct part *part, int status)
{
    bool untouched = part->next_item == part->first_item;
    for (struct item *item = part->next_item; item != NULL; item = item->next)
        item->status = status;
    part->next_item = NULL;
    if (part->under_way_count > 0)
        return;
    if (untouched)
        part->status = status;
    part_finish(part);
}

/* ---- at home --------------------------------------------------------------------------- */

/* Is there one answer to the request as a whole? Parts refused untouched are, if all were;
 * lack of memory for results always is. */
static int request_status(const struct request *request)
{
    uint32_t refused_count = 0;
    for (uint32_t i = 0; i < request->part_count; i++) {
        int status = request->parts[i].status;
        bool refused = status == IMLOG_EBUSY || status == IMLOG_EDRAINING;
        if (status < 0 && !refused)
            return status;
        refused_count += refused;
    }
    return refused_count == request->part_count ? request->parts[0].status : 0;
}

static void request_answer(struct request *request)
{
    int status = request_status(request);
    if (status < 0) {
        uint64_t request_id = IMLOG_PLANTED(error_for_another_request) ? 0 : request->request_id;
        conn_error(request->conn, request_id, status, imlog_error_text(status),
                   status == IMLOG_EBUSY ? DESK_RETRY_AFTER_MS : 0);
        return;
    }
    for (uint32_t i = 0; i < request->part_count; i++)
        chunk_queue_link(&request->head, &request->parts[i].reply);
    conn_reply(request->conn, (uint16_t)(request->handler->type | FRAME_REPLY), request->request_id,
               &request->head);
}

void request_part_returned(struct part *part)
{
    struct request *request = part->request;
    IMLOG_ASSERT(request->parts_away_count > 0);
    if (--request->parts_away_count > (IMLOG_PLANTED(last_part_not_awaited) ? 1U : 0U))
        return;
    struct dispatch *home = request->home;
    struct conn *conn = request->conn;
    uint64_t weight_bytes = request->weight_bytes;
    request_answer(request);
    request_destroy(request);
    home->request_count--;
    if (!IMLOG_PLANTED(request_room_leaks))
        home->weight_bytes -= weight_bytes;
    figure_sub(&home->figures.requests_under_way, 1);
    figure_sub(&home->figures.request_weight_bytes, weight_bytes);
    conn_release(conn, weight_bytes);
}

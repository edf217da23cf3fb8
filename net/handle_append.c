/* handle_append.c: AppendRequest. The ack leaves only when the engine says durable.
 *
 * When an item fails, later ones of its session in the same request fail with IMLOG_EABORTED.
 * All items of a session are in one part, so its part alone remembers which sessions failed. */
#include "net/dispatch.h"
#include "net/handler.h"

#include <imlog/planted.h>
#include <stddef.h>

enum { APPENDED_BYTES_MAX = 64 }; /* of a result that is no error */

struct append_item {
    struct item item; /* first */
    struct imlog_append append;
};

static struct append_item *append_item_of(const struct item *item)
{
    return (struct append_item *)(uintptr_t)item;
}

static int append_field(struct append_item *item, const struct wire_field *field)
{
    struct imlog_append *append = &item->append;
    uint64_t number;
    const uint8_t *body;
    switch (field->number) {
    case 1:
        return wire_get_uint64(field, &append->session_id);
    case 2:
        if (wire_get_uint64(field, &number) < 0)
            return IMLOG_EPROTO;
        append->kind = (enum imlog_kind)(number <= IMLOG_KIND_BROADCAST ? number : 0);
        if (number > IMLOG_KIND_BROADCAST)
            item->item.status = IMLOG_EINVALID;
        return 0;
    case 3:
        return wire_get_uint64(field, &append->sender_id);
    case 4:
        return wire_get_uint64(field, &append->client_msg_id);
    case 5:
        return wire_get_uint64(field, &append->client_ms);
    case 6:
        if (wire_get_uint64(field, &number) < 0)
            return IMLOG_EPROTO;
        append->type = (uint16_t)number;
        if (number > UINT16_MAX)
            item->item.status = IMLOG_EINVALID;
        return 0;
    case 7:
        if (wire_get_bytes(field, &body, &append->body_bytes) < 0)
            return IMLOG_EPROTO;
        append->body = body;
        return 0;
    default:
        return 0;
    }
}

static int append_decode(struct item *item, const uint8_t *bytes, uint64_t byte_count)
{
    struct wire_reader reader = wire_reader_of(bytes, byte_count);
    struct wire_field field;
    int rc;
    while ((rc = wire_next(&reader, &field)) > 0) {
        rc = append_field(append_item_of(item), &field);
        if (rc < 0)
            break;
    }
    return rc;
}

static uint32_t append_shard_of(const struct item *item, uint32_t shard_count)
{
    return imlog_shard_of_id(append_item_of(item)->append.session_id, shard_count);
}

static uint64_t append_result_bytes(const struct item *item, uint32_t body_bytes_max)
{
    (void)item;
    (void)body_bytes_max;
    return APPENDED_BYTES_MAX;
}

static void append_fail(struct append_item *item, int status)
{
    struct part *part = item->item.part;
    item->item.status = status;
    if (item->append.session_id != 0 && !IMLOG_PLANTED(failed_session_forgotten))
        id_set_add(&part->failed, &part->desk->dispatch->pool, item->append.session_id,
                   part->item_count);
}

static void handle_append_done(struct imlog_append *append, int status)
{
    struct append_item *item =
        (struct append_item *)(void *)((char *)append - offsetof(struct append_item, append));
    struct part *part = item->item.part;
    if (status < 0 && !IMLOG_PLANTED(failed_append_is_acked))
        append_fail(item, status);
    part_item_done(part);
}

static int append_start(struct part *part, struct item *base)
{
    struct append_item *item = append_item_of(base);
    int status = base->status;
    if (id_set_has(&part->failed, item->append.session_id))
        status = IMLOG_EABORTED;
    if (status == 0) {
        item->append.done = handle_append_done;
        status = imlog_append(part->desk->shard, &item->append);
    }
    if (status == 0)
        return ITEM_UNDER_WAY;
    if (status == IMLOG_EBUSY)
        return status;
    append_fail(item, status);
    return ITEM_DONE;
}

static void append_put(struct wire_writer *writer, const struct item *base)
{
    const struct imlog_append *append = &append_item_of(base)->append;
    handler_put_result(writer, base);
    if (base->status < 0)
        return;
    wire_put_uint(writer, 4, append->seq);
    wire_put_uint(writer, 5, append->msg_id);
    wire_put_uint(writer, 6, append->server_ms);
    wire_put_uint(writer, 7, (uint64_t)append->ack);
    wire_put_uint(writer, 8, append->duplicate);
}

const struct handler handle_append = {
    .type = FRAME_APPEND,
    .take = request_take_items,
    .borrows = true,
    .item_bytes = sizeof(struct append_item),
    .decode = append_decode,
    .shard_of = append_shard_of,
    .result_bytes = append_result_bytes,
    .writes = true,
    .start = append_start,
    .put = append_put,
};

/* handle_session.c: SessionRequest, the state of known sessions. */
#include "net/handle_session.h"
#include "net/dispatch.h"
#include "net/handler.h"

#include <stddef.h>

enum { SESSION_BYTES_MAX = 96 };

struct session_item {
    struct item item; /* first */
    struct imlog_session_info info;
};

static struct session_item *session_item_of(const struct item *item)
{
    return (struct session_item *)(uintptr_t)item;
}

static int session_decode(struct item *item, const uint8_t *bytes, uint64_t session_id)
{
    (void)bytes;
    session_item_of(item)->info.session_id = session_id;
    return 0;
}

static uint32_t session_shard_of(const struct item *item, uint32_t shard_count)
{
    return imlog_shard_of_id(session_item_of(item)->info.session_id, shard_count);
}

static uint64_t session_result_bytes(const struct item *item, uint32_t body_bytes_max)
{
    (void)item;
    (void)body_bytes_max;
    return SESSION_BYTES_MAX;
}

static int session_start(struct part *part, struct item *base)
{
    struct session_item *item = session_item_of(base);
    uint64_t session_id = item->info.session_id;
    base->status = imlog_session_get(part->desk->shard, session_id, &item->info);
    item->info.session_id = session_id;
    return ITEM_DONE;
}

void session_put_info(struct wire_writer *writer, const struct imlog_session_info *info,
                      uint32_t shard_index)
{
    wire_put_uint(writer, 4, info->session_id);
    wire_put_uint(writer, 5, (uint64_t)info->kind);
    wire_put_uint(writer, 6, info->first_seq);
    wire_put_uint(writer, 7, info->latest_seq);
    wire_put_uint(writer, 8, info->message_count);
    wire_put_uint(writer, 9, shard_index);
    wire_put_uint(writer, 10, info->latest_lsn);
}

static void session_put(struct wire_writer *writer, const struct item *base)
{
    const struct session_item *item = session_item_of(base);
    handler_put_result(writer, base);
    if (base->status < 0)
        wire_put_uint(writer, 4, item->info.session_id);
    else
        session_put_info(writer, &item->info, base->part->shard_index);
}

const struct handler handle_session = {
    .type = FRAME_SESSION,
    .take = request_take_items,
    .ids = true,
    .item_bytes = sizeof(struct session_item),
    .decode = session_decode,
    .shard_of = session_shard_of,
    .result_bytes = session_result_bytes,
    .start = session_start,
    .put = session_put,
};

/* handle_resolve.c: ResolveRequest, string keys to ids. New ids are answered once durable.
 * With lookup_only nothing is made, and an unknown key is IMLOG_ENOSESSION. */
#include "net/dispatch.h"
#include "net/handler.h"

#include <imlog/planted.h>
#include <stddef.h>

enum { RESOLVED_BYTES_MAX = 32 };

struct resolve_item {
    struct item item; /* first */
    struct imlog_resolve resolve;
};

static struct resolve_item *resolve_item_of(const struct item *item)
{
    return (struct resolve_item *)(uintptr_t)item;
}

static int resolve_decode(struct item *item, const uint8_t *bytes, uint64_t byte_count)
{
    struct imlog_resolve *resolve = &resolve_item_of(item)->resolve;
    resolve->key = bytes;
    resolve->key_bytes = (uint32_t)byte_count;
    if (byte_count == 0 || byte_count > IMLOG_KEY_BYTES_MAX)
        item->status = IMLOG_EINVALID;
    return 0;
}

static int resolve_option(struct request *request, const struct wire_field *field)
{
    return field->number == 2 ? wire_get_bool(field, &request->lookup_only) : 0;
}

static uint32_t resolve_shard_of(const struct item *item, uint32_t shard_count)
{
    const struct imlog_resolve *resolve = &resolve_item_of(item)->resolve;
    return item->status < 0 ? 0 : imlog_shard_of_key(resolve->key, resolve->key_bytes, shard_count);
}

static uint64_t resolve_result_bytes(const struct item *item, uint32_t body_bytes_max)
{
    (void)item;
    (void)body_bytes_max;
    return RESOLVED_BYTES_MAX;
}

static void handle_resolve_done(struct imlog_resolve *resolve, int status)
{
    struct resolve_item *item =
        (struct resolve_item *)(void *)((char *)resolve - offsetof(struct resolve_item, resolve));
    item->item.status = status;
    part_item_done(item->item.part);
}

static int resolve_start(struct part *part, struct item *item)
{
    struct imlog_resolve *resolve = &resolve_item_of(item)->resolve;
    if (item->status < 0)
        return ITEM_DONE;
    if (part->request->lookup_only && !IMLOG_PLANTED(lookup_makes_keys)) {
        item->status =
            imlog_key_lookup(part->desk->shard, resolve->key, resolve->key_bytes, &resolve->id);
        return ITEM_DONE;
    }
    resolve->done = handle_resolve_done;
    int status = imlog_resolve(part->desk->shard, resolve);
    if (status == 0)
        return ITEM_UNDER_WAY;
    if (status == IMLOG_EBUSY)
        return status;
    item->status = status;
    return ITEM_DONE;
}

static void resolve_put(struct wire_writer *writer, const struct item *item)
{
    const struct imlog_resolve *resolve = &resolve_item_of(item)->resolve;
    handler_put_result(writer, item);
    if (item->status < 0)
        return;
    wire_put_uint(writer, 4, resolve->id);
    wire_put_uint(writer, 5, resolve->created);
}

const struct handler handle_resolve = {
    .type = FRAME_RESOLVE,
    .take = request_take_items,
    .borrows = true,
    .item_bytes = sizeof(struct resolve_item),
    .decode = resolve_decode,
    .option = resolve_option,
    .shard_of = resolve_shard_of,
    .result_bytes = resolve_result_bytes,
    .writes = true,
    .start = resolve_start,
    .put = resolve_put,
};

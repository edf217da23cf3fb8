/* handle_names.c: NamesRequest, the keys of ids that resolve gave. */
#include "net/dispatch.h"
#include "net/handler.h"

#include <stddef.h>

enum { NAME_BYTES_MAX = 24 }; /* without the key */

struct name_item {
    struct item item; /* first */
    uint64_t id;
    const void *key; /* borrowed while the result is written */
    uint32_t key_bytes;
};

static struct name_item *name_item_of(const struct item *item)
{
    return (struct name_item *)(uintptr_t)item;
}

static int names_decode(struct item *item, const uint8_t *bytes, uint64_t id)
{
    (void)bytes;
    name_item_of(item)->id = id;
    return 0;
}

/* An id that resolve never gives is answered by any shard. */
static uint32_t names_shard_of(const struct item *item, uint32_t shard_count)
{
    uint32_t shard_index = imlog_shard_of_resolved_id(name_item_of(item)->id, shard_count);
    return shard_index < shard_count ? shard_index : 0;
}

static uint64_t names_result_bytes(const struct item *item, uint32_t body_bytes_max)
{
    (void)item;
    (void)body_bytes_max;
    return NAME_BYTES_MAX + IMLOG_KEY_BYTES_MAX;
}

static void names_put(struct wire_writer *writer, const void *arg)
{
    const struct name_item *item = arg;
    wire_put_uint(writer, 1, item->item.index);
    wire_put_uint(writer, 2, item->id);
    wire_put_bytes(writer, 3, item->key, item->key_bytes);
}

static int names_start(struct part *part, struct item *base)
{
    struct name_item *item = name_item_of(base);
    item->key_bytes = imlog_key_of_id(part->desk->shard, item->id, &item->key);
    handler_put(part, 1, names_put, item);
    return ITEM_DONE;
}

const struct handler handle_names = {
    .type = FRAME_NAMES,
    .take = request_take_items,
    .ids = true,
    .item_bytes = sizeof(struct name_item),
    .decode = names_decode,
    .shard_of = names_shard_of,
    .result_bytes = names_result_bytes,
    .start = names_start,
};

/* replay_batch.c: lines of a history on their way into a node. */
#include "tools/dump/replay_batch.h"

#include "net/why.h"

#include <errno.h>
#include <stdlib.h>

/* Bodies of one request; a larger single one travels alone. */
enum { BATCH_BODY_BYTES_MAX = 1024 * 1024, ITEM_BYTES_MAX = 64 };

static_assert(BATCH_BODY_BYTES_MAX + IMLOG_BODY_BYTES_MAX +
                      IMLOG_REQUEST_ITEMS_MAX * ITEM_BYTES_MAX <=
                  IMLOG_FRAME_BYTES_MAX,
              "a batch fits a frame");

int replay_batch_init(struct replay_batch *batch, uint32_t count_max, struct map *ids)
{
    *batch = (struct replay_batch){
        .items = calloc(count_max, sizeof *batch->items),
        .messages = calloc(count_max, sizeof *batch->messages),
        .outcomes = calloc(count_max, sizeof *batch->outcomes),
        .count_max = count_max,
        .ids = ids,
    };
    return batch->items == NULL || batch->messages == NULL || batch->outcomes == NULL ? -ENOMEM : 0;
}

void replay_batch_clear(struct replay_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        history_line_deinit(&batch->items[i].line);
    batch->count = 0;
    batch->body_bytes = 0;
}

void replay_batch_deinit(struct replay_batch *batch)
{
    replay_batch_clear(batch);
    free(batch->items);
    free(batch->messages);
    free(batch->outcomes);
}

bool replay_batch_has_room(const struct replay_batch *batch, uint32_t body_bytes)
{
    return batch->count == 0 || (batch->count < batch->count_max &&
                                 batch->body_bytes + body_bytes <= BATCH_BODY_BYTES_MAX);
}

void replay_batch_add(struct replay_batch *batch, struct history_line *line, uint64_t line_number)
{
    batch->items[batch->count++] = (struct replay_item){.line = *line, .line_number = line_number};
    batch->body_bytes += line->body_bytes;
    *line = (struct history_line){0};
}

/* ---- names ------------------------------------------------------------------------------ */

/* Put a name's key on the list of those to resolve, once: in the map its id is 0 until then. */
static int key_want(struct replay_batch *batch, const struct history_name *name,
                    struct imlog_client_key *keys, uint32_t *key_count)
{
    if (name->key == NULL || map_find(batch->ids, name->key, name->key_bytes) != NULL)
        return 0;
    if (map_get(batch->ids, name->key, name->key_bytes) == NULL)
        return -ENOMEM;
    keys[(*key_count)++] = (struct imlog_client_key){name->key, name->key_bytes};
    return 0;
}

static int keys_resolve(struct replay_batch *batch, struct sender *sender,
                        struct imlog_client_key *keys, uint64_t *ids, struct imlog_why *why)
{
    uint32_t key_count = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (key_want(batch, &batch->items[i].line.session, keys, &key_count) < 0 ||
            key_want(batch, &batch->items[i].line.sender, keys, &key_count) < 0)
            return why_fill(why, -ENOMEM, "out of memory");
    }
    const int error = key_count == 0 ? 0 : sender_resolve(sender, keys, key_count, ids, why);
    for (uint32_t i = 0; i < key_count && error == 0; i++)
        *map_find(batch->ids, keys[i].bytes, keys[i].byte_count) = ids[i];
    return error;
}

static uint64_t id_of(const struct replay_batch *batch, const struct history_name *name)
{
    return name->key == NULL ? name->id : *map_find(batch->ids, name->key, name->key_bytes);
}

static int names_settle(struct replay_batch *batch, struct sender *sender, struct imlog_why *why)
{
    struct imlog_client_key *keys = calloc((size_t)batch->count * 2 + 1, sizeof *keys);
    uint64_t *ids = calloc((size_t)batch->count * 2 + 1, sizeof *ids);
    int error = -ENOMEM;
    if (keys != NULL && ids != NULL)
        error = keys_resolve(batch, sender, keys, ids, why);
    else
        (void)why_fill(why, 0, "out of memory");
    free(keys);
    free(ids);
    return error;
}

/* ---- send ------------------------------------------------------------------------------- */

int replay_batch_send(struct replay_batch *batch, struct sender *sender, bool stop_at_refusal,
                      struct imlog_why *refusal, struct imlog_why *why)
{
    const int error = names_settle(batch, sender, why);
    if (error < 0)
        return error;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct history_line *line = &batch->items[i].line;
        batch->messages[i] = (struct imlog_client_message){
            .session_id = id_of(batch, &line->session),
            .sender_id = id_of(batch, &line->sender),
            .client_msg_id = line->client_msg_id,
            .client_ms = line->ts_ms,
            .kind = line->kind,
            .type = line->type,
            .body_bytes = line->body_bytes,
            .body = line->body,
        };
    }
    return sender_append(sender, batch->messages, batch->count, stop_at_refusal, batch->outcomes,
                         refusal, why);
}

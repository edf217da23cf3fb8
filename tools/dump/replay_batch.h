/* replay_batch.h: lines of a history on their way into a node, acked together. */
#ifndef TOOLS_DUMP_REPLAY_BATCH_H
#define TOOLS_DUMP_REPLAY_BATCH_H

#include "tools/dump/sender.h"
#include "tools/lib/history.h"
#include "tools/lib/map.h"

struct replay_item {
    struct history_line line;
    uint64_t line_number;
};

struct replay_batch {
    struct replay_item *items;
    struct imlog_client_message *messages;
    struct sender_outcome *outcomes;
    uint32_t count;
    uint32_t count_max;
    uint64_t body_bytes;
    struct map *ids; /* borrowed: key -> id, over all batches */
};

/* 0 or -ENOMEM; deinit in any case. */
int replay_batch_init(struct replay_batch *batch, uint32_t count_max, struct map *ids);
void replay_batch_deinit(struct replay_batch *batch);
void replay_batch_clear(struct replay_batch *batch);

/* Whether another body of body_bytes still fits. */
bool replay_batch_has_room(const struct replay_batch *batch, uint32_t body_bytes);

/* Takes the line, which has a client_msg_id. */
void replay_batch_add(struct replay_batch *batch, struct history_line *line, uint64_t line_number);

/* Resolve what is new and append all: outcomes[i] is then items[i]'s. As sender_append(). */
int replay_batch_send(struct replay_batch *batch, struct sender *sender, bool stop_at_refusal,
                      struct imlog_why *refusal, struct imlog_why *why);

#endif

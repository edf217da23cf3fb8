/* handle_stats.c: StatsRequest. The node's figures are summed over the threads at home; each
 * shard's own are a part, because only its thread may look into it. */
#include "net/dispatch.h"
#include "net/handler.h"
#include "net/why.h"

#include <errno.h>
#include <stddef.h>

enum {
    STATS_BYTES_MAX = 48, /* one named figure */
#define STATS_COUNT(name, meaning) +1
    STATS_SHARD_COUNT = 0 IMLOG_STATS(STATS_COUNT),
    STATS_NODE_COUNT = 0 FIGURES(STATS_COUNT),
#undef STATS_COUNT
};

static void stats_put_stat(struct wire_writer *writer, uint32_t number, const char *name,
                           uint64_t value)
{
    struct wire_writer fields = {.at = NULL};
    wire_put_text(&fields, 1, name);
    wire_put_uint(&fields, 2, value);
    wire_put_message(writer, number, fields.byte_count);
    wire_put_text(writer, 1, name);
    wire_put_uint(writer, 2, value);
}

#define STATS_SUM(name, meaning)                                                                   \
    static uint64_t stats_sum_##name(const struct node *node)                                      \
    {                                                                                              \
        uint64_t sum = 0;                                                                          \
        for (uint32_t i = 0; i < node->thread_count; i++)                                          \
            sum += figure_get(&node->figures[i]->name);                                            \
        return sum;                                                                                \
    }
FIGURES(STATS_SUM)
#undef STATS_SUM

static void stats_put_node(struct wire_writer *writer, const uint64_t sums[STATS_NODE_COUNT])
{
    uint32_t index = 0;
#define STATS_PUT(name, meaning) stats_put_stat(writer, 1, #name, sums[index++]);
    FIGURES(STATS_PUT)
#undef STATS_PUT
}

/* Summed first and written then: figures move meanwhile. */
static int stats_head(struct dispatch *home, struct chunk_queue *head)
{
    const struct node *node = home->node;
    const uint64_t sums[STATS_NODE_COUNT] = {
#define STATS_SUM(name, meaning) stats_sum_##name(node),
        FIGURES(STATS_SUM)
#undef STATS_SUM
    };
    struct wire_writer writer = {.at = NULL};
    stats_put_node(&writer, sums);
    uint32_t byte_count = (uint32_t)writer.byte_count;
    writer.at = chunk_queue_extend(head, &home->pool, byte_count, byte_count);
    if (writer.at == NULL)
        return -ENOMEM;
    stats_put_node(&writer, sums);
    return 0;
}

static int stats_take(struct dispatch *home, struct conn *conn, const struct handler *handler,
                      struct frame *frame, struct imlog_why *why)
{
    int status = handler_check_body(frame, why);
    if (status < 0)
        return status;
    uint32_t shard_count = home->node->shard_count;
    struct chunk_queue head = {0};
    struct request *request = request_create(home, conn, handler, frame, shard_count, 0);
    if (request == NULL || stats_head(home, &head) < 0) {
        pool_give(&home->pool, request);
        return why_fill(why, -ENOMEM, "no memory for the figures");
    }
    request->head = head;
    request->part_count = shard_count;
    request->weight_bytes +=
        STATS_BYTES_MAX * (STATS_NODE_COUNT + (uint64_t)shard_count * STATS_SHARD_COUNT);
    for (uint32_t i = 0; i < shard_count; i++) {
        request->parts[i].request = request;
        request->parts[i].shard_index = i;
    }
    request_start(request);
    return 0;
}

struct stats_shard {
    uint32_t shard_index;
    struct imlog_stats stats;
};

static void stats_put_shard(struct wire_writer *writer, const void *arg)
{
    const struct stats_shard *shard = arg;
    wire_put_uint(writer, 1, shard->shard_index);
#define STATS_PUT(name, meaning) stats_put_stat(writer, 2, #name, shard->stats.name);
    IMLOG_STATS(STATS_PUT)
#undef STATS_PUT
}

static void stats_run(struct part *part)
{
    struct stats_shard shard = {.shard_index = part->shard_index};
    imlog_stats_get(part->desk->shard, &shard.stats);
    handler_put(part, 2, stats_put_shard, &shard);
    part_finish(part);
}

const struct handler handle_stats = {
    .type = FRAME_STATS,
    .take = stats_take,
    .run = stats_run,
};

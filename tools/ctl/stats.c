/* stats.c: imlog-ctl stats: the figures of the node and of its shards (docs/OPERATIONS.md says
 * what each means). */
#include "tools/ctl/node.h"
#include "tools/lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct stats_args {
    struct option_number shard;
};

struct stats {
    const struct imlog_client_stat *stats;
    uint32_t count;
    int32_t shard;      /* only this one; -1: the node and all shards */
    char *const *names; /* only these; none: all */
    uint32_t name_count;
};

static bool is_wanted(const struct stats *stats, const struct imlog_client_stat *stat)
{
    if (stats->shard >= 0 && stat->shard != stats->shard)
        return false;
    for (uint32_t i = 0; i < stats->name_count; i++)
        if (strcmp(stats->names[i], stat->name) == 0)
            return true;
    return stats->name_count == 0;
}

/* Figures of one shard follow each other, the node's own first. */
static void stats_doc(struct node *node, const struct stats *stats)
{
    struct doc_writer *doc = &node->answer.doc;
    uint32_t i = 0;
    doc_object_begin(doc, NULL);
    doc_object_begin(doc, "node");
    for (; i < stats->count && stats->stats[i].shard < 0; i++)
        if (is_wanted(stats, &stats->stats[i]))
            doc_number(doc, stats->stats[i].name, stats->stats[i].value);
    doc_object_end(doc);
    doc_array_begin(doc, "shards");
    while (i < stats->count) {
        const int32_t shard = stats->stats[i].shard;
        const bool shown = stats->shard < 0 || stats->shard == shard;
        if (shown) {
            doc_object_begin(doc, NULL);
            doc_number(doc, "shard", (uint64_t)shard);
            doc_object_begin(doc, "stats");
        }
        for (; i < stats->count && stats->stats[i].shard == shard; i++)
            if (is_wanted(stats, &stats->stats[i]))
                doc_number(doc, stats->stats[i].name, stats->stats[i].value);
        if (shown) {
            doc_object_end(doc);
            doc_object_end(doc);
        }
    }
    doc_array_end(doc);
    doc_object_end(doc);
}

static int stats_rows(const struct stats *stats)
{
    static const char *const titles[] = {"OF", "FIGURE", ">VALUE"};
    struct table *table = table_create(3, titles);
    for (uint32_t i = 0; i < stats->count; i++) {
        const struct imlog_client_stat *stat = &stats->stats[i];
        if (!is_wanted(stats, stat))
            continue;
        if (stat->shard < 0)
            table_cell(table, "node");
        else
            table_cell(table, "shard %d", stat->shard);
        table_bytes(table, stat->name, strlen(stat->name));
        table_cell(table, "%" PRIu64, stat->value);
    }
    const int error = table_print(table);
    table_destroy(table);
    return error;
}

static bool has_shard(const struct stats *stats)
{
    for (uint32_t i = 0; i < stats->count; i++)
        if (stats->stats[i].shard == stats->shard)
            return true;
    return false;
}

/* The first name that no figure has, or NULL. */
static const char *unknown_name(const struct stats *stats)
{
    for (uint32_t name = 0; name < stats->name_count; name++) {
        bool known = false;
        for (uint32_t i = 0; i < stats->count && !known; i++)
            known = (stats->shard < 0 || stats->stats[i].shard == stats->shard) &&
                    strcmp(stats->stats[i].name, stats->names[name]) == 0;
        if (!known)
            return stats->names[name];
    }
    return NULL;
}

static int stats_show(struct node *node, struct stats *stats)
{
    const int error = imlog_client_stats(node->client, &stats->stats, &stats->count);
    if (error < 0)
        return node_refused(node, error);
    if (stats->shard >= 0 && !has_shard(stats))
        return answer_refuse(&node->answer, IMLOG_EINVALID,
                             "the node has no shard %d ('info' says how many)", stats->shard);
    const char *unknown = unknown_name(stats);
    if (unknown != NULL)
        return answer_refuse(&node->answer, IMLOG_EINVALID,
                             "no figure is called \"%s\" ('stats' without names shows all)",
                             unknown);
    if (node->answer.json)
        stats_doc(node, stats);
    else if (stats_rows(stats) < 0)
        return node_refused(node, -ENOMEM);
    return TOOL_OK;
}

static int stats_run(const struct command_call *call)
{
    const struct stats_args *args = call->args;
    struct stats stats = {.shard = args->shard.given ? (int32_t)args->shard.value : -1,
                          .names = call->words,
                          .name_count = call->word_count};
    struct node node;
    int code = node_open(&node, call);
    if (code == TOOL_OK)
        code = stats_show(&node, &stats);
    return node_close(&node, code);
}

static const struct option options[] = {
    {.name = "shard",
     .value = "N",
     .help = "only shard N",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct stats_args, shard),
     .max = IMLOG_SHARDS_MAX - 1},
    {.name = NULL},
};

const struct command ctl_stats = {
    .name = "stats",
    .words = "[NAME ...]",
    .summary = "Show the figures of the node and its shards, or those named",
    .word_count_max = UINT32_MAX,
    .options = options,
    .args_bytes = sizeof(struct stats_args),
    .run = stats_run,
};

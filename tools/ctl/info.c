/* info.c: imlog-ctl info: which node is this, and what are its limits? */
#include "tools/ctl/node.h"
#include "tools/lib/moment.h"
#include "tools/lib/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Every figure once: member of the struct, what it means. */
#define INFO_FIGURES(X)                                                                            \
    X(protocol_version, "version of the frame header")                                             \
    X(shard_count, "shards of its data directory")                                                 \
    X(body_bytes_max, "largest message body it takes")                                             \
    X(frame_bytes_max, "largest frame body it takes")                                              \
    X(request_items_max, "items in one request")                                                   \
    X(pull_messages_max, "messages in one answer to a pull")                                       \
    X(idle_timeout_ms, "a silent connection is closed after this")

static void info_doc(struct node *node, const struct imlog_client_info *info)
{
    char uuid[TEXT_UUID_BYTES];
    doc_object_begin(&node->answer.doc, NULL);
    doc_text(&node->answer.doc, "version", info->version);
    doc_text(&node->answer.doc, "node_uuid", text_uuid(info->node_uuid, uuid));
#define INFO_DOC(name, meaning) doc_number(&node->answer.doc, #name, info->name);
    INFO_FIGURES(INFO_DOC)
#undef INFO_DOC
    doc_number(&node->answer.doc, "server_ms", info->server_ms);
    doc_object_end(&node->answer.doc);
}

static void info_show(const struct imlog_client_info *info)
{
    char uuid[TEXT_UUID_BYTES];
    char moment[MOMENT_TEXT_BYTES];
    char *version = text_printable(info->version, strlen(info->version));
    (void)printf("%-18s %s\n", "version", version == NULL ? "" : version);
    (void)printf("%-18s %s\n", "node_uuid", text_uuid(info->node_uuid, uuid));
#define INFO_SHOW(name, meaning)                                                                   \
    (void)printf("%-18s %-12" PRIu64 " %s\n", #name, (uint64_t)info->name, meaning);
    INFO_FIGURES(INFO_SHOW)
#undef INFO_SHOW
    (void)printf("%-18s %s\n", "server time", moment_text(info->server_ms, moment));
    free(version);
}

static int info_run(const struct command_call *call)
{
    struct imlog_client_info info;
    struct node node;
    int code = node_open(&node, call);
    if (code == TOOL_OK) {
        const int error = imlog_client_info(node.client, &info);
        if (error < 0)
            code = node_refused(&node, error);
        else if (node.answer.json)
            info_doc(&node, &info);
        else
            info_show(&info);
    }
    return node_close(&node, code);
}

static const struct option options[] = {{.name = NULL}};

const struct command ctl_info = {
    .name = "info",
    .words = "",
    .summary = "Show which node this is, and its limits",
    .options = options,
    .run = info_run,
};

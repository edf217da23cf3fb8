/* sessions.c: imlog-ctl sessions: the sessions of a node, page by page. */
#include "tools/ctl/sessions_answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT_DEFAULT = 100, PAGE_SESSIONS = 1000 };

struct sessions_args {
    struct option_number limit;
    bool all;
};

/* Learning names takes calls, and a page is borrowed until the next one: so it is copied. */
static int page_show(struct node *node, struct table *table,
                     const struct imlog_client_session *page, uint32_t session_count)
{
    struct imlog_client_session *sessions = calloc((size_t)session_count + 1, sizeof *sessions);
    if (sessions == NULL)
        return -ENOMEM;
    if (session_count > 0)
        memcpy(sessions, page, session_count * sizeof *sessions);
    int error = sessions_answer_add(node, table, sessions, session_count, NULL);
    free(sessions);
    if (error == 0 && table != NULL)
        error = table_print(table);
    return error;
}

/* 0 and whether there are more, or the client's error. */
static int pages_show(struct node *node, struct table *table, uint64_t limit, bool *more)
{
    struct imlog_client_key cursor = {0};
    *more = true;
    while (*more && limit > 0) {
        const struct imlog_client_session *page = NULL;
        uint32_t session_count = 0;
        const uint32_t count_max = limit < PAGE_SESSIONS ? (uint32_t)limit : PAGE_SESSIONS;
        int error = imlog_client_sessions(node->client, &cursor, count_max, &page, &session_count);
        *more = cursor.byte_count > 0;
        if (error == 0)
            error = page_show(node, table, page, session_count);
        if (error < 0)
            return error;
        limit -= session_count < limit ? session_count : limit;
    }
    return 0;
}

static int sessions_show(struct node *node, uint64_t limit)
{
    struct table *table = node->answer.json ? NULL : sessions_answer_table();
    bool more = false;
    if (node->answer.json) {
        doc_object_begin(&node->answer.doc, NULL);
        doc_array_begin(&node->answer.doc, "sessions");
    }
    const int error =
        !node->answer.json && table == NULL ? -ENOMEM : pages_show(node, table, limit, &more);
    if (node->answer.json) {
        doc_array_end(&node->answer.doc);
        doc_bool(&node->answer.doc, "more", more);
        doc_object_end(&node->answer.doc);
    } else if (more) {
        (void)printf("\nThere are more: --limit N, or --all.\n");
    }
    table_destroy(table);
    if (error < 0)
        return node_refused(node, error);
    return TOOL_OK;
}

static int sessions_run(const struct command_call *call)
{
    const struct sessions_args *args = call->args;
    struct node node;
    if (args->all && args->limit.given)
        return command_misused("either --limit or --all");
    int code = node_open(&node, call);
    if (code == TOOL_OK)
        code = sessions_show(&node, args->all           ? UINT64_MAX
                                    : args->limit.given ? args->limit.value
                                                        : LIMIT_DEFAULT);
    return node_close(&node, code);
}

static const struct option options[] = {
    {.name = "limit",
     .value = "N",
     .help = "at most N sessions (else 100)",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct sessions_args, limit),
     .min = 1,
     .max = UINT64_MAX},
    {.name = "all",
     .help = "all of them",
     .type = OPTION_FLAG,
     .offset = offsetof(struct sessions_args, all)},
    {.name = NULL},
};

const struct command ctl_sessions = {
    .name = "sessions",
    .words = "",
    .summary = "List the sessions of the node, in no promised order",
    .options = options,
    .args_bytes = sizeof(struct sessions_args),
    .run = sessions_run,
};

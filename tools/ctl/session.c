/* session.c: imlog-ctl session: the state of the sessions named. */
#include "tools/ctl/sessions_answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static int names_take(const struct command_call *call, struct name *names)
{
    struct imlog_why why;
    for (uint32_t i = 0; i < call->word_count; i++)
        if (name_parse("session", call->words[i], &names[i], &why) < 0)
            return command_misused("%s", why.text);
    return TOOL_OK;
}

/* What one name led to: unknown keys never reach the node's session request. */
static int session_ask(struct node *node, const struct name *name,
                       struct imlog_client_session *session)
{
    *session = (struct imlog_client_session){.info.session_id = name->id};
    if (name->key != NULL) {
        const struct imlog_client_key key = {name->key, name->key_bytes};
        struct imlog_client_resolved resolved = {0};
        const int error = imlog_client_lookup(node->client, &key, 1, &resolved);
        session->code = resolved.code;
        session->info.session_id = resolved.id;
        if (error < 0 || resolved.code < 0)
            return error;
    }
    const uint64_t session_id = session->info.session_id;
    const int error = imlog_client_session(node->client, &session_id, 1, session);
    session->info.session_id = session_id;
    return error;
}

static int sessions_ask(struct node *node, const struct command_call *call,
                        const struct name *names, struct imlog_client_session *sessions)
{
    for (uint32_t i = 0; i < call->word_count; i++) {
        const int error = session_ask(node, &names[i], &sessions[i]);
        if (error < 0)
            return node_refused(node, error);
    }
    return TOOL_OK;
}

static int sessions_show(struct node *node, const struct name *names,
                         const struct imlog_client_session *sessions, uint32_t session_count)
{
    struct table *table = node->answer.json ? NULL : sessions_answer_table();
    if (node->answer.json) {
        doc_object_begin(&node->answer.doc, NULL);
        doc_array_begin(&node->answer.doc, "sessions");
    }
    int error = sessions_answer_add(node, table, sessions, session_count, names);
    if (node->answer.json) {
        doc_array_end(&node->answer.doc);
        doc_object_end(&node->answer.doc);
    } else if (error == 0) {
        error = table_print(table);
    }
    table_destroy(table);
    if (error < 0)
        return node_refused(node, error);
    return TOOL_OK;
}

static int missing_complain(const struct command_call *call,
                            const struct imlog_client_session *sessions)
{
    int code = TOOL_OK;
    for (uint32_t i = 0; i < call->word_count; i++) {
        if (sessions[i].code == 0)
            continue;
        complain("%s: %s", call->words[i], imlog_error_text(sessions[i].code));
        code = TOOL_NO;
    }
    return code;
}

static bool any_found(const struct imlog_client_session *sessions, uint32_t session_count)
{
    for (uint32_t i = 0; i < session_count; i++)
        if (sessions[i].code == 0)
            return true;
    return false;
}

static int session_run(const struct command_call *call)
{
    struct name *names = calloc(call->word_count, sizeof *names);
    struct imlog_client_session *sessions = calloc(call->word_count, sizeof *sessions);
    int code = TOOL_NO;
    if (names == NULL || sessions == NULL)
        complain("out of memory");
    else
        code = names_take(call, names);
    if (names != NULL && sessions != NULL && code == TOOL_OK) {
        struct node node;
        code = node_open(&node, call);
        if (code == TOOL_OK)
            code = sessions_ask(&node, call, names, sessions);
        if (code == TOOL_OK && (node.answer.json || any_found(sessions, call->word_count)))
            code = sessions_show(&node, names, sessions, call->word_count);
        if (code == TOOL_OK)
            code = missing_complain(call, sessions);
        code = node_close(&node, code);
    }
    free(names);
    free(sessions);
    return code;
}

static const struct option options[] = {{.name = NULL}};

const struct command ctl_session = {
    .name = "session",
    .words = "SESSION [SESSION ...]",
    .summary = "Show the state of sessions: kind, first and latest seq, how many messages",
    .notes = "SESSION: an integer is an id, anything else a string key; key:42 is the key \"42\".\n"
             "Exits 1 if the node does not know one of them. Nothing is created by asking.\n",
    .word_count_min = 1,
    .word_count_max = UINT32_MAX,
    .options = options,
    .run = session_run,
};

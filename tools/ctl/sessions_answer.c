/* sessions_answer.c: states of sessions, as rows or as objects. A session the node does not know
 * is an object with its id and the error, and no row: the caller complains of it. */
#include "tools/ctl/sessions_answer.h"

#include "tools/lib/kind.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct table *sessions_answer_table(void)
{
    static const char *const titles[] = {"SESSION", ">ID",       "KIND",  ">FIRST",
                                         ">LATEST", ">MESSAGES", ">SHARD"};
    return table_create(sizeof titles / sizeof titles[0], titles);
}

static void session_doc(struct node *node, const struct imlog_client_session *session,
                        const struct name *asked)
{
    const struct imlog_session_info *info = &session->info;
    doc_object_begin(&node->answer.doc, NULL);
    if (asked != NULL && asked->key != NULL)
        doc_bytes(&node->answer.doc, "session", NULL, asked->key, asked->key_bytes);
    else
        node_name_doc(node, "session", info->session_id);
    if (session->code < 0) {
        doc_signed(&node->answer.doc, "code", session->code);
        doc_text(&node->answer.doc, "error", imlog_error_name(session->code));
    } else {
        doc_number(&node->answer.doc, "session_id", info->session_id);
        doc_text(&node->answer.doc, "kind", kind_name(info->kind));
        doc_number(&node->answer.doc, "first_seq", info->first_seq);
        doc_number(&node->answer.doc, "latest_seq", info->latest_seq);
        doc_number(&node->answer.doc, "message_count", info->message_count);
        doc_number(&node->answer.doc, "latest_lsn", info->latest_lsn);
        doc_number(&node->answer.doc, "shard", session->shard);
    }
    doc_object_end(&node->answer.doc);
}

static void session_row(struct node *node, struct table *table,
                        const struct imlog_client_session *session)
{
    const struct imlog_session_info *info = &session->info;
    const struct imlog_client_key key = node_name(node, info->session_id);
    if (session->code < 0)
        return;
    if (key.byte_count > 0)
        table_bytes(table, key.bytes, key.byte_count);
    else
        table_cell(table, "-");
    table_cell(table, "%" PRIu64, info->session_id);
    table_cell(table, "%s", kind_name(info->kind));
    table_cell(table, "%" PRIu64, info->first_seq);
    table_cell(table, "%" PRIu64, info->latest_seq);
    table_cell(table, "%" PRIu64, info->message_count);
    table_cell(table, "%u", session->shard);
}

int sessions_answer_add(struct node *node, struct table *table,
                        const struct imlog_client_session *sessions, uint32_t session_count,
                        const struct name *asked)
{
    uint64_t *ids = calloc((size_t)session_count + 1, sizeof *ids);
    if (ids == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < session_count; i++)
        ids[i] = sessions[i].info.session_id;
    const int error = node_names_learn(node, ids, session_count);
    free(ids);
    for (uint32_t i = 0; i < session_count && error == 0; i++) {
        if (node->answer.json)
            session_doc(node, &sessions[i], asked == NULL ? NULL : &asked[i]);
        else
            session_row(node, table, &sessions[i]);
    }
    return error;
}

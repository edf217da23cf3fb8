/* pull.c: imlog-ctl pull: messages of one session by position, and what is missing among them.
 *
 * One command may take many pulls: --count above what the node gives at once, or --follow-all.
 * The answer is put together page by page: rows are printed as they come, the JSON document when
 * it is whole. */
#include "tools/ctl/node.h"
#include "tools/lib/moment.h"
#include "tools/lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_DEFAULT = 20 };

struct pull_args {
    struct option_number after;
    struct option_number before;
    struct option_number last;
    struct option_number count;
    bool follow_all;
};

/* A gap, kept until the end of the document. */
struct pull_gaps {
    struct imlog_gap *gaps;
    uint32_t count;
};

struct pull {
    struct node *node;
    struct name session;
    struct imlog_client_pull request;
    uint64_t left_count;
    uint64_t shown_count;
    struct table *table; /* without --json */
    struct pull_gaps gaps;
    struct imlog_page total; /* of all pages: the range, the session's range, more */
    uint64_t before_seq;     /* 0: not given */
    bool backward;           /* as asked; see backward_turn() */
};

/* ---- what is asked ---------------------------------------------------------------------- */

static int pull_take(const struct command_call *call, struct pull *pull)
{
    const struct pull_args *args = call->args;
    struct imlog_why why;
    if (name_parse("session", call->words[0], &pull->session, &why) < 0)
        return command_misused("%s", why.text);
    if (args->after.given + args->before.given + args->last.given > 1)
        return command_misused("only one of --after, --before and --last makes sense");
    if (args->last.given && args->count.given)
        return command_misused("--last already says how many; leave out --count");
    if (args->follow_all && (args->before.given || args->last.given || args->count.given))
        return command_misused("--follow-all goes with --after only");
    pull->request.after_seq = args->after.value;
    pull->before_seq = args->before.value;
    pull->backward = !args->after.given && !args->follow_all;
    pull->left_count = args->follow_all    ? UINT64_MAX
                       : args->last.given  ? args->last.value
                       : args->count.given ? args->count.value
                                           : COUNT_DEFAULT;
    return TOOL_OK;
}

/* ---- a page shown ----------------------------------------------------------------------- */

static void message_doc(struct node *node, const struct imlog_message *message)
{
    doc_object_begin(&node->answer.doc, NULL);
    doc_number(&node->answer.doc, "seq", message->seq);
    doc_number(&node->answer.doc, "msg_id", message->msg_id);
    doc_number(&node->answer.doc, "prev_msg_id", message->prev_msg_id);
    node_name_doc(node, "sender", message->sender_id);
    doc_number(&node->answer.doc, "sender_id", message->sender_id);
    doc_number(&node->answer.doc, "client_msg_id", message->client_msg_id);
    doc_number(&node->answer.doc, "ts_ms", message->client_ms);
    doc_number(&node->answer.doc, "server_ms", message->server_ms);
    doc_number(&node->answer.doc, "type", message->type);
    doc_bytes(&node->answer.doc, "text", "body_base64", message->body, message->body_bytes);
    doc_object_end(&node->answer.doc);
}

static void name_cell(const struct node *node, struct table *table, uint64_t id)
{
    const struct imlog_client_key key = node_name(node, id);
    if (key.byte_count > 0)
        table_bytes(table, key.bytes, key.byte_count);
    else
        table_cell(table, "%" PRIu64, id);
}

static void message_row(struct pull *pull, const struct imlog_message *message)
{
    char moment[MOMENT_TEXT_BYTES];
    table_cell(pull->table, "%" PRIu64, message->seq);
    table_cell(
        pull->table, "%s",
        moment_text(message->client_ms != 0 ? message->client_ms : message->server_ms, moment));
    name_cell(pull->node, pull->table, message->sender_id);
    table_cell(pull->table, "%u", message->type);
    table_bytes(pull->table, message->body, message->body_bytes);
}

static void gap_row(struct pull *pull, const struct imlog_gap *gap)
{
    table_cell(pull->table, "%" PRIu64, gap->first_seq);
    table_cell(pull->table, "-");
    table_cell(pull->table, "-");
    table_cell(pull->table, "-");
    table_cell(pull->table, "[damaged on disk: seq %" PRIu64 " to %" PRIu64 "]", gap->first_seq,
               gap->last_seq);
}

/* Messages and gaps in one order. */
static int page_rows(struct pull *pull, const struct imlog_page *page)
{
    uint32_t gap_index = 0;
    for (uint32_t i = 0; i < page->message_count; i++) {
        while (gap_index < page->gap_count &&
               page->gaps[gap_index].first_seq < page->messages[i].seq)
            gap_row(pull, &page->gaps[gap_index++]);
        message_row(pull, &page->messages[i]);
    }
    while (gap_index < page->gap_count)
        gap_row(pull, &page->gaps[gap_index++]);
    return table_print(pull->table);
}

static int gaps_keep(struct pull_gaps *kept, const struct imlog_page *page)
{
    if (page->gap_count == 0)
        return 0;
    struct imlog_gap *gaps =
        realloc(kept->gaps, (kept->count + (size_t)page->gap_count) * sizeof *gaps);
    if (gaps == NULL)
        return -ENOMEM;
    kept->gaps = gaps;
    for (uint32_t i = 0; i < page->gap_count; i++)
        kept->gaps[kept->count++] = page->gaps[i];
    return 0;
}

static int page_doc(struct pull *pull, const struct imlog_page *page)
{
    for (uint32_t i = 0; i < page->message_count; i++)
        message_doc(pull->node, &page->messages[i]);
    return gaps_keep(&pull->gaps, page);
}

/* A page is borrowed until the next call, and asking for names is one: so copy it. */
struct page_copy {
    struct imlog_page page;
    void *memory;
};

static int page_copy_create(const struct imlog_page *page, struct page_copy *copy)
{
    size_t bytes = page->message_count * sizeof(struct imlog_message) +
                   page->gap_count * sizeof(struct imlog_gap);
    for (uint32_t i = 0; i < page->message_count; i++)
        bytes += page->messages[i].body_bytes;
    copy->page = *page;
    copy->memory = malloc(bytes + 1);
    if (copy->memory == NULL)
        return -ENOMEM;
    struct imlog_message *messages = copy->memory;
    struct imlog_gap *gaps = (void *)(messages + page->message_count);
    char *body = (void *)(gaps + page->gap_count);
    for (uint32_t i = 0; i < page->message_count; i++) {
        messages[i] = page->messages[i];
        messages[i].body = memcpy(body, page->messages[i].body, page->messages[i].body_bytes);
        body += page->messages[i].body_bytes;
    }
    for (uint32_t i = 0; i < page->gap_count; i++)
        gaps[i] = page->gaps[i];
    copy->page.messages = messages;
    copy->page.gaps = gaps;
    return 0;
}

static int senders_learn(struct node *node, const struct imlog_page *page)
{
    uint64_t *ids = calloc((size_t)page->message_count + 1, sizeof *ids);
    if (ids == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < page->message_count; i++)
        ids[i] = page->messages[i].sender_id;
    const int error = node_names_learn(node, ids, page->message_count);
    free(ids);
    return error;
}

static int page_show(struct pull *pull, const struct imlog_page *page)
{
    struct page_copy copy = {0};
    int error = page_copy_create(page, &copy);
    if (error == 0)
        error = senders_learn(pull->node, &copy.page);
    if (error == 0)
        error = pull->node->answer.json ? page_doc(pull, &copy.page) : page_rows(pull, &copy.page);
    free(copy.memory);
    return error;
}

/* ---- page after page -------------------------------------------------------------------- */

/* Several pages backward come newest first, but are shown in order: so first the oldest that is
 * wanted is worked out from the session's newest seq, and the pages then go forward. */
static int backward_turn(struct pull *pull)
{
    struct imlog_client_session session = {0};
    const int error = imlog_client_session(pull->node->client, &pull->session.id, 1, &session);
    if (error < 0 || session.code < 0)
        return error < 0 ? error : session.code;
    const uint64_t before_seq = pull->before_seq == 0 || pull->before_seq > session.info.latest_seq
                                    ? session.info.latest_seq + 1
                                    : pull->before_seq;
    const uint64_t oldest_seq =
        before_seq - 1 > pull->left_count ? before_seq - pull->left_count : 1;
    pull->request.after_seq = oldest_seq - 1;
    pull->left_count = before_seq - oldest_seq;
    return 0;
}

static void total_add(struct pull *pull, const struct imlog_page *page)
{
    if (pull->shown_count == 0 && pull->total.gap_count == 0)
        pull->total.first_seq = page->first_seq;
    pull->total.end_seq = page->end_seq;
    pull->total.gap_count += page->gap_count;
    pull->total.session_first_seq = page->session_first_seq;
    pull->total.session_latest_seq = page->session_latest_seq;
    pull->total.more = page->more;
    pull->shown_count += page->message_count;
}

/* One pull. 1: go on, 0: that was all, < 0. */
static int pull_page(struct pull *pull)
{
    struct imlog_client_pulled pulled = {0};
    pull->request.count_max = pull->left_count < IMLOG_PULL_MESSAGES_MAX
                                  ? (uint32_t)pull->left_count
                                  : IMLOG_PULL_MESSAGES_MAX;
    const int error = imlog_client_pull(pull->node->client, &pull->request, 1, &pulled);
    if (error < 0 || pulled.code < 0)
        return error < 0 ? error : pulled.code;
    const struct imlog_page page = pulled.page;
    const uint64_t seq_count = page.end_seq - page.first_seq;
    total_add(pull, &page);
    const int shown = page_show(pull, &pulled.page);
    if (shown < 0)
        return shown;
    pull->request.after_seq = page.end_seq - (seq_count > 0);
    pull->left_count -= seq_count < pull->left_count ? seq_count : pull->left_count;
    return page.more && seq_count > 0 && pull->left_count > 0;
}

static void pull_doc_begin(struct pull *pull)
{
    struct doc_writer *doc = &pull->node->answer.doc;
    doc_object_begin(doc, NULL);
    if (pull->session.key != NULL)
        doc_bytes(doc, "session", NULL, pull->session.key, pull->session.key_bytes);
    else
        doc_number(doc, "session", pull->session.id);
    doc_number(doc, "session_id", pull->session.id);
    doc_array_begin(doc, "messages");
}

static void pull_doc_end(struct pull *pull)
{
    struct doc_writer *doc = &pull->node->answer.doc;
    doc_array_end(doc);
    doc_array_begin(doc, "gaps");
    for (uint32_t i = 0; i < pull->gaps.count; i++) {
        doc_object_begin(doc, NULL);
        doc_number(doc, "first_seq", pull->gaps.gaps[i].first_seq);
        doc_number(doc, "last_seq", pull->gaps.gaps[i].last_seq);
        doc_text(doc, "reason", "damaged");
        doc_object_end(doc);
    }
    doc_array_end(doc);
    doc_number(doc, "first_seq", pull->total.first_seq);
    doc_number(doc, "end_seq", pull->total.end_seq);
    doc_number(doc, "session_first_seq", pull->total.session_first_seq);
    doc_number(doc, "session_latest_seq", pull->total.session_latest_seq);
    doc_bool(doc, "more", pull->total.more);
    doc_object_end(doc);
}

static void pull_sum_show(const struct pull *pull)
{
    (void)printf("\n%" PRIu64 " messages; the session has seq %" PRIu64 " to %" PRIu64 "%s\n",
                 pull->shown_count, pull->total.session_first_seq, pull->total.session_latest_seq,
                 pull->total.gap_count > 0 ? "; some are damaged on disk" : "");
}

static int pull_pages(struct pull *pull)
{
    int more = pull->backward ? backward_turn(pull) : 0;
    if (more < 0)
        return more;
    do
        more = pull_page(pull);
    while (more > 0);
    if (pull->backward)
        pull->total.more = pull->total.first_seq > pull->total.session_first_seq;
    return more;
}

static int pull_all(struct pull *pull)
{
    struct node *node = pull->node;
    if (node_resolve(node, "session", &pull->session, false) != TOOL_OK)
        return TOOL_NO;
    pull->request.session_id = pull->session.id;
    if (node->answer.json)
        pull_doc_begin(pull);
    const int error = pull_pages(pull);
    if (error == IMLOG_ENOSESSION && pull->session.key != NULL)
        return answer_refuse(&node->answer, error, "no session \"%s\": it has no message",
                             pull->session.key);
    if (error == IMLOG_ENOSESSION)
        return answer_refuse(&node->answer, error, "no session %" PRIu64 ": it has no message",
                             pull->session.id);
    if (error < 0)
        return node_refused(node, error);
    if (node->answer.json)
        pull_doc_end(pull);
    else
        pull_sum_show(pull);
    return TOOL_OK;
}

static int pull_run(const struct command_call *call)
{
    static const char *const titles[] = {">SEQ", "TIME", "SENDER", ">TYPE", "TEXT"};
    struct node node;
    struct pull pull = {.node = &node};
    int code = pull_take(call, &pull);
    if (code != TOOL_OK)
        return code;
    code = node_open(&node, call);
    if (code == TOOL_OK) {
        pull.table = node.answer.json ? NULL : table_create(5, titles);
        code = pull_all(&pull);
    }
    table_destroy(pull.table);
    free(pull.gaps.gaps);
    return node_close(&node, code);
}

static const struct option options[] = {
    {.name = "after",
     .value = "SEQ",
     .help = "forward: the messages after SEQ (0: from the first)",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct pull_args, after),
     .max = UINT64_MAX},
    {.name = "before",
     .value = "SEQ",
     .help = "backward: the newest ones before SEQ",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct pull_args, before),
     .min = 1,
     .max = UINT64_MAX},
    {.name = "last",
     .value = "N",
     .help = "the newest N",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct pull_args, last),
     .min = 1,
     .max = UINT64_MAX},
    {.name = "count",
     .value = "N",
     .help = "at most N messages (else 20)",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct pull_args, count),
     .min = 1,
     .max = UINT64_MAX},
    {.name = "follow-all",
     .help = "everything from --after (else the first) to the end",
     .type = OPTION_FLAG,
     .offset = offsetof(struct pull_args, follow_all)},
    {.name = NULL},
};

const struct command ctl_pull = {
    .name = "pull",
    .words = "SESSION",
    .summary = "Show messages of a session, the newest ones unless told otherwise",
    .notes = "SESSION: an integer is an id, anything else a string key; key:42 is the key \"42\".\n"
             "Always in ascending order of seq. Nothing is created by asking.\n",
    .word_count_min = 1,
    .word_count_max = 1,
    .options = options,
    .args_bytes = sizeof(struct pull_args),
    .run = pull_run,
};

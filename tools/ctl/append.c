/* append.c: imlog-ctl append: store one message.
 *
 * Without --client-msg-id it makes one up, so that after an unknown outcome the user has an id to
 * repeat the command with, and the message is stored once in any case. */
#include "tools/ctl/node.h"
#include "tools/lib/kind.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct append_args {
    const char *file;
    const char *kind;
    struct option_number type;
    struct option_number client_msg_id;
    struct option_number time_ms;
};

struct append {
    struct name session;
    struct name sender;
    struct imlog_client_message message;
    char *body; /* read from a file; owned */
};

/* ---- what is to be appended ------------------------------------------------------------- */

static int body_read_all(FILE *file, const char *path, struct append *append)
{
    append->body = malloc(IMLOG_BODY_BYTES_MAX + 1);
    if (append->body == NULL) {
        complain("out of memory");
        return TOOL_NO;
    }
    const size_t body_bytes = fread(append->body, 1, IMLOG_BODY_BYTES_MAX + 1, file);
    if (ferror(file)) {
        complain("cannot read %s: %s", path, strerror(errno));
        return TOOL_NO;
    }
    if (body_bytes > IMLOG_BODY_BYTES_MAX) {
        complain("%s has more than %d bytes, which no node takes as one message", path,
                 IMLOG_BODY_BYTES_MAX);
        return TOOL_NO;
    }
    append->message.body = append->body;
    append->message.body_bytes = (uint32_t)body_bytes;
    return TOOL_OK;
}

static int body_read(const char *path, struct append *append)
{
    if (strcmp(path, "-") == 0)
        return body_read_all(stdin, "standard input", append);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        complain("cannot open %s: %s", path, strerror(errno));
        return TOOL_NO;
    }
    const int code = body_read_all(file, path, append);
    (void)fclose(file); /* only read */
    return code;
}

static int body_take(const struct command_call *call, struct append *append)
{
    const struct append_args *args = call->args;
    const bool has_text = call->word_count == 3;
    if (has_text == (args->file != NULL))
        return command_misused(has_text ? "both a TEXT and --file"
                                        : "TEXT, - or --file FILE is missing");
    const char *text = has_text ? call->words[2] : args->file;
    if (!has_text || strcmp(text, "-") == 0)
        return body_read(text, append);
    if (strlen(text) > IMLOG_BODY_BYTES_MAX)
        return command_misused("the text has more than %d bytes", IMLOG_BODY_BYTES_MAX);
    append->message.body = text;
    append->message.body_bytes = (uint32_t)strlen(text);
    return TOOL_OK;
}

static uint64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail: the clock exists */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Below 2^53, which every JSON reader keeps exact, and not 0. */
static uint64_t random_id(void)
{
    uint64_t id = 0;
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        id = wall_ms(); /* an id the same sender will not use twice either */
    return (id & ((UINT64_C(1) << 53) - 1)) | 1;
}

static int append_take(const struct command_call *call, struct append *append)
{
    const struct append_args *args = call->args;
    struct imlog_why why;
    *append = (struct append){
        .message = {.type = (uint16_t)args->type.value,
                    .client_msg_id =
                        args->client_msg_id.given ? args->client_msg_id.value : random_id(),
                    .client_ms = args->time_ms.given ? args->time_ms.value : wall_ms()}};
    if (args->kind != NULL && !kind_parse(args->kind, &append->message.kind))
        return command_misused("--kind %s: expected direct, group or broadcast", args->kind);
    if (name_parse("session", call->words[0], &append->session, &why) < 0 ||
        name_parse("sender", call->words[1], &append->sender, &why) < 0)
        return command_misused("%s", why.text);
    return body_take(call, append);
}

/* ---- the answer ------------------------------------------------------------------------- */

static void answer_doc(struct node *node, const struct append *append,
                       const struct imlog_client_ack *ack)
{
    doc_object_begin(&node->answer.doc, NULL);
    if (append->session.key != NULL)
        doc_bytes(&node->answer.doc, "session", NULL, append->session.key,
                  append->session.key_bytes);
    doc_number(&node->answer.doc, "session_id", append->session.id);
    doc_number(&node->answer.doc, "sender_id", append->sender.id);
    doc_number(&node->answer.doc, "seq", ack->seq);
    doc_number(&node->answer.doc, "msg_id", ack->msg_id);
    doc_number(&node->answer.doc, "client_msg_id", append->message.client_msg_id);
    doc_number(&node->answer.doc, "server_ms", ack->server_ms);
    doc_text(&node->answer.doc, "ack", ack->ack == IMLOG_ACK_DURABLE ? "durable" : "unknown");
    doc_bool(&node->answer.doc, "duplicate", ack->duplicate);
    doc_object_end(&node->answer.doc);
}

static void answer_show(const struct imlog_client_ack *ack)
{
    (void)printf("seq %" PRIu64 "  msg_id %" PRIu64 "  %s%s\n", ack->seq, ack->msg_id,
                 ack->ack == IMLOG_ACK_DURABLE ? "durable" : "unknown ack level",
                 ack->duplicate ? "  (was stored before)" : "");
}

static bool outcome_is_unknown(int error)
{
    return error == IMLOG_EUNKNOWN || error == IMLOG_ECONNLOST || error == IMLOG_EPROTO;
}

static int append_send(struct node *node, struct append *append)
{
    struct imlog_client_ack ack = {0};
    if (node_resolve(node, "session", &append->session, true) != TOOL_OK ||
        node_resolve(node, "sender", &append->sender, true) != TOOL_OK)
        return TOOL_NO;
    append->message.session_id = append->session.id;
    append->message.sender_id = append->sender.id;
    int error = imlog_client_append(node->client, &append->message, 1, &ack);
    error = error == 0 ? ack.code : error;
    if (outcome_is_unknown(error))
        return answer_refuse(&node->answer, error,
                             "%s; the message may be stored: repeat this with --client-msg-id "
                             "%" PRIu64 ", which stores it once in any case",
                             imlog_client_error(node->client), append->message.client_msg_id);
    if (error < 0)
        return node_refused(node, error);
    if (node->answer.json)
        answer_doc(node, append, &ack);
    else
        answer_show(&ack);
    return TOOL_OK;
}

static int append_run(const struct command_call *call)
{
    struct append append;
    int code = append_take(call, &append);
    if (code == TOOL_OK) {
        struct node node;
        code = node_open(&node, call);
        if (code == TOOL_OK)
            code = append_send(&node, &append);
        code = node_close(&node, code);
    }
    free(append.body);
    return code;
}

static const struct option options[] = {
    {.name = "file",
     .value = "FILE",
     .help = "the body is what is in FILE (-: standard input)",
     .type = OPTION_TEXT,
     .offset = offsetof(struct append_args, file)},
    {.name = "kind",
     .value = "KIND",
     .help = "direct, group or broadcast; what a new session becomes (else group)",
     .type = OPTION_TEXT,
     .offset = offsetof(struct append_args, kind)},
    {.name = "type",
     .value = "N",
     .help = "the application's message type, kept as given",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct append_args, type),
     .max = UINT16_MAX},
    {.name = "client-msg-id",
     .value = "N",
     .help = "a repetition with the same N is stored once; 0: no such check",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct append_args, client_msg_id),
     .max = UINT64_MAX},
    {.name = "time-ms",
     .value = "N",
     .help = "the application's time, ms since 1970 (else now)",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct append_args, time_ms),
     .max = UINT64_MAX},
    {.name = NULL},
};

const struct command ctl_append = {
    .name = "append",
    .words = "SESSION SENDER [TEXT|-]",
    .summary = "Store one message, and wait until it is on media",
    .notes =
        "SESSION and SENDER: an integer is an id, anything else a string key, which gets an id\n"
        "on first use; key:42 is the key \"42\". TEXT - reads the body from standard input.\n",
    .word_count_min = 2,
    .word_count_max = 3,
    .options = options,
    .args_bytes = sizeof(struct append_args),
    .run = append_run,
};

/* history.c: History JSONL, a line at a time.
 *
 *   {"session": KEY or id, "kind": ..., "sender": KEY or id, "ts_ms": ..., "text": ...,
 *    "type": ..., "seq": ..., "msg_id": ..., "session_id": ..., "sender_id": ...,
 *    "client_msg_id": ..., "server_ms": ...}
 *
 * Needed when reading: session, sender, and text or body_base64. Keys that are no UTF-8 are
 * session_base64 and sender_base64. A node gives seq, msg_id, session_id, sender_id and server_ms
 * itself, so those are written and not read; so is what a later version may add. Whatever is
 * printed here reads back to the same session, sender, kind, type, times, client_msg_id and
 * bytes. */
#include "tools/lib/history.h"

#include "net/why.h"
#include "tools/lib/doc.h"
#include "tools/lib/kind.h"
#include "tools/lib/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---------------------------------------------------------------------------- */

/* A member in base64: 1 and the bytes (the caller frees *bytes), 0 if there is none, < 0. */
static int base64_take(const struct doc *json, const char *name, void **bytes, size_t *byte_count,
                       struct imlog_why *why)
{
    size_t text_bytes = 0;
    if (!doc_has(json, name))
        return 0;
    const char *text = doc_get_text(json, name, &text_bytes);
    if (text == NULL)
        return why_fill(why, IMLOG_EINVALID, "\"%s\" is no string", name);
    *bytes = text_base64_decode(text, text_bytes, byte_count);
    if (*bytes != NULL)
        return 1;
    return *byte_count == SIZE_MAX ? why_fill(why, IMLOG_EINVALID, "\"%s\" is no base64", name)
                                   : -ENOMEM;
}

static int key_check(const char *name, size_t key_bytes, struct imlog_why *why)
{
    if (key_bytes >= 1 && key_bytes <= IMLOG_KEY_BYTES_MAX)
        return 0;
    return why_fill(why, IMLOG_EINVALID, "\"%s\" has %zu bytes; a key has 1 to %d", name, key_bytes,
                    IMLOG_KEY_BYTES_MAX);
}

static int name_take(const struct doc *json, const char *member, const char *base64_member,
                     struct history_name *name, void **decoded, struct imlog_why *why)
{
    size_t key_bytes = 0;
    const int coded = base64_take(json, base64_member, decoded, &key_bytes, why);
    if (coded < 0)
        return coded;
    if (coded > 0 && doc_has(json, member))
        return why_fill(why, IMLOG_EINVALID, "both \"%s\" and \"%s\"", member, base64_member);
    name->key = coded > 0 ? *decoded : doc_get_text(json, member, &key_bytes);
    if (name->key != NULL) {
        name->key_bytes = (uint32_t)key_bytes;
        return key_check(member, key_bytes, why);
    }
    if (!doc_has(json, member))
        return why_fill(why, IMLOG_EINVALID, "\"%s\" is missing", member);
    if (!doc_get_number(json, member, &name->id) || name->id == 0)
        return why_fill(why, IMLOG_EINVALID, "\"%s\" is neither a string nor an integer from 1",
                        member);
    return 0;
}

static int body_take(struct history_line *line, struct imlog_why *why)
{
    size_t body_bytes = 0;
    const int coded = base64_take(line->json, "body_base64", &line->decoded_body, &body_bytes, why);
    if (coded < 0)
        return coded;
    if (coded > 0 && doc_has(line->json, "text"))
        return why_fill(why, IMLOG_EINVALID, "both \"text\" and \"body_base64\"");
    line->body = coded > 0 ? line->decoded_body : doc_get_text(line->json, "text", &body_bytes);
    if (line->body == NULL)
        return why_fill(why, IMLOG_EINVALID,
                        doc_has(line->json, "text") ? "\"text\" is no string"
                                                    : "\"text\" (or \"body_base64\") is missing");
    if (body_bytes > IMLOG_BODY_BYTES_MAX)
        return why_fill(why, IMLOG_EINVALID, "a body of %zu bytes; no node takes more than %d",
                        body_bytes, IMLOG_BODY_BYTES_MAX);
    line->body_bytes = (uint32_t)body_bytes;
    return 0;
}

static int kind_take(struct history_line *line, struct imlog_why *why)
{
    size_t text_bytes = 0;
    if (!doc_has(line->json, "kind"))
        return 0;
    const char *text = doc_get_text(line->json, "kind", &text_bytes);
    if (text == NULL || !kind_parse(text, &line->kind))
        return why_fill(why, IMLOG_EINVALID,
                        "\"kind\" is none of \"direct\", \"group\", \"broadcast\"");
    return 0;
}

/* An optional number. */
static int number_take(const struct doc *json, const char *member, uint64_t max, uint64_t *value,
                       struct imlog_why *why)
{
    *value = 0;
    if (doc_has(json, member) && (!doc_get_number(json, member, value) || *value > max))
        return why_fill(why, IMLOG_EINVALID, "\"%s\" is no integer from 0 to %llu", member,
                        (unsigned long long)max);
    return 0;
}

static int line_take(struct history_line *line, struct imlog_why *why)
{
    uint64_t type = 0;
    int error =
        name_take(line->json, "session", "session_base64", &line->session, &line->session_key, why);
    if (error == 0)
        error =
            name_take(line->json, "sender", "sender_base64", &line->sender, &line->sender_key, why);
    if (error == 0)
        error = kind_take(line, why);
    if (error == 0)
        error = number_take(line->json, "ts_ms", UINT64_MAX, &line->ts_ms, why);
    if (error == 0)
        error = number_take(line->json, "client_msg_id", UINT64_MAX, &line->client_msg_id, why);
    if (error == 0)
        error = number_take(line->json, "type", UINT16_MAX, &type, why);
    line->type = (uint16_t)type;
    return error < 0 ? error : body_take(line, why);
}

int history_parse(const void *bytes, size_t byte_count, struct history_line *line,
                  struct imlog_why *why)
{
    *line = (struct history_line){.kind = IMLOG_KIND_ANY};
    line->json = doc_parse(bytes, byte_count, why);
    if (line->json == NULL)
        return IMLOG_EINVALID;
    const int error = line_take(line, why);
    if (error < 0)
        history_line_deinit(line);
    return error;
}

void history_line_deinit(struct history_line *line)
{
    doc_destroy(line->json);
    free(line->session_key);
    free(line->sender_key);
    free(line->decoded_body);
    *line = (struct history_line){0};
}

/* ---- printing --------------------------------------------------------------------------- */

static void name_print(struct doc_writer *writer, const char *member,
                       const struct history_name *name)
{
    if (name->key == NULL)
        doc_number(writer, member, name->id);
    else
        doc_bytes(writer, member, NULL, name->key, name->key_bytes);
}

void history_print(FILE *out, const struct history_record *record)
{
    const struct imlog_message *message = record->message;
    struct doc_writer writer = {.out = out};
    doc_object_begin(&writer, NULL);
    name_print(&writer, "session", &record->session);
    if (message->kind != IMLOG_KIND_ANY)
        doc_text(&writer, "kind", kind_name(message->kind));
    name_print(&writer, "sender", &record->sender);
    doc_number(&writer, "ts_ms", message->client_ms);
    doc_bytes(&writer, "text", "body_base64", message->body, message->body_bytes);
    if (message->type != 0)
        doc_number(&writer, "type", message->type);
    doc_number(&writer, "seq", message->seq);
    doc_number(&writer, "msg_id", message->msg_id);
    doc_number(&writer, "session_id", message->session_id);
    doc_number(&writer, "sender_id", message->sender_id);
    doc_number(&writer, "client_msg_id", message->client_msg_id);
    doc_number(&writer, "server_ms", message->server_ms);
    doc_object_end(&writer);
    (void)fputc('\n', out);
}

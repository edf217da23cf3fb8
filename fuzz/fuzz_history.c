/* fuzz_history.c: any bytes as a line of History JSONL.
 *
 * Law: what is accepted prints as one line, which is accepted again and says the same. */
#define _GNU_SOURCE
#include "fuzz/fuzz.h"
#include "tools/lib/history.h"

#include <imlog/limits.h>

static void check_name(const struct history_name *left, const struct history_name *right)
{
    FUZZ_CHECK((left->key == NULL) == (right->key == NULL));
    FUZZ_CHECK(left->key_bytes == right->key_bytes);
    if (left->key == NULL)
        FUZZ_CHECK(left->id == right->id && left->id != 0);
    else
        FUZZ_CHECK(memcmp(left->key, right->key, left->key_bytes) == 0);
}

static void check_same(const struct history_line *left, const struct history_line *right)
{
    check_name(&left->session, &right->session);
    check_name(&left->sender, &right->sender);
    FUZZ_CHECK(left->kind == right->kind && left->type == right->type);
    FUZZ_CHECK(left->ts_ms == right->ts_ms);
    FUZZ_CHECK(left->client_msg_id == right->client_msg_id);
    FUZZ_CHECK(left->body_bytes == right->body_bytes);
    if (left->body_bytes > 0)
        FUZZ_CHECK(memcmp(left->body, right->body, left->body_bytes) == 0);
}

static void check_bounds(const struct history_line *line)
{
    FUZZ_CHECK(line->body_bytes <= IMLOG_BODY_BYTES_MAX);
    FUZZ_CHECK(line->body != NULL);
    FUZZ_CHECK(line->session.key == NULL ? line->session.id != 0
                                         : line->session.key_bytes >= 1 &&
                                               line->session.key_bytes <= IMLOG_KEY_BYTES_MAX);
    FUZZ_CHECK(line->kind >= IMLOG_KIND_ANY && line->kind <= IMLOG_KIND_BROADCAST);
}

/* Printed, as a line of its own in memory that the caller frees. */
static char *print(const struct history_line *line, size_t *text_bytes)
{
    struct imlog_message message = {.session_id = line->session.id,
                                    .seq = 1,
                                    .sender_id = line->sender.id,
                                    .client_msg_id = line->client_msg_id,
                                    .client_ms = line->ts_ms,
                                    .body = line->body,
                                    .body_bytes = line->body_bytes,
                                    .type = line->type,
                                    .kind = line->kind};
    struct history_record record = {
        .message = &message, .session = line->session, .sender = line->sender};
    char *text = NULL;
    FILE *out = open_memstream(&text, text_bytes);
    FUZZ_CHECK(out != NULL);
    history_print(out, &record);
    FUZZ_CHECK(fclose(out) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    struct history_line line;
    struct history_line again;
    struct imlog_why why = {.text = ""};
    int error = history_parse(data, byte_count, &line, &why);
    if (error < 0) {
        FUZZ_CHECK(error == IMLOG_EINVALID && why.text[0] != '\0');
        return 0;
    }
    size_t text_bytes = 0;
    char *text = print(&line, &text_bytes);
    FUZZ_CHECK(text_bytes > 0 && memchr(text, '\n', text_bytes) == text + text_bytes - 1);
    FUZZ_CHECK(history_parse(text, text_bytes - 1, &again, NULL) == 0);
    check_bounds(&line);
    check_same(&line, &again);
    history_line_deinit(&again);
    history_line_deinit(&line);
    free(text);
    return 0;
}

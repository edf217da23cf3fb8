/* history.h: History JSONL, the chat history that imlog-dump exports and replays: one object a
 * line (history.c has every member). */
#ifndef TOOLS_LIB_HISTORY_H
#define TOOLS_LIB_HISTORY_H

#include <imlog/imlog.h>
#include <stdio.h>

/* A session or a sender: a string key, or an id. */
struct history_name {
    const void *key; /* NULL: it is an id */
    uint32_t key_bytes;
    uint64_t id;
};

struct doc;

/* One line read. What it borrows lives until deinit. */
struct history_line {
    struct history_name session;
    struct history_name sender;
    enum imlog_kind kind; /* IMLOG_KIND_ANY if the line does not say */
    uint64_t ts_ms;
    uint64_t client_msg_id; /* 0 if the line does not say */
    const void *body;
    uint32_t body_bytes;
    uint16_t type;

    struct doc *json; /* these three hold what is borrowed */
    void *session_key;
    void *sender_key;
    void *decoded_body;
};

/* Any bytes, without the newline. 0, or IMLOG_EINVALID (`why` says what is wrong with them) or
 * -ENOMEM, and then there is nothing to deinit. */
int history_parse(const void *bytes, size_t byte_count, struct history_line *line,
                  struct imlog_why *why);
void history_line_deinit(struct history_line *line);

/* Prints a stored message as a line; keys are NULL for ids without a name. The caller checks
 * ferror(). */
struct history_record {
    const struct imlog_message *message;
    struct history_name session; /* id set in any case */
    struct history_name sender;
};
void history_print(FILE *out, const struct history_record *record);

#endif

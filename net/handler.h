/* handler.h: one table entry a request type: how it is decoded, run and answered. */
#ifndef NET_HANDLER_H
#define NET_HANDLER_H

#include "net/request.h"

enum { ITEM_DONE = 0, ITEM_UNDER_WAY = 1 };

struct handler {
    uint16_t type;

    /* At home. Take a whole frame: 0, REQUEST_LATER (and then nothing happened), or < 0 and
     * `why`, and then an error reply is sent. */
    int (*take)(struct dispatch *home, struct conn *conn, const struct handler *handler,
                struct frame *frame, struct imlog_why *why);

    /* For requests that are lists of items (take = request_take_items): */
    bool ids;            /* the list is `repeated uint64`; else messages or bytes */
    bool borrows;        /* items point into the frame's body, which is kept */
    uint32_t item_bytes; /* of the handler's item struct */
    /* One item; bytes and their count, or the id in `value`. IMLOG_EPROTO if it is malformed;
     * other faults go to item->status. */
    int (*decode)(struct item *item, const uint8_t *bytes, uint64_t value);
    uint32_t (*shard_of)(const struct item *item, uint32_t shard_count);
    /* What the item's result may take in the reply. */
    uint64_t (*result_bytes)(const struct item *item, uint32_t body_bytes_max);
    /* A field of the request that is not the list; may be NULL. */
    int (*option)(struct request *request, const struct wire_field *field);

    /* At the shard. */
    bool writes;          /* parts run in the order they came, and wait while the engine is busy */
    uint32_t at_once_max; /* items of a part the engine gets at once; 0: all */
    int (*start)(struct part *part, struct item *item); /* ITEM_*, or IMLOG_EBUSY: not now */
    /* The fields of one result, or NULL if start() and done() write results themselves. */
    void (*put)(struct wire_writer *writer, const struct item *item);

    /* At the shard, for requests without items. */
    void (*run)(struct part *part);
};

/* The handler of a frame type, or NULL. */
const struct handler *handler_of(uint16_t type);

extern const struct handler handle_ping;
extern const struct handler handle_info;
extern const struct handler handle_stats;
extern const struct handler handle_resolve;
extern const struct handler handle_names;
extern const struct handler handle_append;
extern const struct handler handle_pull;
extern const struct handler handle_session;
extern const struct handler handle_sessions;

/* ---- what handlers share ----------------------------------------------------------------- */

/* The head of a result: index, code, text (fields 1 to 3). */
void handler_put_result(struct wire_writer *writer, const struct item *item);

/* Add one message as field `number` to the part's reply: put(writer, arg) writes its fields, and
 * is called twice, to measure and to write. On lack of memory the part's status is set. */
void handler_put(struct part *part, uint32_t number,
                 void (*put)(struct wire_writer *writer, const void *arg), const void *arg);

/* The same for fields that have been measured already, as byte_count bytes. */
void handler_put_measured(struct part *part, uint32_t number, uint64_t byte_count,
                          void (*put)(struct wire_writer *writer, const void *arg),
                          const void *arg);

/* Refuse a body with fields that are not well-formed protobuf; for requests without fields. */
int handler_check_body(const struct frame *frame, struct imlog_why *why);

#endif

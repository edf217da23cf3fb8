/* request.h: one request from its frame to its reply, and the parts it is split in.
 *
 *     home thread                    thread of the shard
 *     frame -> request -> parts ---> part: items -> engine -> results in chunks
 *              request_finish  <---- part
 *
 * A request has one part for each shard it touches. A part and its items belong to the thread
 * that has it at the moment; they travel by mail and are never copied. Everything of a request,
 * the frame's bytes too, is one block and lives until the last part is back. */
#ifndef NET_REQUEST_H
#define NET_REQUEST_H

#include "net/chunk.h"
#include "net/frame.h"
#include "net/id_set.h"
#include "net/mailbox.h"
#include "net/wire.h"

#include <imlog/imlog.h>
#include <stdatomic.h>

struct conn;
struct desk;
struct dispatch;
struct handler;

/* A whole frame as it came. `block` is not NULL when the body lies in a block of its own, which
 * whoever takes the request may keep (and then clears the pointer). */
struct frame {
    struct frame_header header;
    const uint8_t *body;
    void *block;
};

struct item {          /* first in every handler's own item */
    struct item *next; /* of its part */
    struct part *part;
    uint32_t index; /* in the request */
    int32_t status; /* 0 or an error; may be set when decoding */
};

struct part {
    struct mail mail;
    struct request *request;
    struct desk *desk; /* of the shard it is at, on that thread */
    struct part *next; /* in the desk's queue */
    struct item *first_item;
    struct item *last_item;
    struct item *next_item; /* the first one not started */
    uint32_t shard_index;
    uint32_t item_count;
    uint32_t under_way_count; /* items the engine has */
    int status;               /* 0, or why there are no results at all */
    uint64_t weight_bytes;
    struct chunk_queue reply; /* this part's piece of the reply's body */
    struct id_set failed;     /* sessions with a failed append */
};

struct request {
    const struct handler *handler;
    struct conn *conn;
    struct dispatch *home;
    uint64_t request_id;
    uint64_t weight_bytes;
    uint32_t item_count;
    uint32_t part_count;
    uint32_t parts_away_count;
    bool lookup_only;           /* resolve */
    void *frame_block;          /* the taken block of the frame, or NULL */
    struct chunk_queue head;    /* of the reply's body, before the parts' */
    _Atomic int64_t room_bytes; /* what results may still add to the reply */
    struct part parts[];
};

/* ---- making ---------------------------------------------------------------------------- */

/* A request with part_count empty parts and byte_count bytes for the handler behind them. NULL:
 * no memory. */
struct request *request_create(struct dispatch *home, struct conn *conn,
                               const struct handler *handler, const struct frame *frame,
                               uint32_t part_count, uint64_t byte_count);

/* Where those bytes are. */
void *request_bytes(struct request *request, uint32_t part_count);

/* What a handler's take() returns when the request would hold more than its connection may. */
enum { REQUEST_LATER = 1 };

/* The handler's take() for requests that are a list of items (field 1): decode them, split them
 * by shard, send the parts. */
int request_take_items(struct dispatch *home, struct conn *conn, const struct handler *handler,
                       struct frame *frame, struct imlog_why *why);

/* Send the parts of a request that is complete. */
void request_start(struct request *request);

/* ---- at the shard ---------------------------------------------------------------------- */

/* Start the items that were not yet. 0, or IMLOG_EBUSY: call again later. When it returns 0 the
 * part may be gone. */
int part_run(struct part *part);

/* An item that the engine had is done. The part may be gone after this. */
void part_item_done(struct part *part);

/* Answer all items not yet started with this error. The part may be gone after this. */
void part_refuse(struct part *part, int status);

/* Its results are in part->reply (or its status is set): send it home. */
void part_finish(struct part *part);

/* Reserve room in the reply; false if there is not that much left, and then for nobody else
 * any more. */
bool request_reserve(struct request *request, uint64_t byte_count);
bool request_is_full(struct request *request);

/* ---- at home --------------------------------------------------------------------------- */

/* A part is back. With the last one the reply is queued and the request ends. */
void request_part_returned(struct part *part);

#endif

/* dispatch.h: one thread's half of the request path, without sockets and without threads.
 *
 * Frames of this thread's connections come in (dispatch_frame), their parts go to the threads
 * that own the shards, parts for this thread's shards come in by mail (dispatch_mail) and wait
 * at their shard's desk. All it needs of the outside is send(), which carries mail to another
 * thread, so that a simulator can run many of these in one thread.
 *
 * Thread rule: everything here belongs to one thread; figures may be read by others. */
#ifndef NET_DISPATCH_H
#define NET_DISPATCH_H

#include "net/node.h"
#include "net/request.h"

struct conn;

/* Where parts meet their shard. Reads start at once. Writes run in the order they came; while
 * the engine has too much unwritten they wait here, and with them all behind them. */
struct desk {
    struct dispatch *dispatch;
    struct imlog_shard *shard;
    uint32_t shard_index;
    bool progressed; /* the shard's last turn finished something */
    struct part *waiting_first;
    struct part *waiting_last;
    uint64_t waiting_bytes;
};

struct dispatch {
    const struct node *node;
    uint32_t thread_index;
    uint32_t desk_count;
    struct desk *desks;       /* of the shards this thread owns */
    uint64_t now_ms;          /* monotonic, of this turn */
    uint64_t wall_ms;         /* since 1970, of this turn */
    uint64_t request_count;   /* requests of this thread's connections under way */
    uint64_t weight_bytes;    /* what they and their replies may hold */
    struct conn *ready_first; /* connections with whole frames still to be handled */
    struct conn *ready_last;
    void (*send)(void *arg, uint32_t thread_index, struct mail *mail);
    void *send_arg;
    struct part *part_of_shard[IMLOG_SHARDS_MAX]; /* scratch while a request is split */
    struct pool pool;
    struct figures figures;
};

/* desks: desk_count of them, in order of shard_index, with shard and shard_index set. */
void dispatch_init(struct dispatch *dispatch, const struct node *node, uint32_t thread_index,
                   struct desk *desks, uint32_t desk_count);
void dispatch_deinit(struct dispatch *dispatch);

/* Handle one whole frame: it ends in a reply, now or later. False: its connection has no room
 * for it now (conn_has_room()), and the same frame must come again. */
bool dispatch_frame(struct dispatch *dispatch, struct conn *conn, struct frame *frame);

/* Give a part to the thread of its shard. */
void dispatch_part(struct dispatch *dispatch, struct part *part);

/* Give a part back to its request's thread. */
void dispatch_return(struct dispatch *dispatch, struct part *part);

/* Handle mail that send() of another thread brought here: MAIL_PART and MAIL_RETURN. */
void dispatch_mail(struct dispatch *dispatch, struct mail *mail);

/* A connection has whole frames left: dispatch_read() goes on with it. */
void dispatch_ready(struct dispatch *dispatch, struct conn *conn);
void dispatch_read(struct dispatch *dispatch);

/* May another request be taken, as far as this thread's memory is concerned? */
bool dispatch_has_room(const struct dispatch *dispatch);

/* One turn of every shard of this thread, with what waits for it. */
void dispatch_turn(struct dispatch *dispatch);

/* For how long there is nothing to do unless something comes in. */
uint64_t dispatch_wait_ns(const struct dispatch *dispatch);

/* Answer everything that still waits at a desk with this error. */
void dispatch_refuse_waiting(struct dispatch *dispatch, int status);

#endif

/* turn.h: one turn of a thread, from what came in to what goes out.
 *
 * The order is the durability promise: replies leave after the shards' turn that made them true,
 * never before. It is here, apart from rings and sockets, so that a simulator runs the same. */
#ifndef NET_TURN_H
#define NET_TURN_H

#include "net/dispatch.h"
#include "net/mailbox.h"

/* What carries the thread's connections: sockets (loop.h), or what stands for them. */
struct carrier {
    void (*read)(void *arg);  /* give connections what came */
    void (*write)(void *arg); /* take from them what is to be sent; free the dead */
    void *arg;
};

/* The dispatch's now_ms and wall_ms are this turn's. Never blocks. */
void turn_run(struct dispatch *dispatch, struct mailbox *mailbox, const struct carrier *carrier);

#endif

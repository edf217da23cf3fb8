/* loop.h: the sockets and timers of one thread on its ring. It knows connections as bytes in and
 * bytes out, and nothing of requests.
 *
 * Two ways to receive: into shared buffers that the kernel picks (receive_buffers.h), or, on
 * kernels without them or when told so, when poll says there is something. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "net/link.h"
#include "net/receive_buffers.h"

#include <stdatomic.h>

struct loop_options {
    int listen_socket; /* taken */
    bool plain;        /* receive without shared buffers */
    uint32_t connections_max;
    _Atomic uint32_t *connection_count; /* of all threads */
    void (*report)(void *arg, enum imlog_severity severity, const char *line);
    void *report_arg;
};

struct loop {
    struct imlog_io *io;
    struct dispatch *dispatch;
    struct loop_options options;
    bool accepting;    /* poll on the listener is under way */
    bool accept_ready; /* it said that somebody is there */
    bool stopping;     /* take no more connections */
    bool shares_buffers;
    uint64_t reported_ms; /* the last line about accepting */
    struct receive_buffers buffers;
    uint8_t *scratch; /* to receive into without shared buffers */
    struct timers timers;
    struct timer accept_timer; /* tries again after a failure */
    struct imlog_io_op accept_op;
    struct link *links;
    struct link *completed_first;
    struct link *completed_last;
    struct link *changed;
};

int loop_open(struct loop *loop, struct imlog_io *io, struct dispatch *dispatch,
              const struct loop_options *options, struct imlog_why *why);

/* All links are gone and accepting has ended. */
void loop_close(struct loop *loop);

/* The listener listens: take connections. */
void loop_accept(struct loop *loop);

/* Take no more connections, and no more requests from those there are. */
void loop_drain(struct loop *loop);
/* Close what is left. */
void loop_shut(struct loop *loop);
/* Is nothing of all that under way any more? */
bool loop_is_empty(const struct loop *loop);

/* One turn, before and after the requests' work: what was received goes to the connections and
 * timers fire; what changed is sent, received for, closed. */
void loop_read(struct loop *loop);
void loop_write(struct loop *loop);

/* For how long nothing is due. */
uint64_t loop_wait_ns(const struct loop *loop);

/* ---- for links ------------------------------------------------------------------------- */

void loop_add(struct loop *loop, struct link *link);
void loop_remove(struct loop *loop, struct link *link);
void loop_completed(struct loop *loop, struct link *link);
void loop_changed(struct loop *loop, struct link *link);

#endif

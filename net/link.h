/* link.h: a connection (conn.h) on a socket of the ring.
 *
 *     OPEN ----> LINGERING ----> SHUT      OPEN: bytes go both ways
 *       '--------------------------^       LINGERING: all is sent and the sending side closed;
 *                                            what comes is dropped until the peer closes too, so
 *                                            that no reset overtakes the last reply
 *                                          SHUT: waits for its last completions, then is freed
 *
 * The kernel owns what is under way: a link, its buffers and its socket live until the last
 * completion came. */
#ifndef NET_LINK_H
#define NET_LINK_H

#include "net/conn.h"
#include "net/timers.h"

#include <imlog/io.h>
#include <sys/socket.h>

struct loop;

enum link_state { LINK_OPEN, LINK_LINGERING, LINK_SHUT };

enum { LINK_PARTS_MAX = 8 };

struct link {
    struct conn conn; /* first */
    struct loop *loop;
    enum link_state state;
    int socket;
    bool receiving;    /* under way */
    bool sending;      /* under way */
    bool has_received; /* ended since the last turn, with: */
    bool has_sent;
    int32_t received;
    int32_t sent;
    int32_t buffer_index; /* the shared buffer that was received into, or -1 */
    uint8_t *space;       /* or the connection's own space, or NULL */
    uint32_t space_bytes;
    bool got_end; /* the peer sends no more */
    bool is_changed;
    struct link *next; /* of all */
    struct link *previous;
    struct link *next_completed;
    struct link *next_changed;
    struct timer timer;
    struct imlog_io_op receive_op;
    struct imlog_io_op send_op;
    struct msghdr message;
    struct iovec parts[LINK_PARTS_MAX];
};

/* Takes the socket. NULL: no memory, and the socket is still the caller's. */
struct link *link_create(struct loop *loop, int socket);

/* Tell the connection what was received and sent. */
void link_complete(struct link *link);

/* Start what became possible: send, receive, close. Frees the link when nothing is left of it. */
void link_update(struct link *link);

/* Close now, whatever waits. */
void link_shut(struct link *link);

#endif

/* conn.h: one client's connection, without its socket: bytes in -> frames -> requests, replies
 * -> bytes out. Whatever carries it (link.h: a socket; a test; a simulator) hands over what
 * came, sends what is in `output`, and asks when to close.
 *
 *     OPEN ----> ENDING ----> LOST        OPEN: frames are taken
 *       '----------------------^          ENDING: no more; answers under way are still sent
 *                                         LOST: the carrier is gone; answers are dropped
 *
 * A connection may be freed once it is done and nothing holds it: see conn_is_held(). */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "net/dispatch.h"

enum conn_state { CONN_OPEN, CONN_ENDING, CONN_LOST };

struct conn {
    struct dispatch *dispatch;
    void (*changed)(struct conn *conn); /* to the carrier: look at me again */
    enum conn_state state;
    bool stalled;           /* a whole frame waits; nothing is read meanwhile */
    bool is_ready;          /* is in its dispatch's list of those to go on with */
    uint32_t request_count; /* under way */
    uint64_t weight_bytes;  /* what those and their replies may hold */
    uint8_t *input;         /* a block with what could not be taken yet; NULL: nothing */
    uint32_t input_bytes;
    uint8_t *lent;     /* the block that conn_space() gave away */
    uint64_t heard_ms; /* when something came last */
    uint64_t frame_ms; /* when the incomplete frame started; 0: there is none */
    uint64_t took_ms;  /* when the client last took something of what waits for it */
    uint64_t spoke_ms; /* when the node sent something last */
    struct chunk_queue output;
    struct conn *next_ready;
};

void conn_init(struct conn *conn, struct dispatch *dispatch, void (*changed)(struct conn *conn));
void conn_deinit(struct conn *conn);

/* ---- bytes in -------------------------------------------------------------------------- */

/* Does the connection take bytes now? If not, do not read: that is the back-pressure. */
bool conn_wants_bytes(const struct conn *conn);

/* Bytes came. They are used or copied before this returns. */
void conn_receive(struct conn *conn, const uint8_t *bytes, uint32_t byte_count);

/* For large frames, to save that copy: where the next bytes may be put, or 0 for nowhere. The
 * space stays good until conn_received() says how many came (0: none), whatever happens to the
 * connection meanwhile; nothing else is received before. */
uint32_t conn_space(struct conn *conn, uint8_t **space);
void conn_received(struct conn *conn, uint32_t byte_count);

/* Take more of the frames that wait. */
void conn_continue(struct conn *conn);

/* ---- bytes out ------------------------------------------------------------------------- */

/* Queue a reply; takes the chunks of body. */
void conn_reply(struct conn *conn, uint16_t type, uint64_t request_id, struct chunk_queue *body);
void conn_error(struct conn *conn, uint64_t request_id, int code, const char *text,
                uint32_t retry_after_ms);

/* byte_count bytes of output were sent. */
void conn_sent(struct conn *conn, uint64_t byte_count);

/* ---- life ------------------------------------------------------------------------------ */

/* May it have another request under way that holds this much? If not, the frame must wait. */
bool conn_has_room(const struct conn *conn, uint64_t weight_bytes);
/* A request of this connection was taken, or has been answered. */
void conn_hold(struct conn *conn, uint64_t weight_bytes);
void conn_release(struct conn *conn, uint64_t weight_bytes);

/* Take no more; close when what is under way is answered. */
void conn_end(struct conn *conn);
/* The carrier is gone. */
void conn_lose(struct conn *conn);

/* Nothing more will be sent: the carrier should close. */
bool conn_is_done(const struct conn *conn);
/* Requests or lists still point to it. */
bool conn_is_held(const struct conn *conn);

enum conn_verdict { CONN_FINE, CONN_IDLE, CONN_FRAME_LATE, CONN_SLOW };

/* What time says about it, now; sends the heartbeat when that is due. */
enum conn_verdict conn_check(struct conn *conn);
/* When to check again. */
uint64_t conn_due_ms(const struct conn *conn);

#endif

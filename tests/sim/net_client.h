/* net_client.h: clients of the simulated node: what they ask, what they remember of it, and what
 * they think of the answers.
 *
 * A client keeps the duty of docs/PROTOCOL.md: after a connection was lost it sends every append
 * without an answer again, in order, before anything new. */
#ifndef TESTS_SIM_NET_CLIENT_H
#define TESTS_SIM_NET_CLIENT_H

#include "net/imlog.pb-c.h"
#include "tests/sim/net_model.h"
#include "tests/sim/net_node.h"

#include <stddef.h>

enum {
    NET_CLIENTS_MAX = 6,
    NET_ITEMS_MAX = 48, /* of a request here; above IMLOG_REQUEST_ITEMS_MAX is asked as malformed */
    NET_PENDING_MAX = 20,
};

struct net_item {        /* what was asked, and what was known when it was */
    uint32_t number;     /* append: the message, or 0: must be refused with `expected` */
    int expected;        /* 0: as it goes; an error: the item is wrong in this way */
    uint64_t order;      /* append: of the connection's appends */
    bool was_known;      /* append: known to be stored; resolve: known to be there */
    uint32_t index;      /* of the session or key; UINT32_MAX: one that does not exist */
    uint64_t session_id; /* of the session asked for */
    uint64_t latest_seq; /* of that session: known to be there */
    struct imlog_pull pull;
};

struct net_request {
    uint64_t id;
    uint16_t type;
    int expected; /* the error reply that it must get; 0: none */
    bool lookup_only;
    bool is_page;       /* sessions: of the client's paging */
    bool is_reading;    /* pull: of the end's reading */
    uint32_t count_max; /* sessions */
    uint64_t sent_at;   /* step */
    uint32_t life;      /* the node's */
    uint32_t item_count;
    struct net_item *items;
};

struct net_stored { /* an append of this connection that stored its message */
    uint32_t session;
    uint64_t order;
    uint64_t seq;
};

struct net_bytes { /* that grow at one end */
    uint8_t *bytes;
    uint32_t byte_count;
    uint32_t capacity;
};

struct net_paging { /* through all sessions */
    bool under_way;
    uint8_t cursor[64];
    uint32_t cursor_bytes;
    bool was_known[NET_SESSIONS_MAX];
    bool seen[NET_SESSIONS_MAX];
};

struct net_run;

struct net_client {
    struct net_run *run;
    uint32_t index;
    struct net_link *link; /* NULL: none */
    struct net_bytes out;  /* frames not given to the connection yet */
    struct net_bytes in;   /* what came and is not a whole frame yet */
    uint64_t request_number;
    uint64_t append_order;
    uint64_t client_msg_id;
    bool heavy;          /* sends large messages, many at once */
    uint64_t reads_from; /* step; nothing is read before */
    uint64_t again_from; /* step; the backlog waits so long after a refusal */
    uint64_t hears_ms;   /* when something was last sent, for heartbeats */
    struct net_request pending[NET_PENDING_MAX];
    uint32_t pending_count;
    struct net_stored *stored;
    uint32_t stored_count;
    uint32_t stored_capacity;
    uint32_t *backlog; /* messages to send again, in order of their numbers */
    uint32_t backlog_count;
    uint32_t backlog_capacity;
    struct net_paging paging;
};

struct net_run {
    struct net_node node;
    struct net_model model;
    struct net_client clients[NET_CLIENTS_MAX];
    uint32_t client_count;
    struct prng prng;
    struct sim_net_counts *counts;
    uint32_t fault_count;                /* armed, at most */
    uint64_t read_seq[NET_SESSIONS_MAX]; /* up to here all was read at the end */
};

void net_client_init(struct net_client *client, struct net_run *run, uint32_t index);
void net_client_deinit(struct net_client *client);

/* Read, check, and perhaps ask or lose the connection. In a calm run: only what is unfinished. */
void net_client_step(struct net_client *client);
bool net_client_is_finished(const struct net_client *client);
/* Make a connection if there is none. */
void net_client_connect(struct net_client *client);
/* The connection ends, from this side. */
void net_client_drop(struct net_client *client, enum net_end to_node);

/* This message must be sent again. */
void net_client_again(struct net_client *client, uint32_t number);

/* ---- net_ask.c, net_ask_other.c
 * --------------------------------------------------------------------- */

void net_ask_something(struct net_client *client);
/* Send the oldest of the backlog. */
void net_ask_backlog(struct net_client *client);
void net_ask_heartbeat(struct net_client *client);
/* Of every session what is behind read_seq. */
void net_ask_all(struct net_client *client);
bool net_ask_has_more(const struct net_run *run);

/* ---- net_answer.c, net_answer_pull.c --------------------------------------------------------- */

/* A whole frame came. */
void net_answer(struct net_client *client, const struct frame_header *header, const uint8_t *body);
void net_answer_append(struct net_client *client, struct net_request *request, const uint8_t *body,
                       uint32_t body_bytes);
/* No answer will come: what was asked is unknown. */
void net_answer_lost(struct net_client *client, struct net_request *request);
void net_answer_pull(struct net_client *client, const struct net_request *request,
                     const uint8_t *body, uint32_t body_bytes);

static inline uint32_t net_shard_of(const struct net_run *run, uint64_t session_id)
{
    return imlog_shard_of_id(session_id, run->node.node.shard_count);
}

#endif

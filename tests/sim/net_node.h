/* net_node.h: a node without sockets: threads that take their turns when chance says so, real
 * shards on one disk in memory, connections over streams. */
#ifndef TESTS_SIM_NET_NODE_H
#define TESTS_SIM_NET_NODE_H

#include "net/conn.h"
#include "net/turn.h"
#include "tests/lib/disk.h"
#include "tests/lib/prng.h"
#include "tests/sim/net_counts.h"
#include "tests/sim/net_stream.h"

enum { NET_THREADS_MAX = 4, NET_SHARDS_MAX = 6, NET_LINK_PARTS_MAX = 4 };

struct net_node;

/* A connection's two ends: the node's conn on a thread, and the client, while it holds on. It
 * receives and sends as link.h does: at most one of each under way, and buffers stay with the
 * "kernel" until that ends, whatever happens to the connection. */
struct net_link {
    struct conn conn; /* first */
    struct net_node *node;
    uint32_t number; /* for traces */
    uint32_t thread_index;
    uint32_t life;          /* the node's, when it was made */
    bool has_client;        /* the client still has its end */
    bool is_shut;           /* the node's end is closed, and only has to be freed */
    bool spoiled;           /* bytes were sent that cost the connection */
    bool half_closed;       /* the client said that it sends no more, and reads on */
    bool disturbed;         /* it was cut, timed out, or its node ended */
    struct net_stream up;   /* to the node */
    struct net_stream down; /* to the client */
    uint8_t *space;         /* being received into, or NULL */
    uint32_t space_bytes;
    struct iovec parts[NET_LINK_PARTS_MAX]; /* being sent */
    uint32_t part_count;                    /* 0: nothing is */
    uint64_t due_ms;                        /* when to check it */
    uint64_t in_ms;                         /* when it was last given bytes */
    uint64_t out_ms;                        /* when it last sent some */
    uint64_t frozen_until;                  /* step; nothing arrives before */
    struct net_link *next;
};

struct net_post { /* mail from one thread to another, on its way */
    struct mail *first;
    struct mail *last;
};

struct net_thread {
    struct net_node *node;
    struct dispatch dispatch;
    struct mailbox mailbox;
    struct desk desks[NET_SHARDS_MAX];
    struct net_post posts[NET_THREADS_MAX]; /* by sender */
    uint64_t stalled_until;                 /* step */
};

struct net_sender { /* what dispatch->send_arg points to */
    struct net_node *node;
    uint32_t thread_index;
};

/* What clients are told of faults, to know which refusals are fair. */
struct net_fairness {
    bool write_failed[NET_SHARDS_MAX];    /* a write of the shard was made to fail, ever */
    bool read_failed[NET_SHARDS_MAX];     /* the same for reads */
    uint64_t degraded_at[NET_SHARDS_MAX]; /* step when a client first heard of it; 0: it did not */
    bool disk_was_full;
    bool was_drained;
    bool memory_was_short;
};

struct net_node {
    struct disk *disk;
    struct imlog_io *io;
    struct imlog_dir *dir;
    struct imlog_shard *shards[NET_SHARDS_MAX];
    struct node node;
    struct net_thread threads[NET_THREADS_MAX];
    struct net_sender senders[NET_THREADS_MAX];
    struct net_link *links;
    uint32_t link_number;
    struct prng prng;
    struct net_fairness fairness;
    struct sim_net_counts *counts;
    uint64_t step;
    uint32_t life;         /* how often it was opened */
    uint32_t open_count;   /* shards that are open */
    uint64_t opening_left; /* operations until power is lost while opening */
    bool is_open;
    bool is_draining;
    uint64_t drain_deadline; /* step */
    uint32_t memory_left;    /* so many allocations of turns succeed; then */
    uint32_t memory_gaps;    /* so many fail */
    bool calm;               /* no more delays and cuts: the run is ending */
};

void net_node_init(struct net_node *node, uint64_t seed, struct sim_net_counts *counts);
/* Everything was freed before. */
void net_node_deinit(struct net_node *node);

void net_node_open(struct net_node *node);
/* Power loss, or the process is killed: all connections and requests are gone. Opens again. */
void net_node_crash(struct net_node *node, enum disk_crash kind);
/* Begin an orderly shutdown; turns go on until it is quiet, and then it opens again. */
void net_node_drain(struct net_node *node);
/* Everything under way is answered: close. */
void net_node_close(struct net_node *node);

/* One step: some thread has its turn; the disk and the network move on. */
void net_node_step(struct net_node *node);

/* Requests of all threads under way. */
uint64_t net_node_request_count(const struct net_node *node);
/* Nothing is under way: no request, nothing waits, nothing is held. */
void net_node_check_idle(const struct net_node *node);

uint64_t net_node_now_ms(const struct net_node *node);

/* ---- net_link.c ---------------------------------------------------------------------------- */

struct net_link *net_link_create(struct net_node *node, uint32_t thread_index);
/* The client closes its end, or the network does: see net_stream.h for how. */
void net_link_cut(struct net_link *link, enum net_end to_node, enum net_end to_client);
/* The client has no more to do with it. */
void net_link_leave(struct net_link *link);

/* A turn's reading and writing of all links of a thread. */
void net_links_read(struct net_node *node, uint32_t thread_index);
void net_links_write(struct net_node *node, uint32_t thread_index);
/* Bytes under way arrive, or do not yet. */
void net_links_move(struct net_node *node);
/* Free those that nothing points to any more. */
void net_links_free(struct net_node *node);
void net_links_end(struct net_node *node);  /* take no more requests */
void net_links_shut(struct net_node *node); /* close now */
bool net_links_are_gone(const struct net_node *node);

#endif

/* node.h: what all threads of a node know and none changes while it serves. */
#ifndef NET_NODE_H
#define NET_NODE_H

#include "net/figures.h"

#include <imlog/imlog.h>
#include <stdint.h>

enum { NODE_THREADS_MAX = 256 };

struct node {
    uint32_t shard_count;
    uint32_t thread_count;
    uint8_t uuid[16];
    uint32_t body_bytes_max;
    uint64_t idle_timeout_ms;
    uint64_t frame_timeout_ms;
    uint64_t slow_reader_timeout_ms;
    uint64_t heartbeat_ms;
    const struct figures *figures[NODE_THREADS_MAX]; /* of each thread */
};

/* Shards are dealt out to threads like cards. */
static inline uint32_t node_thread_of_shard(const struct node *node, uint32_t shard_index)
{
    return shard_index % node->thread_count;
}

#endif

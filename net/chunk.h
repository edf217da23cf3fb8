/* chunk.h: bytes on their way to a client, and queues of them. A reply is written into chunks
 * once, on the thread of its shard, and these very chunks are sent. */
#ifndef NET_CHUNK_H
#define NET_CHUNK_H

#include "net/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    CHUNK_HEADROOM_BYTES = 16, /* before the bytes: the frame header of a reply goes there */
    CHUNK_COPY_BYTES_MAX =
        1024, /* a chunk this small is copied behind another rather than linked */
    CHUNK_TAIL_BYTES = 4096 - 64,
};

struct chunk {
    struct chunk *next;
    uint32_t first_index; /* bytes[first_index .. end_index) wait to be sent */
    uint32_t end_index;
    uint32_t capacity_bytes;
    uint8_t bytes[];
};

struct chunk_queue { /* all zero is an empty one */
    struct chunk *first;
    struct chunk *last;
    uint64_t byte_count;
};

/* An empty chunk with room for byte_count bytes behind the headroom. NULL: no memory. */
struct chunk *chunk_create(struct pool *pool, uint64_t byte_count);
void chunk_destroy(struct pool *pool, struct chunk *chunk);

static inline uint32_t chunk_room(const struct chunk *chunk)
{
    return chunk->capacity_bytes - chunk->end_index;
}

/* Where byte_count more bytes of the queue may be written, in its last chunk or a new one with
 * room for new_bytes (at least byte_count). The caller writes all of them. NULL: no memory. */
uint8_t *chunk_queue_extend(struct chunk_queue *queue, struct pool *pool, uint32_t byte_count,
                            uint64_t new_bytes);

/* Move all chunks of `more` behind those of queue. */
void chunk_queue_link(struct chunk_queue *queue, struct chunk_queue *more);

/* The same, but a small first chunk is copied behind what is there, so that many small replies
 * leave in few pieces. */
void chunk_queue_join(struct chunk_queue *queue, struct pool *pool, struct chunk_queue *more);

/* The bytes at the front, as up to part_max iovecs. Returns how many were filled in. */
uint32_t chunk_queue_peek(const struct chunk_queue *queue, struct iovec *parts, uint32_t part_max);

/* Drop byte_count bytes at the front. */
void chunk_queue_take(struct chunk_queue *queue, struct pool *pool, uint64_t byte_count);
void chunk_queue_clear(struct chunk_queue *queue, struct pool *pool);

#endif

/* chunk.c: queues of chunks.
 *
 * Duty: bytes of a chunk never move while it is queued, because the kernel may be sending them;
 * writing behind end_index is fine at any time. */
#include "net/chunk.h"

#include <imlog/assert.h>
#include <stddef.h>
#include <string.h>

struct chunk *chunk_create(struct pool *pool, uint64_t byte_count)
{
    struct chunk *chunk =
        pool_take(pool, offsetof(struct chunk, bytes) + CHUNK_HEADROOM_BYTES + byte_count);
    if (chunk == NULL)
        return NULL;
    chunk->next = NULL;
    chunk->first_index = CHUNK_HEADROOM_BYTES;
    chunk->end_index = CHUNK_HEADROOM_BYTES;
    chunk->capacity_bytes = (uint32_t)(pool_capacity(chunk) - offsetof(struct chunk, bytes));
    return chunk;
}

void chunk_destroy(struct pool *pool, struct chunk *chunk)
{
    pool_give(pool, chunk);
}

static void chunk_queue_push(struct chunk_queue *queue, struct chunk *chunk)
{
    if (queue->last == NULL)
        queue->first = chunk;
    else
        queue->last->next = chunk;
    queue->last = chunk;
}

uint8_t *chunk_queue_extend(struct chunk_queue *queue, struct pool *pool, uint32_t byte_count,
                            uint64_t new_bytes)
{
    IMLOG_ASSERT(new_bytes >= byte_count);
    struct chunk *chunk = queue->last;
    if (chunk == NULL || chunk_room(chunk) < byte_count) {
        chunk = chunk_create(pool, new_bytes);
        if (chunk == NULL)
            return NULL;
        chunk_queue_push(queue, chunk);
    }
    uint8_t *at = chunk->bytes + chunk->end_index;
    chunk->end_index += byte_count;
    queue->byte_count += byte_count;
    return at;
}

static bool chunk_queue_copy_first(struct chunk_queue *queue, struct pool *pool,
                                   struct chunk_queue *more)
{
    struct chunk *chunk = more->first;
    uint32_t byte_count = chunk->end_index - chunk->first_index;
    if (byte_count > CHUNK_COPY_BYTES_MAX)
        return false;
    uint8_t *at = chunk_queue_extend(queue, pool, byte_count, CHUNK_TAIL_BYTES);
    if (at == NULL)
        return false;
    memcpy(at, chunk->bytes + chunk->first_index, byte_count);
    chunk_queue_take(more, pool, byte_count);
    return true;
}

void chunk_queue_link(struct chunk_queue *queue, struct chunk_queue *more)
{
    if (more->first == NULL)
        return;
    if (queue->last == NULL)
        queue->first = more->first;
    else
        queue->last->next = more->first;
    queue->last = more->last;
    queue->byte_count += more->byte_count;
    *more = (struct chunk_queue){0};
}

void chunk_queue_join(struct chunk_queue *queue, struct pool *pool, struct chunk_queue *more)
{
    if (more->first != NULL)
        (void)chunk_queue_copy_first(queue, pool, more);
    chunk_queue_link(queue, more);
}

uint32_t chunk_queue_peek(const struct chunk_queue *queue, struct iovec *parts, uint32_t part_max)
{
    uint32_t count = 0;
    for (struct chunk *chunk = queue->first; chunk != NULL && count < part_max;
         chunk = chunk->next) {
        if (chunk->end_index == chunk->first_index)
            continue;
        parts[count].iov_base = chunk->bytes + chunk->first_index;
        parts[count].iov_len = chunk->end_index - chunk->first_index;
        count++;
    }
    return count;
}

void chunk_queue_take(struct chunk_queue *queue, struct pool *pool, uint64_t byte_count)
{
    IMLOG_ASSERT(byte_count <= queue->byte_count);
    queue->byte_count -= byte_count;
    for (struct chunk *chunk; (chunk = queue->first) != NULL;) {
        uint32_t chunk_bytes = chunk->end_index - chunk->first_index;
        if (byte_count < chunk_bytes) {
            chunk->first_index += (uint32_t)byte_count;
            return;
        }
        byte_count -= chunk_bytes;
        queue->first = chunk->next;
        if (queue->first == NULL)
            queue->last = NULL;
        chunk_destroy(pool, chunk);
    }
}

void chunk_queue_clear(struct chunk_queue *queue, struct pool *pool)
{
    chunk_queue_take(queue, pool, queue->byte_count);
}

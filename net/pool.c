/* pool.c: free lists by size class over malloc.
 *
 * A block is a 16-byte head and its bytes; the head keeps the capacity, so giving needs no size.
 * Blocks above the largest class are malloc's each time: they are rare and large.
 * Under AddressSanitizer nothing is kept, so that it sees every use after giving back. */
#include "net/pool.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

struct block {
    uint64_t capacity_bytes;
    struct block *next;
    uint8_t bytes[];
};

static_assert(offsetof(struct block, bytes) == 16, "bytes are aligned to 16");

#if defined(__SANITIZE_ADDRESS__)
#define POOL_KEEP 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_KEEP 0
#endif
#endif
#ifndef POOL_KEEP
#define POOL_KEEP 1
#endif

static struct block *block_of(const void *bytes)
{
    return (struct block *)(void *)((uintptr_t)bytes - offsetof(struct block, bytes));
}

/* The smallest class that holds total_bytes; POOL_CLASS_COUNT if none does. */
static unsigned pool_class(uint64_t total_bytes)
{
    if (total_bytes <= POOL_BYTES_MIN)
        return 0;
    unsigned bits = 64U - (unsigned)__builtin_clzll(total_bytes - 1);
    unsigned class = bits - 8U;
    return class < POOL_CLASS_COUNT ? class : POOL_CLASS_COUNT;
}

void pool_deinit(struct pool *pool)
{
    for (unsigned class = 0; class < POOL_CLASS_COUNT; class ++) {
        for (struct block *block = pool->kept[class], *next; block != NULL; block = next) {
            next = block->next;
            free(block);
        }
        pool->kept[class] = NULL;
        pool->kept_count[class] = 0;
    }
}

void *pool_take(struct pool *pool, uint64_t byte_count)
{
    uint64_t total_bytes = byte_count + offsetof(struct block, bytes);
    unsigned class = pool_class(total_bytes);
    struct block *block = class < POOL_CLASS_COUNT ? pool->kept[class] : NULL;
    if (block != NULL) {
        pool->kept[class] = block->next;
        pool->kept_count[class]--;
        return block->bytes;
    }
    if (class < POOL_CLASS_COUNT)
        total_bytes = (uint64_t)POOL_BYTES_MIN << class;
    block = malloc(total_bytes);
    if (block == NULL)
        return NULL;
    block->capacity_bytes = total_bytes - offsetof(struct block, bytes);
    return block->bytes;
}

void pool_give(struct pool *pool, void *bytes)
{
    if (bytes == NULL)
        return;
    struct block *block = block_of(bytes);
    uint64_t total_bytes = block->capacity_bytes + offsetof(struct block, bytes);
    unsigned class = pool_class(total_bytes);
    if (!POOL_KEEP || class == POOL_CLASS_COUNT ||
        pool->kept_count[class] * total_bytes >= POOL_KEPT_BYTES) {
        free(block);
        return;
    }
    block->next = pool->kept[class];
    pool->kept[class] = block;
    pool->kept_count[class]++;
}

uint64_t pool_capacity(const void *bytes)
{
    return block_of(bytes)->capacity_bytes;
}

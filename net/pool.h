/* pool.h: memory for requests and replies, taken and given back by one thread without going
 * to malloc each time. A block may be given to another pool than it was taken from. */
#ifndef NET_POOL_H
#define NET_POOL_H

#include <stdint.h>

enum {
    POOL_CLASS_COUNT = 9,         /* 256 bytes to 64 KiB in powers of two */
    POOL_BYTES_MIN = 256,         /* of the smallest class, its head included */
    POOL_KEPT_BYTES = 512 * 1024, /* of each class; more goes back to malloc */
};

struct block;

struct pool { /* all zero is an empty one */
    struct block *kept[POOL_CLASS_COUNT];
    uint32_t kept_count[POOL_CLASS_COUNT];
};

void pool_deinit(struct pool *pool);

/* At least byte_count bytes, aligned to 16, not cleared; NULL if there is no memory. */
void *pool_take(struct pool *pool, uint64_t byte_count);
void pool_give(struct pool *pool, void *bytes); /* NULL is fine */

/* How many bytes a taken block has. */
uint64_t pool_capacity(const void *bytes);

#endif

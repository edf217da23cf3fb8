/* cache.h: blocks of segment files read back into RAM, CLOCK replacement.
 *
 * The cache knows nothing of reads: whoever misses takes a free frame, reads into it, and
 * publishes it. A pinned frame is never given away. */
#ifndef ENGINE_STORE_CACHE_H
#define ENGINE_STORE_CACHE_H

#include "engine/base/hash_index.h"

#define CACHE_NONE UINT32_MAX

struct cache_frame {
    uint64_t key; /* segment << 32 | block; valid if published */
    uint32_t pins;
    bool published;
    bool used; /* since the hand last passed */
};

struct cache {
    struct hash_index index;
    struct cache_frame *frames;
    uint8_t *memory; /* frame_count blocks, mapped, touched as it fills */
    uint32_t frame_count;
    uint32_t taken_count; /* frames touched so far */
    uint32_t hand;
    uint64_t hits;
    uint64_t misses;
};

int cache_init(struct cache *cache, uint64_t cache_bytes); /* 0 or -ENOMEM */
void cache_deinit(struct cache *cache);

/* The block, borrowed until the next cache_take() unless pinned; NULL if it is not there. */
const uint8_t *cache_get(struct cache *cache, uint32_t segment, uint32_t block);

/* A pinned, unpublished frame; CACHE_NONE if all are pinned. */
uint32_t cache_take(struct cache *cache);

uint8_t *cache_bytes(const struct cache *cache, uint32_t frame);

/* The frame holds this block from now on (unless another does already). It stays pinned. 0 or
 * -ENOMEM, and then it holds nothing. */
int cache_publish(struct cache *cache, uint32_t frame, uint32_t segment, uint32_t block);

/* Give a pin back; an unpublished frame is free again. */
void cache_unpin(struct cache *cache, uint32_t frame);

#endif

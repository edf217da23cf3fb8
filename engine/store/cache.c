/* cache.c: see cache.h. */
#define _GNU_SOURCE
#include "engine/store/cache.h"

#include "engine/base/assert.h"
#include "engine/base/checksum.h"

#include <imlog/limits.h>
#include <imlog/planted.h>
#include <sys/mman.h>

struct cache_probe {
    const struct cache *cache;
    uint64_t key;
};

static inline bool frame_matches(const void *arg, uint32_t value)
{
    const struct cache_probe *probe = arg;
    return probe->cache->frames[value].key == probe->key;
}

static inline uint64_t frame_hash(const void *arg, uint32_t value)
{
    return mix64(((const struct cache *)arg)->frames[value].key);
}

static uint64_t cache_key(uint32_t segment, uint32_t block)
{
    return (uint64_t)segment << 32 | block;
}

static uint32_t cache_find(const struct cache *cache, uint64_t key)
{
    struct cache_probe probe = {.cache = cache, .key = key};
    return hash_index_find(&cache->index, mix64(key), frame_matches, &probe);
}

int cache_init(struct cache *cache, uint64_t cache_bytes)
{
    *cache = (struct cache){.frame_count = (uint32_t)(cache_bytes / IMLOG_BLOCK_BYTES)};
    cache->frames = calloc(cache->frame_count, sizeof(struct cache_frame));
    void *memory = mmap(NULL, (size_t)cache->frame_count * IMLOG_BLOCK_BYTES,
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cache->memory = memory == MAP_FAILED ? NULL : memory;
    if (cache->frames == NULL || cache->memory == NULL) {
        cache_deinit(cache);
        return -ENOMEM;
    }
    return 0;
}

void cache_deinit(struct cache *cache)
{
    hash_index_deinit(&cache->index);
    free(cache->frames);
    if (cache->memory != NULL)
        (void)munmap(cache->memory, (size_t)cache->frame_count * IMLOG_BLOCK_BYTES);
    *cache = (struct cache){0};
}

uint8_t *cache_bytes(const struct cache *cache, uint32_t frame)
{
    return cache->memory + (size_t)frame * IMLOG_BLOCK_BYTES;
}

const uint8_t *cache_get(struct cache *cache, uint32_t segment, uint32_t block)
{
    uint32_t frame = cache_find(cache, cache_key(segment, block));
    if (frame == HASH_INDEX_NONE)
        return NULL;
    cache->frames[frame].used = true;
    cache->hits++;
    return cache_bytes(cache, frame);
}

/* Second chance: a frame used since the hand last passed is passed once more. */
static uint32_t cache_evict(struct cache *cache)
{
    for (uint32_t step = 0; step < 2 * cache->frame_count; step++) {
        uint32_t at = cache->hand;
        struct cache_frame *frame = &cache->frames[at];
        cache->hand = cache->hand + 1 == cache->frame_count ? 0 : cache->hand + 1;
        if (frame->pins > 0 && !IMLOG_PLANTED(pinned_frame_reused))
            continue;
        if (frame->published && frame->used) {
            frame->used = false;
            continue;
        }
        if (frame->published)
            hash_index_remove(&cache->index, mix64(frame->key), at, frame_hash, cache);
        frame->published = false;
        return at;
    }
    return CACHE_NONE;
}

uint32_t cache_take(struct cache *cache)
{
    uint32_t at =
        cache->taken_count < cache->frame_count ? cache->taken_count++ : cache_evict(cache);
    if (at == CACHE_NONE)
        return CACHE_NONE;
    cache->frames[at].pins = 1;
    cache->misses++;
    return at;
}

int cache_publish(struct cache *cache, uint32_t frame, uint32_t segment, uint32_t block)
{
    uint64_t key = cache_key(segment, block);
    IMLOG_ASSERT(cache->frames[frame].pins > 0);
    if (cache_find(cache, key) != HASH_INDEX_NONE)
        return 0;
    int error = hash_index_reserve(&cache->index, mix64(key), frame_hash, cache);
    if (error < 0)
        return error;
    cache->frames[frame].key = key;
    cache->frames[frame].published = true;
    cache->frames[frame].used = true;
    hash_index_insert(&cache->index, mix64(key), frame);
    return 0;
}

void cache_unpin(struct cache *cache, uint32_t frame)
{
    IMLOG_ASSERT(cache->frames[frame].pins > 0);
    cache->frames[frame].pins--;
}

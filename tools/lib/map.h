/* map.h: a hash map from bytes (a string key, an id) to a number; it only grows. */
#ifndef TOOLS_LIB_MAP_H
#define TOOLS_LIB_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_entry;

struct map { /* all zero is an empty one */
    struct map_entry **entries;
    size_t capacity;
    size_t count;
};

void map_deinit(struct map *map);

/* The number of a key, or NULL. Good as long as the map. */
uint64_t *map_find(const struct map *map, const void *key, uint32_t key_bytes);

/* The same, put in with 0 if it was not there; NULL: no memory. */
uint64_t *map_get(struct map *map, const void *key, uint32_t key_bytes);

/* The number at a place in [0, capacity), NULL if it is free: to walk over all. */
uint64_t *map_value_at(const struct map *map, size_t at);

/* FNV-1a, mixed at the end; `hash` is the one so far, 0 to start. Good for telling inputs apart,
 * not against somebody who looks for collisions. */
uint64_t map_hash(uint64_t hash, const void *bytes, size_t byte_count);

#endif

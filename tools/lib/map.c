/* map.c: open addressing over entries that each hold their key. */
#include "tools/lib/map.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_AT_FIRST = 64 };

struct map_entry {
    uint64_t hash;
    uint64_t value;
    uint32_t key_bytes;
    uint8_t key[];
};

uint64_t map_hash(uint64_t hash, const void *bytes, size_t byte_count)
{
    const uint8_t *from = bytes;
    hash ^= UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < byte_count; i++)
        hash = (hash ^ from[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9); /* splitmix64's finish: */
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb); /* every bit counts in every bit */
    return hash ^ hash >> 31;
}

void map_deinit(struct map *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        free(map->entries[i]);
    free(map->entries);
    *map = (struct map){0};
}

/* Where the key is, or the free place where it belongs. */
static struct map_entry **map_place(const struct map *map, uint64_t hash, const void *key,
                                    uint32_t key_bytes)
{
    size_t at = hash & (map->capacity - 1);
    for (; map->entries[at] != NULL; at = (at + 1) & (map->capacity - 1)) {
        const struct map_entry *entry = map->entries[at];
        if (entry->hash == hash && entry->key_bytes == key_bytes &&
            memcmp(entry->key, key, key_bytes) == 0)
            break;
    }
    return &map->entries[at];
}

uint64_t *map_find(const struct map *map, const void *key, uint32_t key_bytes)
{
    if (map->capacity == 0)
        return NULL;
    struct map_entry *found = *map_place(map, map_hash(0, key, key_bytes), key, key_bytes);
    return found == NULL ? NULL : &found->value;
}

static int map_grow(struct map *map)
{
    const struct map old = *map;
    const size_t capacity = old.capacity == 0 ? CAPACITY_AT_FIRST : old.capacity * 2;
    struct map_entry **entries = calloc(capacity, sizeof(struct map_entry *));
    if (entries == NULL)
        return -1;
    map->entries = entries;
    map->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        struct map_entry *entry = old.entries[i];
        if (entry != NULL)
            *map_place(map, entry->hash, entry->key, entry->key_bytes) = entry;
    }
    free(old.entries);
    return 0;
}

uint64_t *map_get(struct map *map, const void *key, uint32_t key_bytes)
{
    if ((map->count + 1) * 4 > map->capacity * 3 && map_grow(map) < 0)
        return NULL;
    const uint64_t hash = map_hash(0, key, key_bytes);
    struct map_entry **place = map_place(map, hash, key, key_bytes);
    if (*place == NULL) {
        struct map_entry *entry = malloc(sizeof *entry + key_bytes);
        if (entry == NULL)
            return NULL;
        *entry = (struct map_entry){.hash = hash, .key_bytes = key_bytes};
        memcpy(entry->key, key, key_bytes);
        *place = entry;
        map->count++;
    }
    return &(*place)->value;
}

uint64_t *map_value_at(const struct map *map, size_t at)
{
    return map->entries[at] == NULL ? NULL : &map->entries[at]->value;
}

/* hash_index.h: an open-addressing index from a 64-bit hash to a u32 that names an entry in the
 * caller's own array. It holds nothing but the u32s, so a million entries cost about 6 MB.
 *
 * It is split in partitions that grow one at a time, so that no insertion ever moves more than
 * 1/HASH_INDEX_PARTITIONS of the entries. Linear probing, deletion by backward shift.
 *
 * `match` says whether a value is the one looked for; `hash_of` gives a stored value's hash.
 * Both get `arg`. They are called often: keep them static inline, so that these functions,
 * inlined too, cost no indirect call. */
#ifndef ENGINE_BASE_HASH_INDEX_H
#define ENGINE_BASE_HASH_INDEX_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HASH_INDEX_NONE UINT32_MAX

enum { HASH_INDEX_PARTITIONS = 256, HASH_INDEX_FIRST_CAPACITY = 8 };

struct hash_index_partition {
    uint32_t *values; /* HASH_INDEX_NONE: free */
    uint32_t capacity;
    uint32_t count;
};

/* All zero is the empty index. */
struct hash_index {
    struct hash_index_partition partitions[HASH_INDEX_PARTITIONS];
};

typedef bool hash_index_match_fn(const void *arg, uint32_t value);
typedef uint64_t hash_index_hash_fn(const void *arg, uint32_t value);

static inline uint32_t hash_index_home(uint64_t hash, uint32_t capacity)
{
    return (uint32_t)(((hash & UINT32_MAX) * capacity) >> 32);
}

static inline struct hash_index_partition *hash_index_partition_of(struct hash_index *index,
                                                                   uint64_t hash)
{
    return &index->partitions[hash >> 56];
}

static inline uint32_t hash_index_find(const struct hash_index *index, uint64_t hash,
                                       hash_index_match_fn *match, const void *arg)
{
    const struct hash_index_partition *part = &index->partitions[hash >> 56];
    if (part->count == 0)
        return HASH_INDEX_NONE;
    uint32_t at = hash_index_home(hash, part->capacity);
    while (part->values[at] != HASH_INDEX_NONE) {
        if (match(arg, part->values[at]))
            return part->values[at];
        at = at + 1 == part->capacity ? 0 : at + 1;
    }
    return HASH_INDEX_NONE;
}

static inline void hash_index_place(struct hash_index_partition *part, uint64_t hash,
                                    uint32_t value)
{
    uint32_t at = hash_index_home(hash, part->capacity);
    while (part->values[at] != HASH_INDEX_NONE)
        at = at + 1 == part->capacity ? 0 : at + 1;
    part->values[at] = value;
}

static inline int hash_index_grow(struct hash_index_partition *part, hash_index_hash_fn *hash_of,
                                  const void *arg)
{
    struct hash_index_partition bigger = *part;
    bigger.capacity =
        part->capacity == 0 ? HASH_INDEX_FIRST_CAPACITY : part->capacity + part->capacity / 2;
    bigger.values = malloc((size_t)bigger.capacity * sizeof(uint32_t));
    if (bigger.values == NULL)
        return -ENOMEM;
    memset(bigger.values, 0xff, (size_t)bigger.capacity * sizeof(uint32_t));
    for (uint32_t at = 0; at < part->capacity; at++) {
        if (part->values[at] != HASH_INDEX_NONE)
            hash_index_place(&bigger, hash_of(arg, part->values[at]), part->values[at]);
    }
    free(part->values);
    *part = bigger;
    return 0;
}

/* Make sure that the next insertion with this hash cannot fail. 0 or -ENOMEM. */
static inline int hash_index_reserve(struct hash_index *index, uint64_t hash,
                                     hash_index_hash_fn *hash_of, const void *arg)
{
    struct hash_index_partition *part = hash_index_partition_of(index, hash);
    if ((uint64_t)(part->count + 1) * 5 <= (uint64_t)part->capacity * 4)
        return 0;
    return hash_index_grow(part, hash_of, arg);
}

/* The value must not be there yet, and room must have been reserved. */
static inline void hash_index_insert(struct hash_index *index, uint64_t hash, uint32_t value)
{
    struct hash_index_partition *part = hash_index_partition_of(index, hash);
    hash_index_place(part, hash, value);
    part->count++;
}

/* The value must be there. */
static inline void hash_index_remove(struct hash_index *index, uint64_t hash, uint32_t value,
                                     hash_index_hash_fn *hash_of, const void *arg)
{
    struct hash_index_partition *part = hash_index_partition_of(index, hash);
    uint32_t hole = hash_index_home(hash, part->capacity);
    while (part->values[hole] != value)
        hole = hole + 1 == part->capacity ? 0 : hole + 1;
    part->count--;
    for (uint32_t at = hole;;) {
        at = at + 1 == part->capacity ? 0 : at + 1;
        if (part->values[at] == HASH_INDEX_NONE)
            break;
        uint32_t home = hash_index_home(hash_of(arg, part->values[at]), part->capacity);
        bool reachable = hole <= at ? home > hole && home <= at : home > hole || home <= at;
        if (!reachable) {
            part->values[hole] = part->values[at];
            hole = at;
        }
    }
    part->values[hole] = HASH_INDEX_NONE;
}

/* Bytes of RAM in use. */
uint64_t hash_index_bytes(const struct hash_index *index);

void hash_index_deinit(struct hash_index *index);

#endif

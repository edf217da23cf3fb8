/* hash_index.h: an open-addressing index from a 64-bit hash to a u32 that names an entry in the
 * caller's own array. It holds nothing but the u32s, so a million entries cost about 6 MB.
 * A *tagged* index keeps 32 bits of each hash beside its value: twice the memory, but looking up,
 * removing and growing touch no entry that is not the one meant. That pays where entries are many
 * and most look-ups find nothing.
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
    uint32_t *values; /* at << tagged; HASH_INDEX_NONE: free. A tag follows its value */
    uint32_t capacity;
    uint32_t count;
};

/* All zero is the empty, untagged index; set `tagged` to 1 before the first insertion. */
struct hash_index {
    struct hash_index_partition partitions[HASH_INDEX_PARTITIONS];
    uint32_t tagged;
};

typedef bool hash_index_match_fn(const void *arg, uint32_t value);
typedef uint64_t hash_index_hash_fn(const void *arg, uint32_t value);

static inline uint32_t hash_index_home(uint64_t hash, uint32_t capacity)
{
    return (uint32_t)(((hash & UINT32_MAX) * capacity) >> 32);
}

static inline uint32_t hash_index_after(const struct hash_index_partition *part, uint32_t at)
{
    return at + 1 == part->capacity ? 0 : at + 1;
}

static inline uint32_t hash_index_find(const struct hash_index *index, uint64_t hash,
                                       hash_index_match_fn *match, const void *arg)
{
    const struct hash_index_partition *part = &index->partitions[hash >> 56];
    if (part->count == 0)
        return HASH_INDEX_NONE;
    for (uint32_t at = hash_index_home(hash, part->capacity);; at = hash_index_after(part, at)) {
        const uint32_t *slot = part->values + ((size_t)at << index->tagged);
        if (slot[0] == HASH_INDEX_NONE)
            return HASH_INDEX_NONE;
        if ((index->tagged == 0 || slot[1] == (uint32_t)hash) && match(arg, slot[0]))
            return slot[0];
    }
}

/* The low half of the hash of the value in a slot: all that its home depends on. */
static inline uint64_t hash_index_slot_hash(const struct hash_index *index, const uint32_t *slot,
                                            hash_index_hash_fn *hash_of, const void *arg)
{
    return index->tagged != 0 ? slot[1] : hash_of(arg, slot[0]);
}

static inline void hash_index_place(const struct hash_index *index,
                                    struct hash_index_partition *part, uint64_t hash,
                                    uint32_t value)
{
    uint32_t at = hash_index_home(hash, part->capacity);
    while (part->values[(size_t)at << index->tagged] != HASH_INDEX_NONE)
        at = hash_index_after(part, at);
    part->values[(size_t)at << index->tagged] = value;
    if (index->tagged != 0)
        part->values[((size_t)at << 1) + 1] = (uint32_t)hash;
}

static inline int hash_index_grow(const struct hash_index *index, struct hash_index_partition *part,
                                  hash_index_hash_fn *hash_of, const void *arg)
{
    struct hash_index_partition bigger = *part;
    bigger.capacity =
        part->capacity == 0 ? HASH_INDEX_FIRST_CAPACITY : part->capacity + part->capacity / 2;
    size_t byte_count = ((size_t)bigger.capacity * sizeof(uint32_t)) << index->tagged;
    bigger.values = malloc(byte_count);
    if (bigger.values == NULL)
        return -ENOMEM;
    memset(bigger.values, 0xff, byte_count);
    for (uint32_t at = 0; at < part->capacity; at++) {
        const uint32_t *slot = part->values + ((size_t)at << index->tagged);
        if (slot[0] != HASH_INDEX_NONE)
            hash_index_place(index, &bigger, hash_index_slot_hash(index, slot, hash_of, arg),
                             slot[0]);
    }
    free(part->values);
    *part = bigger;
    return 0;
}

/* Make sure that the next insertion with this hash cannot fail. 0 or -ENOMEM. */
static inline int hash_index_reserve(struct hash_index *index, uint64_t hash,
                                     hash_index_hash_fn *hash_of, const void *arg)
{
    struct hash_index_partition *part = &index->partitions[hash >> 56];
    if ((uint64_t)(part->count + 1) * 5 <= (uint64_t)part->capacity * 4)
        return 0;
    return hash_index_grow(index, part, hash_of, arg);
}

/* The value must not be there yet, and room must have been reserved. */
static inline void hash_index_insert(struct hash_index *index, uint64_t hash, uint32_t value)
{
    struct hash_index_partition *part = &index->partitions[hash >> 56];
    hash_index_place(index, part, hash, value);
    part->count++;
}

/* The value must be there. */
static inline void hash_index_remove(struct hash_index *index, uint64_t hash, uint32_t value,
                                     hash_index_hash_fn *hash_of, const void *arg)
{
    struct hash_index_partition *part = &index->partitions[hash >> 56];
    const uint32_t tagged = index->tagged;
    uint32_t hole = hash_index_home(hash, part->capacity);
    while (part->values[(size_t)hole << tagged] != value)
        hole = hash_index_after(part, hole);
    part->count--;
    for (uint32_t at = hash_index_after(part, hole);; at = hash_index_after(part, at)) {
        const uint32_t *slot = part->values + ((size_t)at << tagged);
        if (slot[0] == HASH_INDEX_NONE)
            break;
        uint32_t home =
            hash_index_home(hash_index_slot_hash(index, slot, hash_of, arg), part->capacity);
        bool reachable = hole <= at ? home > hole && home <= at : home > hole || home <= at;
        if (!reachable) {
            memcpy(part->values + ((size_t)hole << tagged), slot, sizeof(uint32_t) << tagged);
            hole = at;
        }
    }
    part->values[(size_t)hole << tagged] = HASH_INDEX_NONE;
}

/* Bytes of RAM in use. */
uint64_t hash_index_bytes(const struct hash_index *index);

void hash_index_deinit(struct hash_index *index);

#endif

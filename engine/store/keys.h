/* keys.h: string keys and the ids they were given, both ways.
 *
 *     id = IMLOG_RESOLVED_ID_MIN + (number << 8 | shard)     number: 0, 1, 2 ... in this shard
 *
 * so the shard that knows an id's key can be read off the id. */
#ifndef ENGINE_STORE_KEYS_H
#define ENGINE_STORE_KEYS_H

#include "engine/base/hash_index.h"

#include <imlog/limits.h>

enum { KEYS_CHUNK_BYTES = 64 * 1024, KEYS_ID_SHARD_BITS = 8 };
static_assert(IMLOG_SHARDS_MAX <= 1 << KEYS_ID_SHARD_BITS, "a shard index fits an id");

/* All zero but shard_index is empty. */
struct keys {
    struct hash_index index;
    uint8_t **names; /* by number: [byte count][bytes], NULL where one was lost to damage */
    uint32_t name_capacity;
    uint32_t next_number;
    uint32_t count;
    uint32_t shard_index;
    uint8_t *chunk; /* newest; begins with a pointer to the one before */
    uint32_t chunk_used_bytes;
    uint64_t chunk_bytes_total;
};

uint64_t keys_id_of_number(const struct keys *keys, uint32_t number);

/* The number of an id that this shard gives; UINT32_MAX for any other id. */
uint32_t keys_number_of_id(const struct keys *keys, uint64_t id);

/* The number of a key, or UINT32_MAX. */
uint32_t keys_find(const struct keys *keys, const void *key, uint32_t key_bytes);

/* Make sure that keys_add() of this key under `number` cannot fail. 0 or -ENOMEM. */
int keys_reserve(struct keys *keys, const void *key, uint32_t key_bytes, uint32_t number);

/* Room must have been reserved; neither key nor number may be there. */
void keys_add(struct keys *keys, const void *key, uint32_t key_bytes, uint32_t number);

/* The key: borrowed. Its byte count, or 0 if the number has none. */
uint32_t keys_name(const struct keys *keys, uint32_t number, const void **key);

uint64_t keys_ram_bytes(const struct keys *keys);
void keys_deinit(struct keys *keys);

#endif

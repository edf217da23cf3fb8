/* keys.c: see keys.h. */
#include "engine/store/keys.h"

#include "engine/base/assert.h"
#include "engine/base/checksum.h"

struct keys_probe {
    const struct keys *keys;
    const void *key;
    uint32_t key_bytes;
};

static inline bool name_matches(const void *arg, uint32_t value)
{
    const struct keys_probe *probe = arg;
    const uint8_t *name = probe->keys->names[value];
    return name[0] == probe->key_bytes && memcmp(name + 1, probe->key, probe->key_bytes) == 0;
}

static inline uint64_t name_hash(const void *arg, uint32_t value)
{
    const uint8_t *name = ((const struct keys *)arg)->names[value];
    return checksum(name + 1, name[0], 0);
}

uint64_t keys_id_of_number(const struct keys *keys, uint32_t number)
{
    return IMLOG_RESOLVED_ID_MIN + ((uint64_t)number << KEYS_ID_SHARD_BITS | keys->shard_index);
}

uint32_t keys_number_of_id(const struct keys *keys, uint64_t id)
{
    if (id < IMLOG_RESOLVED_ID_MIN)
        return UINT32_MAX;
    uint64_t rest = id - IMLOG_RESOLVED_ID_MIN;
    if ((rest & (IMLOG_SHARDS_MAX - 1)) != keys->shard_index ||
        rest >> KEYS_ID_SHARD_BITS >= UINT32_MAX)
        return UINT32_MAX;
    return (uint32_t)(rest >> KEYS_ID_SHARD_BITS);
}

uint32_t keys_find(const struct keys *keys, const void *key, uint32_t key_bytes)
{
    struct keys_probe probe = {.keys = keys, .key = key, .key_bytes = key_bytes};
    return hash_index_find(&keys->index, checksum(key, key_bytes, 0), name_matches, &probe);
}

static int keys_grow_names(struct keys *keys, uint32_t number)
{
    uint32_t capacity = keys->name_capacity == 0 ? 64 : keys->name_capacity;
    while (capacity <= number)
        capacity = capacity + capacity / 2;
    if (capacity == keys->name_capacity)
        return 0;
    uint8_t **bigger = reallocarray(keys->names, capacity, sizeof(uint8_t *)); /* NOLINT */
    if (bigger == NULL)
        return -ENOMEM;
    memset(bigger + keys->name_capacity, 0,
           (size_t)(capacity - keys->name_capacity) * sizeof(uint8_t *)); /* NOLINT */
    keys->names = bigger;
    keys->name_capacity = capacity;
    return 0;
}

static int keys_grow_chunk(struct keys *keys, uint32_t key_bytes)
{
    if (keys->chunk != NULL && keys->chunk_used_bytes + key_bytes + 1 <= KEYS_CHUNK_BYTES)
        return 0;
    uint8_t *chunk = malloc(KEYS_CHUNK_BYTES);
    if (chunk == NULL)
        return -ENOMEM;
    memcpy(chunk, &keys->chunk, sizeof(keys->chunk));
    keys->chunk = chunk;
    keys->chunk_used_bytes = sizeof(keys->chunk);
    keys->chunk_bytes_total += KEYS_CHUNK_BYTES;
    return 0;
}

int keys_reserve(struct keys *keys, const void *key, uint32_t key_bytes, uint32_t number)
{
    if (number >= UINT32_MAX - 1)
        return -ENOMEM;
    int error = keys_grow_names(keys, number);
    if (error == 0)
        error = keys_grow_chunk(keys, key_bytes);
    if (error == 0)
        error = hash_index_reserve(&keys->index, checksum(key, key_bytes, 0), name_hash, keys);
    return error;
}

void keys_add(struct keys *keys, const void *key, uint32_t key_bytes, uint32_t number)
{
    IMLOG_ASSERT(key_bytes >= 1);
    IMLOG_ASSERT(key_bytes <= IMLOG_KEY_BYTES_MAX);
    uint8_t *name = keys->chunk + keys->chunk_used_bytes;
    name[0] = (uint8_t)key_bytes;
    memcpy(name + 1, key, key_bytes);
    keys->chunk_used_bytes += key_bytes + 1;
    keys->names[number] = name;
    keys->count++;
    if (number >= keys->next_number)
        keys->next_number = number + 1;
    hash_index_insert(&keys->index, checksum(key, key_bytes, 0), number);
}

uint32_t keys_name(const struct keys *keys, uint32_t number, const void **key)
{
    if (number >= keys->next_number || number >= keys->name_capacity || keys->names[number] == NULL)
        return 0;
    *key = keys->names[number] + 1;
    return keys->names[number][0];
}

uint64_t keys_ram_bytes(const struct keys *keys)
{
    return hash_index_bytes(&keys->index) + keys->chunk_bytes_total +
           (uint64_t)keys->name_capacity * sizeof(uint8_t *); /* NOLINT */
}

void keys_deinit(struct keys *keys)
{
    while (keys->chunk != NULL) {
        uint8_t *chunk = keys->chunk;
        memcpy(&keys->chunk, chunk, sizeof(keys->chunk));
        free(chunk);
    }
    free(keys->names);
    hash_index_deinit(&keys->index);
    *keys = (struct keys){.shard_index = keys->shard_index};
}

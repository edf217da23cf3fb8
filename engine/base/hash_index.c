/* hash_index.c: the parts of hash_index.h that are on no hot path. */
#include "engine/base/hash_index.h"

uint64_t hash_index_bytes(const struct hash_index *index)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < HASH_INDEX_PARTITIONS; i++)
        bytes += ((uint64_t)index->partitions[i].capacity * sizeof(uint32_t)) << index->tagged;
    return bytes;
}

void hash_index_deinit(struct hash_index *index)
{
    for (uint32_t i = 0; i < HASH_INDEX_PARTITIONS; i++)
        free(index->partitions[i].values);
    memset(index, 0, sizeof(*index));
}

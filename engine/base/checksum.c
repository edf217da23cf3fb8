/* checksum.c: the only user of xxHash. */
#include "engine/base/checksum.h"

#include <xxhash.h>

uint64_t checksum(const void *bytes, size_t byte_count, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, byte_count, seed);
}

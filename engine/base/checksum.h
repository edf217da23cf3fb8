/* checksum.h: the one checksum (XXH3-64, seeded) and the one bit mixer. */
#ifndef ENGINE_BASE_CHECKSUM_H
#define ENGINE_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of the bytes; the same bytes under another seed are another checksum. */
uint64_t checksum(const void *bytes, size_t byte_count, uint64_t seed);

/* A fixed bijection of 64-bit values in which every input bit moves every output bit:
 * Stafford's variant 13 of the MurmurHash3 finalizer, the one SplitMix64 uses. */
static inline uint64_t mix64(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

#endif

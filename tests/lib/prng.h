/* prng.h: the one source of chance in tests: SplitMix64, so that a seed is the whole story. */
#ifndef TESTS_LIB_PRNG_H
#define TESTS_LIB_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state;
};

static inline uint64_t prng_next(struct prng *prng)
{
    uint64_t value = prng->state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* 0 .. bound - 1; 0 for bound 0. */
static inline uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    return bound == 0 ? 0 : prng_next(prng) % bound;
}

static inline bool prng_one_in(struct prng *prng, uint64_t odds)
{
    return prng_below(prng, odds) == 0;
}

#endif

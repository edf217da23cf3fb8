/* ring.h: RAM for the newest log bytes, addressed by lsn.
 *
 * The same pages are mapped twice in a row, so that any lsn range no longer than the ring is
 * contiguous in memory: batches are filled in place, written from there, and read from there
 * for as long as they are hot. */
#ifndef ENGINE_LOG_RING_H
#define ENGINE_LOG_RING_H

#include <stdint.h>

struct ring {
    uint8_t *memory;
    uint64_t ring_bytes; /* a power of two, whole pages */
};

/* 0 or -errno. */
int ring_init(struct ring *ring, uint64_t ring_bytes);
void ring_deinit(struct ring *ring);

/* Where lsn's byte is; ring_bytes from there on are contiguous. */
static inline uint8_t *ring_at(const struct ring *ring, uint64_t lsn)
{
    return ring->memory + (lsn & (ring->ring_bytes - 1));
}

#endif

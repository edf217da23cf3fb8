/* ring.c: one memory file mapped twice, back to back. */
#define _GNU_SOURCE
#include "engine/log/ring.h"

#include "engine/base/assert.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static int ring_map(struct ring *ring, int memory_file)
{
    /* Reserve the address range first, so that the two maps are neighbours. */
    uint8_t *range =
        mmap(NULL, 2 * ring->ring_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (range == MAP_FAILED)
        return -errno;
    for (int half = 0; half < 2; half++) {
        void *at = range + (uint64_t)half * ring->ring_bytes;
        if (mmap(at, ring->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory_file,
                 0) == MAP_FAILED) {
            int error = -errno;
            (void)munmap(range, 2 * ring->ring_bytes);
            return error;
        }
    }
    ring->memory = range;
    return 0;
}

int ring_init(struct ring *ring, uint64_t ring_bytes)
{
    IMLOG_ASSERT((ring_bytes & (ring_bytes - 1)) == 0);
    ring->memory = NULL;
    ring->ring_bytes = ring_bytes;
    int memory_file = memfd_create("imlog-hot", MFD_CLOEXEC);
    if (memory_file < 0)
        return -errno;
    int error = ftruncate(memory_file, (off_t)ring_bytes) == 0 ? 0 : -errno;
    if (error == 0)
        error = ring_map(ring, memory_file);
    (void)close(memory_file);
    return error;
}

void ring_deinit(struct ring *ring)
{
    if (ring->memory != NULL)
        (void)munmap(ring->memory, 2 * ring->ring_bytes);
    ring->memory = NULL;
}

/* receive_buffers.h: buffers that the kernel picks from when bytes arrive, shared by all
 * connections of a thread, so that one that waits for bytes holds none. (Linux 5.19.) */
#ifndef NET_RECEIVE_BUFFERS_H
#define NET_RECEIVE_BUFFERS_H

#include <liburing.h>
#include <stdint.h>

enum {
    RECEIVE_BUFFER_BYTES = 8192,
    RECEIVE_BUFFER_COUNT = 256,
    RECEIVE_BUFFER_GROUP = 1,
};

struct receive_buffers {
    struct io_uring *ring;
    struct io_uring_buf_ring *shelf; /* what the kernel may take */
    uint8_t *bytes;
};

/* 0, -ENOMEM, or -errno if this kernel has no such thing. */
int receive_buffers_open(struct receive_buffers *buffers, struct io_uring *ring);
void receive_buffers_close(struct receive_buffers *buffers);

/* A buffer that a completion named; borrowed until it is put back. */
const uint8_t *receive_buffers_get(const struct receive_buffers *buffers, uint16_t index);
void receive_buffers_put(struct receive_buffers *buffers, uint16_t index);

#endif

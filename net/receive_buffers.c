/* receive_buffers.c: a registered buffer ring over one piece of memory. */
#include "net/receive_buffers.h"

#include <errno.h>
#include <sys/mman.h>

static size_t shelf_bytes(void)
{
    return RECEIVE_BUFFER_COUNT * sizeof(struct io_uring_buf);
}

static void *map_bytes(size_t byte_count)
{
    void *bytes =
        mmap(NULL, byte_count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

static void receive_buffers_unmap(struct receive_buffers *buffers)
{
    if (buffers->shelf != NULL)
        (void)munmap(buffers->shelf, shelf_bytes());
    if (buffers->bytes != NULL)
        (void)munmap(buffers->bytes, (size_t)RECEIVE_BUFFER_COUNT * RECEIVE_BUFFER_BYTES);
    *buffers = (struct receive_buffers){0};
}

int receive_buffers_open(struct receive_buffers *buffers, struct io_uring *ring)
{
    *buffers = (struct receive_buffers){.ring = ring};
    buffers->shelf = map_bytes(shelf_bytes());
    buffers->bytes = map_bytes((size_t)RECEIVE_BUFFER_COUNT * RECEIVE_BUFFER_BYTES);
    int status = -ENOMEM;
    if (buffers->shelf != NULL && buffers->bytes != NULL) {
        struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)buffers->shelf,
                                                .ring_entries = RECEIVE_BUFFER_COUNT,
                                                .bgid = RECEIVE_BUFFER_GROUP};
        status = io_uring_register_buf_ring(ring, &registration, 0);
    }
    if (status < 0) {
        receive_buffers_unmap(buffers);
        return status;
    }
    io_uring_buf_ring_init(buffers->shelf);
    for (uint16_t index = 0; index < RECEIVE_BUFFER_COUNT; index++)
        receive_buffers_put(buffers, index);
    return 0;
}

void receive_buffers_close(struct receive_buffers *buffers)
{
    if (buffers->shelf == NULL)
        return;
    (void)io_uring_unregister_buf_ring(buffers->ring, RECEIVE_BUFFER_GROUP);
    receive_buffers_unmap(buffers);
}

const uint8_t *receive_buffers_get(const struct receive_buffers *buffers, uint16_t index)
{
    return buffers->bytes + (size_t)index * RECEIVE_BUFFER_BYTES;
}

void receive_buffers_put(struct receive_buffers *buffers, uint16_t index)
{
    io_uring_buf_ring_add(buffers->shelf, buffers->bytes + (size_t)index * RECEIVE_BUFFER_BYTES,
                          RECEIVE_BUFFER_BYTES, index, io_uring_buf_ring_mask(RECEIVE_BUFFER_COUNT),
                          0);
    io_uring_buf_ring_advance(buffers->shelf, 1);
}

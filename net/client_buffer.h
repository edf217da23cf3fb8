/* client_buffer.h: bytes on their way out of or into a client: filled at the end, taken from the
 * start, contiguous. Pointers into it stay good until the next reserve. */
#ifndef NET_CLIENT_BUFFER_H
#define NET_CLIENT_BUFFER_H

#include <stdint.h>

struct client_buffer { /* all zero is an empty one */
    uint8_t *bytes;
    uint32_t start_index;
    uint32_t end_index;
    uint32_t capacity_bytes;
};

void client_buffer_deinit(struct client_buffer *buffer);

static inline uint32_t client_buffer_bytes(const struct client_buffer *buffer)
{
    return buffer->end_index - buffer->start_index;
}

/* Make room for byte_count more bytes behind end_index. 0 or -ENOMEM. */
int client_buffer_reserve(struct client_buffer *buffer, uint32_t byte_count);

/* Drop byte_count bytes from the start. */
void client_buffer_take(struct client_buffer *buffer, uint32_t byte_count);

void client_buffer_clear(struct client_buffer *buffer);

#endif

/* client_buffer.c: a contiguous queue of bytes. What was taken is only given back by reserve,
 * so that results may point into received bytes until more are received. */
#include "net/client_buffer.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdlib.h>
#include <string.h>

void client_buffer_deinit(struct client_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct client_buffer){0};
}

void client_buffer_clear(struct client_buffer *buffer)
{
    buffer->start_index = 0;
    buffer->end_index = 0;
}

static void buffer_move_to_front(struct client_buffer *buffer)
{
    const uint32_t held_bytes = client_buffer_bytes(buffer);
    if (held_bytes > 0)
        memmove(buffer->bytes, buffer->bytes + buffer->start_index, held_bytes);
    buffer->start_index = 0;
    buffer->end_index = held_bytes;
}

int client_buffer_reserve(struct client_buffer *buffer, uint32_t byte_count)
{
    const uint32_t held_bytes = client_buffer_bytes(buffer);
    IMLOG_ASSERT(byte_count <= UINT32_MAX / 4 - held_bytes);
    if (held_bytes == 0)
        client_buffer_clear(buffer);
    if (byte_count <= buffer->capacity_bytes - buffer->end_index)
        return 0;

    /* Moving is worth it when it frees as much as it costs; else it would repeat itself. */
    if (buffer->start_index >= held_bytes && byte_count <= buffer->capacity_bytes - held_bytes) {
        buffer_move_to_front(buffer);
        return 0;
    }
    uint32_t capacity_bytes = buffer->capacity_bytes == 0 ? 4096 : buffer->capacity_bytes;
    while (capacity_bytes - held_bytes < byte_count || capacity_bytes < held_bytes)
        capacity_bytes *= 2;
    buffer_move_to_front(buffer);
    if (capacity_bytes == buffer->capacity_bytes)
        return 0;
    uint8_t *bytes = realloc(buffer->bytes, capacity_bytes);
    if (bytes == NULL)
        return -ENOMEM;
    buffer->bytes = bytes;
    buffer->capacity_bytes = capacity_bytes;
    return 0;
}

void client_buffer_take(struct client_buffer *buffer, uint32_t byte_count)
{
    IMLOG_ASSERT(byte_count <= client_buffer_bytes(buffer));
    buffer->start_index += byte_count;
}

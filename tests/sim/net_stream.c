/* net_stream.c: see net_stream.h. */
#include "tests/sim/net_stream.h"

#include "tests/sim/net_check.h"

#include <stdlib.h>
#include <string.h>

static uint32_t least_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void net_stream_deinit(struct net_stream *stream)
{
    free(stream->bytes);
    *stream = (struct net_stream){.end = stream->end};
}

void net_stream_put(struct net_stream *stream, const void *bytes, uint32_t byte_count)
{
    if (stream->end != NET_GOES_ON || byte_count == 0)
        return;
    uint32_t held_count = stream->arrived_count + stream->under_way_count;
    if (held_count == 0)
        stream->first = 0;
    if (stream->first + held_count + byte_count > stream->capacity) {
        if (held_count > 0)
            memmove(stream->bytes, stream->bytes + stream->first, held_count);
        stream->first = 0;
        stream->capacity = (held_count + byte_count) * 2;
        stream->bytes = realloc(stream->bytes, stream->capacity);
        NET_CHECK(stream->bytes != NULL, "no memory for a stream");
    }
    memcpy(stream->bytes + stream->first + held_count, bytes, byte_count);
    stream->under_way_count += byte_count;
}

uint32_t net_stream_take(struct net_stream *stream, void *bytes, uint32_t byte_count)
{
    uint32_t count = least_of(byte_count, stream->arrived_count);
    if (count > 0)
        memcpy(bytes, stream->bytes + stream->first, count);
    stream->first += count;
    stream->arrived_count -= count;
    return count;
}

void net_stream_arrive(struct net_stream *stream, uint32_t byte_count)
{
    uint32_t count = least_of(byte_count, stream->under_way_count);
    stream->under_way_count -= count;
    stream->arrived_count += count;
}

void net_stream_end(struct net_stream *stream)
{
    if (stream->end == NET_GOES_ON)
        stream->end = NET_ENDED;
}

void net_stream_cut(struct net_stream *stream, uint32_t kept_count, enum net_end end)
{
    stream->under_way_count = least_of(kept_count, stream->under_way_count);
    if (stream->end == NET_GOES_ON || stream->end == NET_ENDED)
        stream->end = end;
}

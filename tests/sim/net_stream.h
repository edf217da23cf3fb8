/* net_stream.h: one direction of a connection: bytes on their way, in order, which arrive when
 * the network lets them, and may be lost from some point on. */
#ifndef TESTS_SIM_NET_STREAM_H
#define TESTS_SIM_NET_STREAM_H

#include <stdbool.h>
#include <stdint.h>

enum net_end {
    NET_GOES_ON,
    NET_ENDED,  /* nothing comes after what is there */
    NET_BROKEN, /* the same, and the receiver is told of a failure */
    NET_SILENT, /* the same, and nobody is told */
};

struct net_stream { /* all zero is an empty one */
    uint8_t *bytes;
    uint32_t first; /* bytes[first .. first + arrived_count) can be received, */
    uint32_t arrived_count;
    uint32_t under_way_count; /* and so many behind them not yet */
    uint32_t capacity;
    enum net_end end;
};

void net_stream_deinit(struct net_stream *stream);
/* What a stream that has ended is given is lost. */
void net_stream_put(struct net_stream *stream, const void *bytes, uint32_t byte_count);
/* Up to byte_count bytes that arrived; returns how many. */
uint32_t net_stream_take(struct net_stream *stream, void *bytes, uint32_t byte_count);
/* Up to byte_count bytes arrive. */
void net_stream_arrive(struct net_stream *stream, uint32_t byte_count);
/* Nothing comes after what was put. */
void net_stream_end(struct net_stream *stream);
/* Only kept_count of the bytes under way ever arrive. */
void net_stream_cut(struct net_stream *stream, uint32_t kept_count, enum net_end end);

/* Has all arrived that ever will, and been taken? */
static inline bool net_stream_is_over(const struct net_stream *stream)
{
    return (stream->end == NET_ENDED || stream->end == NET_BROKEN) &&
           stream->arrived_count + stream->under_way_count == 0;
}

#endif

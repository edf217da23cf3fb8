/* stream.h: a connected, non-blocking TCP socket with a buffer each way, for the peers' own
 * protocols. (imlog is spoken to through include/imlog/client.h.) */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <imlog/error.h>
#include <stddef.h>
#include <stdint.h>

struct stream {
    int socket; /* -1: none */
    uint8_t *out;
    size_t out_bytes; /* waiting to be sent, from out */
    size_t out_capacity_bytes;
    uint8_t *in;
    size_t in_bytes; /* received and not consumed, from in */
    size_t in_capacity_bytes;
};

/* server: "HOST:PORT". */
int stream_connect(struct stream *stream, const char *server, struct imlog_why *why);
void stream_close(struct stream *stream);

/* Room for byte_count more bytes to send, NULL when there is no memory; stream_commit() then
 * says how many were written there. */
uint8_t *stream_reserve(struct stream *stream, size_t byte_count);
void stream_commit(struct stream *stream, size_t byte_count);

/* As much as the socket takes now. 0, or -errno. */
int stream_send(struct stream *stream);

/* What is there now, up to the buffer's capacity. Returns bytes received, 0 if there is
 * nothing now, -errno or IMLOG_ECONNLOST. */
int64_t stream_receive(struct stream *stream);

/* The first byte_count received bytes were dealt with. */
void stream_consume(struct stream *stream, size_t byte_count);

#endif

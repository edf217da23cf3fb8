/* stream.c: buffered non-blocking TCP. */
#include "bench/stream.h"

#include "bench/fail.h"

#include <errno.h>
#include <imlog/assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_IN_BYTES = 64 * 1024, STREAM_OUT_BYTES = 16 * 1024 };

/* "HOST:PORT", "[::1]:7700" -> host and port. */
static bool stream_split(const char *server, char host[256], char port[16])
{
    const char *colon = strrchr(server, ':');
    const char *begin = server;

    if (colon == NULL || colon == server || colon[1] == '\0' || strlen(colon + 1) > 5) {
        return false;
    }
    const char *end = colon;
    if (begin[0] == '[' && end[-1] == ']') {
        begin++;
        end--;
    }
    if (end <= begin || end - begin > 255) {
        return false;
    }
    (void)snprintf(host, 256, "%.*s", (int)(end - begin), begin);
    (void)snprintf(port, 16, "%s", colon + 1);
    return true;
}

/* Connects while blocking, then makes the socket non-blocking. */
static int stream_dial(const struct addrinfo *address)
{
    int yes = 1;
    int dialled = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (dialled < 0) {
        return -errno;
    }
    struct timeval patience = {.tv_sec = 5};
    if (setsockopt(dialled, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
        connect(dialled, address->ai_addr, address->ai_addrlen) < 0 ||
        setsockopt(dialled, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0) {
        int error = -errno;
        (void)close(dialled);
        return error;
    }
    return dialled;
}

int stream_connect(struct stream *stream, const char *server, struct imlog_why *why)
{
    char host[256];
    char port[16];
    struct addrinfo *addresses = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

    *stream = (struct stream){.socket = -1};
    if (!stream_split(server, host, port)) {
        return fail(why, IMLOG_EINVALID, "server '%s' is not HOST:PORT", server);
    }
    int lookup = getaddrinfo(host, port, &hints, &addresses);
    if (lookup != 0) {
        return fail(why, IMLOG_EINVALID, "server '%s': %s", server, gai_strerror(lookup));
    }
    int error = -EADDRNOTAVAIL;
    for (struct addrinfo *at = addresses; at != NULL && stream->socket < 0; at = at->ai_next) {
        error = stream_dial(at);
        stream->socket = error;
    }
    freeaddrinfo(addresses);
    if (stream->socket < 0) {
        stream->socket = -1;
        return fail(why, error, "connecting to %s", server);
    }
    stream->in_capacity_bytes = STREAM_IN_BYTES;
    stream->in = malloc(stream->in_capacity_bytes);
    if (stream->in == NULL) {
        stream_close(stream);
        return fail(why, -ENOMEM, "a connection's buffer");
    }
    return 0;
}

void stream_close(struct stream *stream)
{
    if (stream->socket >= 0) {
        (void)close(stream->socket);
    }
    free(stream->out);
    free(stream->in);
    *stream = (struct stream){.socket = -1};
}

uint8_t *stream_reserve(struct stream *stream, size_t byte_count)
{
    size_t needed_bytes = stream->out_bytes + byte_count;

    if (needed_bytes > stream->out_capacity_bytes) {
        size_t capacity_bytes =
            stream->out_capacity_bytes == 0 ? STREAM_OUT_BYTES : stream->out_capacity_bytes;
        while (capacity_bytes < needed_bytes) {
            capacity_bytes *= 2;
        }
        uint8_t *grown = realloc(stream->out, capacity_bytes);
        if (grown == NULL) {
            return NULL;
        }
        stream->out = grown;
        stream->out_capacity_bytes = capacity_bytes;
    }
    return stream->out + stream->out_bytes;
}

void stream_commit(struct stream *stream, size_t byte_count)
{
    stream->out_bytes += byte_count;
    IMLOG_ASSERT(stream->out_bytes <= stream->out_capacity_bytes);
}

int stream_send(struct stream *stream)
{
    size_t sent_bytes = 0;
    int error = 0;

    while (sent_bytes < stream->out_bytes) {
        ssize_t sent = send(stream->socket, stream->out + sent_bytes,
                            stream->out_bytes - sent_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            error = errno == EAGAIN || errno == EINTR ? 0 : -errno;
            break;
        }
        sent_bytes += (size_t)sent;
    }
    stream->out_bytes -= sent_bytes;
    if (stream->out_bytes > 0 && sent_bytes > 0) {
        memmove(stream->out, stream->out + sent_bytes, stream->out_bytes);
    }
    return error;
}

int64_t stream_receive(struct stream *stream)
{
    IMLOG_ASSERT(stream->in_bytes < stream->in_capacity_bytes);
    ssize_t received = recv(stream->socket, stream->in + stream->in_bytes,
                            stream->in_capacity_bytes - stream->in_bytes, MSG_DONTWAIT);

    if (received < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    if (received == 0) {
        return IMLOG_ECONNLOST;
    }
    stream->in_bytes += (size_t)received;
    return received;
}

void stream_consume(struct stream *stream, size_t byte_count)
{
    IMLOG_ASSERT(byte_count <= stream->in_bytes);
    stream->in_bytes -= byte_count;
    if (stream->in_bytes > 0 && byte_count > 0) {
        memmove(stream->in, stream->in + byte_count, stream->in_bytes);
    }
}

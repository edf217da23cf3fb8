/* listen.c: binding.
 *
 * SO_REUSEPORT gives each thread a listener of its own and the kernel deals the connections out.
 * It would also let a second node bind the same port unnoticed, so a socket without it asks
 * first whether the port is free. A node that was killed a moment ago may still hold it: its
 * ring, and with it the listener, ends some time after the process. So the question is asked
 * again for a while. */
#include "net/listen.h"

#include "net/why.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LISTEN_BACKLOG = 4096,
    LISTEN_TRIES = 100,
    LISTEN_TRY_AGAIN_MS = 20,
};

int listen_parse(const char *text, struct listen_address *address, struct imlog_why *why)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    const char *host_end = colon;
    if (colon == NULL)
        return why_fill(why, IMLOG_EINVALID,
                        "'%s' is no address: HOST:PORT is expected, such as 127.0.0.1:7700", text);
    if (*text == '[' && colon > text && colon[-1] == ']') {
        host = text + 1;
        host_end = colon - 1;
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return why_fill(why, IMLOG_EINVALID,
                        "'%s' is no address: an IPv6 host goes in brackets, such as [::1]:7700",
                        text);
    }
    char *end;
    errno = 0;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || errno != 0 || port > 65535)
        return why_fill(why, IMLOG_EINVALID, "'%s': the port must be a number from 0 to 65535",
                        text);
    size_t host_bytes = (size_t)(host_end - host);
    if (host_bytes >= sizeof address->host)
        return why_fill(why, IMLOG_EINVALID, "'%s': the host is too long", text);
    memcpy(address->host, host, host_bytes);
    address->host[host_bytes] = '\0';
    (void)snprintf(address->port, sizeof address->port, "%lu", port);
    return 0;
}

static int listen_fail(struct imlog_why *why, int error, const struct listen_address *address)
{
    const char *what = imlog_error_text(error);
    const char *cure = "";
    if (error == -EADDRINUSE)
        cure = ": another program has this port; stop it, or choose another with --listen";
    else if (error == -EADDRNOTAVAIL)
        cure = ": this machine has no such address; choose another with --listen";
    else if (error == -EACCES)
        cure = ": ports below 1024 need CAP_NET_BIND_SERVICE; choose another with --listen";
    return why_fill(why, error, "cannot listen on %s:%s: %s%s", address->host, address->port, what,
                    cure);
}

static int listen_socket(const struct addrinfo *info, const struct sockaddr_storage *at,
                         bool shared)
{
    int one = 1;
    int socket_ = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0)
        return -errno;
    int rc = setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (rc == 0 && shared)
        rc = setsockopt(socket_, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (rc == 0)
        rc = bind(socket_, (const struct sockaddr *)(const void *)at, info->ai_addrlen);
    if (rc == 0)
        return socket_;
    int error = -errno;
    (void)close(socket_);
    return error;
}

/* Is the port free? Then *at has it, picked if it was 0. */
static int listen_probe(const struct addrinfo *info, struct sockaddr_storage *at)
{
    memset(at, 0, sizeof *at);
    memcpy(at, info->ai_addr, info->ai_addrlen);
    int socket_ = listen_socket(info, at, false);
    if (socket_ < 0)
        return socket_;
    /* Two sockets with SO_REUSEADDR may both be bound; only one may listen. */
    int rc = listen(socket_, 1);
    socklen_t at_bytes = sizeof *at;
    if (rc == 0)
        rc = getsockname(socket_, (struct sockaddr *)(void *)at, &at_bytes);
    int error = rc == 0 ? 0 : -errno;
    (void)close(socket_);
    return error;
}

static int listen_bind_all(const struct addrinfo *info, const struct sockaddr_storage *at,
                           int *sockets, uint32_t socket_count)
{
    for (uint32_t i = 0; i < socket_count; i++) {
        sockets[i] = listen_socket(info, at, true);
        if (sockets[i] >= 0)
            continue;
        int error = sockets[i];
        while (i-- > 0)
            (void)close(sockets[i]);
        return error;
    }
    return 0;
}

/* With port 0 somebody else may take the picked one in between; that too is tried again. */
static int listen_try(const struct addrinfo *info, struct sockaddr_storage *at, int *sockets,
                      uint32_t socket_count)
{
    int error = listen_probe(info, at);
    return error < 0 ? error : listen_bind_all(info, at, sockets, socket_count);
}

static void listen_text(const struct addrinfo *info, const struct sockaddr_storage *at,
                        char text[LISTEN_TEXT_BYTES])
{
    char host[256];
    char port[16];
    const struct sockaddr *address = (const struct sockaddr *)(const void *)at;
    int rc = getnameinfo(address, info->ai_addrlen, host, sizeof host, port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV);
    if (rc != 0)
        (void)snprintf(text, LISTEN_TEXT_BYTES, "unknown");
    else
        (void)snprintf(text, LISTEN_TEXT_BYTES, info->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                       host, port);
}

int listen_bind(const struct listen_address *address, int *sockets, uint32_t socket_count,
                char text[LISTEN_TEXT_BYTES], struct imlog_why *why)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *info;
    int rc =
        getaddrinfo(address->host[0] != '\0' ? address->host : NULL, address->port, &hints, &info);
    if (rc != 0)
        return why_fill(why, IMLOG_EINVALID, "cannot listen on %s:%s: %s", address->host,
                        address->port, gai_strerror(rc));
    struct sockaddr_storage at;
    int error = listen_try(info, &at, sockets, socket_count);
    for (int tries = 1; tries < LISTEN_TRIES && error == -EADDRINUSE; tries++) {
        (void)poll(NULL, 0, LISTEN_TRY_AGAIN_MS);
        error = listen_try(info, &at, sockets, socket_count);
    }
    if (error == 0)
        listen_text(info, &at, text);
    freeaddrinfo(info);
    return error == 0 ? 0 : listen_fail(why, error, address);
}

int listen_start(int socket)
{
    return listen(socket, LISTEN_BACKLOG) == 0 ? 0 : -errno;
}

/* client_connect.c: a TCP connection, made within a given time. Every address of the host is
 * tried in the resolver's order until one answers or the time is over. */
#include "net/client_connect.h"

#include "net/client_address.h"
#include "net/why.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)

uint64_t client_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* 0 once the socket is connected, or why it is not. */
static int connect_wait(int socket_fd, uint64_t deadline_ns)
{
    for (;;) {
        const uint64_t now_ns = client_clock_ns();
        if (now_ns >= deadline_ns)
            return -ETIMEDOUT;
        struct pollfd wait = {.fd = socket_fd, .events = POLLOUT};
        const int ready = poll(&wait, 1, (int)((deadline_ns - now_ns) / NS_PER_MS + 1));
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready > 0)
            break;
    }
    int error = 0;
    socklen_t error_bytes = sizeof error;
    if (getsockopt(socket_fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) < 0)
        return -errno;
    return -error;
}

static int connect_one(const struct addrinfo *address, uint64_t deadline_ns)
{
    const int socket_fd =
        socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
               address->ai_protocol);
    if (socket_fd < 0)
        return -errno;

    int error = 0;
    if (connect(socket_fd, address->ai_addr, address->ai_addrlen) < 0)
        error =
            errno == EINPROGRESS || errno == EINTR ? connect_wait(socket_fd, deadline_ns) : -errno;
    const int on = 1; /* requests are small and somebody waits for each */
    if (error == 0 && setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        error = -errno;
    if (error < 0) {
        (void)close(socket_fd);
        return error;
    }
    return socket_fd;
}

int client_connect_open(const char *server, uint32_t connect_ms, struct imlog_why *why)
{
    struct client_address address;
    const int invalid = client_address_parse(server, &address, why);
    if (invalid < 0)
        return invalid;

    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const int lookup = getaddrinfo(address.host, address.port, &hints, &found);
    if (lookup != 0)
        return why_fill(why, -EHOSTUNREACH, "cannot look up the host of server %s: %s", server,
                        lookup == EAI_SYSTEM ? imlog_error_text(-errno) : gai_strerror(lookup));

    const uint64_t deadline_ns = client_clock_ns() + connect_ms * NS_PER_MS;
    int result = -EHOSTUNREACH;
    for (const struct addrinfo *one = found; one != NULL && result < 0; one = one->ai_next)
        result = connect_one(one, deadline_ns);
    freeaddrinfo(found);
    if (result < 0)
        return why_fill(why, result, "cannot connect to %s: %s (is imlogd running there?)", server,
                        imlog_error_text(result));
    return result;
}

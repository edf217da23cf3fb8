/* echo_server.c: one epoll a thread; the kernel deals connections to the threads' listeners
 * (SO_REUSEPORT).
 *
 * A connection has a buffer. When all of it was sent, the next bytes are received; while some
 * of it waits for room to send, nothing is received, so a client that does not read is not read
 * from. An error on a connection closes it: the client's side of the bench reports it. */
#define _GNU_SOURCE /* accept4() */

#include "bench/echo_server.h"

#include "bench/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO_EVENTS = 256, ECHO_BUFFER_BYTES = 64 * 1024 };

struct echo_connection {
    struct echo_connection *next;
    int socket;
    size_t begin_bytes; /* sent of the buffer */
    size_t end_bytes;   /* received into it */
    uint8_t bytes[ECHO_BUFFER_BYTES];
};

struct echo_thread {
    pthread_t thread;
    int listener;
    int epoll;
    int stop; /* the server's eventfd */
    bool running;
    struct echo_connection *connections; /* open or not, freed at the end */
};

struct echo_server {
    char address[32];
    int stop;
    uint32_t thread_count;
    struct echo_thread threads[];
};

static int echo_watch(int epoll, int operation, int file, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};

    return epoll_ctl(epoll, operation, file, &event) < 0 ? -errno : 0;
}

static void echo_accept(struct echo_thread *thread)
{
    int yes = 1;
    int accepted = accept4(thread->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct echo_connection *connection = accepted < 0 ? NULL : malloc(sizeof(*connection));

    if (connection == NULL) {
        if (accepted >= 0) {
            (void)close(accepted);
        }
        return;
    }
    connection->socket = accepted;
    connection->begin_bytes = 0;
    connection->end_bytes = 0;
    connection->next = thread->connections;
    thread->connections = connection;
    (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (echo_watch(thread->epoll, EPOLL_CTL_ADD, accepted, EPOLLIN, connection) < 0) {
        (void)close(accepted);
        connection->socket = -1;
    }
}

/* Receives if the buffer is empty, sends what is in it. false: the connection is over. */
static bool echo_serve(struct echo_connection *connection)
{
    if (connection->begin_bytes == connection->end_bytes) {
        ssize_t received = recv(connection->socket, connection->bytes, ECHO_BUFFER_BYTES, 0);
        if (received <= 0) {
            return received < 0 && (errno == EAGAIN || errno == EINTR);
        }
        connection->begin_bytes = 0;
        connection->end_bytes = (size_t)received;
    }
    ssize_t sent = send(connection->socket, connection->bytes + connection->begin_bytes,
                        connection->end_bytes - connection->begin_bytes, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    connection->begin_bytes += (size_t)sent;
    return true;
}

static void echo_turn(struct echo_thread *thread, struct echo_connection *connection)
{
    bool was_full = connection->begin_bytes < connection->end_bytes;

    if (!echo_serve(connection)) {
        (void)close(connection->socket);
        connection->socket = -1;
        return;
    }
    bool is_full = connection->begin_bytes < connection->end_bytes;
    if (is_full != was_full) {
        (void)echo_watch(thread->epoll, EPOLL_CTL_MOD, connection->socket,
                         is_full ? EPOLLOUT : EPOLLIN, connection);
    }
}

static void *echo_thread_main(void *arg)
{
    struct echo_thread *thread = arg;
    struct epoll_event events[ECHO_EVENTS];

    for (;;) {
        int event_count = epoll_wait(thread->epoll, events, ECHO_EVENTS, -1);
        for (int at = 0; at < event_count; at++) {
            void *what = events[at].data.ptr;
            if (what == &thread->stop) {
                return NULL;
            }
            if (what == &thread->listener) {
                echo_accept(thread);
            } else {
                echo_turn(thread, what);
            }
        }
    }
}

/* port 0 picks one; *port is then the one picked. */
static int echo_listen(struct echo_thread *thread, in_port_t *port)
{
    int yes = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = *port,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t address_bytes = sizeof(address);
    struct sockaddr *generic = (struct sockaddr *)&address;

    thread->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (thread->listener < 0 ||
        setsockopt(thread->listener, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) < 0 ||
        bind(thread->listener, generic, address_bytes) < 0 ||
        listen(thread->listener, SOMAXCONN) < 0 ||
        getsockname(thread->listener, generic, &address_bytes) < 0) {
        return -errno;
    }
    *port = address.sin_port;
    return 0;
}

static int echo_thread_start(struct echo_thread *thread, int stop, in_port_t *port)
{
    int error = echo_listen(thread, port);

    thread->stop = stop;
    thread->epoll = error < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
    if (error == 0 && thread->epoll < 0) {
        error = -errno;
    }
    if (error == 0) {
        error =
            echo_watch(thread->epoll, EPOLL_CTL_ADD, thread->listener, EPOLLIN, &thread->listener);
    }
    if (error == 0) {
        error = echo_watch(thread->epoll, EPOLL_CTL_ADD, stop, EPOLLIN, &thread->stop);
    }
    if (error == 0) {
        error = -pthread_create(&thread->thread, NULL, echo_thread_main, thread);
    }
    thread->running = error == 0;
    return error;
}

int echo_server_create(uint32_t thread_count, struct echo_server **server, struct imlog_why *why)
{
    in_port_t port = 0;
    struct echo_server *created =
        calloc(1, sizeof(*created) + thread_count * sizeof(created->threads[0]));

    if (created == NULL) {
        return fail(why, -ENOMEM, "the echo server");
    }
    created->thread_count = thread_count;
    created->stop = eventfd(0, EFD_CLOEXEC);
    int error = created->stop < 0 ? -errno : 0;
    for (uint32_t at = 0; at < thread_count; at++) {
        created->threads[at].listener = -1;
        created->threads[at].epoll = -1;
    }
    for (uint32_t at = 0; error == 0 && at < thread_count; at++) {
        error = echo_thread_start(&created->threads[at], created->stop, &port);
    }
    if (error < 0) {
        echo_server_destroy(created);
        return fail(why, error, "starting the echo server");
    }
    (void)snprintf(created->address, sizeof(created->address), "127.0.0.1:%u", ntohs(port));
    *server = created;
    return 0;
}

static void echo_thread_free(struct echo_thread *thread)
{
    while (thread->connections != NULL) {
        struct echo_connection *connection = thread->connections;
        thread->connections = connection->next;
        if (connection->socket >= 0) {
            (void)close(connection->socket);
        }
        free(connection);
    }
    if (thread->listener >= 0) {
        (void)close(thread->listener);
    }
    if (thread->epoll >= 0) {
        (void)close(thread->epoll);
    }
}

void echo_server_destroy(struct echo_server *server)
{
    if (server->stop >= 0) {
        (void)eventfd_write(server->stop, 1); /* a fresh counter takes it */
    }
    for (uint32_t at = 0; at < server->thread_count; at++) {
        if (server->threads[at].running) {
            (void)pthread_join(server->threads[at].thread, NULL);
        }
        echo_thread_free(&server->threads[at]);
    }
    if (server->stop >= 0) {
        (void)close(server->stop);
    }
    free(server);
}

const char *echo_server_address(const struct echo_server *server)
{
    return server->address;
}

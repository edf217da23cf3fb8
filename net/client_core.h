/* client_core.h: what the parts of the client share: the connection, its requests under way, and
 * how a request is started and waited for. client.c owns all of it. */
#ifndef NET_CLIENT_CORE_H
#define NET_CLIENT_CORE_H

#include "net/client_buffer.h"

#include <imlog/client.h>

struct client_request;

/* Ends one request: with status 0 and the body of its reply, or with an error and no body. Runs
 * once. IMLOG_EPROTO if the body cannot be read (the request is over all the same). */
typedef int client_finish_fn(struct imlog_client *client, const struct client_request *request,
                             int status, const uint8_t *body, uint32_t body_bytes);

struct client_request {
    uint64_t id; /* 0: the slot is free; else its low byte is the slot */
    uint16_t type;
    uint32_t item_count;
    client_finish_fn *finish;
    union {
        imlog_client_append_fn *append_done;
        imlog_client_pull_fn *pull_done;
        void (*none)(void);
    } then;
    void *arg;
};

struct imlog_client {
    char *server;
    struct imlog_client_options options;
    int socket_fd;    /* < 0: not connected */
    uint64_t sent_ns; /* when bytes last left */
    struct client_buffer outgoing;
    struct client_buffer incoming; /* results point into it until more is received */
    void *scratch;                 /* results that cannot; until the next reply */
    size_t scratch_bytes;
    struct client_request *requests; /* slots */
    uint32_t slot_count;
    uint32_t pending_count;
    uint64_t id_next;
    uint32_t retry_after_ms;
    bool farewell;      /* the node has said why it will close the connection */
    bool finishing;     /* a done() is running */
    uint8_t cursor[64]; /* of imlog_client_sessions() */
    struct imlog_why error;
};

/* Queue one request frame and take a slot for it. On 0 the caller writes body_bytes bytes at
 * *body before anything else is called. */
int client_start(struct imlog_client *client, const struct client_request *request,
                 uint64_t body_bytes, uint8_t **body);

/* Poll until *over, which a finish function sets, for at most request_ms. 0, or IMLOG_EUNKNOWN:
 * the time is over, the connection closed, and *over is true all the same. */
int client_wait(struct imlog_client *client, const bool *over);

/* At least byte_count bytes for results, in place of what it held before; NULL: no memory. */
void *client_scratch(struct imlog_client *client, size_t byte_count);

#endif

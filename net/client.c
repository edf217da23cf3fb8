/* client.c: one connection to a node: frames out, frames in, and the requests in between.
 *
 * A request takes a slot when it is started; its id is a running number with the slot in the low
 * byte, so that a reply finds its request without a search, and a reply to a request that is over
 * finds none. Frames are queued in `outgoing` and leave in imlog_client_poll(); replies are read
 * into `incoming` and finished one by one. When the connection is lost, every request under way
 * is finished with the error, once. */
#include "net/client_connect.h"
#include "net/client_core.h"
#include "net/frame.h"
#include "net/imlog.pb-c.h"
#include "net/why.h"

#include <errno.h>
#include <imlog/assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)

enum {
    CONNECT_MS_DEFAULT = 5000,
    REQUEST_MS_DEFAULT = 30000,
    HEARTBEAT_MS = 15000, /* a quarter of the node's default idle timeout */
    RECEIVE_BYTES = 64 * 1024,
    SLOTS_AT_FIRST = 16,
    SLOT_BITS = 8,
};

static_assert(IMLOG_REPLY_BYTES_MAX <= IMLOG_FRAME_BYTES_MAX, "frame_check() bounds replies too");
static_assert(IMLOG_CLIENT_PENDING_MAX == 1 << SLOT_BITS, "a slot fits the low bits of an id");

/* ---- requests under way ----------------------------------------------------------------- */

static struct client_request *slot_of_id(struct imlog_client *client, uint64_t id)
{
    const uint32_t slot = (uint32_t)id & (IMLOG_CLIENT_PENDING_MAX - 1);
    if (id == 0 || slot >= client->slot_count || client->requests[slot].id != id)
        return NULL;
    return &client->requests[slot];
}

/* A free slot's index, < 0 if there is none. Looks from where the last one was found: with
 * replies about in order that is the first look. */
static int slot_find(struct imlog_client *client)
{
    if (client->pending_count == client->slot_count) {
        if (client->slot_count == IMLOG_CLIENT_PENDING_MAX)
            return IMLOG_EBUSY;
        const uint32_t slot_count =
            client->slot_count == 0 ? SLOTS_AT_FIRST : client->slot_count * 2;
        struct client_request *requests = realloc(client->requests, slot_count * sizeof *requests);
        if (requests == NULL)
            return -ENOMEM;
        memset(requests + client->slot_count, 0,
               (slot_count - client->slot_count) * sizeof *requests);
        client->requests = requests;
        client->slot_count = slot_count;
    }
    uint32_t slot = (uint32_t)client->id_next & (client->slot_count - 1);
    while (client->requests[slot].id != 0)
        slot = (slot + 1) & (client->slot_count - 1);
    return (int)slot;
}

/* Frees the slot first, so that done() may use it. */
static int request_finish(struct imlog_client *client, struct client_request *slot, int status,
                          const uint8_t *body, uint32_t body_bytes)
{
    const struct client_request request = *slot;
    slot->id = 0;
    client->pending_count--;
    client->finishing = true;
    const int error = request.finish(client, &request, status, body, body_bytes);
    client->finishing = false;
    return error;
}

/* The connection is over: close it and end what is under way. */
static void client_end(struct imlog_client *client, int status)
{
    if (client->socket_fd >= 0)
        (void)close(client->socket_fd);
    client->socket_fd = -1;
    for (uint32_t i = 0; i < client->slot_count; i++)
        if (client->requests[i].id != 0)
            (void)request_finish(client, &client->requests[i], status, NULL, 0);
}

static int client_lose(struct imlog_client *client, const char *what)
{
    if (!client->farewell) /* else the node's own words say more */
        (void)why_fill(&client->error, 0, "%s: %s", client->server, what);
    client_end(client, IMLOG_ECONNLOST);
    return IMLOG_ECONNLOST;
}

static int client_distrust(struct imlog_client *client, const char *what)
{
    (void)why_fill(&client->error, 0, "%s: %s (is it an imlog node?)", client->server, what);
    client_end(client, IMLOG_EPROTO);
    return IMLOG_EPROTO;
}

int client_start(struct imlog_client *client, const struct client_request *request,
                 uint64_t body_bytes, uint8_t **body)
{
    struct imlog_why *why = &client->error;
    if (client->socket_fd < 0)
        return why_fill(why, IMLOG_ECONNLOST, "%s: not connected", client->server);
    if (request->item_count > IMLOG_REQUEST_ITEMS_MAX)
        return why_fill(why, IMLOG_EINVALID, "%u items in one request; at most %d are taken",
                        request->item_count, IMLOG_REQUEST_ITEMS_MAX);
    if (body_bytes > IMLOG_FRAME_BYTES_MAX)
        return why_fill(why, IMLOG_ETOOBIG, "a request of %" PRIu64 " bytes; at most %d are taken",
                        body_bytes, IMLOG_FRAME_BYTES_MAX);
    const uint32_t frame_bytes = FRAME_HEADER_BYTES + (uint32_t)body_bytes;
    if (client_buffer_bytes(&client->outgoing) + frame_bytes > IMLOG_CLIENT_UNSENT_BYTES_MAX)
        return IMLOG_EBUSY;
    const int slot = slot_find(client);
    if (slot < 0)
        return slot;
    if (client_buffer_reserve(&client->outgoing, frame_bytes) < 0)
        return -ENOMEM;

    const uint64_t id = client->id_next++ << SLOT_BITS | (uint32_t)slot;
    client->requests[slot] = *request;
    client->requests[slot].id = id;
    client->pending_count++;

    uint8_t *at = client->outgoing.bytes + client->outgoing.end_index;
    const struct frame_header header = {.body_bytes = (uint32_t)body_bytes,
                                        .version = FRAME_VERSION,
                                        .type = request->type,
                                        .request_id = id};
    frame_encode(at, &header);
    client->outgoing.end_index += frame_bytes;
    *body = at + FRAME_HEADER_BYTES;
    return 0;
}

/* ---- what comes back -------------------------------------------------------------------- */

/* The node refused a request as a whole, or (for an id not under way) says why it closes. */
static int error_reply_take(struct imlog_client *client, struct client_request *slot,
                            const uint8_t *body, uint32_t body_bytes)
{
    Imlog__ErrorReply *reply = imlog__error_reply__unpack(NULL, body_bytes, body);
    if (reply == NULL || reply->code >= 0) {
        if (reply != NULL)
            imlog__error_reply__free_unpacked(reply, NULL);
        return IMLOG_EPROTO;
    }
    const int code = reply->code;
    (void)why_fill(&client->error, 0, "%s",
                   reply->text[0] != '\0' ? reply->text : imlog_error_text(code));
    client->retry_after_ms = reply->retry_after_ms;
    imlog__error_reply__free_unpacked(reply, NULL);
    if (slot == NULL)
        client->farewell = true;
    else
        (void)request_finish(client, slot, code, NULL, 0);
    return 0;
}

/* One whole frame. Returns 1 if it ended a request, 0 if not, IMLOG_EPROTO. */
static int frame_take(struct imlog_client *client, const struct frame_header *header,
                      const uint8_t *body)
{
    struct client_request *slot = slot_of_id(client, header->request_id);
    if (header->type == FRAME_HEARTBEAT)
        return 0;
    if (header->type == FRAME_ERROR) {
        const int error = error_reply_take(client, slot, body, header->body_bytes);
        return error < 0 ? error : slot != NULL;
    }
    if (slot == NULL || header->type != (slot->type | FRAME_REPLY))
        return IMLOG_EPROTO;
    client->retry_after_ms = 0;
    const int error = request_finish(client, slot, 0, body, header->body_bytes);
    return error < 0 ? error : 1;
}

/* Whether a whole frame has been received; IMLOG_EPROTO if what was received cannot be one. */
static int frame_peek(const struct imlog_client *client, struct frame_header *header)
{
    const uint32_t held_bytes = client_buffer_bytes(&client->incoming);
    if (held_bytes < FRAME_HEADER_BYTES)
        return 0;
    frame_decode(client->incoming.bytes + client->incoming.start_index, header);
    if (frame_check(header, NULL) < 0)
        return IMLOG_EPROTO;
    return held_bytes - FRAME_HEADER_BYTES >= header->body_bytes;
}

/* Ends what has been received, up to where *until turns true. Returns how many, or an error
 * (then the connection is over). */
static int client_dispatch(struct imlog_client *client, const bool *until)
{
    int ran_count = 0;
    while (!(until != NULL && *until)) {
        struct frame_header header = {0};
        const int whole = frame_peek(client, &header);
        if (whole < 0)
            return client_distrust(client, "what it sent is no frame of this protocol version");
        if (whole == 0)
            break;
        const uint8_t *body =
            client->incoming.bytes + client->incoming.start_index + FRAME_HEADER_BYTES;
        client_buffer_take(&client->incoming, FRAME_HEADER_BYTES + header.body_bytes);
        const int ended = frame_take(client, &header, body);
        if (ended < 0)
            return client_distrust(client, "it sent a reply that makes no sense");
        ran_count += ended;
    }
    return ran_count;
}

/* ---- the socket ------------------------------------------------------------------------- */

static void heartbeat_if_due(struct imlog_client *client, uint64_t now_ns)
{
    if (now_ns - client->sent_ns < HEARTBEAT_MS * NS_PER_MS ||
        client_buffer_bytes(&client->outgoing) > 0 ||
        client_buffer_reserve(&client->outgoing, FRAME_HEADER_BYTES) < 0)
        return;
    const struct frame_header header = {.version = FRAME_VERSION, .type = FRAME_HEARTBEAT};
    frame_encode(client->outgoing.bytes + client->outgoing.end_index, &header);
    client->outgoing.end_index += FRAME_HEADER_BYTES;
}

/* 0, or -errno if the connection is broken. */
static int client_send(struct imlog_client *client, uint64_t now_ns)
{
    while (client_buffer_bytes(&client->outgoing) > 0) {
        const ssize_t sent =
            send(client->socket_fd, client->outgoing.bytes + client->outgoing.start_index,
                 client_buffer_bytes(&client->outgoing), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? 0 : -errno;
        client_buffer_take(&client->outgoing, (uint32_t)sent);
        client->sent_ns = now_ns;
    }
    return 0;
}

/* One read of what is there. 0, or -errno; -ENOTCONN when the node has closed. */
static int client_receive(struct imlog_client *client)
{
    struct frame_header header = {0};
    uint32_t wanted_bytes = RECEIVE_BYTES;
    if (frame_peek(client, &header) == 0 && header.body_bytes > wanted_bytes)
        wanted_bytes =
            FRAME_HEADER_BYTES + header.body_bytes - client_buffer_bytes(&client->incoming);
    if (client_buffer_reserve(&client->incoming, wanted_bytes) < 0)
        return -ENOMEM;

    ssize_t received;
    do
        received = recv(client->socket_fd, client->incoming.bytes + client->incoming.end_index,
                        client->incoming.capacity_bytes - client->incoming.end_index, 0);
    while (received < 0 && errno == EINTR);
    if (received == 0)
        return -ENOTCONN;
    if (received < 0)
        return errno == EAGAIN ? 0 : -errno;
    client->incoming.end_index += (uint32_t)received;
    return 0;
}

/* The connection broke. What the node still said is taken in first: it may be the reason. */
static int client_break(struct imlog_client *client, int error)
{
    if (client_receive(client) == 0) {
        const int ended = client_dispatch(client, NULL);
        if (ended < 0)
            return ended;
    }
    return client_lose(client, error == -ENOTCONN ? "the node closed the connection"
                                                  : imlog_error_text(error));
}

/* Waits until the socket has something, at most wait_ns. */
static void client_await(const struct imlog_client *client, uint64_t wait_ns)
{
    const uint64_t heartbeat_ns = HEARTBEAT_MS * NS_PER_MS;
    struct pollfd wait = {.fd = client->socket_fd, .events = imlog_client_events(client)};
    if (wait_ns > heartbeat_ns)
        wait_ns = heartbeat_ns;
    (void)poll(&wait, 1, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS)); /* an error shows in recv */
}

/* One turn: send, wait if there is nothing, receive, finish, send what done()s started. */
static int client_turn(struct imlog_client *client, uint64_t wait_ns, const bool *until)
{
    uint64_t now_ns = client_clock_ns();
    int ran_count = client_dispatch(client, until); /* what an earlier blocking call left */
    if (ran_count < 0)
        return ran_count;
    heartbeat_if_due(client, now_ns);
    int error = client_send(client, now_ns);
    if (error == 0 && (until == NULL || !*until)) {
        if (wait_ns > 0 && ran_count == 0)
            client_await(client, wait_ns);
        error = client_receive(client);
    }
    if (error < 0)
        return client_break(client, error);
    const int more_count = client_dispatch(client, until);
    if (more_count < 0)
        return more_count;
    now_ns = client_clock_ns();
    error = client_send(client, now_ns);
    return error < 0 ? client_break(client, error) : ran_count + more_count;
}

int imlog_client_poll(struct imlog_client *client, uint32_t wait_ms)
{
    IMLOG_ASSERT(!client->finishing);
    if (client->socket_fd < 0)
        return IMLOG_ECONNLOST;
    uint64_t now_ns = wait_ms == 0 ? 0 : client_clock_ns();
    const uint64_t deadline_ns = now_ns + wait_ms * NS_PER_MS;
    for (;;) {
        const int ran_count = client_turn(client, deadline_ns - now_ns, NULL);
        if (ran_count != 0 || wait_ms == 0)
            return ran_count;
        now_ns = client_clock_ns();
        if (now_ns >= deadline_ns)
            return 0;
    }
}

int client_wait(struct imlog_client *client, const bool *over)
{
    IMLOG_ASSERT(!client->finishing);
    uint64_t now_ns = client_clock_ns();
    const uint64_t deadline_ns = now_ns + client->options.request_ms * NS_PER_MS;
    while (!*over && now_ns < deadline_ns) {
        (void)client_turn(client, deadline_ns - now_ns, over); /* an error ends every request */
        now_ns = client_clock_ns();
    }
    if (*over)
        return 0;
    (void)why_fill(&client->error, 0, "%s: no answer within %u ms", client->server,
                   client->options.request_ms);
    client_end(client, IMLOG_ECONNLOST);
    return IMLOG_EUNKNOWN;
}

/* ---- life ------------------------------------------------------------------------------- */

static int client_open(struct imlog_client *client)
{
    client_buffer_clear(&client->outgoing);
    client_buffer_clear(&client->incoming);
    client->farewell = false;
    client->retry_after_ms = 0;
    client->socket_fd =
        client_connect_open(client->server, client->options.connect_ms, &client->error);
    client->sent_ns = client_clock_ns();
    return client->socket_fd < 0 ? client->socket_fd : 0;
}

int imlog_client_connect(const char *server, const struct imlog_client_options *options,
                         struct imlog_client **client, struct imlog_why *why)
{
    *client = NULL;
    struct imlog_client *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->socket_fd = -1;
    made->id_next = 1;
    if (options != NULL)
        made->options = *options;
    if (made->options.connect_ms == 0)
        made->options.connect_ms = CONNECT_MS_DEFAULT;
    if (made->options.request_ms == 0)
        made->options.request_ms = REQUEST_MS_DEFAULT;
    made->server = strdup(server);
    const int error = made->server == NULL ? -ENOMEM : client_open(made);
    if (error < 0) {
        (void)why_fill(why, 0, "%s", made->error.text);
        imlog_client_close(made);
        return error;
    }
    *client = made;
    return 0;
}

int imlog_client_reconnect(struct imlog_client *client, struct imlog_why *why)
{
    IMLOG_ASSERT(!client->finishing);
    client_end(client, IMLOG_ECONNLOST);
    const int error = client_open(client);
    return error < 0 ? why_fill(why, error, "%s", client->error.text) : 0;
}

void imlog_client_close(struct imlog_client *client)
{
    if (client == NULL)
        return;
    IMLOG_ASSERT(!client->finishing);
    client_end(client, IMLOG_ECONNLOST);
    client_buffer_deinit(&client->outgoing);
    client_buffer_deinit(&client->incoming);
    free(client->scratch);
    free(client->requests);
    free(client->server);
    free(client);
}

/* ---- small questions -------------------------------------------------------------------- */

void *client_scratch(struct imlog_client *client, size_t byte_count)
{
    if (byte_count > client->scratch_bytes) {
        void *scratch = malloc(byte_count);
        if (scratch == NULL)
            return NULL;
        free(client->scratch);
        client->scratch = scratch;
        client->scratch_bytes = byte_count;
    }
    return client->scratch;
}

const char *imlog_client_error(const struct imlog_client *client)
{
    return client->error.text;
}

uint32_t imlog_client_retry_after_ms(const struct imlog_client *client)
{
    return client->retry_after_ms;
}

int imlog_client_socket(const struct imlog_client *client)
{
    return client->socket_fd;
}

short imlog_client_events(const struct imlog_client *client)
{
    /* POLLOUT also for replies that were received and not ended yet: it comes at once. */
    struct frame_header header;
    const bool poll_now =
        client_buffer_bytes(&client->outgoing) > 0 || frame_peek(client, &header) != 0;
    return poll_now ? POLLIN | POLLOUT : POLLIN;
}

uint32_t imlog_client_pending(const struct imlog_client *client)
{
    return client->pending_count;
}

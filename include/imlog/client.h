/* client.h: the C client of an imlog node (docs/PROTOCOL.md), one TCP connection.
 *
 * Two forms over the same connection. Blocking calls send one request and wait for its answer.
 * The asynchronous form starts many requests and gets their answers in imlog_client_poll().
 *
 * A lost connection is never repaired silently: every request under way ends with
 * IMLOG_ECONNLOST (for appends: the outcome is unknown; reconnect and retry with the same
 * client_msg_id), or with IMLOG_EPROTO if what came back was no imlog reply.
 * imlog_client_reconnect() makes the same client usable again.
 *
 * The node closes a connection on which it hears nothing for idle_timeout_ms. A client that has
 * nothing to ask for that long calls imlog_client_poll() now and then, which keeps it alive.
 *
 * Thread rule: a client is used by one thread at a time. Callback rule: done() functions run
 * only inside imlog_client_poll(), a blocking call, reconnect or close. They may start new
 * requests; they may not poll, block, reconnect or close.
 * Errors: 0 or negative, -errno or <imlog/error.h>, the node's codes included. */
#ifndef IMLOG_CLIENT_H
#define IMLOG_CLIENT_H

#include <imlog/error.h>
#include <imlog/imlog.h>

struct imlog_client;

enum {
    IMLOG_CLIENT_PENDING_MAX = 256,                  /* requests under way on one client */
    IMLOG_CLIENT_UNSENT_BYTES_MAX = 8 * 1024 * 1024, /* started and not yet taken by the system */
};

struct imlog_client_options {
    uint32_t connect_ms; /* give up connecting after this (looking up a host name not included);
                            0: 5000 */
    uint32_t request_ms; /* blocking calls give up after this with IMLOG_EUNKNOWN and close the
                            connection; 0: 30000 */
};

/* server: "HOST:PORT" (IPv6 as "[::1]:7700"). */
int imlog_client_connect(const char *server, const struct imlog_client_options *options,
                         struct imlog_client **client, struct imlog_why *why);
int imlog_client_reconnect(struct imlog_client *client, struct imlog_why *why);
/* Requests under way end with IMLOG_ECONNLOST first. NULL is fine. */
void imlog_client_close(struct imlog_client *client);

/* The text of the newest error on this client, an item's included: the node's own words where it
 * sent some. Borrowed until the next call; "" if there was none. */
const char *imlog_client_error(const struct imlog_client *client);

/* How long the node asked to wait before a retry, with the newest request's error; 0: it did
 * not say. */
uint32_t imlog_client_retry_after_ms(const struct imlog_client *client);

/* ---- what is sent and what comes back --------------------------------------------------- */

struct imlog_client_info {
    char version[32];
    uint8_t node_uuid[16];
    uint32_t protocol_version;
    uint32_t shard_count;
    uint32_t body_bytes_max;
    uint32_t frame_bytes_max;
    uint32_t request_items_max;
    uint32_t pull_messages_max;
    uint64_t idle_timeout_ms;
    uint64_t server_ms;
};

struct imlog_client_message { /* to append */
    uint64_t session_id;
    uint64_t sender_id;
    uint64_t client_msg_id;
    uint64_t client_ms;
    enum imlog_kind kind;
    uint16_t type;
    uint32_t body_bytes;
    const void *body;
};

struct imlog_client_ack {
    int code; /* 0 or the item's error */
    uint64_t seq;
    uint64_t msg_id;
    uint64_t server_ms;
    enum imlog_ack ack;
    bool duplicate;
};

struct imlog_client_key {
    const void *bytes;
    uint32_t byte_count;
};

struct imlog_client_resolved {
    int code;
    uint64_t id;
    bool created;
};

struct imlog_client_pull {
    uint64_t session_id;
    uint64_t after_seq;
    uint64_t before_seq;
    bool backward;
    uint32_t count_max;
    uint32_t bytes_max;
};

/* One pull's answer; page as in imlog.h. */
struct imlog_client_pulled {
    int code;
    uint64_t session_id;
    struct imlog_page page;
};

struct imlog_client_session {
    int code;
    uint32_t shard;
    struct imlog_session_info info;
};

struct imlog_client_stat {
    int32_t shard; /* -1: the whole node */
    const char *name;
    uint64_t value;
};

/* ---- blocking ---------------------------------------------------------------------------
 * Return 0 when the node answered (look at each item's code), or the request's error. Results
 * are written at the index of their item. What is borrowed is so until the next call. At most
 * IMLOG_REQUEST_ITEMS_MAX items and IMLOG_FRAME_BYTES_MAX bytes a request (IMLOG_EINVALID,
 * IMLOG_ETOOBIG). done()s of other requests may run meanwhile. */

int imlog_client_ping(struct imlog_client *client, uint64_t *server_ms);
int imlog_client_info(struct imlog_client *client, struct imlog_client_info *info);
int imlog_client_append(struct imlog_client *client, const struct imlog_client_message *messages,
                        uint32_t message_count, struct imlog_client_ack *acks);
int imlog_client_resolve(struct imlog_client *client, const struct imlog_client_key *keys,
                         uint32_t key_count, struct imlog_client_resolved *resolved);
/* As resolve, but creates nothing: code IMLOG_ENOSESSION for a key that was never resolved. */
int imlog_client_lookup(struct imlog_client *client, const struct imlog_client_key *keys,
                        uint32_t key_count, struct imlog_client_resolved *resolved);
/* keys[i] is borrowed; byte_count 0 where the node gave no such id. */
int imlog_client_names(struct imlog_client *client, const uint64_t *ids, uint32_t id_count,
                       struct imlog_client_key *keys);
/* pulled[i].page is borrowed. */
int imlog_client_pull(struct imlog_client *client, const struct imlog_client_pull *pulls,
                      uint32_t pull_count, struct imlog_client_pulled *pulled);
int imlog_client_session(struct imlog_client *client, const uint64_t *session_ids,
                         uint32_t session_count, struct imlog_client_session *sessions);
/* One page of all sessions. *cursor: start with byte_count 0, hand back as it was set (borrowed
 * until the next call of this function); byte_count is 0 again at the end. *sessions is borrowed.
 */
int imlog_client_sessions(struct imlog_client *client, struct imlog_client_key *cursor,
                          uint32_t count_max, const struct imlog_client_session **sessions,
                          uint32_t *session_count);
int imlog_client_stats(struct imlog_client *client, const struct imlog_client_stat **stats,
                       uint32_t *stat_count);

/* ---- asynchronous -----------------------------------------------------------------------
 * A start call copies what it is given into the send buffer and returns 0, or < 0 and then
 * done() never runs (IMLOG_EBUSY: poll first; IMLOG_ECONNLOST; IMLOG_EINVALID or IMLOG_ETOOBIG
 * as above). Nothing leaves before imlog_client_poll(). done()'s status is 0 or the request's
 * error; results are borrowed for its duration, in the items' order, NULL unless status is 0. */

typedef void imlog_client_append_fn(void *arg, int status, const struct imlog_client_ack *acks,
                                    uint32_t ack_count);
typedef void imlog_client_pull_fn(void *arg, int status, const struct imlog_client_pulled *pulled,
                                  uint32_t pulled_count);

int imlog_client_append_start(struct imlog_client *client,
                              const struct imlog_client_message *messages, uint32_t message_count,
                              imlog_client_append_fn *done, void *arg);
int imlog_client_pull_start(struct imlog_client *client, const struct imlog_client_pull *pulls,
                            uint32_t pull_count, imlog_client_pull_fn *done, void *arg);

/* Send what waits, receive what is there, run done()s. Waits up to wait_ms for the first of
 * them (0: not at all). Returns how many ran, or IMLOG_ECONNLOST or IMLOG_EPROTO (after ending
 * them all). */
int imlog_client_poll(struct imlog_client *client, uint32_t wait_ms);

/* For the caller's own poll(2) or epoll over many clients: the socket, and the events (POLLIN,
 * POLLOUT) for which imlog_client_poll() should be called. */
int imlog_client_socket(const struct imlog_client *client);
short imlog_client_events(const struct imlog_client *client);

/* Requests under way. */
uint32_t imlog_client_pending(const struct imlog_client *client);

#endif

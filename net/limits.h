/* limits.h: the bounds of the node's request path, and how they relate. Those that clients and
 * the engine share are in <imlog/limits.h>; those an operator sets are in config.h. */
#ifndef NET_LIMITS_H
#define NET_LIMITS_H

#include <imlog/limits.h>

enum {
    /* One connection: requests under way, and what they, their replies and those not sent yet
     * may hold. A request that alone may need more is taken alone. */
    CONN_REQUESTS_MAX = 256,
    CONN_WEIGHT_BYTES_MAX = 6 * 1024 * 1024,
    /* Replies waiting to be sent; above this its next frames wait. */
    CONN_UNSENT_BYTES_MAX = 1024 * 1024,
    /* Frames handled a turn, so that one connection cannot keep a thread from the others. */
    CONN_FRAMES_A_TURN = 64,

    /* One thread: what the requests under way of all its connections may hold. */
    DISPATCH_WEIGHT_BYTES_MAX = 256 * 1024 * 1024,

    /* One shard: appends held while the engine has too much unwritten; beyond it they get
     * IMLOG_EBUSY and this advice. */
    DESK_WAITING_BYTES_MAX = 64 * 1024 * 1024,
    DESK_RETRY_AFTER_MS = 100,

    /* Pulls of one request that a shard works on at once. */
    PULLS_AT_ONCE_MAX = 32,
    /* Bodies of one pull, whatever it asks for. */
    PULL_BYTES_MAX = 3 * 1024 * 1024,
    /* A message in a reply without its body; a result without messages. With error text. */
    PULLED_MESSAGE_BYTES_MAX = 96,
    RESULT_BYTES_MAX = 192,

    SESSIONS_PAGE_DEFAULT = 1000,
    SESSIONS_PAGE_MAX = 4096,
};

static_assert(PULL_BYTES_MAX + (int)IMLOG_PULL_MESSAGES_MAX * PULLED_MESSAGE_BYTES_MAX +
                      (int)IMLOG_REQUEST_ITEMS_MAX * RESULT_BYTES_MAX <=
                  (int)IMLOG_REPLY_BYTES_MAX,
              "the first pull of a request always fits its reply");
static_assert((int)CONN_WEIGHT_BYTES_MAX >= (int)IMLOG_REPLY_BYTES_MAX,
              "a connection can hold one reply");

#endif

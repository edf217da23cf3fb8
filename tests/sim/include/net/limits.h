/* limits.h: the simulator's bounds of the request path, in place of net/limits.h: the same names,
 * small enough that a short run meets every one of them. */
#ifndef NET_LIMITS_H
#define NET_LIMITS_H

#include <imlog/limits.h>

enum {
    CONN_REQUESTS_MAX = 12,
    CONN_WEIGHT_BYTES_MAX = (int)IMLOG_REPLY_BYTES_MAX + (int)IMLOG_REPLY_BYTES_MAX / 4,
    CONN_UNSENT_BYTES_MAX = 32 * 1024,
    CONN_FRAMES_A_TURN = 5,

    DISPATCH_WEIGHT_BYTES_MAX = (int)IMLOG_REPLY_BYTES_MAX + (int)IMLOG_REPLY_BYTES_MAX / 2,

    DESK_WAITING_BYTES_MAX = (int)IMLOG_HOT_BYTES_MIN / 2,
    DESK_RETRY_AFTER_MS = 100,

    PULLS_AT_ONCE_MAX = 3,
    PULLED_MESSAGE_BYTES_MAX = 96,
    RESULT_BYTES_MAX = 192,
    PULL_BYTES_MAX = (int)IMLOG_REPLY_BYTES_MAX -
                     (int)IMLOG_PULL_MESSAGES_MAX * PULLED_MESSAGE_BYTES_MAX -
                     (int)IMLOG_REQUEST_ITEMS_MAX * RESULT_BYTES_MAX,

    SESSIONS_PAGE_DEFAULT = 16,
    SESSIONS_PAGE_MAX = 32,
};

static_assert((int)PULL_BYTES_MAX >= (int)IMLOG_BODY_BYTES_MAX, "a pull holds any one message");
static_assert((int)CONN_WEIGHT_BYTES_MAX >= (int)IMLOG_REPLY_BYTES_MAX,
              "a connection can hold one reply");

#endif

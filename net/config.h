/* config.h: the settings of a node, from a file and from the command line, each checked where it
 * is read. The only user of inih. */
#ifndef NET_CONFIG_H
#define NET_CONFIG_H

#include "net/server.h"

#include <stdbool.h>
#include <stdint.h>

enum { CONFIG_TEXT_BYTES = 1024 };

/* Every setting: name, what its value is, least, most, default, meaning. A default of 0 where 0
 * is below the least means: decided when starting. */
#define CONFIG_SETTINGS(X)                                                                         \
    X(data_dir, TEXT, 1, CONFIG_TEXT_BYTES - 1, 0, "the data directory")                           \
    X(listen, TEXT, 1, LISTEN_TEXT_BYTES - 1, 0, "address to listen on, HOST:PORT")                \
    X(shards, NUMBER, 1, IMLOG_SHARDS_MAX, 0, "shards of a new directory; default one a core")     \
    X(threads, NUMBER, 1, 256, 0, "threads; default one a core, at most one a shard")              \
    X(segment_bytes, SIZE, IMLOG_SEGMENT_BYTES_MIN, IMLOG_SEGMENT_BYTES_MAX,                       \
      IMLOG_SEGMENT_BYTES_DEFAULT, "size of new segments")                                         \
    X(hot_bytes, SIZE, IMLOG_HOT_BYTES_MIN, UINT64_C(1) << 40, IMLOG_HOT_BYTES_DEFAULT,            \
      "RAM of each shard for its newest messages")                                                 \
    X(cache_bytes, SIZE, IMLOG_CACHE_BYTES_MIN, UINT64_C(1) << 40, IMLOG_CACHE_BYTES_DEFAULT,      \
      "RAM of each shard for what is read back")                                                   \
    X(body_bytes_max, SIZE, 1, IMLOG_BODY_BYTES_MAX, IMLOG_BODY_BYTES_DEFAULT,                     \
      "largest message body")                                                                      \
    X(dedupe_messages, SIZE, 1, IMLOG_DEDUPE_MESSAGES_MAX, IMLOG_DEDUPE_MESSAGES_DEFAULT,          \
      "retry window of each shard, in messages")                                                   \
    X(connections_max, SIZE, 1, 10000000, 0, "connections; default what RLIMIT_NOFILE allows")     \
    X(idle_timeout_ms, NUMBER, 10, 86400000, 60000, "close a connection that says nothing")        \
    X(frame_timeout_ms, NUMBER, 10, 86400000, 30000, "close one that leaves a frame incomplete")   \
    X(slow_reader_timeout_ms, NUMBER, 10, 86400000, 30000, "close one that takes no replies")      \
    X(heartbeat_ms, NUMBER, 10, 86400000, 15000, "send a heartbeat after saying nothing")          \
    X(drain_ms, NUMBER, 0, 600000, 5000, "at the end, wait this long for clients")                 \
    X(plain_ring, BOOL, 0, 1, 0, "use nothing of io_uring newer than Linux 5.15")

struct config {
#define CONFIG_FIELD_TEXT(name, max)                          char name[(max) + 1];
#define CONFIG_FIELD_NUMBER(name, max)                        uint64_t name;
#define CONFIG_FIELD_SIZE(name, max)                          uint64_t name;
#define CONFIG_FIELD_BOOL(name, max)                          uint64_t name;
#define CONFIG_FIELD(name, kind, min, max, default_, meaning) CONFIG_FIELD_##kind(name, max)
    CONFIG_SETTINGS(CONFIG_FIELD)
#undef CONFIG_FIELD
#undef CONFIG_FIELD_TEXT
#undef CONFIG_FIELD_NUMBER
#undef CONFIG_FIELD_SIZE
#undef CONFIG_FIELD_BOOL
};

void config_init(struct config *config);

/* Set one. `where` says where it was given, such as "--set". 0 or IMLOG_EINVALID: `why` names
 * where, which, and what is allowed. */
int config_set(struct config *config, const char *key, const char *value, const char *where,
               struct imlog_why *why);

/* "key=value", as of --set. */
int config_set_pair(struct config *config, const char *pair, const char *where,
                    struct imlog_why *why);

/* Lines of key = value; # and ; start comments. 0, IMLOG_EINVALID, or -errno. */
int config_read(struct config *config, const char *path, struct imlog_why *why);

/* Fill in options. 0 or IMLOG_EINVALID: listen is no address. Strings stay borrowed. */
int config_apply(const struct config *config, struct server_options *options,
                 struct imlog_why *why);

/* One line a setting: name, default, meaning. */
void config_print(void (*print)(const char *line));

#endif

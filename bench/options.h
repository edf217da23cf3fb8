/* options.h: the command line of imlog-bench. One table of options for all workloads; each
 * workload names those it understands, and any other is refused. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* X(symbol, name, argument, help) */
#define OPTIONS(X)                                                                                 \
    X(SERVER, "--server", "HOST:PORT", "the server to load (default 127.0.0.1:7700)")              \
    X(DATA_DIR, "--data-dir", "DIR", "where the data is; made if it is not there")                 \
    X(CONNECTIONS, "--connections", "N", "connections, or threads for disk")                       \
    X(WINDOW, "--window", "N", "requests under way: a connection, or in all in process")           \
    X(BATCH, "--batch", "N", "messages a request, or a transaction")                               \
    X(BYTES, "--bytes", "BYTES", "bytes of a message's body, or of a write for disk")              \
    X(SESSIONS, "--sessions", "N", "sessions")                                                     \
    X(FIRST_SESSION, "--first-session", "ID", "id of the first of them (default 1)")               \
    X(ROUNDS, "--rounds", "", "take the sessions in turn, not at random")                          \
    X(SECONDS, "--seconds", "S", "measure this long (default 5)")                                  \
    X(WARMUP, "--warmup", "S", "and run this long before (default 1)")                             \
    X(MESSAGES, "--messages", "N", "send exactly N messages instead; all are measured")            \
    X(PULL_COUNT, "--count", "N", "messages a pull (default 20)")                                  \
    X(NO_FILL, "--no-fill", "", "the sessions have messages already")                              \
    X(SHARDS, "--shards", "N", "shards, a thread each (default 1)")                                \
    X(HOT_BYTES, "--hot-bytes", "BYTES", "RAM for the newest log, a shard")                        \
    X(SERVER_THREADS, "--server-threads", "N", "threads of the echo server (default 1)")           \
    X(APART, "--apart", "", "echo server and load on cores of their own")                          \
    X(FILE_BYTES, "--file-bytes", "BYTES", "bytes of the file overwritten (default 1g)")

enum options_index {
#define OPTIONS_INDEX(symbol, name, argument, help) OPTIONS_##symbol,
    OPTIONS(OPTIONS_INDEX)
#undef OPTIONS_INDEX
        OPTIONS_COUNT,
};

/* A set of options, for a workload's table entry. */
#define OPTION(symbol) (1U << OPTIONS_##symbol)

struct options {
    const char *server;
    const char *data_dir; /* NULL: not given */
    uint32_t connections;
    uint32_t window;
    uint32_t batch;
    uint32_t body_bytes;
    uint64_t sessions;
    uint64_t first_session;
    bool in_rounds;
    double seconds;
    double warmup_s;
    uint64_t messages; /* 0: bounded by time */
    uint32_t count;
    bool no_fill;
    uint32_t shards;
    uint64_t hot_bytes; /* 0: the engine's default */
    uint32_t server_threads;
    bool apart;
    uint64_t file_bytes;
};

/* Everything but what the caller set before. */
void options_default(struct options *options);

/* Reads the arguments that follow the workload's name. Returns 0, or -1 after a line on
 * standard error that names the argument and what is allowed. */
int options_parse(struct options *options, uint32_t allowed_set, int argument_count,
                  char **arguments);

/* One line an option of the set, on standard output. */
void options_print(uint32_t set);

#endif

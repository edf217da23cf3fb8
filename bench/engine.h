/* engine.h: libimlog in this process, for the workloads without a network. */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <imlog/imlog.h>
#include <imlog/io_uring.h>

struct options;

/* The directory, opened with a ring of its own. */
struct engine {
    struct imlog_io *io;
    struct imlog_dir *dir;
};

/* One shard on the calling thread, with a ring of its own. */
struct engine_shard {
    struct imlog_io *io;
    struct imlog_shard *shard;
};

/* Makes the directory if it is not there, with shard_count shards. */
int engine_open(struct engine *engine, const char *data_dir, uint32_t shard_count,
                struct imlog_why *why);
void engine_close(struct engine *engine);

int engine_shard_open(struct engine_shard *opened, struct engine *engine, uint32_t shard_index,
                      const struct options *options, struct imlog_why *why);
/* 0 or the first error of closing, with why. */
int engine_shard_close(struct engine_shard *opened, struct imlog_why *why);

/* Waits for news, for at most 100 ms, and turns. < 0: -errno. */
int engine_shard_poll(struct engine_shard *opened);

#endif

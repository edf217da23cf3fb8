/* engine.c: opening and closing libimlog. */
#include "bench/engine.h"

#include "bench/clock.h"
#include "bench/fail.h"
#include "bench/options.h"

#include <stdio.h>

enum { ENGINE_POLL_MS = 100 };

static void engine_report(void *arg, enum imlog_severity severity, const char *line)
{
    (void)arg;
    if (severity != IMLOG_INFO) {
        (void)fprintf(stderr, "imlog-bench: engine: %s\n", line);
    }
}

int engine_open(struct engine *engine, const char *data_dir, uint32_t shard_count,
                struct imlog_why *why)
{
    struct imlog_dir_options dir_options = {.shard_count = shard_count, .create = true};

    *engine = (struct engine){.io = NULL};
    int error = imlog_uring_create(NULL, &engine->io, why);
    if (error == 0) {
        error = imlog_dir_open(engine->io, data_dir, &dir_options, &engine->dir, why);
    }
    if (error < 0) {
        engine_close(engine);
    }
    return error;
}

void engine_close(struct engine *engine)
{
    if (engine->dir != NULL) {
        imlog_dir_close(engine->dir);
    }
    if (engine->io != NULL) {
        imlog_uring_destroy(engine->io);
    }
    *engine = (struct engine){.io = NULL};
}

int engine_shard_open(struct engine_shard *opened, struct engine *engine, uint32_t shard_index,
                      const struct options *options, struct imlog_why *why)
{
    struct imlog_shard_options shard_options = {
        .hot_bytes = options->hot_bytes,
        .body_bytes_max = options->body_bytes > IMLOG_BODY_BYTES_DEFAULT ? options->body_bytes : 0,
        .report = engine_report,
    };

    *opened = (struct engine_shard){.io = NULL};
    int error = imlog_uring_create(NULL, &opened->io, why);
    if (error == 0) {
        error = imlog_shard_open(opened->io, engine->dir, shard_index, &shard_options,
                                 &opened->shard, why);
    }
    if (error < 0 && opened->io != NULL) {
        imlog_uring_destroy(opened->io);
        opened->io = NULL;
    }
    return error;
}

int engine_shard_close(struct engine_shard *opened, struct imlog_why *why)
{
    int error = imlog_shard_close(opened->shard);

    imlog_uring_destroy(opened->io);
    *opened = (struct engine_shard){.io = NULL};
    return error < 0 ? fail(why, error, "closing the shard") : 0;
}

int engine_shard_poll(struct engine_shard *opened)
{
    int done_count = imlog_poll(opened->shard, ENGINE_POLL_MS * NS_PER_MS);

    return done_count < 0 ? done_count : 0;
}

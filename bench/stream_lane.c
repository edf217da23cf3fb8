/* stream_lane.c: struct stream as a generator's connection. */
#include "bench/stream_lane.h"

#include "bench/fail.h"
#include "bench/options.h"

#include <errno.h>
#include <stdlib.h>

int stream_lane_open(struct generator_lane *lane, struct imlog_why *why)
{
    struct stream *stream = malloc(sizeof(*stream));

    if (stream == NULL) {
        return fail(why, -ENOMEM, "a connection");
    }
    int error = stream_connect(stream, lane->generator->options->server, why);
    if (error < 0) {
        free(stream);
        return error;
    }
    lane->connection = stream;
    lane->socket = stream->socket;
    return 0;
}

void stream_lane_close(struct generator_lane *lane)
{
    stream_close(lane->connection);
    free(lane->connection);
    lane->connection = NULL;
}

int stream_lane_flush(struct generator_lane *lane)
{
    return stream_send(lane->connection);
}

bool stream_lane_unsent(const struct generator_lane *lane)
{
    const struct stream *stream = lane->connection;

    return stream->out_bytes > 0;
}

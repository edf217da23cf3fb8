/* imlog_lane.c: struct imlog_client as a generator's connection. */
#include "bench/imlog_lane.h"

#include "bench/options.h"

#include <imlog/client.h>
#include <poll.h>
#include <stdio.h>

int imlog_lane_open(struct generator_lane *lane, struct imlog_why *why)
{
    struct imlog_client *client = NULL;
    int error = imlog_client_connect(lane->generator->options->server, NULL, &client, why);

    if (error < 0) {
        return error;
    }
    lane->connection = client;
    lane->socket = imlog_client_socket(client);
    return 0;
}

void imlog_lane_close(struct generator_lane *lane)
{
    imlog_client_close(lane->connection);
    lane->connection = NULL;
}

int imlog_lane_poll(struct generator_lane *lane)
{
    int answered = imlog_client_poll(lane->connection, 0);

    return answered < 0 ? answered : 0;
}

bool imlog_lane_unsent(const struct generator_lane *lane)
{
    return (imlog_client_events(lane->connection) & POLLOUT) != 0;
}

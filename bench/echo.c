/* echo.c: what do the loopback and a server that does nothing else leave room for?
 *
 * The limit of goals 1 and 2: the same generator with the same connections and window sends
 * messages of --bytes bytes to an echo server in this process, which sends every byte back. The
 * server has its own thread or threads and epoll, as bare as can be: receive, send.
 *
 * With one request under way the kernel may keep both ends on one core or wake another for each
 * message, which differs tenfold and is decided anew in every run. --apart settles it: load and
 * server each have cores of their own, as a client and a node of two machines would. */
#define _GNU_SOURCE /* cpu_set_t */

#include "bench/echo_server.h"
#include "bench/fail.h"
#include "bench/generator.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/stream_lane.h"
#include "bench/workload.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static int echo_start(struct generator_lane *lane, struct generator_slot *slot)
{
    struct generator *generator = lane->generator;
    struct traffic_message made;
    uint8_t *out = stream_reserve(lane->connection, generator->traffic.body_bytes);

    if (out == NULL) {
        return -ENOMEM;
    }
    traffic_make(&generator->traffic, &made);
    memcpy(out, made.body, generator->traffic.body_bytes);
    stream_commit(lane->connection, generator->traffic.body_bytes);
    generator_slots_push(&lane->sent, slot);
    return 0;
}

/* Counts bytes: the loopback delivers what was sent. A message may be larger than the buffer. */
static int echo_poll(struct generator_lane *lane)
{
    struct stream *stream = lane->connection;
    uint32_t body_bytes = lane->generator->traffic.body_bytes;
    int64_t received = stream_receive(stream);

    if (received < 0) {
        return (int)received;
    }
    lane->received_bytes += stream->in_bytes;
    stream_consume(stream, stream->in_bytes);
    while (lane->received_bytes >= body_bytes) {
        lane->received_bytes -= body_bytes;
        generator_answer(generator_slots_pop(&lane->sent), 0, 1);
    }
    return stream_send(stream);
}

static const struct generator_protocol echo_protocol = {
    .open = stream_lane_open,
    .close = stream_lane_close,
    .start = echo_start,
    .poll = echo_poll,
    .flush = stream_lane_flush,
    .unsent = stream_lane_unsent,
};

/* The load's core is the first we may use, the server has the others. Threads inherit the cores
 * of the thread that makes them, so the server is made between the two. */
static int echo_split_cores(cpu_set_t *load, cpu_set_t *server, struct imlog_why *why)
{
    size_t core = 0;

    CPU_ZERO(load);
    if (sched_getaffinity(0, sizeof(*server), server) < 0) {
        return fail(why, -errno, "asking for the cores");
    }
    if (CPU_COUNT(server) < 2) {
        return fail(why, IMLOG_EINVALID, "--apart needs two cores, and there is one");
    }
    while (!CPU_ISSET(core, server)) {
        core++;
    }
    CPU_SET(core, load);
    CPU_CLR(core, server);
    return 0;
}

static int echo_serve(const struct options *options, struct echo_server **server,
                      struct imlog_why *why)
{
    cpu_set_t load_cores;
    cpu_set_t server_cores;

    if (!options->apart) {
        return echo_server_create(options->server_threads, server, why);
    }
    int error = echo_split_cores(&load_cores, &server_cores, why);
    if (error == 0 && sched_setaffinity(0, sizeof(server_cores), &server_cores) < 0) {
        error = fail(why, -errno, "moving to the server's cores");
    }
    if (error == 0) {
        error = echo_server_create(options->server_threads, server, why);
    }
    if (error == 0 && sched_setaffinity(0, sizeof(load_cores), &load_cores) < 0) {
        error = fail(why, -errno, "moving to the load's core");
        echo_server_destroy(*server);
    }
    return error;
}

int echo_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct options to_server = *options;
    struct echo_server *server = NULL;
    struct generator *generator = malloc(sizeof(*generator));

    if (generator == NULL) {
        return fail(why, -ENOMEM, "the generator");
    }
    int error = echo_serve(options, &server, why);
    if (error == 0) {
        to_server.server = echo_server_address(server);
        error = generator_run(generator, &echo_protocol, &to_server, NULL, why);
        echo_server_destroy(server);
    }
    if (error == 0) {
        report_meter(report, &generator->meter);
    }
    free(generator);
    return error;
}

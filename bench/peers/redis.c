/* redis.c: how many appends a second does Redis Streams take, under the same generator?
 *
 * The peer of goals 1 and 2: XADD s:ID * b BODY, with the same connections, window, body bytes
 * and sessions. Whether an answer means durable is the server's appendfsync setting:
 * bench/peers/redis starts one with either. --batch sends N commands a request, pipelined.
 *
 * The reply to XADD is a bulk string, "$15\r\n1700000000000-0\r\n", or "-ERR text\r\n". */
#include "bench/fail.h"
#include "bench/generator.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/stream_lane.h"
#include "bench/workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REDIS_COMMAND_BYTES = 128 }; /* of a command beside its body */

/* One command into out. Returns its bytes. */
static size_t redis_xadd(uint8_t *out, const struct traffic_message *made, uint32_t body_bytes)
{
    char key[32];
    int key_bytes = snprintf(key, sizeof(key), "s:%llu", (unsigned long long)made->session_id);
    int head_bytes = snprintf((char *)out, REDIS_COMMAND_BYTES,
                              "*5\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$1\r\n*\r\n$1\r\nb\r\n$%u\r\n",
                              key_bytes, key, body_bytes);
    uint8_t *at = out + head_bytes;

    memcpy(at, made->body, body_bytes);
    memcpy(at + body_bytes, "\r\n", 2);
    return (size_t)head_bytes + body_bytes + 2;
}

static int redis_start(struct generator_lane *lane, struct generator_slot *slot)
{
    struct traffic *traffic = &lane->generator->traffic;

    for (uint32_t at = 0; at < slot->message_count; at++) {
        struct traffic_message made;
        uint8_t *out =
            stream_reserve(lane->connection, REDIS_COMMAND_BYTES + traffic->body_bytes + 2);
        if (out == NULL) {
            return -ENOMEM;
        }
        traffic_make(traffic, &made);
        stream_commit(lane->connection, redis_xadd(out, &made, traffic->body_bytes));
    }
    generator_slots_push(&lane->sent, slot);
    return 0;
}

/* Bytes of the reply at the front of bytes; 0: not all of it is there; < 0: no reply to XADD. */
static int64_t redis_reply_bytes(const uint8_t *bytes, size_t byte_count)
{
    const uint8_t *newline = memchr(bytes, '\n', byte_count);

    if (newline == NULL) {
        return 0;
    }
    size_t line_bytes = (size_t)(newline - bytes) + 1;
    if (bytes[0] == '-') {
        return (int64_t)line_bytes;
    }
    long id_bytes = strtol((const char *)bytes + 1, NULL, 10); /* ends at the \r at the latest */
    if (bytes[0] != '$' || id_bytes < 1 || id_bytes > 64) {
        return IMLOG_EPROTO;
    }
    size_t reply_bytes = line_bytes + (size_t)id_bytes + 2;
    return reply_bytes <= byte_count ? (int64_t)reply_bytes : 0;
}

/* One more message of the oldest request was answered. */
static void redis_answer(struct generator_lane *lane, bool refused)
{
    struct generator_slot *slot = lane->sent.first;

    if (refused) {
        meter_error(&lane->generator->meter, IMLOG_EINVALID, 1);
    }
    lane->refused_count += refused;
    if (++lane->answered_count == slot->message_count) {
        uint32_t stored_count = slot->message_count - lane->refused_count;
        lane->answered_count = 0;
        lane->refused_count = 0;
        generator_answer(generator_slots_pop(&lane->sent), 0, stored_count);
    }
}

static int redis_poll(struct generator_lane *lane)
{
    struct stream *stream = lane->connection;
    size_t at = 0;
    int64_t received = stream_receive(stream);

    if (received < 0) {
        return (int)received;
    }
    while (at < stream->in_bytes) {
        int64_t reply_bytes = redis_reply_bytes(stream->in + at, stream->in_bytes - at);
        if (reply_bytes < 0) {
            return (int)reply_bytes;
        }
        if (reply_bytes == 0) {
            break;
        }
        redis_answer(lane, stream->in[at] == '-');
        at += (size_t)reply_bytes;
    }
    stream_consume(stream, at);
    return stream_send(stream);
}

static const struct generator_protocol redis_protocol = {
    .open = stream_lane_open,
    .close = stream_lane_close,
    .start = redis_start,
    .poll = redis_poll,
    .flush = stream_lane_flush,
    .unsent = stream_lane_unsent,
};

int redis_append_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct generator *generator = malloc(sizeof(*generator));

    if (generator == NULL) {
        return fail(why, -ENOMEM, "the generator");
    }
    int error = generator_run(generator, &redis_protocol, options, NULL, why);
    if (error == 0) {
        report_meter(report, &generator->meter);
    }
    free(generator);
    return error;
}

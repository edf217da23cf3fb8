/* Connections on real sockets and a real ring (net/loop.h), with fake shards behind them, in one
 * thread: each test plays clients and node by turns. Every law holds for both ways to receive. */
#include "net/limits.h"
#include "net/listen.h"
#include "net/loop.h"
#include "tests/unit/net/fake_shard.h"

#include <errno.h>
#include <imlog/io_uring.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { TURNS_MAX = 20000, CONNECTIONS_MAX = 40 };

struct stage {
    struct node node;
    struct imlog_shard *shard;
    struct desk desk;
    struct imlog_io *io;
    struct dispatch dispatch;
    struct loop loop;
    _Atomic uint32_t connection_count;
    char address[LISTEN_TEXT_BYTES];
};

static void ignore_line(void *arg, enum imlog_severity severity, const char *line)
{
    (void)arg;
    (void)severity;
    (void)line;
}

static void tell_time(struct stage *stage)
{
    stage->dispatch.now_ms = stage->io->ops->monotonic_ns(stage->io) / 1000000U;
}

/* The node's turn, as worker.c has it, without waiting. */
static void turn(struct stage *stage)
{
    assert_true(stage->io->ops->poll(stage->io, 0) >= 0);
    tell_time(stage);
    loop_read(&stage->loop);
    dispatch_read(&stage->dispatch);
    dispatch_turn(&stage->dispatch);
    loop_write(&stage->loop);
}

static struct stage *stage_open(bool plain)
{
    struct stage *stage = calloc(1, sizeof *stage);
    struct imlog_why why;
    struct listen_address address;
    struct loop_options options = {.plain = plain,
                                   .connections_max = CONNECTIONS_MAX,
                                   .connection_count = &stage->connection_count,
                                   .report = ignore_line};
    const struct imlog_uring_options ring = {.plain_ring = plain};
    stage->node = (struct node){.shard_count = 1,
                                .thread_count = 1,
                                .body_bytes_max = IMLOG_BODY_BYTES_MAX,
                                .idle_timeout_ms = 60000,
                                .frame_timeout_ms = 60000,
                                .slow_reader_timeout_ms = 60000,
                                .heartbeat_ms = 60000};
    stage->shard = fake_shard_create();
    stage->desk.shard = stage->shard;
    if (imlog_uring_create(&ring, &stage->io, &why) < 0)
        fail_msg("%s", why.text);
    dispatch_init(&stage->dispatch, &stage->node, 0, &stage->desk, 1);
    tell_time(stage);
    assert_int_equal(listen_parse("127.0.0.1:0", &address, &why), 0);
    assert_int_equal(listen_bind(&address, &options.listen_socket, 1, stage->address, &why), 0);
    assert_int_equal(listen_start(options.listen_socket), 0);
    assert_int_equal(loop_open(&stage->loop, stage->io, &stage->dispatch, &options, &why), 0);
    loop_accept(&stage->loop);
    return stage;
}

static void stage_close(struct stage *stage)
{
    loop_drain(&stage->loop);
    loop_shut(&stage->loop);
    for (uint32_t i = 0; i < TURNS_MAX && !loop_is_empty(&stage->loop); i++)
        turn(stage);
    assert_true(loop_is_empty(&stage->loop));
    assert_int_equal(stage->connection_count, 0);
    loop_close(&stage->loop);
    dispatch_deinit(&stage->dispatch);
    imlog_uring_destroy(stage->io);
    fake_shard_destroy(stage->shard);
    free(stage);
}

/* ---- clients --------------------------------------------------------------------------------- */

static int client_connect(struct stage *stage)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    at.sin_port = htons((uint16_t)atoi(strrchr(stage->address, ':') + 1));
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (const struct sockaddr *)(const void *)&at, sizeof at), 0);
    return client;
}

/* Send all, taking turns with the node; false if the node closed. */
static bool client_send(struct stage *stage, int client, const uint8_t *bytes, size_t byte_count)
{
    size_t at = 0;
    for (uint32_t i = 0; i < TURNS_MAX && at < byte_count; i++) {
        ssize_t sent = send(client, bytes + at, byte_count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        at += sent > 0 ? (size_t)sent : 0;
        turn(stage);
    }
    return at == byte_count;
}

/* Receive byte_count bytes, taking turns; returns how many came before the end. */
static size_t client_receive(struct stage *stage, int client, uint8_t *bytes, size_t byte_count)
{
    size_t at = 0;
    for (uint32_t i = 0; i < TURNS_MAX && at < byte_count; i++) {
        turn(stage);
        ssize_t got = recv(client, bytes + at, byte_count - at, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        at += got > 0 ? (size_t)got : 0;
        if (got < 0) {
            struct pollfd wait = {.fd = client, .events = POLLIN};
            (void)poll(&wait, 1, 1);
        }
    }
    return at;
}

static void put_frame(uint8_t *bytes, uint16_t type, uint64_t request_id, uint32_t body_bytes)
{
    const struct frame_header header = {
        .body_bytes = body_bytes, .version = FRAME_VERSION, .type = type, .request_id = request_id};
    frame_encode(bytes, &header);
}

/* An append request of one body, in malloc'd bytes. */
static uint8_t *make_append(uint64_t request_id, uint32_t body_bytes, size_t *frame_bytes)
{
    uint8_t *body = malloc(body_bytes + 1);
    uint8_t *frame = NULL;
    struct wire_writer item = {.at = NULL};
    memset(body, 'b', body_bytes);
    for (int pass = 0; pass < 2; pass++) {
        struct wire_writer writer = {.at = frame != NULL ? frame + FRAME_HEADER_BYTES : NULL};
        if (pass == 1)
            wire_put_message(&writer, 1, item.byte_count);
        wire_put_uint(&writer, 1, 5);
        wire_put_uint(&writer, 3, 6);
        wire_put_bytes(&writer, 7, body, body_bytes);
        if (pass == 0) {
            item = writer;
            struct wire_writer head = {.at = NULL};
            wire_put_message(&head, 1, item.byte_count);
            *frame_bytes = FRAME_HEADER_BYTES + head.byte_count + item.byte_count;
            frame = malloc(*frame_bytes);
        }
    }
    put_frame(frame, FRAME_APPEND, request_id, (uint32_t)(*frame_bytes - FRAME_HEADER_BYTES));
    free(body);
    return frame;
}

static struct frame_header client_reply(struct stage *stage, int client, uint8_t *body)
{
    uint8_t bytes[FRAME_HEADER_BYTES];
    struct frame_header header;
    assert_int_equal(client_receive(stage, client, bytes, sizeof bytes), sizeof bytes);
    frame_decode(bytes, &header);
    assert_int_equal(client_receive(stage, client, body, header.body_bytes), header.body_bytes);
    return header;
}

/* ---- laws ------------------------------------------------------------------------------------ */

static void frames_of_any_size_arrive_whole(void **state)
{
    static const uint32_t bodies[] = {0, 1, 200, 8192, 70000, 1000000};
    struct stage *stage = stage_open(*(const bool *)*state);
    int client = client_connect(stage);
    for (uint32_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        size_t frame_bytes;
        uint8_t reply[256];
        uint8_t *frame = make_append(i, bodies[i], &frame_bytes);
        assert_true(client_send(stage, client, frame, frame_bytes));
        struct frame_header header = client_reply(stage, client, reply);
        assert_int_equal(header.type, FRAME_APPEND | FRAME_REPLY);
        assert_int_equal(header.request_id, i);
        const struct fake_message *message = &stage->shard->messages[i];
        assert_int_equal(message->body_bytes, bodies[i]);
        for (uint32_t at = 0; at < bodies[i]; at++)
            assert_int_equal(message->body[at], 'b');
        free(frame);
    }
    assert_int_equal(close(client), 0);
    stage_close(stage);
}

static void many_clients_are_served_side_by_side(void **state)
{
    struct stage *stage = stage_open(*(const bool *)*state);
    int clients[CONNECTIONS_MAX];
    uint8_t pings[50 * FRAME_HEADER_BYTES];
    for (uint64_t i = 0; i < 50; i++)
        put_frame(pings + i * FRAME_HEADER_BYTES, FRAME_PING, i, 0);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
        clients[i] = client_connect(stage);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
        assert_true(client_send(stage, clients[i], pings, sizeof pings));
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        uint8_t body[64];
        for (uint64_t n = 0; n < 50; n++)
            assert_true(client_reply(stage, clients[i], body).request_id == n);
        assert_int_equal(close(clients[i]), 0);
    }
    stage_close(stage);
}

static void one_too_many_is_told_so(void **state)
{
    struct stage *stage = stage_open(*(const bool *)*state);
    int clients[CONNECTIONS_MAX + 1];
    uint8_t body[512];
    for (uint32_t i = 0; i <= CONNECTIONS_MAX; i++)
        clients[i] = client_connect(stage);
    struct frame_header header = client_reply(stage, clients[CONNECTIONS_MAX], body);
    assert_int_equal(header.type, FRAME_ERROR);
    assert_int_equal(client_receive(stage, clients[CONNECTIONS_MAX], body, 1), 0); /* closed */
    for (uint32_t i = 0; i <= CONNECTIONS_MAX; i++)
        assert_int_equal(close(clients[i]), 0);
    for (uint32_t i = 0; i < TURNS_MAX && stage->connection_count > 0; i++)
        turn(stage);
    int again = client_connect(stage); /* and there is room again */
    uint8_t ping[FRAME_HEADER_BYTES];
    put_frame(ping, FRAME_PING, 1, 0);
    assert_true(client_send(stage, again, ping, sizeof ping));
    assert_int_equal(client_reply(stage, again, body).type, FRAME_PING | FRAME_REPLY);
    assert_int_equal(close(again), 0);
    stage_close(stage);
}

static void a_client_that_left_takes_its_requests_along(void **state)
{
    struct stage *stage = stage_open(*(const bool *)*state);
    stage->shard->frozen = true;
    for (uint32_t round = 0; round < 10; round++) {
        size_t frame_bytes;
        uint8_t *frame = make_append(round, 100000, &frame_bytes);
        int client = client_connect(stage);
        assert_true(client_send(stage, client, frame, frame_bytes));
        (void)client_send(stage, client, frame, frame_bytes - round * 9999); /* and half a frame */
        const struct linger reset = {.l_onoff = 1};
        assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        assert_int_equal(close(client), 0);
        free(frame);
    }
    for (uint32_t i = 0; i < 50; i++)
        turn(stage);
    assert_true(stage->connection_count > 0); /* held by their requests */
    stage->shard->frozen = false;
    for (uint32_t i = 0; i < TURNS_MAX && stage->connection_count > 0; i++)
        turn(stage);
    assert_int_equal(stage->connection_count, 0);
    assert_int_equal(stage->dispatch.request_count, 0);
    stage_close(stage);
}

static void a_bad_frame_gets_its_answer_before_the_end(void **state)
{
    struct stage *stage = stage_open(*(const bool *)*state);
    uint8_t garbage[100000];
    uint8_t body[512];
    memset(garbage, 0xee, sizeof garbage);
    int client = client_connect(stage);
    (void)client_send(stage, client, garbage, sizeof garbage);
    assert_int_equal(client_reply(stage, client, body).type, FRAME_ERROR);
    assert_int_equal(client_receive(stage, client, body, 1), 0);
    assert_int_equal(close(client), 0);
    stage_close(stage);
}

static void a_half_closed_client_still_gets_its_answers(void **state)
{
    struct stage *stage = stage_open(*(const bool *)*state);
    size_t frame_bytes;
    uint8_t *frame = make_append(3, 10, &frame_bytes);
    uint8_t body[256];
    int client = client_connect(stage);
    stage->shard->frozen = true;
    assert_true(client_send(stage, client, frame, frame_bytes));
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    for (uint32_t i = 0; i < 50; i++)
        turn(stage);
    stage->shard->frozen = false;
    assert_int_equal(client_reply(stage, client, body).request_id, 3);
    assert_int_equal(client_receive(stage, client, body, 1), 0);
    assert_int_equal(close(client), 0);
    free(frame);
    stage_close(stage);
}

static void draining_answers_what_was_taken(void **state)
{
    struct stage *stage = stage_open(*(const bool *)*state);
    size_t frame_bytes;
    uint8_t *frame = make_append(8, 10, &frame_bytes);
    uint8_t body[256];
    int client = client_connect(stage);
    stage->shard->frozen = true;
    assert_true(client_send(stage, client, frame, frame_bytes));
    for (uint32_t i = 0; i < TURNS_MAX && stage->dispatch.request_count == 0; i++)
        turn(stage);
    loop_drain(&stage->loop);
    for (uint32_t i = 0; i < 50; i++)
        turn(stage);
    stage->shard->frozen = false;
    assert_int_equal(client_reply(stage, client, body).request_id, 8);
    assert_int_equal(client_receive(stage, client, body, 1), 0);
    assert_int_equal(close(client), 0);
    free(frame);
    stage_close(stage);
}

static bool shared = false;
static bool plain = true;

#define BOTH_WAYS(law)                                                                             \
    {"shared buffers: " #law, law, NULL, NULL, &shared},                                           \
    {                                                                                              \
        "plain: " #law, law, NULL, NULL, &plain                                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(frames_of_any_size_arrive_whole),
        BOTH_WAYS(many_clients_are_served_side_by_side),
        BOTH_WAYS(one_too_many_is_told_so),
        BOTH_WAYS(a_client_that_left_takes_its_requests_along),
        BOTH_WAYS(a_bad_frame_gets_its_answer_before_the_end),
        BOTH_WAYS(a_half_closed_client_still_gets_its_answers),
        BOTH_WAYS(draining_answers_what_was_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_client.c: the client against a node that a thread plays on loopback: one connection, a
 * script of frames. */
#include "net/frame.h"
#include "net/imlog.pb-c.h"

#include <arpa/inet.h>
#include <errno.h>
#include <imlog/client.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the played node -------------------------------------------------------------------- */

struct node {
    int listen_fd;
    int fd;
    char server[32];
    pthread_t thread;
    void (*script)(struct node *node); /* runs once for each connection */
    int connection_count;
    struct imlog_client *client;
};

static void *node_main(void *arg)
{
    struct node *node = arg;
    while ((node->fd = accept(node->listen_fd, NULL, NULL)) >= 0) {
        node->connection_count++;
        node->script(node);
        (void)close(node->fd);
    }
    return NULL;
}

static void node_start(struct node *node, void (*script)(struct node *))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof address;
    *node = (struct node){.script = script, .listen_fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(node->listen_fd, (void *)&address, sizeof address), 0);
    assert_int_equal(listen(node->listen_fd, 4), 0);
    assert_int_equal(getsockname(node->listen_fd, (void *)&address, &address_bytes), 0);
    (void)snprintf(node->server, sizeof node->server, "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&node->thread, NULL, node_main, node), 0);
}

static void node_connect(struct node *node, uint32_t request_ms)
{
    const struct imlog_client_options options = {.request_ms = request_ms};
    struct imlog_why why = {.text = ""};
    assert_int_equal(imlog_client_connect(node->server, &options, &node->client, &why), 0);
}

static void node_stop(struct node *node)
{
    imlog_client_close(node->client);
    (void)shutdown(node->listen_fd, SHUT_RDWR);
    (void)pthread_join(node->thread, NULL);
    (void)close(node->listen_fd);
}

/* Bytes of the client, all of them; false once it has closed. */
static bool node_read(struct node *node, void *bytes, size_t byte_count)
{
    return recv(node->fd, bytes, byte_count, MSG_WAITALL) == (ssize_t)byte_count;
}

static uint8_t node_body[1 << 20];

static bool node_take(struct node *node, struct frame_header *header)
{
    uint8_t bytes[FRAME_HEADER_BYTES];
    if (!node_read(node, bytes, sizeof bytes))
        return false;
    frame_decode(bytes, header);
    return header->body_bytes == 0 || node_read(node, node_body, header->body_bytes);
}

static void node_send(struct node *node, uint16_t type, uint64_t request_id, const void *body,
                      uint32_t body_bytes)
{
    uint8_t bytes[FRAME_HEADER_BYTES];
    const struct frame_header header = {
        .body_bytes = body_bytes, .version = FRAME_VERSION, .type = type, .request_id = request_id};
    frame_encode(bytes, &header);
    (void)send(node->fd, bytes, sizeof bytes, MSG_NOSIGNAL);
    if (body_bytes > 0)
        (void)send(node->fd, body, body_bytes, MSG_NOSIGNAL);
}

static void node_answer(struct node *node, const struct frame_header *header,
                        const ProtobufCMessage *reply)
{
    uint8_t body[4096];
    const size_t body_bytes = protobuf_c_message_pack(reply, body);
    node_send(node, header->type | FRAME_REPLY, header->request_id, body, (uint32_t)body_bytes);
}

static void node_ack(struct node *node, const struct frame_header *header, uint64_t seq)
{
    Imlog__Appended ack = IMLOG__APPENDED__INIT;
    Imlog__Appended *acks[] = {&ack};
    Imlog__AppendReply reply = IMLOG__APPEND_REPLY__INIT;
    ack.seq = seq;
    ack.ack = IMLOG__ACK_LEVEL__ACK_DURABLE;
    reply.n_results = 1;
    reply.results = acks;
    node_answer(node, header, &reply.base);
}

static void node_pong(struct node *node, const struct frame_header *header)
{
    Imlog__PingReply reply = IMLOG__PING_REPLY__INIT;
    reply.server_ms = 1700000000000;
    node_answer(node, header, &reply.base);
}

/* ---- done()s that remember -------------------------------------------------------------- */

struct outcome {
    int ran_count;
    int status;
    uint64_t seq;
};

static void append_done(void *arg, int status, const struct imlog_client_ack *acks,
                        uint32_t ack_count)
{
    struct outcome *outcome = arg;
    outcome->ran_count++;
    outcome->status = status;
    assert_true((acks != NULL) == (status == 0));
    outcome->seq = ack_count > 0 ? acks[0].seq : 0;
}

static const struct imlog_client_message message = {
    .session_id = 1, .sender_id = 2, .client_msg_id = 3, .body = "hello", .body_bytes = 5};

static void append_start(struct node *node, struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    assert_int_equal(imlog_client_append_start(node->client, &message, 1, append_done, outcome), 0);
}

/* Poll until the connection ends; returns what poll said then. */
static int poll_to_the_end(struct node *node)
{
    int result;
    do
        result = imlog_client_poll(node->client, 5000);
    while (result >= 0);
    return result;
}

/* ---- laws ------------------------------------------------------------------------------- */

static void pong_script(struct node *node)
{
    struct frame_header header;
    while (node_take(node, &header)) {
        node_send(node, FRAME_HEARTBEAT, 0, NULL, 0);
        node_pong(node, &header);
    }
}

static void a_ping_is_answered_heartbeats_are_not(void **state)
{
    struct node node;
    uint64_t server_ms = 0;
    (void)state;
    node_start(&node, pong_script);
    node_connect(&node, 0);
    assert_int_equal(imlog_client_ping(node.client, &server_ms), 0);
    assert_true(server_ms == 1700000000000);
    assert_int_equal(imlog_client_ping(node.client, NULL), 0);
    assert_int_equal(imlog_client_pending(node.client), 0);
    node_stop(&node);
}

static void backwards_script(struct node *node)
{
    struct frame_header first;
    struct frame_header second;
    if (!node_take(node, &first) || !node_take(node, &second))
        return;
    node_ack(node, &second, 2);
    node_ack(node, &first, 1);
    (void)node_take(node, &first);
}

static void replies_find_their_requests_in_any_order(void **state)
{
    struct node node;
    struct outcome outcomes[2];
    (void)state;
    node_start(&node, backwards_script);
    node_connect(&node, 0);
    append_start(&node, &outcomes[0]);
    append_start(&node, &outcomes[1]);
    assert_int_equal(imlog_client_pending(node.client), 2);
    while (imlog_client_pending(node.client) > 0)
        assert_true(imlog_client_poll(node.client, 5000) >= 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(outcomes[i].ran_count, 1);
        assert_int_equal(outcomes[i].status, 0);
        assert_int_equal(outcomes[i].seq, i + 1);
    }
    node_stop(&node);
}

/* Hangs up on the first connection, answers on later ones. */
static void hang_up_script(struct node *node)
{
    struct frame_header header;
    while (node_take(node, &header)) {
        if (node->connection_count == 1) {
            (void)node_take(node, &header);
            return;
        }
        node_pong(node, &header);
    }
}

static void a_lost_connection_ends_every_request_once(void **state)
{
    struct node node;
    struct outcome outcomes[2];
    struct imlog_why why;
    (void)state;
    node_start(&node, hang_up_script);
    node_connect(&node, 0);
    append_start(&node, &outcomes[0]);
    append_start(&node, &outcomes[1]);
    assert_int_equal(poll_to_the_end(&node), IMLOG_ECONNLOST);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(outcomes[i].ran_count, 1);
        assert_int_equal(outcomes[i].status, IMLOG_ECONNLOST);
    }
    assert_true(imlog_client_socket(node.client) < 0);
    assert_int_equal(imlog_client_append_start(node.client, &message, 1, append_done, outcomes),
                     IMLOG_ECONNLOST);
    assert_int_equal(imlog_client_ping(node.client, NULL), IMLOG_ECONNLOST);
    assert_int_equal(imlog_client_poll(node.client, 0), IMLOG_ECONNLOST);
    assert_int_equal(imlog_client_reconnect(node.client, &why), 0);
    assert_int_equal(imlog_client_ping(node.client, NULL), 0);
    node_stop(&node);
}

static void refuse_script(struct node *node)
{
    struct frame_header header;
    uint8_t body[256];
    Imlog__ErrorReply reply = IMLOG__ERROR_REPLY__INIT;
    reply.code = IMLOG_EBUSY;
    reply.text = (char *)"come back later";
    reply.retry_after_ms = 70;
    const uint32_t body_bytes = (uint32_t)imlog__error_reply__pack(&reply, body);
    if (node->connection_count == 2) { /* a refusal before any request, then the end */
        node_send(node, FRAME_ERROR, 0, body, body_bytes);
        return;
    }
    while (node_take(node, &header))
        node_send(node, FRAME_ERROR, header.request_id, body, body_bytes);
}

static void an_error_reply_is_the_requests_error_in_the_nodes_words(void **state)
{
    struct node node;
    struct imlog_client_ack ack;
    struct imlog_why why;
    (void)state;
    node_start(&node, refuse_script);
    node_connect(&node, 0);
    assert_int_equal(imlog_client_append(node.client, &message, 1, &ack), IMLOG_EBUSY);
    assert_string_equal(imlog_client_error(node.client), "come back later");
    assert_int_equal(imlog_client_retry_after_ms(node.client), 70);
    assert_int_equal(imlog_client_ping(node.client, NULL), IMLOG_EBUSY); /* and goes on */
    assert_int_equal(imlog_client_reconnect(node.client, &why), 0);
    assert_int_equal(imlog_client_ping(node.client, NULL), IMLOG_ECONNLOST);
    assert_string_equal(imlog_client_error(node.client), "come back later");
    node_stop(&node);
}

/* A different nonsense on every connection. */
static void nonsense_script(struct node *node)
{
    struct frame_header header;
    uint8_t raw[FRAME_HEADER_BYTES] = {0};
    struct frame_header wrong = {.version = FRAME_VERSION, .type = FRAME_PING | FRAME_REPLY};
    if (!node_take(node, &header))
        return;
    wrong.request_id = header.request_id;
    switch (node->connection_count) {
    case 1:
        memcpy(raw, "HTTP/1.1 400 Bad", sizeof raw);
        break;
    case 2:
        wrong.body_bytes = IMLOG_FRAME_BYTES_MAX + 1;
        frame_encode(raw, &wrong);
        break;
    case 3:
        wrong.type = FRAME_INFO | FRAME_REPLY;
        frame_encode(raw, &wrong);
        break;
    case 4:
        wrong.request_id += 1;
        frame_encode(raw, &wrong);
        break;
    default:
        wrong.flags = 1;
        frame_encode(raw, &wrong);
        break;
    }
    (void)send(node->fd, raw, sizeof raw, MSG_NOSIGNAL);
    (void)node_take(node, &header);
}

static void what_is_no_reply_closes_the_connection(void **state)
{
    struct node node;
    struct imlog_why why;
    (void)state;
    node_start(&node, nonsense_script);
    node_connect(&node, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(imlog_client_ping(node.client, NULL), IMLOG_EPROTO);
        assert_true(imlog_client_socket(node.client) < 0);
        assert_int_equal(imlog_client_reconnect(node.client, &why), 0);
    }
    node_stop(&node);
}

static void short_answer_script(struct node *node)
{
    struct frame_header header;
    Imlog__AppendReply reply = IMLOG__APPEND_REPLY__INIT;
    while (node_take(node, &header))
        node_answer(node, &header, &reply.base); /* no result for its one item */
}

static void an_item_without_an_answer_is_no_reply(void **state)
{
    struct node node;
    struct outcome outcome;
    (void)state;
    node_start(&node, short_answer_script);
    node_connect(&node, 0);
    append_start(&node, &outcome);
    assert_int_equal(poll_to_the_end(&node), IMLOG_EPROTO);
    assert_int_equal(outcome.ran_count, 1);
    assert_int_equal(outcome.status, IMLOG_EPROTO);
    node_stop(&node);
}

static void silent_script(struct node *node)
{
    struct frame_header header;
    while (node_take(node, &header))
        continue;
}

static void a_call_without_an_answer_ends_unknown(void **state)
{
    struct node node;
    struct imlog_client_ack ack;
    struct outcome outcome;
    (void)state;
    node_start(&node, silent_script);
    node_connect(&node, 50);
    append_start(&node, &outcome);
    assert_int_equal(imlog_client_append(node.client, &message, 1, &ack), IMLOG_EUNKNOWN);
    assert_int_equal(outcome.ran_count, 1);
    assert_int_equal(outcome.status, IMLOG_ECONNLOST);
    assert_true(imlog_client_socket(node.client) < 0);
    node_stop(&node);
}

static void requests_under_way_are_bounded(void **state)
{
    struct node node;
    struct outcome outcome = {0};
    (void)state;
    node_start(&node, silent_script);
    node_connect(&node, 0);
    for (uint32_t i = 0; i < IMLOG_CLIENT_PENDING_MAX; i++)
        assert_int_equal(imlog_client_append_start(node.client, &message, 1, append_done, &outcome),
                         0);
    assert_int_equal(imlog_client_append_start(node.client, &message, 1, append_done, &outcome),
                     IMLOG_EBUSY);
    imlog_client_close(node.client);
    node.client = NULL;
    assert_int_equal(outcome.ran_count, IMLOG_CLIENT_PENDING_MAX);
    node_stop(&node);
}

static void requests_too_large_are_refused_before_they_are_sent(void **state)
{
    struct node node;
    struct outcome outcome = {0};
    static uint8_t body[IMLOG_BODY_BYTES_MAX];
    struct imlog_client_message big[5];
    (void)state;
    node_start(&node, silent_script);
    node_connect(&node, 0);
    for (int i = 0; i < 5; i++) {
        big[i] = message;
        big[i].body = body;
        big[i].body_bytes = sizeof body;
    }
    assert_int_equal(imlog_client_append_start(node.client, big, 5, append_done, &outcome),
                     IMLOG_ETOOBIG);
    struct imlog_client_message *many = calloc(IMLOG_REQUEST_ITEMS_MAX + 1, sizeof *many);
    assert_int_equal(imlog_client_append_start(node.client, many, IMLOG_REQUEST_ITEMS_MAX + 1,
                                               append_done, &outcome),
                     IMLOG_EINVALID);
    free(many);
    assert_int_equal(outcome.ran_count, 0);
    assert_int_equal(imlog_client_pending(node.client), 0);
    node_stop(&node);
}

static void page_script(struct node *node)
{
    struct frame_header header;
    Imlog__Message messages[2] = {IMLOG__MESSAGE__INIT, IMLOG__MESSAGE__INIT};
    Imlog__Message *page[] = {&messages[0], &messages[1]};
    Imlog__Pulled pulled = IMLOG__PULLED__INIT;
    Imlog__Pulled *results[] = {&pulled};
    Imlog__PullReply reply = IMLOG__PULL_REPLY__INIT;
    uint8_t body[512];
    uint8_t frame[FRAME_HEADER_BYTES];
    for (uint32_t i = 0; i < 2; i++) {
        messages[i].seq = i + 1;
        messages[i].msg_id = 100 + i;
        messages[i].body.data = (uint8_t *)"body";
        messages[i].body.len = 4;
    }
    pulled.session_id = 5;
    pulled.first_seq = 1;
    pulled.end_seq = 3;
    pulled.n_messages = 2;
    pulled.messages = page;
    reply.n_results = 1;
    reply.results = results;
    while (node_take(node, &header)) { /* byte by byte */
        struct frame_header answer = header;
        answer.type |= FRAME_REPLY;
        answer.body_bytes = (uint32_t)imlog__pull_reply__pack(&reply, body);
        frame_encode(frame, &answer);
        for (size_t i = 0; i < sizeof frame; i++)
            (void)send(node->fd, frame + i, 1, MSG_NOSIGNAL);
        for (size_t i = 0; i < answer.body_bytes; i++)
            (void)send(node->fd, body + i, 1, MSG_NOSIGNAL);
    }
}

static void a_page_comes_whole_however_it_is_cut(void **state)
{
    struct node node;
    struct imlog_client_pulled pulled;
    const struct imlog_client_pull pull = {.session_id = 5};
    (void)state;
    node_start(&node, page_script);
    node_connect(&node, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(imlog_client_pull(node.client, &pull, 1, &pulled), 0);
        assert_int_equal(pulled.page.message_count, 2);
        assert_int_equal(pulled.page.messages[1].msg_id, 101);
        assert_int_equal(pulled.page.messages[1].session_id, 5);
        assert_memory_equal(pulled.page.messages[1].body, "body", 4);
    }
    node_stop(&node);
}

static void keys_and_sessions_script(struct node *node)
{
    struct frame_header header;
    Imlog__Name name = IMLOG__NAME__INIT;
    Imlog__Name *names[] = {&name};
    Imlog__NamesReply names_reply = IMLOG__NAMES_REPLY__INIT;
    Imlog__Session session = IMLOG__SESSION__INIT;
    Imlog__Session *sessions[] = {&session};
    Imlog__SessionsReply sessions_reply = IMLOG__SESSIONS_REPLY__INIT;
    name.key.data = (uint8_t *)"g:room";
    name.key.len = 6;
    names_reply.n_results = 1;
    names_reply.results = names;
    session.session_id = 9;
    session.latest_seq = 4;
    sessions_reply.n_sessions = 1;
    sessions_reply.sessions = sessions;
    while (node_take(node, &header)) {
        Imlog__SessionsRequest *request =
            header.type == FRAME_SESSIONS
                ? imlog__sessions_request__unpack(NULL, header.body_bytes, node_body)
                : NULL;
        const bool first_page = request != NULL && request->cursor.len == 0;
        if (request != NULL)
            imlog__sessions_request__free_unpacked(request, NULL);
        sessions_reply.next_cursor.data = (uint8_t *)"go on";
        sessions_reply.next_cursor.len = first_page ? 5 : 0;
        node_answer(node, &header,
                    header.type == FRAME_SESSIONS ? &sessions_reply.base : &names_reply.base);
    }
}

static void a_cursor_lasts_over_other_calls(void **state)
{
    struct node node;
    struct imlog_client_key cursor = {0};
    struct imlog_client_key key;
    const struct imlog_client_session *sessions;
    const uint64_t id = 1;
    uint32_t session_count = 0;
    (void)state;
    node_start(&node, keys_and_sessions_script);
    node_connect(&node, 0);
    assert_int_equal(imlog_client_sessions(node.client, &cursor, 10, &sessions, &session_count), 0);
    assert_int_equal(session_count, 1);
    assert_int_equal(sessions[0].info.session_id, 9);
    assert_int_equal(cursor.byte_count, 5);
    assert_int_equal(imlog_client_names(node.client, &id, 1, &key), 0);
    assert_int_equal(key.byte_count, 6);
    assert_memory_equal(key.bytes, "g:room", 6);
    assert_memory_equal(cursor.bytes, "go on", 5);
    assert_int_equal(imlog_client_sessions(node.client, &cursor, 10, &sessions, &session_count), 0);
    assert_int_equal(cursor.byte_count, 0);
    node_stop(&node);
}

static void a_refused_connection_names_the_address(void **state)
{
    struct node node;
    struct imlog_client *client;
    struct imlog_why why = {.text = ""};
    (void)state;
    node_start(&node, silent_script);
    node_stop(&node); /* now nobody listens there */
    assert_int_equal(imlog_client_connect(node.server, NULL, &client, &why), -ECONNREFUSED);
    assert_null(client);
    assert_non_null(strstr(why.text, node.server));
    assert_int_equal(imlog_client_connect("nonsense", NULL, &client, &why), IMLOG_EINVALID);
    assert_non_null(strstr(why.text, "nonsense"));
    imlog_client_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_is_answered_heartbeats_are_not),
        cmocka_unit_test(replies_find_their_requests_in_any_order),
        cmocka_unit_test(a_lost_connection_ends_every_request_once),
        cmocka_unit_test(an_error_reply_is_the_requests_error_in_the_nodes_words),
        cmocka_unit_test(what_is_no_reply_closes_the_connection),
        cmocka_unit_test(an_item_without_an_answer_is_no_reply),
        cmocka_unit_test(a_call_without_an_answer_ends_unknown),
        cmocka_unit_test(requests_under_way_are_bounded),
        cmocka_unit_test(requests_too_large_are_refused_before_they_are_sent),
        cmocka_unit_test(a_page_comes_whole_however_it_is_cut),
        cmocka_unit_test(a_cursor_lasts_over_other_calls),
        cmocka_unit_test(a_refused_connection_names_the_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

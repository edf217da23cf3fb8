/* A connection without its socket (net/conn.h): frames however they are cut, bounds, clocks. */
#include "net/limits.h"
#include "tests/unit/net/world.h"

static void ping(struct world *world, uint64_t request_id)
{
    world_request(world, FRAME_PING, request_id, NULL);
}

static uint32_t count_replies(struct world *world)
{
    struct world_reply reply;
    uint32_t count = 0;
    for (; world_reply(world, &reply); count++)
        free(reply.body);
    return count;
}

/* Three appends and a ping in one piece of bytes. */
static uint8_t *make_stream(size_t *byte_count, size_t body_bytes)
{
    uint8_t *body = malloc(body_bytes + 1);
    Imlog__Append append = IMLOG__APPEND__INIT;
    append.session_id = 1;
    append.sender_id = 1;
    memset(body, 7, body_bytes);
    append.body = (ProtobufCBinaryData){.data = body, .len = body_bytes};
    Imlog__Append *items[] = {&append};
    Imlog__AppendRequest request = IMLOG__APPEND_REQUEST__INIT;
    request.n_items = 1;
    request.items = items;
    size_t packed_bytes = imlog__append_request__get_packed_size(&request);
    uint8_t *packed = malloc(packed_bytes);
    (void)imlog__append_request__pack(&request, packed);
    size_t frame_bytes = FRAME_HEADER_BYTES + packed_bytes;
    *byte_count = 3 * frame_bytes + FRAME_HEADER_BYTES;
    uint8_t *stream = malloc(*byte_count);
    for (uint64_t i = 0; i < 3; i++) {
        uint8_t *frame = world_frame(FRAME_APPEND, i, packed, packed_bytes);
        memcpy(stream + i * frame_bytes, frame, frame_bytes);
        free(frame);
    }
    uint8_t *last = world_frame(FRAME_PING, 3, NULL, 0);
    memcpy(stream + 3 * frame_bytes, last, FRAME_HEADER_BYTES);
    free(last);
    free(packed);
    free(body);
    return stream;
}

static void frames_are_the_same_however_they_are_cut(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 15, 16, 17, 100, 4096, 8192, 1 << 20};
    static const size_t bodies[] = {0, 5, 5000, 100000};
    for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
        size_t byte_count;
        uint8_t *stream = make_stream(&byte_count, bodies[b]);
        for (size_t p = bodies[b] > 5000 ? 3 : 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            struct world *world = world_create(1, 1);
            assert_int_equal(world_give(world, stream, byte_count, pieces[p]), byte_count);
            world_run(world);
            assert_int_equal(world->shards[0]->message_count, 3);
            for (size_t i = 0; i < 3; i++) {
                const struct fake_message *message = &world->shards[0]->messages[i];
                assert_int_equal(message->body_bytes, bodies[b]);
                for (size_t at = 0; at < bodies[b]; at++)
                    assert_int_equal(message->body[at], 7);
            }
            assert_int_equal(count_replies(world), 4);
            assert_null(world->conn.input); /* an idle connection holds no buffers */
            assert_null(world->conn.output.first);
            world_destroy(world);
        }
        free(stream);
    }
}

static void a_bad_header_gets_an_error_and_ends_the_connection(void **state)
{
    (void)state;
    for (size_t at = 0; at < 3; at++) {
        struct world *world = world_create(1, 1);
        uint8_t *frame = world_frame(FRAME_PING, 9, NULL, 0);
        if (at == 0)
            frame[4] = 2; /* version */
        else if (at == 1)
            frame[5] = 1; /* flags */
        else
            frame[3] = 1; /* 16 MiB of body */
        ping(world, 8);
        (void)world_give(world, frame, FRAME_HEADER_BYTES, 1);
        world_run(world);
        assert_int_equal(world->conn.state, CONN_ENDING);
        assert_false(conn_wants_bytes(&world->conn));
        assert_false(conn_is_done(&world->conn)); /* not before its replies are sent */
        struct world_reply reply;
        assert_true(world_reply(world, &reply));
        free(reply.body);
        world_expect_error(world, 9, at == 2 ? IMLOG_EPROTO : IMLOG_EUNSUPPORTED);
        assert_true(conn_is_done(&world->conn));
        free(frame);
        world_destroy(world);
    }
}

static void a_promised_frame_costs_only_what_came(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    uint8_t *frame = world_frame(FRAME_APPEND, 1, NULL, 0);
    frame[2] = 0x40; /* 4 MiB announced */
    (void)world_give(world, frame, FRAME_HEADER_BYTES, 16);
    assert_true(pool_capacity(world->conn.input) < 1024);
    free(frame);
    world_destroy(world);
}

static void too_many_requests_stop_the_reading_until_some_are_answered(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    const uint64_t session_id = 1;
    world->shards[0]->frozen = true;
    for (uint64_t id = 1; id <= CONN_REQUESTS_MAX; id++)
        world_append(world, id, &session_id, 1, 10);
    assert_int_equal(world->conn.request_count, CONN_REQUESTS_MAX);
    assert_true(conn_wants_bytes(&world->conn));
    world_append(world, 1000, &session_id, 1, 10); /* comes, and waits */
    assert_false(conn_wants_bytes(&world->conn));
    assert_int_equal(world->conn.request_count, CONN_REQUESTS_MAX);
    world->shards[0]->frozen = false;
    world_run(world);
    assert_true(conn_wants_bytes(&world->conn));
    assert_int_equal(count_replies(world), CONN_REQUESTS_MAX + 1);
    world_destroy(world);
}

static void one_connection_gets_a_bounded_share_of_a_turn(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    uint8_t stream[4 * CONN_FRAMES_A_TURN * FRAME_HEADER_BYTES];
    for (uint64_t i = 0; i < 4 * CONN_FRAMES_A_TURN; i++) {
        uint8_t *frame = world_frame(FRAME_PING, i, NULL, 0);
        memcpy(stream + i * FRAME_HEADER_BYTES, frame, FRAME_HEADER_BYTES);
        free(frame);
    }
    assert_int_equal(world_give(world, stream, sizeof stream, sizeof stream), sizeof stream);
    assert_int_equal(count_replies(world), CONN_FRAMES_A_TURN);
    assert_int_equal(dispatch_wait_ns(&world->dispatches[0]), 0);
    for (int turn = 0; turn < 3; turn++) {
        world_turn_thread(world, 0);
        assert_int_equal(count_replies(world), CONN_FRAMES_A_TURN);
    }
    assert_true(conn_wants_bytes(&world->conn));
    world_destroy(world);
}

static void a_client_that_takes_no_replies_is_not_read_from(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    const uint64_t session_id = 1;
    world_append(world, 1, &session_id, 1, 60000);
    world_run(world);
    (void)count_replies(world);
    Imlog__Pull item = IMLOG__PULL__INIT;
    item.session_id = 1;
    Imlog__Pull *items[] = {&item};
    Imlog__PullRequest request = IMLOG__PULL_REQUEST__INIT;
    request.n_items = 1;
    request.items = items;
    uint64_t sent = 0;
    for (; conn_wants_bytes(&world->conn); sent++) {
        world_request(world, FRAME_PULL, sent, &request.base);
        world_run(world);
        assert_true(sent < 100);
    }
    assert_true(world->conn.output.byte_count >= CONN_UNSENT_BYTES_MAX);
    assert_true(world->conn.output.byte_count < 2 * CONN_UNSENT_BYTES_MAX);
    uint32_t answered = count_replies(world);
    world_run(world);
    assert_true(conn_wants_bytes(&world->conn));
    assert_int_equal(answered + count_replies(world), sent);
    world_destroy(world);
}

static void a_request_too_heavy_beside_others_waits_for_them(void **state)
{
    (void)state;
    for (int pulls = 0; pulls < 2; pulls++) {
        struct world *world = world_create(1, 1);
        uint64_t sessions[64];
        for (size_t i = 0; i < 64; i++)
            sessions[i] = 1;
        Imlog__Pull item = IMLOG__PULL__INIT;
        item.session_id = 1;
        item.bytes_max = PULL_BYTES_MAX;
        Imlog__Pull *items[] = {&item};
        Imlog__PullRequest request = IMLOG__PULL_REQUEST__INIT;
        request.n_items = 1;
        request.items = items;
        world->shards[0]->frozen = true;
        for (uint64_t id = 1; id <= 2; id++) {
            assert_true(conn_wants_bytes(&world->conn));
            if (pulls)
                world_request(world, FRAME_PULL, id, &request.base);
            else
                world_append(world, id, sessions, 64, 55000); /* 3.5 MB in a block of its own */
        }
        assert_int_equal(world->conn.request_count, 1);
        assert_false(conn_wants_bytes(&world->conn));
        assert_true(world->conn.weight_bytes <= CONN_WEIGHT_BYTES_MAX);
        world->shards[0]->frozen = false;
        world_run(world);
        assert_int_equal(count_replies(world), 2);
        assert_true(conn_wants_bytes(&world->conn));
        assert_int_equal(world->shards[0]->message_count, pulls ? 0 : 128);
        world_destroy(world);
    }
}

static void a_threads_memory_bounds_all_its_connections(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    world->dispatches[0].weight_bytes += DISPATCH_WEIGHT_BYTES_MAX;
    ping(world, 1);
    assert_false(conn_wants_bytes(&world->conn));
    assert_true(dispatch_wait_ns(&world->dispatches[0]) > 0); /* no spinning on it */
    world_run(world);
    assert_int_equal(count_replies(world), 0);
    world->dispatches[0].weight_bytes -= DISPATCH_WEIGHT_BYTES_MAX;
    world_run(world);
    assert_int_equal(count_replies(world), 1);
    world_destroy(world);
}

/* It waits for its own connection first, and is free of that while the thread is full. */
static void a_frame_that_waits_for_both_goes_on_when_the_thread_has_room(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    uint64_t sessions[64];
    for (size_t i = 0; i < 64; i++)
        sessions[i] = 1;
    world->shards[0]->frozen = true;
    for (uint64_t id = 1; id <= 2; id++)
        world_append(world, id, sessions, 64, 55000); /* the second is too heavy beside the first */
    assert_int_equal(world->conn.request_count, 1);
    world->dispatches[0].weight_bytes += DISPATCH_WEIGHT_BYTES_MAX; /* of other connections */
    world->shards[0]->frozen = false;
    world_run(world);
    assert_int_equal(count_replies(world), 1);
    assert_int_equal(world->conn.request_count, 0);
    assert_true(dispatch_wait_ns(&world->dispatches[0]) > 0); /* no spinning on it */
    world->dispatches[0].weight_bytes -= DISPATCH_WEIGHT_BYTES_MAX;
    world_run(world);
    assert_int_equal(count_replies(world), 1);
    assert_true(conn_wants_bytes(&world->conn));
    world_destroy(world);
}

static void clocks_tell_idle_late_and_slow_clients_apart(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    struct conn *conn = &world->conn;
    uint64_t *now_ms = &world->dispatches[0].now_ms;
    const struct node *node = &world->node;

    assert_true(conn_due_ms(conn) == *now_ms + node->heartbeat_ms);
    *now_ms += node->heartbeat_ms;
    assert_int_equal(conn_check(conn), CONN_FINE);
    struct world_reply reply;
    assert_true(world_reply(world, &reply));
    assert_int_equal(reply.header.type, FRAME_HEARTBEAT);
    free(reply.body);
    *now_ms += node->idle_timeout_ms - node->heartbeat_ms - 1;
    assert_int_equal(conn_check(conn), CONN_FINE);
    (void)count_replies(world);
    *now_ms += 1;
    assert_int_equal(conn_check(conn), CONN_IDLE);

    uint8_t *frame = world_frame(FRAME_PING, 1, NULL, 0);
    for (uint64_t i = 0; i < 10; i++) { /* a byte now and then does not help */
        (void)world_give(world, frame + i, 1, 1);
        assert_int_equal(conn_check(conn), CONN_FINE);
        *now_ms += node->frame_timeout_ms / 10;
    }
    (void)count_replies(world);
    assert_int_equal(conn_check(conn), CONN_FRAME_LATE);
    (void)world_give(world, frame + 10, 6, 6);
    free(frame);
    assert_int_equal(conn->output.byte_count > 0, 1);
    *now_ms += node->slow_reader_timeout_ms - 1;
    assert_int_equal(conn_check(conn), CONN_FINE);
    assert_true(conn_due_ms(conn) == *now_ms + 1);
    *now_ms += 1;
    assert_int_equal(conn_check(conn), CONN_SLOW);
    (void)count_replies(world);
    world_destroy(world);
}

/* While a whole frame waits nobody reads, so silence is nobody's fault: no clock runs but the
 * heartbeat's. */
static void a_stalled_connection_is_neither_idle_nor_late(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    struct conn *conn = &world->conn;
    struct dispatch *dispatch = &world->dispatches[0];
    dispatch->weight_bytes += DISPATCH_WEIGHT_BYTES_MAX;
    ping(world, 1);
    assert_false(conn_wants_bytes(conn));
    assert_true(conn_is_held(conn)); /* the dispatch has it on its list */
    assert_true(conn_due_ms(conn) == dispatch->now_ms + world->node.heartbeat_ms);
    dispatch->now_ms += 2 * world->node.idle_timeout_ms;
    assert_int_equal(conn_check(conn), CONN_FINE);
    assert_int_equal(count_replies(world), 1); /* a heartbeat */
    dispatch->weight_bytes -= DISPATCH_WEIGHT_BYTES_MAX;
    world_run(world);
    assert_int_equal(count_replies(world), 1);
    assert_int_equal(conn_check(conn), CONN_FINE); /* it was not listened to until now */
    dispatch->now_ms += world->node.idle_timeout_ms;
    assert_int_equal(conn_check(conn), CONN_IDLE);
    world_destroy(world);
}

static void an_incomplete_frame_is_due_before_an_idle_connection(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    struct conn *conn = &world->conn;
    uint64_t *now_ms = &world->dispatches[0].now_ms;
    world->node.heartbeat_ms = 55000;
    world->node.slow_reader_timeout_ms = 55000;
    uint8_t *frame = world_frame(FRAME_PING, 1, NULL, 0);
    (void)world_give(world, frame, 1, 1);
    free(frame);
    uint64_t begun_ms = *now_ms;
    *now_ms += 10000;
    assert_true(conn_due_ms(conn) == begun_ms + world->node.frame_timeout_ms);
    world_destroy(world);
}

/* What comes after the end is nobody's, and there is nothing more to check. */
static void bytes_after_the_end_are_dropped(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    struct conn *conn = &world->conn;
    uint8_t *space;
    uint8_t *frame = world_frame(FRAME_PING, 1, NULL, 0);
    const uint64_t session_id = 1;
    world->shards[0]->frozen = true;
    world_append(world, 1, &session_id, 1, 10);
    conn_end(conn);
    conn_end(conn);
    conn_receive(conn, frame, FRAME_HEADER_BYTES);
    assert_null(conn->input);
    assert_int_equal(conn_space(conn, &space), 0);
    assert_false(conn_is_done(conn)); /* its request is under way */
    world->dispatches[0].now_ms += world->node.idle_timeout_ms;
    assert_int_equal(conn_check(conn), CONN_FINE);
    assert_true(conn_due_ms(conn) > world->dispatches[0].now_ms);
    world->shards[0]->frozen = false;
    world_run(world);
    assert_int_equal(count_replies(world), 1); /* the append's, and no ping's */
    assert_true(conn_is_done(conn));
    conn_lose(conn);
    assert_int_equal(conn_check(conn), CONN_FINE);
    free(frame);
    world_destroy(world);
}

/* A large frame that fills its block while there is no room for a request waits in that block. */
static void a_large_frame_waits_in_its_own_block(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    const uint64_t session_id = 1;
    world->shards[0]->frozen = true;
    for (uint64_t id = 1; id <= CONN_REQUESTS_MAX; id++)
        world_append(world, id, &session_id, 1, 10);
    world_append(world, 1000, &session_id, 1, 50000);
    assert_false(conn_wants_bytes(&world->conn));
    assert_int_equal(world->conn.request_count, CONN_REQUESTS_MAX);
    assert_true(world->conn.input_bytes > 50000);
    world->shards[0]->frozen = false;
    world_run(world);
    assert_int_equal(count_replies(world), CONN_REQUESTS_MAX + 1);
    assert_int_equal(world->shards[0]->message_count, CONN_REQUESTS_MAX + 1);
    assert_null(world->conn.input);
    world_destroy(world);
}

/* Lost, or ended by the frame behind, while its frame waits for the thread's next turn. */
static void a_waiting_connection_may_end_before_its_turn(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        struct world *world = world_create(1, 1);
        struct dispatch *dispatch = &world->dispatches[0];
        uint8_t stream[2 * FRAME_HEADER_BYTES];
        uint8_t *good = world_frame(FRAME_PING, 1, NULL, 0);
        uint8_t *bad = world_frame(FRAME_PING, 2, NULL, 0);
        bad[4] = 77; /* version */
        memcpy(stream, good, FRAME_HEADER_BYTES);
        memcpy(stream + FRAME_HEADER_BYTES, bad, FRAME_HEADER_BYTES);
        dispatch->weight_bytes += DISPATCH_WEIGHT_BYTES_MAX;
        (void)world_give(world, stream, sizeof stream, sizeof stream);
        assert_true(world->conn.is_ready);
        dispatch->weight_bytes -= DISPATCH_WEIGHT_BYTES_MAX;
        if (lost)
            conn_lose(&world->conn);
        world_run(world);
        assert_int_equal(world->conn.state, lost ? CONN_LOST : CONN_ENDING);
        assert_int_equal(count_replies(world), lost ? 0 : 2);
        assert_false(conn_is_held(&world->conn));
        free(good);
        free(bad);
        world_destroy(world);
    }
}

static void lent_space_outlives_the_connections_end(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    size_t byte_count;
    uint8_t *stream = make_stream(&byte_count, 100000);
    (void)world_give(world, stream, 8192, 8192);
    uint8_t *space;
    uint32_t space_bytes = conn_space(&world->conn, &space);
    assert_true(space_bytes >= 4096);
    conn_lose(&world->conn);
    memset(space, 1, space_bytes); /* the kernel, late */
    conn_received(&world->conn, space_bytes);
    assert_null(world->conn.lent);
    free(stream);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_the_same_however_they_are_cut),
        cmocka_unit_test(a_bad_header_gets_an_error_and_ends_the_connection),
        cmocka_unit_test(a_promised_frame_costs_only_what_came),
        cmocka_unit_test(too_many_requests_stop_the_reading_until_some_are_answered),
        cmocka_unit_test(one_connection_gets_a_bounded_share_of_a_turn),
        cmocka_unit_test(a_client_that_takes_no_replies_is_not_read_from),
        cmocka_unit_test(a_request_too_heavy_beside_others_waits_for_them),
        cmocka_unit_test(a_threads_memory_bounds_all_its_connections),
        cmocka_unit_test(a_frame_that_waits_for_both_goes_on_when_the_thread_has_room),
        cmocka_unit_test(clocks_tell_idle_late_and_slow_clients_apart),
        cmocka_unit_test(a_stalled_connection_is_neither_idle_nor_late),
        cmocka_unit_test(an_incomplete_frame_is_due_before_an_idle_connection),
        cmocka_unit_test(bytes_after_the_end_are_dropped),
        cmocka_unit_test(a_large_frame_waits_in_its_own_block),
        cmocka_unit_test(a_waiting_connection_may_end_before_its_turn),
        cmocka_unit_test(lent_space_outlives_the_connections_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

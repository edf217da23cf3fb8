/* The fields of requests: every one counts, unknown ones do not, and one of the wrong type is an
 * error of its request alone. Written byte by byte: protobuf-c would not send most of this. */
#include "net/limits.h"
#include "tests/unit/net/world.h"

struct body {
    uint8_t bytes[1024];
    struct wire_writer writer;
};

static struct body *body_reset(struct body *body)
{
    *body = (struct body){.writer = {.byte_count = 0}};
    body->writer.at = body->bytes;
    return body;
}

static void send_body(struct world *world, uint16_t type, uint64_t request_id,
                      const struct body *body)
{
    size_t byte_count = (size_t)body->writer.byte_count;
    uint8_t *frame = world_frame(type, request_id, body->bytes, byte_count);
    byte_count += FRAME_HEADER_BYTES;
    assert_int_equal(world_give(world, frame, byte_count, byte_count), byte_count);
    free(frame);
    world_run(world);
}

/* `item` as the only item of a request. */
static void send_item(struct world *world, uint16_t type, uint64_t request_id,
                      const struct body *item)
{
    struct body body;
    wire_put_bytes(&body_reset(&body)->writer, 1, item->bytes, item->writer.byte_count);
    send_body(world, type, request_id, &body);
}

/* As a varint where bytes belong, or the other way round. */
static void put_wrong(struct wire_writer *writer, uint32_t number, bool wants_bytes)
{
    if (wants_bytes)
        wire_put_uint(writer, number, 1);
    else
        wire_put_text(writer, number, "x");
}

static void append_messages(struct world *world, uint64_t session_id, uint32_t count,
                            size_t body_bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        world_append(world, 1000 + i, &session_id, 1, body_bytes);
        world_run(world);
        imlog__append_reply__free_unpacked(world_appended(world, 1000 + i), NULL);
    }
}

static void every_field_of_an_append_arrives(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    struct body item;
    struct wire_writer *writer = &body_reset(&item)->writer;
    wire_put_uint(writer, 1, 7);
    wire_put_uint(writer, 2, IMLOG_KIND_DIRECT);
    wire_put_uint(writer, 3, 8);
    wire_put_uint(writer, 4, 9);
    wire_put_uint(writer, 5, 10);
    wire_put_uint(writer, 6, UINT16_MAX);
    wire_put_text(writer, 7, "hello");
    wire_put_text(writer, 99, "of a newer client");
    send_item(world, FRAME_APPEND, 1, &item);
    Imlog__AppendReply *reply = world_appended(world, 1);
    assert_int_equal(reply->results[0]->code, 0);
    imlog__append_reply__free_unpacked(reply, NULL);
    const struct fake_message *message = &world->shards[0]->messages[0];
    assert_int_equal(message->session_id, 7);
    assert_int_equal(message->client_msg_id, 9);
    assert_int_equal(message->body_bytes, 5);
    assert_memory_equal(message->body, "hello", 5);
    world_destroy(world);
}

/* Every known field of every request, sent as another type. */
static void a_field_of_the_wrong_type_is_an_error(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        uint32_t number;
        bool in_item;
        bool wants_bytes;
    } fields[] = {
        {FRAME_APPEND, 1, true, false},    {FRAME_APPEND, 2, true, false},
        {FRAME_APPEND, 3, true, false},    {FRAME_APPEND, 4, true, false},
        {FRAME_APPEND, 5, true, false},    {FRAME_APPEND, 6, true, false},
        {FRAME_APPEND, 7, true, true},     {FRAME_APPEND, 1, false, true},
        {FRAME_PULL, 1, true, false},      {FRAME_PULL, 2, true, false},
        {FRAME_PULL, 3, true, false},      {FRAME_PULL, 4, true, false},
        {FRAME_PULL, 5, true, false},      {FRAME_PULL, 6, true, false},
        {FRAME_PULL, 1, false, true},      {FRAME_RESOLVE, 1, false, true},
        {FRAME_RESOLVE, 2, false, false},  {FRAME_SESSIONS, 1, false, true},
        {FRAME_SESSIONS, 2, false, false},
    };
    struct world *world = world_create(1, 1);
    for (uint64_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct body body;
        put_wrong(&body_reset(&body)->writer, fields[i].number, fields[i].wants_bytes);
        if (fields[i].in_item)
            send_item(world, fields[i].type, i, &body);
        else
            send_body(world, fields[i].type, i, &body);
        world_expect_error(world, i, IMLOG_EPROTO);
    }
    assert_int_equal(world->shards[0]->message_count, 0);
    assert_int_equal(world->conn.state, CONN_OPEN);
    world_destroy(world);
}

/* Lists of ids come packed, one by one, or mixed; a packed run that is cut is an error. */
static void ids_may_come_packed_or_not(void **state)
{
    (void)state;
    struct world *world = world_create(2, 3);
    struct body body;
    append_messages(world, 5, 2, 10);
    wire_put_uint(&body_reset(&body)->writer, 1, 5);
    wire_put_bytes(&body.writer, 1, "\x06\x05", 2);
    wire_put_uint(&body.writer, 1, 300);
    wire_put_uint(&body.writer, 9, 1); /* a newer client's */
    send_body(world, FRAME_SESSION, 1, &body);
    Imlog__SessionReply *reply =
        world_expect(world, FRAME_SESSION | FRAME_REPLY, 1, &imlog__session_reply__descriptor);
    static const uint64_t ids[] = {5, 6, 5, 300};
    assert_int_equal(reply->n_results, 4);
    for (size_t i = 0; i < 4; i++) {
        const Imlog__Session *result = reply->results[i];
        bool known = ids[result->index] == 5;
        assert_int_equal(result->session_id, ids[result->index]);
        assert_int_equal(result->code, known ? 0 : IMLOG_ENOSESSION);
        assert_int_equal(result->latest_seq, known ? 2 : 0);
        assert_int_equal(result->shard, known ? 5 % 3 : 0);
    }
    imlog__session_reply__free_unpacked(reply, NULL);
    wire_put_bytes(&body_reset(&body)->writer, 1, "\x05\x80", 2);
    send_body(world, FRAME_SESSION, 2, &body);
    world_expect_error(world, 2, IMLOG_EPROTO);
    world_destroy(world);
}

/* ---- pulls ------------------------------------------------------------------------------------
 */

static Imlog__PullReply *pull_one(struct world *world, uint64_t request_id, uint32_t count_max,
                                  uint32_t bytes_max)
{
    struct body item;
    struct wire_writer *writer = &body_reset(&item)->writer;
    wire_put_uint(writer, 1, 1);
    wire_put_uint(writer, 5, count_max);
    wire_put_uint(writer, 6, bytes_max);
    wire_put_uint(writer, 77, 1);
    send_item(world, FRAME_PULL, request_id, &item);
    return world_expect(world, FRAME_PULL | FRAME_REPLY, request_id,
                        &imlog__pull_reply__descriptor);
}

static void a_pull_gets_no_more_than_it_asks_for(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    append_messages(world, 1, 6, 1000);
    static const struct {
        uint32_t count_max;
        uint32_t bytes_max;
        size_t expected;
    } cases[] = {{0, 0, 6},    {4, 0, 4},          {1, UINT32_MAX, 1},
                 {0, 2500, 2}, {UINT32_MAX, 0, 6}, {IMLOG_PULL_MESSAGES_MAX + 1, 1, 1}};
    for (uint64_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Imlog__PullReply *reply = pull_one(world, i, cases[i].count_max, cases[i].bytes_max);
        assert_int_equal(reply->results[0]->n_messages, cases[i].expected);
        assert_int_equal(reply->results[0]->more, cases[i].expected < 6);
        imlog__pull_reply__free_unpacked(reply, NULL);
    }
    world_destroy(world);
}

static void damage_is_answered_as_a_gap(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    append_messages(world, 1, 5, 100);
    world->shards[0]->damaged_seq = 3;
    Imlog__PullReply *reply = pull_one(world, 1, 0, 0);
    const Imlog__Pulled *result = reply->results[0];
    assert_int_equal(result->n_messages, 4);
    assert_int_equal(result->n_gaps, 1);
    assert_int_equal(result->gaps[0]->first_seq, 3);
    assert_int_equal(result->gaps[0]->last_seq, 3);
    assert_int_equal(result->gaps[0]->reason, IMLOG__GAP_REASON__GAP_DAMAGED);
    assert_int_equal(result->end_seq, 6);
    imlog__pull_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

/* More pulls than a shard works on at once; and more than have room: those that come after the
 * reply is full get the same position again, in their own direction, or that there is none. */
static void pulls_without_room_keep_their_position(void **state)
{
    (void)state;
    enum { PULLS = 200, BODY_BYTES = 60000 };
    struct world *world = world_create(1, 1);
    append_messages(world, 1, 2, BODY_BYTES);
    struct body item;
    uint8_t request[PULLS * 16];
    struct wire_writer all = {.at = request};
    for (uint64_t i = 0; i < PULLS; i++) {
        struct wire_writer *writer = &body_reset(&item)->writer;
        wire_put_uint(writer, 1, i % 4 == 3 && i > PULLS / 2 ? 99 : 1);
        wire_put_uint(writer, 3, i % 4 == 1 ? 2 : 0);
        wire_put_uint(writer, 4, i % 4 == 1 || i % 4 == 2);
        wire_put_bytes(&all, 1, item.bytes, writer->byte_count);
    }
    uint8_t *frame = world_frame(FRAME_PULL, 1, request, (size_t)all.byte_count);
    size_t frame_bytes = FRAME_HEADER_BYTES + (size_t)all.byte_count;
    assert_int_equal(world_give(world, frame, frame_bytes, frame_bytes), frame_bytes);
    free(frame);
    world_run(world);
    assert_int_equal(world->shards[0]->pulls_under_way_max, PULLS_AT_ONCE_MAX);
    Imlog__PullReply *reply =
        world_expect(world, FRAME_PULL | FRAME_REPLY, 1, &imlog__pull_reply__descriptor);
    assert_int_equal(reply->n_results, PULLS);
    uint32_t empty_count[4] = {0};
    for (size_t i = 0; i < PULLS; i++) {
        const Imlog__Pulled *result = reply->results[i];
        uint32_t what = result->index % 4;
        if (what == 3 && result->index > PULLS / 2) {
            assert_int_equal(result->code, IMLOG_ENOSESSION);
            continue;
        }
        assert_int_equal(result->code, 0);
        if (result->n_messages > 0)
            continue;
        empty_count[what]++;
        static const uint64_t positions[] = {1, 2, 3, 1};
        assert_true(result->more);
        assert_int_equal(result->first_seq, positions[what]);
        assert_int_equal(result->end_seq, positions[what]);
        assert_int_equal(result->session_latest_seq, 2);
    }
    for (uint32_t what = 0; what < 4; what++)
        assert_true(empty_count[what] > 0);
    imlog__pull_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

/* ---- sessions -----------------------------------------------------------------------------------
 */

static Imlog__SessionsReply *list(struct world *world, uint64_t request_id, const uint8_t *cursor,
                                  size_t cursor_bytes, uint32_t count_max)
{
    struct body body;
    wire_put_bytes(&body_reset(&body)->writer, 1, cursor, cursor_bytes);
    wire_put_uint(&body.writer, 2, count_max);
    wire_put_uint(&body.writer, 3, 1); /* a newer client's */
    send_body(world, FRAME_SESSIONS, request_id, &body);
    return world_expect(world, FRAME_SESSIONS | FRAME_REPLY, request_id,
                        &imlog__sessions_reply__descriptor);
}

static void a_cursor_that_this_node_did_not_give_is_refused(void **state)
{
    (void)state;
    struct world *world = world_create(1, 2);
    append_messages(world, 2, 1, 10);
    append_messages(world, 1, 1, 10);
    Imlog__SessionsReply *page = list(world, 1, NULL, 0, 1);
    uint8_t cursor[32] = {0};
    size_t cursor_bytes = page->next_cursor.len;
    assert_int_equal(page->n_sessions, 1);
    assert_true(cursor_bytes > 8 && cursor_bytes < sizeof cursor);
    memcpy(cursor, page->next_cursor.data, cursor_bytes);
    imlog__sessions_reply__free_unpacked(page, NULL);
    page = list(world, 2, cursor, cursor_bytes, UINT32_MAX);
    assert_int_equal(page->n_sessions, 1);
    assert_int_equal(page->sessions[0]->session_id, 1);
    assert_int_equal(page->next_cursor.len, 0);
    imlog__sessions_reply__free_unpacked(page, NULL);
    static const size_t bytes[] = {0, 1, 5}; /* version, node, shard */
    for (size_t i = 0; i < 5; i++) {
        struct body body;
        uint8_t wrong[sizeof cursor];
        memcpy(wrong, cursor, sizeof cursor);
        size_t wrong_bytes = i == 3 ? cursor_bytes - 1 : cursor_bytes + (i == 4);
        if (i < 3)
            wrong[bytes[i]] ^= 0x40;
        wire_put_bytes(&body_reset(&body)->writer, 1, wrong, wrong_bytes);
        send_body(world, FRAME_SESSIONS, 10 + i, &body);
        world_expect_error(world, 10 + i, IMLOG_EINVALID);
    }
    world_destroy(world);
}

/* ---- resolve
 * -------------------------------------------------------------------------------------- */

static Imlog__ResolveReply *resolve_two(struct world *world, uint64_t request_id)
{
    struct body body;
    wire_put_text(&body_reset(&body)->writer, 1, "a");
    wire_put_text(&body.writer, 1, "b");
    wire_put_uint(&body.writer, 9, 1); /* a newer client's */
    send_body(world, FRAME_RESOLVE, request_id, &body);
    return world_expect(world, FRAME_RESOLVE | FRAME_REPLY, request_id,
                        &imlog__resolve_reply__descriptor);
}

static void resolving_waits_for_a_busy_engine_and_reports_a_failing_one(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    world->shards[0]->resolve_busy_count = 3;
    Imlog__ResolveReply *reply = resolve_two(world, 1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(reply->results[i]->code, 0);
    imlog__resolve_reply__free_unpacked(reply, NULL);
    assert_int_equal(world->shards[0]->resolve_busy_count, 0);
    world->shards[0]->resolve_status = IMLOG_EDEGRADED;
    reply = resolve_two(world, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(reply->results[i]->code, IMLOG_EDEGRADED);
    imlog__resolve_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_an_append_arrives),
        cmocka_unit_test(a_field_of_the_wrong_type_is_an_error),
        cmocka_unit_test(ids_may_come_packed_or_not),
        cmocka_unit_test(a_pull_gets_no_more_than_it_asks_for),
        cmocka_unit_test(damage_is_answered_as_a_gap),
        cmocka_unit_test(pulls_without_room_keep_their_position),
        cmocka_unit_test(a_cursor_that_this_node_did_not_give_is_refused),
        cmocka_unit_test(resolving_waits_for_a_busy_engine_and_reports_a_failing_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

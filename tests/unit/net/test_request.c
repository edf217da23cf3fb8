/* Requests, split over shards and threads and put together again (net/request.h). */
#include "net/limits.h"
#include "tests/unit/net/world.h"

static void one_append_is_answered_when_durable(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    const uint64_t session_id = 5;
    world->shards[0]->frozen = true;
    world_append(world, 7, &session_id, 1, 100);
    world_run(world);
    assert_int_equal(world->conn.output.byte_count, 0);
    world->shards[0]->frozen = false;
    world_run(world);
    Imlog__AppendReply *reply = world_appended(world, 7);
    assert_int_equal(reply->n_results, 1);
    assert_int_equal(reply->results[0]->code, 0);
    assert_true(reply->results[0]->seq == 1);
    assert_true(reply->results[0]->server_ms == 77);
    assert_int_equal(reply->results[0]->ack, IMLOG__ACK_LEVEL__ACK_DURABLE);
    imlog__append_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

static void every_item_gets_one_result_over_all_shards(void **state)
{
    (void)state;
    enum { ITEMS = 500 };
    for (uint32_t threads = 1; threads <= 3; threads++) {
        struct world *world = world_create(threads, 5);
        uint64_t session_of[ITEMS];
        for (uint32_t i = 0; i < ITEMS; i++)
            session_of[i] = 1 + i * 7 % 23;
        world_append(world, 1, session_of, ITEMS, 30);
        world_run(world);
        Imlog__AppendReply *reply = world_appended(world, 1);
        assert_int_equal(reply->n_results, ITEMS);
        uint64_t seq_of[24] = {0};
        for (uint32_t i = 0; i < ITEMS; i++) {
            const Imlog__Appended *result = world_result(reply, i);
            assert_int_equal(result->code, 0);
            assert_true(result->seq == ++seq_of[session_of[i]]); /* in the order sent */
        }
        imlog__append_reply__free_unpacked(reply, NULL);
        world_destroy(world);
    }
}

static void appends_of_a_connection_to_a_session_keep_their_order(void **state)
{
    (void)state;
    struct world *world = world_create(3, 3);
    const uint64_t session_id = 4; /* another thread's */
    for (uint32_t i = 0; i < WORLD_SHARDS_MAX && world->shards[i] != NULL; i++)
        world->shards[i]->accept_count = 2; /* most have to wait */
    for (uint64_t id = 1; id <= 100; id++)
        world_append(world, id, &session_id, 1, 10);
    world_run(world);
    for (uint64_t n = 1; n <= 100; n++) {
        Imlog__AppendReply *reply = world_appended(world, n);
        assert_true(reply->results[0]->seq == n);
        imlog__append_reply__free_unpacked(reply, NULL);
    }
    world_destroy(world);
}

static void a_busy_engine_delays_and_fails_nothing(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    uint64_t session_of[60];
    for (uint32_t i = 0; i < 60; i++)
        session_of[i] = 1 + i % 3;
    world->shards[0]->accept_count = 4;
    world_append(world, 1, session_of, 60, 10);
    world_run(world);
    Imlog__AppendReply *reply = world_appended(world, 1);
    for (uint32_t i = 0; i < 60; i++)
        assert_int_equal(world_result(reply, i)->code, 0);
    imlog__append_reply__free_unpacked(reply, NULL);
    assert_true(figure_get(&world->dispatches[0].figures.parts_held) >= 14);
    world_destroy(world);
}

static void items_behind_a_failed_one_of_their_session_are_aborted(void **state)
{
    (void)state;
    struct world *world = world_create(2, 2);
    const uint64_t session_of[] = {2, 4, 2, 6, 4, 2, 3};
    world->shards[0]->refuse_session_id = 4;
    world->shards[0]->refuse_status = IMLOG_EKIND;
    world_append(world, 1, session_of, 7, 10);
    world_run(world);
    Imlog__AppendReply *reply = world_appended(world, 1);
    static const int expected[] = {0, IMLOG_EKIND, 0, 0, IMLOG_EABORTED, 0, 0};
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(world_result(reply, i)->code, expected[i]);
    assert_true(strlen(world_result(reply, 4)->text) > 0);
    imlog__append_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

static void a_failed_write_is_reported_as_unknown(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    const uint64_t session_of[] = {1, 2};
    world->shards[0]->done_status = IMLOG_EUNKNOWN;
    world_append(world, 1, session_of, 2, 10);
    world_run(world);
    Imlog__AppendReply *reply = world_appended(world, 1);
    assert_int_equal(world_result(reply, 0)->code, IMLOG_EUNKNOWN);
    assert_int_equal(world_result(reply, 1)->code, IMLOG_EUNKNOWN);
    imlog__append_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

static void a_bad_item_fails_alone(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    Imlog__Append good = IMLOG__APPEND__INIT;
    Imlog__Append bad_kind = IMLOG__APPEND__INIT;
    Imlog__Append bad_type = IMLOG__APPEND__INIT;
    Imlog__Append no_sender = IMLOG__APPEND__INIT;
    good.session_id = bad_kind.session_id = bad_type.session_id = no_sender.session_id = 1;
    bad_kind.session_id = 2;
    bad_type.session_id = 3;
    no_sender.session_id = 4;
    good.sender_id = bad_kind.sender_id = bad_type.sender_id = 1;
    bad_kind.kind = (Imlog__Kind)4;
    bad_type.type = 65536;
    Imlog__Append *items[] = {&bad_kind, &bad_type, &no_sender, &good};
    Imlog__AppendRequest request = IMLOG__APPEND_REQUEST__INIT;
    request.n_items = 4;
    request.items = items;
    world_request(world, FRAME_APPEND, 3, &request.base);
    world_run(world);
    Imlog__AppendReply *reply = world_appended(world, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(world_result(reply, i)->code, IMLOG_EINVALID);
    assert_int_equal(world_result(reply, 3)->code, 0);
    imlog__append_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

static void too_many_items_are_refused_and_the_connection_goes_on(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    uint64_t *session_of = calloc(IMLOG_REQUEST_ITEMS_MAX + 1, sizeof *session_of);
    world_append(world, 1, session_of, IMLOG_REQUEST_ITEMS_MAX + 1, 0);
    world_expect_error(world, 1, IMLOG_EINVALID);
    world_append(world, 2, session_of, IMLOG_REQUEST_ITEMS_MAX, 0);
    world_run(world);
    Imlog__AppendReply *reply = world_appended(world, 2);
    assert_int_equal(reply->n_results, IMLOG_REQUEST_ITEMS_MAX);
    imlog__append_reply__free_unpacked(reply, NULL);
    free(session_of);
    world_destroy(world);
}

static void empty_lists_are_answered_with_empty_lists(void **state)
{
    (void)state;
    static const uint16_t types[] = {FRAME_APPEND, FRAME_PULL, FRAME_RESOLVE, FRAME_NAMES,
                                     FRAME_SESSION};
    struct world *world = world_create(2, 2);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct world_reply reply;
        world_request(world, types[i], i, NULL);
        assert_true(world_reply(world, &reply));
        assert_int_equal(reply.header.type, types[i] | FRAME_REPLY);
        assert_int_equal(reply.header.body_bytes, 0);
        free(reply.body);
    }
    world_destroy(world);
}

static Imlog__PullReply *pull(struct world *world, uint64_t request_id, const uint64_t *sessions,
                              const uint64_t *after_seqs, size_t item_count, uint32_t bytes_max)
{
    Imlog__Pull *items = calloc(item_count, sizeof *items);
    Imlog__Pull **pointers = calloc(item_count, sizeof *pointers);
    for (size_t i = 0; i < item_count; i++) {
        items[i] = (Imlog__Pull)IMLOG__PULL__INIT;
        items[i].session_id = sessions[i];
        items[i].after_seq = after_seqs[i];
        items[i].bytes_max = bytes_max;
        pointers[i] = &items[i];
    }
    Imlog__PullRequest request = IMLOG__PULL_REQUEST__INIT;
    request.n_items = item_count;
    request.items = pointers;
    world_request(world, FRAME_PULL, request_id, &request.base);
    free(pointers);
    free(items);
    world_run(world);
    return world_expect(world, FRAME_PULL | FRAME_REPLY, request_id,
                        &imlog__pull_reply__descriptor);
}

static void a_pull_gives_back_what_was_appended(void **state)
{
    (void)state;
    struct world *world = world_create(2, 2);
    const uint64_t session_of[] = {3, 3, 3, 8};
    world_append(world, 1, session_of, 4, 1000);
    world_run(world);
    imlog__append_reply__free_unpacked(world_appended(world, 1), NULL);
    const uint64_t sessions[] = {3, 8, 99};
    const uint64_t after[] = {1, 0, 0};
    Imlog__PullReply *reply = pull(world, 2, sessions, after, 3, 0);
    assert_int_equal(reply->n_results, 3);
    for (size_t i = 0; i < 3; i++) {
        const Imlog__Pulled *result = reply->results[i];
        if (result->index == 2) {
            assert_int_equal(result->code, IMLOG_ENOSESSION);
            continue;
        }
        assert_int_equal(result->code, 0);
        assert_true(result->session_id == sessions[result->index]);
        assert_int_equal(result->n_messages, result->index == 0 ? 2 : 1);
        assert_true(result->messages[0]->seq == after[result->index] + 1);
        assert_int_equal(result->messages[0]->body.len, 1000);
        assert_int_equal(result->messages[0]->body.data[999], 0x42);
        assert_false(result->more);
    }
    imlog__pull_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

static void a_reply_stays_below_its_limit_and_asking_again_gets_the_rest(void **state)
{
    (void)state;
    enum { SESSIONS = 40, BODY_BYTES = 60000, MESSAGES = 5 };
    struct world *world = world_create(2, 3);
    uint64_t sessions[SESSIONS];
    uint64_t after[SESSIONS] = {0};
    for (uint64_t i = 0; i < SESSIONS; i++)
        sessions[i] = i + 1;
    for (uint64_t n = 0; n < MESSAGES; n++) {
        world_append(world, n, sessions, SESSIONS, BODY_BYTES);
        world_run(world);
        imlog__append_reply__free_unpacked(world_appended(world, n), NULL);
    }
    uint32_t message_count = 0;
    uint32_t rounds = 0;
    for (bool more = true; more; rounds++) {
        more = false;
        Imlog__PullReply *reply = pull(world, 100 + rounds, sessions, after, SESSIONS, 0);
        assert_int_equal(reply->n_results, SESSIONS);
        for (size_t i = 0; i < SESSIONS; i++) {
            const Imlog__Pulled *result = reply->results[i];
            message_count += (uint32_t)result->n_messages;
            assert_int_equal(result->code, 0);
            assert_true(result->first_seq == after[result->index] + 1);
            assert_true(result->session_latest_seq == MESSAGES);
            after[result->index] = result->end_seq - 1;
            more = more || result->more;
        }
        imlog__pull_reply__free_unpacked(reply, NULL);
        assert_true(rounds < 20);
    }
    assert_int_equal(message_count, SESSIONS * MESSAGES);
    assert_true(rounds > 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(world->shards[i]->pulls_under_way_max <= PULLS_AT_ONCE_MAX);
    world_destroy(world);
}

static void resolve_names_and_lookups_answer_each_key(void **state)
{
    (void)state;
    struct world *world = world_create(2, 2);
    uint8_t long_key[256] = {'x'};
    ProtobufCBinaryData keys[] = {{.data = (uint8_t *)(uintptr_t) "known", .len = 5},
                                  {.data = long_key, .len = 256},
                                  {.data = (uint8_t *)(uintptr_t) "other", .len = 5}};
    Imlog__ResolveRequest request = IMLOG__RESOLVE_REQUEST__INIT;
    request.n_keys = 3;
    request.keys = keys;
    for (int lookup_only = 0; lookup_only < 2; lookup_only++) {
        request.lookup_only = lookup_only;
        world_request(world, FRAME_RESOLVE, 1, &request.base);
        world_run(world);
        Imlog__ResolveReply *reply =
            world_expect(world, FRAME_RESOLVE | FRAME_REPLY, 1, &imlog__resolve_reply__descriptor);
        assert_int_equal(reply->n_results, 3);
        for (size_t i = 0; i < 3; i++) {
            const Imlog__Resolved *result = reply->results[i];
            static const int codes[2][3] = {{0, IMLOG_EINVALID, 0},
                                            {0, IMLOG_EINVALID, IMLOG_ENOSESSION}};
            assert_int_equal(result->code, codes[lookup_only][result->index]);
            if (result->code == 0)
                assert_int_equal(result->created, !lookup_only);
        }
        imlog__resolve_reply__free_unpacked(reply, NULL);
    }
    uint64_t ids[] = {IMLOG_RESOLVED_ID_MIN + 1, 12, IMLOG_RESOLVED_ID_MIN + 2};
    Imlog__NamesRequest names = IMLOG__NAMES_REQUEST__INIT;
    names.n_ids = 3;
    names.ids = ids;
    world_request(world, FRAME_NAMES, 2, &names.base);
    world_run(world);
    Imlog__NamesReply *reply =
        world_expect(world, FRAME_NAMES | FRAME_REPLY, 2, &imlog__names_reply__descriptor);
    assert_int_equal(reply->n_results, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(reply->results[i]->id == ids[reply->results[i]->index]);
        assert_int_equal(reply->results[i]->key.len, reply->results[i]->index == 1 ? 0 : 5);
    }
    imlog__names_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

static void paging_shows_every_session_once(void **state)
{
    (void)state;
    enum { SESSIONS = 90 };
    struct world *world = world_create(2, 3);
    uint64_t session_of[SESSIONS];
    for (uint64_t i = 0; i < SESSIONS; i++)
        session_of[i] = i + 1;
    world_append(world, 1, session_of, SESSIONS, 1);
    world_run(world);
    imlog__append_reply__free_unpacked(world_appended(world, 1), NULL);
    uint32_t seen[SESSIONS + 1] = {0};
    uint8_t cursor[64];
    Imlog__SessionsRequest request = IMLOG__SESSIONS_REQUEST__INIT;
    request.count_max = 7;
    request.cursor.data = cursor;
    uint32_t pages = 0;
    do {
        world_request(world, FRAME_SESSIONS, 2, &request.base);
        world_run(world);
        Imlog__SessionsReply *reply = world_expect(world, FRAME_SESSIONS | FRAME_REPLY, 2,
                                                   &imlog__sessions_reply__descriptor);
        for (size_t i = 0; i < reply->n_sessions; i++) {
            seen[reply->sessions[i]->session_id]++;
            assert_int_equal(reply->sessions[i]->shard, reply->sessions[i]->session_id % 3);
        }
        assert_true(reply->n_sessions <= 7);
        request.cursor.len = reply->next_cursor.len;
        if (reply->next_cursor.len > 0)
            memcpy(cursor, reply->next_cursor.data, reply->next_cursor.len);
        imlog__sessions_reply__free_unpacked(reply, NULL);
        assert_true(pages++ < 50);
    } while (request.cursor.len > 0);
    for (uint32_t i = 1; i <= SESSIONS; i++)
        assert_int_equal(seen[i], 1);
    request.cursor = (ProtobufCBinaryData){.data = cursor, .len = 15};
    cursor[1] ^= 1; /* another node's */
    world_request(world, FRAME_SESSIONS, 3, &request.base);
    world_expect_error(world, 3, IMLOG_EINVALID);
    world_destroy(world);
}

static void stats_have_every_shard_and_the_node(void **state)
{
    (void)state;
    struct world *world = world_create(2, 3);
    world_request(world, FRAME_STATS, 1, NULL);
    world_run(world);
    Imlog__StatsReply *reply =
        world_expect(world, FRAME_STATS | FRAME_REPLY, 1, &imlog__stats_reply__descriptor);
    assert_int_equal(reply->n_shards, 3);
    assert_true(reply->n_node > 20);
    assert_string_equal(reply->node[0]->name, "connections");
    uint32_t shards_seen = 0;
    for (size_t i = 0; i < 3; i++)
        shards_seen |= 1U << reply->shards[i]->shard;
    assert_int_equal(shards_seen, 7);
    imlog__stats_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

static void ping_and_info_answer_at_once(void **state)
{
    (void)state;
    struct world *world = world_create(2, 2);
    world_request(world, FRAME_PING, 1, NULL);
    Imlog__PingReply *ping =
        world_expect(world, FRAME_PING | FRAME_REPLY, 1, &imlog__ping_reply__descriptor);
    assert_true(ping->server_ms == 1700000000000);
    imlog__ping_reply__free_unpacked(ping, NULL);
    world_request(world, FRAME_INFO, 2, NULL);
    Imlog__InfoReply *info =
        world_expect(world, FRAME_INFO | FRAME_REPLY, 2, &imlog__info_reply__descriptor);
    assert_int_equal(info->shard_count, 2);
    assert_int_equal(info->node_uuid.len, 16);
    assert_int_equal(info->frame_bytes_max, IMLOG_FRAME_BYTES_MAX);
    imlog__info_reply__free_unpacked(info, NULL);
    world_request(world, FRAME_HEARTBEAT, 0, NULL);
    assert_int_equal(world->conn.output.byte_count, 0);
    world_destroy(world);
}

static void bodies_that_are_no_protobuf_get_an_error_and_the_connection_goes_on(void **state)
{
    (void)state;
    static const uint16_t types[] = {FRAME_PING,  FRAME_INFO,    FRAME_STATS,
                                     FRAME_NAMES, FRAME_RESOLVE, FRAME_APPEND,
                                     FRAME_PULL,  FRAME_SESSION, FRAME_SESSIONS};
    static const uint8_t garbage[] = {0x0a, 0x7f, 1, 2, 3};
    struct world *world = world_create(1, 1);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        uint8_t *frame = world_frame(types[i], i, garbage, sizeof garbage);
        (void)world_give(world, frame, FRAME_HEADER_BYTES + sizeof garbage, 64);
        free(frame);
        world_expect_error(world, i, IMLOG_EPROTO);
    }
    world_request(world, 0x7777, 5, NULL);
    world_expect_error(world, 5, IMLOG_EUNSUPPORTED);
    assert_int_equal(world->conn.state, CONN_OPEN);
    world_destroy(world);
}

static void any_body_ends_in_a_reply(void **state)
{
    (void)state;
    static const uint16_t types[] = {FRAME_STATS, FRAME_NAMES,   FRAME_RESOLVE, FRAME_APPEND,
                                     FRAME_PULL,  FRAME_SESSION, FRAME_SESSIONS};
    struct world *world = world_create(2, 3);
    uint64_t seed = 42;
    for (uint64_t round = 0; round < 5000; round++) {
        uint8_t body[24];
        for (size_t i = 0; i < sizeof body; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            body[i] = (uint8_t)(seed >> 33 & 0x1f);
        }
        body[0] = 0x0a;
        size_t body_bytes = seed >> 40 & 0xf;
        uint8_t *frame = world_frame(types[round % 7], round, body, body_bytes);
        (void)world_give(world, frame, FRAME_HEADER_BYTES + body_bytes, 64);
        free(frame);
        for (uint32_t turn = 0; turn < 8; turn++)
            for (uint32_t i = 0; i < 2; i++)
                world_turn_thread(world, i);
        struct world_reply reply;
        assert_true(world_reply(world, &reply));
        assert_true(reply.header.request_id == round);
        free(reply.body);
    }
    world_destroy(world);
}

static void requests_of_a_lost_connection_end_without_it(void **state)
{
    (void)state;
    struct world *world = world_create(2, 2);
    const uint64_t session_of[] = {1, 2};
    world->shards[0]->frozen = true;
    world_append(world, 1, session_of, 2, 100);
    world_turn_thread(world, 1);
    conn_lose(&world->conn);
    assert_true(conn_is_held(&world->conn));
    world->shards[0]->frozen = false;
    world_run(world);
    assert_false(conn_is_held(&world->conn));
    assert_int_equal(figure_get(&world->dispatches[0].figures.replies_dropped), 1);
    world_destroy(world);
}

static void what_waits_at_the_end_is_told_so(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    const uint64_t session_of[] = {1, 1, 1};
    world->shards[0]->accept_count = 1;
    world_append(world, 1, session_of, 3, 10); /* one under way, two waiting */
    world_append(world, 2, session_of, 1, 10); /* all waiting */
    world->shards[0]->frozen = true;
    world_turn_thread(world, 0);
    dispatch_refuse_waiting(&world->dispatches[0], IMLOG_EDRAINING);
    world_expect_error(world, 2, IMLOG_EDRAINING);
    world->shards[0]->frozen = false;
    world_run(world);
    Imlog__AppendReply *reply = world_appended(world, 1);
    assert_int_equal(world_result(reply, 0)->code, 0);
    assert_int_equal(world_result(reply, 1)->code, IMLOG_EDRAINING);
    assert_int_equal(world_result(reply, 2)->code, IMLOG_EDRAINING);
    imlog__append_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

static void beyond_what_may_wait_the_answer_is_busy_with_advice(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    const uint64_t session_of[] = {1};
    uint64_t id = 0;
    world->shards[0]->accept_count = 0;
    world->desks[0][0].waiting_bytes = DESK_WAITING_BYTES_MAX;
    world_append(world, ++id, session_of, 1, 10); /* the first may always wait */
    world_append(world, ++id, session_of, 1, 10);
    Imlog__ErrorReply *error =
        world_expect(world, FRAME_ERROR, id, &imlog__error_reply__descriptor);
    assert_int_equal(error->code, IMLOG_EBUSY);
    assert_int_equal(error->retry_after_ms, DESK_RETRY_AFTER_MS);
    imlog__error_reply__free_unpacked(error, NULL);
    world->desks[0][0].waiting_bytes -= DESK_WAITING_BYTES_MAX;
    world->shards[0]->accept_count = 10;
    world_run(world);
    imlog__append_reply__free_unpacked(world_appended(world, 1), NULL);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_append_is_answered_when_durable),
        cmocka_unit_test(every_item_gets_one_result_over_all_shards),
        cmocka_unit_test(appends_of_a_connection_to_a_session_keep_their_order),
        cmocka_unit_test(a_busy_engine_delays_and_fails_nothing),
        cmocka_unit_test(items_behind_a_failed_one_of_their_session_are_aborted),
        cmocka_unit_test(a_failed_write_is_reported_as_unknown),
        cmocka_unit_test(a_bad_item_fails_alone),
        cmocka_unit_test(too_many_items_are_refused_and_the_connection_goes_on),
        cmocka_unit_test(empty_lists_are_answered_with_empty_lists),
        cmocka_unit_test(a_pull_gives_back_what_was_appended),
        cmocka_unit_test(a_reply_stays_below_its_limit_and_asking_again_gets_the_rest),
        cmocka_unit_test(resolve_names_and_lookups_answer_each_key),
        cmocka_unit_test(paging_shows_every_session_once),
        cmocka_unit_test(stats_have_every_shard_and_the_node),
        cmocka_unit_test(ping_and_info_answer_at_once),
        cmocka_unit_test(bodies_that_are_no_protobuf_get_an_error_and_the_connection_goes_on),
        cmocka_unit_test(any_body_ends_in_a_reply),
        cmocka_unit_test(requests_of_a_lost_connection_end_without_it),
        cmocka_unit_test(what_waits_at_the_end_is_told_so),
        cmocka_unit_test(beyond_what_may_wait_the_answer_is_busy_with_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

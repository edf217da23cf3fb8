/* Whose turn it is (net/dispatch.h): connections and parts that wait, and how long to sleep. */
#include "net/limits.h"
#include "tests/unit/net/world.h"

static void sleep_is_as_long_as_nothing_can_go_on(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    struct dispatch *dispatch = &world->dispatches[0];
    const uint64_t session_of[] = {1, 1, 1};
    assert_true(dispatch_wait_ns(dispatch) == UINT64_MAX);
    world->shards[0]->accept_count = 1;
    world_append(world, 1, session_of, 3, 10);
    world_turn_thread(world, 0); /* one is under way and done, two wait at the desk */
    assert_int_equal(dispatch_wait_ns(dispatch), 0);
    world->shards[0]->accept_count = 0;
    world_turn_thread(world, 0);
    world_turn_thread(world, 0); /* nothing moved: look again, but not at once */
    uint64_t wait_ns = dispatch_wait_ns(dispatch);
    assert_true(wait_ns > 0 && wait_ns < UINT64_MAX);
    world->shards[0]->accept_count = 1;
    world_run(world);
    assert_true(dispatch_wait_ns(dispatch) == UINT64_MAX);
    imlog__append_reply__free_unpacked(world_appended(world, 1), NULL);
    world_destroy(world);
}

static void connections_that_wait_go_on_in_their_order(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    struct dispatch *dispatch = &world->dispatches[0];
    struct conn other;
    uint8_t *frame = world_frame(FRAME_PING, 1, NULL, 0);
    conn_init(&other, dispatch, world_conn_changed);
    dispatch->weight_bytes += DISPATCH_WEIGHT_BYTES_MAX;
    conn_receive(&other, frame, FRAME_HEADER_BYTES);
    conn_receive(&world->conn, frame, FRAME_HEADER_BYTES);
    dispatch_ready(dispatch, &other); /* once is enough */
    assert_ptr_equal(dispatch->ready_first, &other);
    assert_ptr_equal(dispatch->ready_last, &world->conn);
    assert_ptr_equal(other.next_ready, &world->conn);
    dispatch->weight_bytes -= DISPATCH_WEIGHT_BYTES_MAX;
    assert_int_equal(dispatch_wait_ns(dispatch), 0);
    world_run(world);
    assert_true(other.output.byte_count > 0);
    assert_true(world->conn.output.byte_count == other.output.byte_count);
    conn_lose(&other);
    conn_deinit(&other);
    free(frame);
    world_destroy(world);
}

/* Refused when its first item is answered already and none is under way: one result for each. */
static void what_is_answered_in_part_is_refused_in_part(void **state)
{
    (void)state;
    struct world *world = world_create(1, 1);
    const uint64_t session_of[] = {4, 1, 1};
    world->shards[0]->refuse_session_id = 4;
    world->shards[0]->refuse_status = IMLOG_EKIND;
    world->shards[0]->accept_count = 0;
    world_append(world, 1, session_of, 3, 10);
    world_turn_thread(world, 0);
    dispatch_refuse_waiting(&world->dispatches[0], IMLOG_EDRAINING);
    Imlog__AppendReply *reply = world_appended(world, 1);
    assert_int_equal(world_result(reply, 0)->code, IMLOG_EKIND);
    assert_int_equal(world_result(reply, 1)->code, IMLOG_EDRAINING);
    assert_int_equal(world_result(reply, 2)->code, IMLOG_EDRAINING);
    imlog__append_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

/* A request over two shards of which only one is refused is no refusal of the request. */
static void a_refused_part_leaves_the_others(void **state)
{
    (void)state;
    struct world *world = world_create(1, 2);
    const uint64_t session_of[] = {1, 2};
    world->shards[0]->accept_count = 0;
    world_append(world, 1, session_of, 2, 10);
    world_turn_thread(world, 0);
    dispatch_refuse_waiting(&world->dispatches[0], IMLOG_EBUSY);
    world_run(world);
    Imlog__AppendReply *reply = world_appended(world, 1);
    assert_int_equal(world_result(reply, 0)->code, 0);
    assert_int_equal(world_result(reply, 1)->code, IMLOG_EBUSY);
    imlog__append_reply__free_unpacked(reply, NULL);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleep_is_as_long_as_nothing_can_go_on),
        cmocka_unit_test(connections_that_wait_go_on_in_their_order),
        cmocka_unit_test(what_is_answered_in_part_is_refused_in_part),
        cmocka_unit_test(a_refused_part_leaves_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

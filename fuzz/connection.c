/* connection.c: see connection.h. */
#include "fuzz/connection.h"

#include "tests/lib/prng.h"
#include "tests/unit/net/world.h"

enum { NODES = 4, REPLIES_MAX = 4096, QUIET_ROUNDS_MAX = 4096 };

/* Nodes are made once; a run leaves nothing in them. */
static struct world *nodes[NODES];
static struct world *node;
static struct reply replies[REPLIES_MAX];
static uint32_t reply_count;
static struct prng pieces;
static size_t piece_bytes_max;

static void set_up_shards(uint64_t habits)
{
    static const uint32_t accept_counts[4] = {UINT32_MAX, 1, 3, 16};
    for (uint32_t i = 0; i < node->node.shard_count; i++) {
        struct imlog_shard *shard = node->shards[i];
        shard->accept_count = accept_counts[habits & 3];
        shard->refuse_session_id = (habits & 4) != 0 ? 2 : 0;
        shard->refuse_status = IMLOG_EDISKFULL;
        shard->done_status = (habits & 8) != 0 && i == 1 ? IMLOG_EUNKNOWN : 0;
    }
}

void connection_begin(struct fuzz_input *setup)
{
    static const struct {
        uint32_t thread_count;
        uint32_t shard_count;
    } kinds[NODES] = {{1, 1}, {1, 3}, {2, 3}, {3, 5}};
    uint64_t kind = fuzz_take(setup, 1);
    uint64_t habits = fuzz_take(setup, 1);
    pieces.state = habits;
    piece_bytes_max = 1 + fuzz_take(setup, 1) * 4;
    struct world **slot = &nodes[kind % NODES];
    if (*slot == NULL)
        *slot = world_create(kinds[kind % NODES].thread_count, kinds[kind % NODES].shard_count);
    node = *slot;
    reply_count = 0;
    set_up_shards(habits);
}

static void turn(void)
{
    for (uint32_t i = 0; i < node->node.thread_count; i++)
        world_turn_thread(node, i);
    struct world_reply reply;
    while (world_reply(node, &reply)) {
        FUZZ_CHECK(reply_count < REPLIES_MAX);
        replies[reply_count++] = (struct reply){.header = reply.header, .body = reply.body};
    }
}

void connection_send(const uint8_t *bytes, size_t byte_count)
{
    size_t at = 0;
    uint32_t idle_turns = 0;
    while (at < byte_count && node->conn.state == CONN_OPEN) {
        size_t piece = 1 + (size_t)prng_below(&pieces, piece_bytes_max);
        piece = piece < byte_count - at ? piece : byte_count - at;
        size_t taken = world_give(node, bytes + at, piece, piece);
        at += taken;
        if (taken == 0 || prng_one_in(&pieces, 4))
            turn();
        idle_turns = taken == 0 ? idle_turns + 1 : 0;
        FUZZ_CHECK(idle_turns < QUIET_ROUNDS_MAX); /* or it never reads again */
    }
}

const struct reply *connection_replies(uint32_t *count)
{
    const struct dispatch *home = node->conn.dispatch;
    for (uint32_t round = 0; home->request_count > 0 || home->ready_first != NULL; round++) {
        FUZZ_CHECK(round < QUIET_ROUNDS_MAX); /* or a request never ends */
        turn();
    }
    turn();
    *count = reply_count;
    return replies;
}

bool connection_is_open(void)
{
    return node->conn.state == CONN_OPEN;
}

void connection_end(void)
{
    conn_lose(&node->conn);
    world_run(node);
    conn_deinit(&node->conn);
    for (uint32_t i = 0; i < reply_count; i++)
        free(replies[i].body);
    for (uint32_t i = 0; i < node->node.thread_count; i++) {
        FUZZ_CHECK(node->dispatches[i].request_count == 0);
        FUZZ_CHECK(node->dispatches[i].weight_bytes == 0);
    }
    for (uint32_t i = 0; i < node->node.shard_count; i++) {
        struct imlog_shard *shard = node->shards[i];
        FUZZ_CHECK(shard->pulls_under_way == 0);
        for (uint32_t j = 0; j < shard->message_count; j++)
            free(shard->messages[j].body);
        shard->message_count = 0;
    }
    conn_init(&node->conn, &node->dispatches[0], world_conn_changed);
}

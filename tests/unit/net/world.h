/* world.h: the request path without sockets and threads: some dispatches with fake shards, mail
 * carried by hand, one connection on the first of them. */
#ifndef TESTS_UNIT_NET_WORLD_H
#define TESTS_UNIT_NET_WORLD_H

#include "net/conn.h"
#include "net/imlog.pb-c.h"
#include "net/turn.h"
#include "tests/unit/net/fake_shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { WORLD_THREADS_MAX = 4, WORLD_SHARDS_MAX = 8 };

struct world {
    struct node node;
    struct dispatch dispatches[WORLD_THREADS_MAX];
    struct desk desks[WORLD_THREADS_MAX][WORLD_SHARDS_MAX];
    struct imlog_shard *shards[WORLD_SHARDS_MAX];
    struct mailbox mailboxes[WORLD_THREADS_MAX];
    struct conn conn;
};

struct world_reply {
    struct frame_header header;
    uint8_t *body; /* of the caller, to free */
};

static inline void world_send(void *arg, uint32_t thread_index, struct mail *mail)
{
    struct world *world = arg;
    (void)mailbox_send(&world->mailboxes[thread_index], mail);
}

static inline void world_conn_changed(struct conn *conn)
{
    (void)conn;
}

static inline struct world *world_create(uint32_t thread_count, uint32_t shard_count)
{
    struct world *world = calloc(1, sizeof *world);
    world->node = (struct node){.shard_count = shard_count,
                                .thread_count = thread_count,
                                .uuid = {1, 2, 3, 4, 5},
                                .body_bytes_max = IMLOG_BODY_BYTES_DEFAULT,
                                .idle_timeout_ms = 60000,
                                .frame_timeout_ms = 30000,
                                .slow_reader_timeout_ms = 20000,
                                .heartbeat_ms = 15000};
    for (uint32_t shard = 0; shard < shard_count; shard++) {
        world->shards[shard] = fake_shard_create();
        struct desk *desk = &world->desks[shard % thread_count][shard / thread_count];
        desk->shard = world->shards[shard];
        desk->shard_index = shard;
    }
    for (uint32_t i = 0; i < thread_count; i++) {
        struct dispatch *dispatch = &world->dispatches[i];
        uint32_t desk_count = (shard_count - i + thread_count - 1) / thread_count;
        dispatch_init(dispatch, &world->node, i, world->desks[i], desk_count);
        dispatch->send = world_send;
        dispatch->send_arg = world;
        dispatch->now_ms = 1000000;
        dispatch->wall_ms = 1700000000000;
        world->node.figures[i] = &dispatch->figures;
    }
    conn_init(&world->conn, &world->dispatches[0], world_conn_changed);
    return world;
}

static inline void world_carry(void *arg)
{
    (void)arg; /* a connection's bytes are given and taken by the tests */
}

static inline void world_turn_thread(struct world *world, uint32_t thread_index)
{
    const struct carrier carrier = {.read = world_carry, .write = world_carry};
    turn_run(&world->dispatches[thread_index], &world->mailboxes[thread_index], &carrier);
}

/* Enough turns for anything that is not held up. */
static inline void world_run(struct world *world)
{
    for (uint32_t turn = 0; turn < 64; turn++)
        for (uint32_t i = 0; i < world->node.thread_count; i++)
            world_turn_thread(world, i);
}

static inline void world_destroy(struct world *world)
{
    for (uint32_t i = 0; i < world->node.shard_count; i++)
        world->shards[i]->frozen = false;
    world_run(world);
    conn_lose(&world->conn);
    world_run(world);
    conn_deinit(&world->conn);
    for (uint32_t i = 0; i < world->node.thread_count; i++)
        dispatch_deinit(&world->dispatches[i]);
    for (uint32_t i = 0; i < world->node.shard_count; i++)
        fake_shard_destroy(world->shards[i]);
    free(world);
}

/* ---- what a client does -------------------------------------------------------------------- */

/* A frame in malloc'd bytes. */
static inline uint8_t *world_frame(uint16_t type, uint64_t request_id, const void *body,
                                   size_t body_bytes)
{
    uint8_t *bytes = malloc(FRAME_HEADER_BYTES + body_bytes);
    const struct frame_header header = {.body_bytes = (uint32_t)body_bytes,
                                        .version = FRAME_VERSION,
                                        .type = type,
                                        .request_id = request_id};
    frame_encode(bytes, &header);
    if (body_bytes > 0)
        memcpy(bytes + FRAME_HEADER_BYTES, body, body_bytes);
    return bytes;
}

/* Give bytes to the connection as a carrier would: only while it wants them. Returns how many
 * it took. */
static inline size_t world_give(struct world *world, const uint8_t *bytes, size_t byte_count,
                                size_t piece_bytes)
{
    size_t at = 0;
    while (at < byte_count && conn_wants_bytes(&world->conn)) {
        uint8_t *space;
        uint32_t space_bytes = conn_space(&world->conn, &space);
        size_t piece = byte_count - at < piece_bytes ? byte_count - at : piece_bytes;
        if (space_bytes > 0) {
            piece = piece < space_bytes ? piece : space_bytes;
            memcpy(space, bytes + at, piece);
            conn_received(&world->conn, (uint32_t)piece);
        } else {
            uint8_t *copy = malloc(piece); /* gone right after, as shared buffers are */
            memcpy(copy, bytes + at, piece);
            conn_receive(&world->conn, copy, (uint32_t)piece);
            free(copy);
        }
        at += piece;
    }
    return at;
}

static inline void world_request(struct world *world, uint16_t type, uint64_t request_id,
                                 const ProtobufCMessage *message)
{
    size_t body_bytes = message != NULL ? protobuf_c_message_get_packed_size(message) : 0;
    uint8_t *body = malloc(body_bytes + 1);
    if (message != NULL)
        (void)protobuf_c_message_pack(message, body);
    uint8_t *frame = world_frame(type, request_id, body, body_bytes);
    size_t frame_bytes = FRAME_HEADER_BYTES + body_bytes;
    assert_int_equal(world_give(world, frame, frame_bytes, 8192), frame_bytes);
    free(frame);
    free(body);
}

static inline void world_read(struct world *world, uint8_t *bytes, uint64_t byte_count)
{
    while (byte_count > 0) {
        struct iovec part;
        assert_int_equal(chunk_queue_peek(&world->conn.output, &part, 1), 1);
        uint64_t piece = part.iov_len < byte_count ? part.iov_len : byte_count;
        memcpy(bytes, part.iov_base, piece);
        conn_sent(&world->conn, piece);
        bytes += piece;
        byte_count -= piece;
    }
}

/* The next reply; false if there is none. */
static inline bool world_reply(struct world *world, struct world_reply *reply)
{
    if (world->conn.output.byte_count == 0)
        return false;
    uint8_t header[FRAME_HEADER_BYTES];
    world_read(world, header, sizeof header);
    frame_decode(header, &reply->header);
    reply->body = malloc(reply->header.body_bytes + 1);
    world_read(world, reply->body, reply->header.body_bytes);
    return true;
}

/* The next reply, which must be this one. Free the message with free_unpacked. */
static inline void *world_expect(struct world *world, uint16_t type, uint64_t request_id,
                                 const ProtobufCMessageDescriptor *descriptor)
{
    struct world_reply reply;
    assert_true(world_reply(world, &reply));
    assert_int_equal(reply.header.type, type);
    assert_true(reply.header.request_id == request_id);
    void *message =
        protobuf_c_message_unpack(descriptor, NULL, reply.header.body_bytes, reply.body);
    assert_non_null(message);
    free(reply.body);
    return message;
}

static inline void world_expect_error(struct world *world, uint64_t request_id, int code)
{
    Imlog__ErrorReply *error =
        world_expect(world, FRAME_ERROR, request_id, &imlog__error_reply__descriptor);
    assert_int_equal(error->code, code);
    assert_true(strlen(error->text) > 0);
    imlog__error_reply__free_unpacked(error, NULL);
}

/* An append request of item_count items; session_of[i] is item i's session. */
static inline void world_append(struct world *world, uint64_t request_id,
                                const uint64_t *session_of, size_t item_count, size_t body_bytes)
{
    Imlog__Append *items = calloc(item_count, sizeof *items);
    Imlog__Append **pointers = calloc(item_count, sizeof *pointers);
    uint8_t *body = malloc(body_bytes + 1);
    memset(body, 0x42, body_bytes);
    for (size_t i = 0; i < item_count; i++) {
        items[i] = (Imlog__Append)IMLOG__APPEND__INIT;
        items[i].session_id = session_of[i];
        items[i].sender_id = 9;
        items[i].client_msg_id = request_id * 10000 + i;
        items[i].body = (ProtobufCBinaryData){.data = body, .len = body_bytes};
        pointers[i] = &items[i];
    }
    Imlog__AppendRequest request = IMLOG__APPEND_REQUEST__INIT;
    request.n_items = item_count;
    request.items = pointers;
    world_request(world, FRAME_APPEND, request_id, &request.base);
    free(body);
    free(pointers);
    free(items);
}

static inline Imlog__AppendReply *world_appended(struct world *world, uint64_t request_id)
{
    return world_expect(world, FRAME_APPEND | FRAME_REPLY, request_id,
                        &imlog__append_reply__descriptor);
}

static inline const Imlog__Appended *world_result(const Imlog__AppendReply *reply, uint32_t index)
{
    for (size_t i = 0; i < reply->n_results; i++)
        if (reply->results[i]->index == index)
            return reply->results[i];
    fail_msg("no result with index %u", index);
    return NULL;
}

#endif

/* handle_sessions.c: SessionsRequest, pages over all sessions of all shards.
 *
 * The request is one part, which goes from shard to shard until the page is full. Cursor:
 *     at  bytes  meaning
 *      0      1  SESSIONS_CURSOR_VERSION
 *      1      4  the node's uuid, first bytes: a cursor is good on its own node only
 *      5      2  shard, little-endian
 *      7      8  position in it as imlog_sessions_list() gave it, little-endian */
#include "net/dispatch.h"
#include "net/handle_session.h"
#include "net/handler.h"
#include "net/limits.h"
#include "net/why.h"

#include <endian.h>
#include <errno.h>
#include <imlog/assert.h>
#include <imlog/planted.h>
#include <stddef.h>

enum {
    SESSIONS_CURSOR_VERSION = 1,
    SESSIONS_CURSOR_BYTES = 15,
    SESSIONS_BYTES_MAX = 96, /* one session in the reply */
    SESSIONS_AT_ONCE = 64,
};

struct sessions_state { /* behind the request */
    uint64_t position;
    uint32_t left_count; /* sessions that the page may still take */
};

struct sessions_query { /* what a request asks */
    uint32_t count_max;
    uint32_t shard_index;
    uint64_t position;
};

static struct sessions_state *sessions_state_of(struct part *part)
{
    return request_bytes(part->request, 1);
}

static void sessions_cursor_encode(uint8_t bytes[SESSIONS_CURSOR_BYTES], const struct node *node,
                                   uint32_t shard_index, uint64_t position)
{
    uint16_t shard = htole16((uint16_t)shard_index);
    uint64_t at = htole64(position);
    bytes[0] = SESSIONS_CURSOR_VERSION;
    memcpy(bytes + 1, node->uuid, 4);
    memcpy(bytes + 5, &shard, 2);
    memcpy(bytes + 7, &at, 8);
}

static int sessions_cursor_decode(const uint8_t *bytes, uint32_t byte_count,
                                  const struct node *node, struct sessions_query *query)
{
    if (byte_count == 0)
        return 0;
    if (byte_count != SESSIONS_CURSOR_BYTES || bytes[0] != SESSIONS_CURSOR_VERSION ||
        memcmp(bytes + 1, node->uuid, 4) != 0)
        return IMLOG_EINVALID;
    uint16_t shard;
    memcpy(&shard, bytes + 5, 2);
    memcpy(&query->position, bytes + 7, 8);
    query->shard_index = le16toh(shard);
    query->position = le64toh(query->position);
    return query->shard_index < node->shard_count ? 0 : IMLOG_EINVALID;
}

static int sessions_decode(const struct frame *frame, const struct node *node,
                           struct sessions_query *query, struct imlog_why *why)
{
    struct wire_reader reader = wire_reader_of(frame->body, frame->header.body_bytes);
    struct wire_field field;
    const uint8_t *cursor = NULL;
    uint32_t cursor_bytes = 0;
    int rc;
    while ((rc = wire_next(&reader, &field)) > 0) {
        if (field.number == 1)
            rc = wire_get_bytes(&field, &cursor, &cursor_bytes);
        else if (field.number == 2)
            rc = wire_get_uint32(&field, &query->count_max);
        if (rc < 0)
            break;
    }
    if (rc < 0)
        return why_fill(why, rc, "the request's body is no valid protobuf");
    if (sessions_cursor_decode(cursor, cursor_bytes, node, query) < 0)
        return why_fill(why, IMLOG_EINVALID,
                        "cursor: not one that this node gave; start with an empty one");
    if (query->count_max == 0)
        query->count_max = SESSIONS_PAGE_DEFAULT;
    if (query->count_max > SESSIONS_PAGE_MAX)
        query->count_max = SESSIONS_PAGE_MAX;
    return 0;
}

static int sessions_take(struct dispatch *home, struct conn *conn, const struct handler *handler,
                         struct frame *frame, struct imlog_why *why)
{
    struct sessions_query query = {0};
    int status = sessions_decode(frame, home->node, &query, why);
    if (status < 0)
        return status;
    struct request *request =
        request_create(home, conn, handler, frame, 1, sizeof(struct sessions_state));
    if (request == NULL)
        return why_fill(why, -ENOMEM, "no memory for the request");
    request->part_count = 1;
    request->parts[0].request = request;
    request->parts[0].shard_index = query.shard_index;
    request->weight_bytes += (uint64_t)query.count_max * SESSIONS_BYTES_MAX;
    *sessions_state_of(&request->parts[0]) =
        (struct sessions_state){.position = query.position, .left_count = query.count_max};
    request_start(request);
    return 0;
}

struct sessions_entry {
    const struct imlog_session_info *info;
    uint32_t shard_index;
};

static void sessions_put(struct wire_writer *writer, const void *arg)
{
    const struct sessions_entry *entry = arg;
    session_put_info(writer, entry->info, entry->shard_index);
}

static void sessions_put_cursor(struct part *part, uint64_t position)
{
    uint8_t cursor[SESSIONS_CURSOR_BYTES];
    sessions_cursor_encode(cursor, part->desk->dispatch->node, part->shard_index, position);
    struct wire_writer writer = {.at = NULL};
    wire_put_bytes(&writer, 2, cursor, sizeof cursor);
    uint32_t byte_count = (uint32_t)writer.byte_count;
    writer.at =
        chunk_queue_extend(&part->reply, &part->desk->dispatch->pool, byte_count, byte_count);
    if (writer.at == NULL)
        part->status = -ENOMEM;
    else
        wire_put_bytes(&writer, 2, cursor, sizeof cursor);
}

/* Add what fits of this shard's sessions; true if the shard has no more. */
static bool sessions_add(struct part *part, struct sessions_state *state)
{
    struct imlog_session_info infos[SESSIONS_AT_ONCE];
    while (state->left_count > 0 && part->status == 0) {
        uint32_t count_max =
            state->left_count < SESSIONS_AT_ONCE ? state->left_count : SESSIONS_AT_ONCE;
        uint32_t count = imlog_sessions_list(part->desk->shard, &state->position, infos, count_max);
        for (uint32_t i = 0; i < count; i++) {
            struct sessions_entry entry = {.info = &infos[i], .shard_index = part->shard_index};
            handler_put(part, 1, sessions_put, &entry);
            state->left_count--;
        }
        if (state->position == 0)
            return true;
        IMLOG_ASSERT(count > 0);
    }
    return false;
}

static void sessions_run(struct part *part)
{
    struct sessions_state *state = sessions_state_of(part);
    struct dispatch *dispatch = part->desk->dispatch;
    if (!sessions_add(part, state)) {
        sessions_put_cursor(part, state->position);
        part_finish(part);
    } else if (part->shard_index + 1 == dispatch->node->shard_count) {
        part_finish(part); /* no cursor: that was the last page */
    } else {
        part->shard_index++;
        if (state->left_count > 0) {
            dispatch_part(dispatch, part);
            return;
        }
        sessions_put_cursor(part, IMLOG_PLANTED(page_starts_one_late) ? 1 : 0);
        part_finish(part);
    }
}

const struct handler handle_sessions = {
    .type = FRAME_SESSIONS,
    .take = sessions_take,
    .run = sessions_run,
};

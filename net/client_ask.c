/* client_ask.c: the blocking calls that are rare enough for protobuf-c: ping, info, stats, keys
 * and sessions. A reply is unpacked within a memory budget (protobuf-c can need many times the
 * bytes it reads), copied out, and freed. */
#include "net/client_core.h"
#include "net/frame.h"
#include "net/imlog.pb-c.h"
#include "net/why.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdlib.h>
#include <string.h>

enum { UNPACK_BYTES_MAX = 64 * 1024 * 1024 };

/* An item's code until it has its answer; no node sends it. */
enum { UNANSWERED = 1 };

/* ---- one question ----------------------------------------------------------------------- */

struct ask;

/* Copies what `reply` says to where the caller wants it. 0, IMLOG_EPROTO, -ENOMEM. */
typedef int ask_take_fn(struct imlog_client *client, struct ask *ask,
                        const ProtobufCMessage *reply);

struct ask {
    uint16_t type;
    uint32_t item_count;
    const ProtobufCMessageDescriptor *reply;
    ask_take_fn *take;
    void *results;   /* the caller's, take()'s to fill */
    uint32_t *count; /* the caller's, if take() says how many */
    bool over;
    int status;
};

static void *budget_alloc(void *budget, size_t byte_count)
{
    size_t *left_bytes = budget;
    if (byte_count > *left_bytes)
        return NULL;
    *left_bytes -= byte_count;
    return malloc(byte_count);
}

static void budget_free(void *budget, void *memory)
{
    (void)budget;
    free(memory);
}

static int ask_finish(struct imlog_client *client, const struct client_request *request, int status,
                      const uint8_t *body, uint32_t body_bytes)
{
    struct ask *ask = request->arg;
    ask->over = true;
    ask->status = status;
    if (status < 0)
        return 0;
    size_t left_bytes = UNPACK_BYTES_MAX;
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &left_bytes};
    ProtobufCMessage *reply = protobuf_c_message_unpack(ask->reply, &allocator, body_bytes, body);
    if (reply == NULL) {
        ask->status = IMLOG_EPROTO;
        return IMLOG_EPROTO;
    }
    ask->status = ask->take(client, ask, reply);
    protobuf_c_message_free_unpacked(reply, &allocator);
    return ask->status == IMLOG_EPROTO ? IMLOG_EPROTO : 0;
}

static int ask_node(struct imlog_client *client, struct ask *ask, const ProtobufCMessage *question)
{
    const struct client_request request = {
        .type = ask->type, .item_count = ask->item_count, .finish = ask_finish, .arg = ask};
    uint8_t *body;
    const int error =
        client_start(client, &request, protobuf_c_message_get_packed_size(question), &body);
    if (error < 0)
        return error;
    (void)protobuf_c_message_pack(question, body);
    const int waited = client_wait(client, &ask->over);
    return waited < 0 ? waited : ask->status;
}

static void item_error_note(struct imlog_client *client, int code, const char *text)
{
    if (code != 0)
        (void)why_fill(&client->error, 0, "%s", text[0] != '\0' ? text : imlog_error_text(code));
}

/* ---- ping, info ------------------------------------------------------------------------- */

static int ping_take(struct imlog_client *client, struct ask *ask, const ProtobufCMessage *reply)
{
    (void)client;
    uint64_t *server_ms = ask->results;
    if (server_ms != NULL)
        *server_ms = ((const Imlog__PingReply *)reply)->server_ms;
    return 0;
}

int imlog_client_ping(struct imlog_client *client, uint64_t *server_ms)
{
    const Imlog__PingRequest question = IMLOG__PING_REQUEST__INIT;
    struct ask ask = {.type = FRAME_PING,
                      .reply = &imlog__ping_reply__descriptor,
                      .take = ping_take,
                      .results = server_ms};
    return ask_node(client, &ask, &question.base);
}

static int info_take(struct imlog_client *client, struct ask *ask, const ProtobufCMessage *reply)
{
    (void)client;
    const Imlog__InfoReply *from = (const Imlog__InfoReply *)reply;
    struct imlog_client_info *info = ask->results;
    if (from->node_uuid.len != sizeof info->node_uuid)
        return IMLOG_EPROTO;
    *info = (struct imlog_client_info){
        .protocol_version = from->protocol_version,
        .shard_count = from->shard_count,
        .body_bytes_max = from->body_bytes_max,
        .frame_bytes_max = from->frame_bytes_max,
        .request_items_max = from->request_items_max,
        .pull_messages_max = from->pull_messages_max,
        .idle_timeout_ms = from->idle_timeout_ms,
        .server_ms = from->server_ms,
    };
    memcpy(info->node_uuid, from->node_uuid.data, sizeof info->node_uuid);
    const size_t version_bytes = strnlen(from->version, sizeof info->version - 1);
    memcpy(info->version, from->version, version_bytes);
    return 0;
}

int imlog_client_info(struct imlog_client *client, struct imlog_client_info *info)
{
    const Imlog__InfoRequest question = IMLOG__INFO_REQUEST__INIT;
    struct ask ask = {.type = FRAME_INFO,
                      .reply = &imlog__info_reply__descriptor,
                      .take = info_take,
                      .results = info};
    return ask_node(client, &ask, &question.base);
}

/* ---- keys ------------------------------------------------------------------------------- */

static int resolve_take(struct imlog_client *client, struct ask *ask, const ProtobufCMessage *reply)
{
    const Imlog__ResolveReply *from = (const Imlog__ResolveReply *)reply;
    struct imlog_client_resolved *resolved = ask->results;
    if (from->n_results != ask->item_count)
        return IMLOG_EPROTO;
    for (size_t i = 0; i < from->n_results; i++) {
        const Imlog__Resolved *one = from->results[i];
        if (one->index >= ask->item_count || resolved[one->index].code != UNANSWERED ||
            one->code > 0)
            return IMLOG_EPROTO;
        resolved[one->index] = (struct imlog_client_resolved){
            .code = one->code, .id = one->id, .created = one->created};
        item_error_note(client, one->code, one->text);
    }
    return 0;
}

static int keys_ask(struct imlog_client *client, const struct imlog_client_key *keys,
                    uint32_t key_count, bool lookup_only, struct imlog_client_resolved *resolved)
{
    if (key_count > IMLOG_REQUEST_ITEMS_MAX)
        return IMLOG_EINVALID;
    ProtobufCBinaryData *data = calloc((size_t)key_count + 1, sizeof *data);
    if (data == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < key_count; i++) {
        data[i].len = keys[i].byte_count;
        data[i].data = (uint8_t *)keys[i].bytes; /* only read: protobuf-c has one struct for both */
        resolved[i].code = UNANSWERED;
    }
    Imlog__ResolveRequest question = IMLOG__RESOLVE_REQUEST__INIT;
    question.n_keys = key_count;
    question.keys = data;
    question.lookup_only = lookup_only;
    struct ask ask = {.type = FRAME_RESOLVE,
                      .item_count = key_count,
                      .reply = &imlog__resolve_reply__descriptor,
                      .take = resolve_take,
                      .results = resolved};
    const int error = ask_node(client, &ask, &question.base);
    free(data);
    return error;
}

int imlog_client_resolve(struct imlog_client *client, const struct imlog_client_key *keys,
                         uint32_t key_count, struct imlog_client_resolved *resolved)
{
    return keys_ask(client, keys, key_count, false, resolved);
}

int imlog_client_lookup(struct imlog_client *client, const struct imlog_client_key *keys,
                        uint32_t key_count, struct imlog_client_resolved *resolved)
{
    return keys_ask(client, keys, key_count, true, resolved);
}

/* Keys are copied to the scratch, whose size is known before any is. */
static int names_take(struct imlog_client *client, struct ask *ask, const ProtobufCMessage *reply)
{
    const Imlog__NamesReply *from = (const Imlog__NamesReply *)reply;
    struct imlog_client_key *keys = ask->results;
    size_t keys_bytes = 0;
    if (from->n_results != ask->item_count)
        return IMLOG_EPROTO;
    for (size_t i = 0; i < from->n_results; i++) {
        if (from->results[i]->key.len > IMLOG_KEY_BYTES_MAX)
            return IMLOG_EPROTO;
        keys_bytes += from->results[i]->key.len;
    }
    uint8_t *at = client_scratch(client, keys_bytes + 1);
    if (at == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < from->n_results; i++) {
        const Imlog__Name *one = from->results[i];
        if (one->index >= ask->item_count || keys[one->index].bytes != NULL)
            return IMLOG_EPROTO;
        keys[one->index] = (struct imlog_client_key){at, (uint32_t)one->key.len};
        if (one->key.len > 0)
            memcpy(at, one->key.data, one->key.len);
        at += one->key.len;
    }
    return 0;
}

int imlog_client_names(struct imlog_client *client, const uint64_t *ids, uint32_t id_count,
                       struct imlog_client_key *keys)
{
    Imlog__NamesRequest question = IMLOG__NAMES_REQUEST__INIT;
    question.n_ids = id_count;
    question.ids = (uint64_t *)ids; /* only read */
    for (uint32_t i = 0; i < id_count; i++)
        keys[i] = (struct imlog_client_key){0};
    struct ask ask = {.type = FRAME_NAMES,
                      .item_count = id_count,
                      .reply = &imlog__names_reply__descriptor,
                      .take = names_take,
                      .results = keys};
    return ask_node(client, &ask, &question.base);
}

/* ---- sessions --------------------------------------------------------------------------- */

static struct imlog_client_session session_of(const Imlog__Session *from)
{
    return (struct imlog_client_session){
        .code = from->code,
        .shard = from->shard,
        .info = {.session_id = from->session_id,
                 .kind = (enum imlog_kind)from->kind,
                 .first_seq = from->first_seq,
                 .latest_seq = from->latest_seq,
                 .latest_lsn = from->latest_lsn,
                 .message_count = from->message_count},
    };
}

static int session_take(struct imlog_client *client, struct ask *ask, const ProtobufCMessage *reply)
{
    const Imlog__SessionReply *from = (const Imlog__SessionReply *)reply;
    struct imlog_client_session *sessions = ask->results;
    if (from->n_results != ask->item_count)
        return IMLOG_EPROTO;
    for (size_t i = 0; i < from->n_results; i++) {
        const Imlog__Session *one = from->results[i];
        if (one->index >= ask->item_count || sessions[one->index].code != UNANSWERED ||
            one->code > 0)
            return IMLOG_EPROTO;
        sessions[one->index] = session_of(one);
        item_error_note(client, one->code, one->text);
    }
    return 0;
}

int imlog_client_session(struct imlog_client *client, const uint64_t *session_ids,
                         uint32_t session_count, struct imlog_client_session *sessions)
{
    Imlog__SessionRequest question = IMLOG__SESSION_REQUEST__INIT;
    question.n_session_ids = session_count;
    question.session_ids = (uint64_t *)session_ids; /* only read */
    for (uint32_t i = 0; i < session_count; i++)
        sessions[i].code = UNANSWERED;
    struct ask ask = {.type = FRAME_SESSION,
                      .item_count = session_count,
                      .reply = &imlog__session_reply__descriptor,
                      .take = session_take,
                      .results = sessions};
    return ask_node(client, &ask, &question.base);
}

struct sessions_page {
    struct imlog_client_key *cursor;
    const struct imlog_client_session **sessions;
};

static int sessions_take(struct imlog_client *client, struct ask *ask,
                         const ProtobufCMessage *reply)
{
    const Imlog__SessionsReply *from = (const Imlog__SessionsReply *)reply;
    struct sessions_page *page = ask->results;
    if (from->next_cursor.len > sizeof client->cursor)
        return IMLOG_EPROTO;
    struct imlog_client_session *sessions =
        client_scratch(client, from->n_sessions * sizeof *sessions + 1);
    if (sessions == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < from->n_sessions; i++)
        sessions[i] = session_of(from->sessions[i]);
    if (from->next_cursor.len > 0)
        memcpy(client->cursor, from->next_cursor.data, from->next_cursor.len);
    *page->cursor = (struct imlog_client_key){client->cursor, (uint32_t)from->next_cursor.len};
    *page->sessions = sessions;
    *ask->count = (uint32_t)from->n_sessions;
    return 0;
}

int imlog_client_sessions(struct imlog_client *client, struct imlog_client_key *cursor,
                          uint32_t count_max, const struct imlog_client_session **sessions,
                          uint32_t *session_count)
{
    Imlog__SessionsRequest question = IMLOG__SESSIONS_REQUEST__INIT;
    question.count_max = count_max;
    question.cursor.len = cursor->byte_count;
    question.cursor.data = (uint8_t *)cursor->bytes; /* only read */
    struct sessions_page page = {cursor, sessions};
    struct ask ask = {.type = FRAME_SESSIONS,
                      .reply = &imlog__sessions_reply__descriptor,
                      .take = sessions_take,
                      .results = &page,
                      .count = session_count};
    return ask_node(client, &ask, &question.base);
}

/* ---- stats ------------------------------------------------------------------------------ */

/* Where the next figure and its name go. */
struct stats_room {
    struct imlog_client_stat *stat;
    char *name;
};

static void stats_put(struct stats_room *room, int32_t shard, size_t stat_count,
                      Imlog__Stat *const *stats)
{
    for (size_t i = 0; i < stat_count; i++) {
        const size_t name_bytes = strlen(stats[i]->name) + 1;
        memcpy(room->name, stats[i]->name, name_bytes);
        *room->stat++ = (struct imlog_client_stat){
            .shard = shard, .name = room->name, .value = stats[i]->value};
        room->name += name_bytes;
    }
}

static size_t names_bytes(size_t stat_count, Imlog__Stat *const *stats)
{
    size_t sum = 0;
    for (size_t i = 0; i < stat_count; i++)
        sum += strlen(stats[i]->name) + 1;
    return sum;
}

static int stats_take(struct imlog_client *client, struct ask *ask, const ProtobufCMessage *reply)
{
    const Imlog__StatsReply *from = (const Imlog__StatsReply *)reply;
    size_t stat_count = from->n_node;
    size_t text_bytes = names_bytes(from->n_node, from->node);
    for (size_t i = 0; i < from->n_shards; i++) {
        stat_count += from->shards[i]->n_stats;
        text_bytes += names_bytes(from->shards[i]->n_stats, from->shards[i]->stats);
    }
    struct imlog_client_stat *stats =
        client_scratch(client, stat_count * sizeof *stats + text_bytes + 1);
    if (stats == NULL)
        return -ENOMEM;
    struct stats_room room = {.stat = stats, .name = (char *)(stats + stat_count)};
    stats_put(&room, -1, from->n_node, from->node);
    for (size_t i = 0; i < from->n_shards; i++)
        stats_put(&room, (int32_t)from->shards[i]->shard, from->shards[i]->n_stats,
                  from->shards[i]->stats);
    *(const struct imlog_client_stat **)ask->results = stats;
    *ask->count = (uint32_t)stat_count;
    return 0;
}

int imlog_client_stats(struct imlog_client *client, const struct imlog_client_stat **stats,
                       uint32_t *stat_count)
{
    const Imlog__StatsRequest question = IMLOG__STATS_REQUEST__INIT;
    struct ask ask = {.type = FRAME_STATS,
                      .reply = &imlog__stats_reply__descriptor,
                      .take = stats_take,
                      .results = stats,
                      .count = stat_count};
    return ask_node(client, &ask, &question.base);
}

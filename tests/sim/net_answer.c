/* net_answer.c: replies, matched with what was asked and judged. */
#include "tests/sim/net_check.h"
#include "tests/sim/net_client.h"
#include "tests/sim/trace.h"

#include "net/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_STEPS = 40 }; /* how long a refused client waits at most */

typedef unsigned long long number_text; /* for %llu */

static void *unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *body,
                    uint32_t body_bytes)
{
    void *message = protobuf_c_message_unpack(descriptor, NULL, body_bytes, body);
    NET_CHECK(message != NULL, "a reply is no valid %s", descriptor->name);
    return message;
}

/* The item that a result answers: each once. */
static struct net_item *result_item(const struct net_request *request, uint32_t index,
                                    bool answered[NET_ITEMS_MAX])
{
    NET_CHECK(index < request->item_count, "request %llu: a result for item %u of %u",
              (number_text)request->id, index, request->item_count);
    NET_CHECK(!answered[index], "request %llu: item %u was answered twice",
              (number_text)request->id, index);
    answered[index] = true;
    return &request->items[index];
}

static bool is_owner(const struct net_client *client, const struct net_message *message)
{
    return (message->sender_id - 1) / 2 == client->index;
}

static void ask_again(struct net_client *client, uint32_t number)
{
    const struct net_message *message = net_model_message(&client->run->model, number);
    if (is_owner(client, message) && message->client_msg_id != 0)
        net_client_again(client, number);
}

void net_answer_lost(struct net_client *client, struct net_request *request)
{
    for (uint32_t i = 0; i < request->item_count && request->type == FRAME_APPEND; i++)
        if (request->items[i].number != 0)
            ask_again(client, request->items[i].number);
    free(request->items);
}

/* ---- appends --------------------------------------------------------------------------------- */

/* A refusal that something explains; notes what it says about its shard. */
static void check_fair(struct net_client *client, const struct net_request *request, int code,
                       uint64_t session_id)
{
    struct net_run *run = client->run;
    struct net_fairness *fairness = &run->node.fairness;
    uint32_t shard = net_shard_of(run, session_id);
    switch (code) {
    case IMLOG_EBUSY:
        run->counts->net_appends_busy++;
        return;
    case IMLOG_EDRAINING:
        run->counts->net_appends_draining++;
        NET_CHECK(fairness->was_drained, "refused as shutting down, and it never was");
        return;
    case IMLOG_EDISKFULL:
        run->counts->net_appends_disk_full++;
        NET_CHECK(fairness->disk_was_full, "P7: refused as disk full, and it never was");
        return;
    case IMLOG_EDEGRADED:
    case IMLOG_EUNKNOWN:
        run->counts->net_appends_degraded += code == IMLOG_EDEGRADED;
        run->counts->net_appends_unknown += code == IMLOG_EUNKNOWN;
        NET_CHECK(fairness->write_failed[shard] ||
                      (code == IMLOG_EUNKNOWN && fairness->memory_was_short),
                  "P6: shard %u: code %d, and no write failed", shard, code);
        if (code == IMLOG_EDEGRADED && request->life == run->node.life &&
            fairness->degraded_at[shard] == 0)
            fairness->degraded_at[shard] = run->node.step;
        return;
    default:
        NET_CHECK(code == -ENOMEM && fairness->memory_was_short,
                  "an append of request %llu was refused with %d", (number_text)request->id, code);
    }
}

static void answer_refused(struct net_client *client, const struct net_request *request,
                           const struct net_item *item, int code, bool aborts)
{
    if (code == IMLOG_EABORTED) {
        /* Without memory for the set of failed sessions all count as failed. */
        NET_CHECK(aborts || client->run->node.fairness.memory_was_short,
                  "aborted, and no earlier item of its session failed");
        client->run->counts->net_appends_aborted++;
    } else if (item->expected == 0 || code != item->expected) {
        check_fair(client, request, code, item->session_id);
    }
    if (item->number == 0)
        return;
    struct net_message *message = net_model_message(&client->run->model, item->number);
    if (code != IMLOG_EUNKNOWN)
        message->unresolved_count--;
    client->again_from = client->run->node.step + prng_below(&client->run->prng, AGAIN_STEPS);
    ask_again(client, item->number);
}

/* Appends of one connection to one session are stored in the order sent. */
static void check_order(struct net_client *client, const struct net_item *item, uint64_t seq)
{
    for (uint32_t i = 0; i < client->stored_count; i++) {
        const struct net_stored *other = &client->stored[i];
        if (other->session != item->index)
            continue;
        NET_CHECK((other->order < item->order) == (other->seq < seq),
                  "session %llu: sent as %llu and %llu, stored at %llu and %llu",
                  (number_text)item->session_id, (number_text)other->order,
                  (number_text)item->order, (number_text)other->seq, (number_text)seq);
    }
    if (client->stored_count == client->stored_capacity) {
        client->stored_capacity = client->stored_capacity * 2 + 64;
        client->stored =
            reallocarray(client->stored, client->stored_capacity, sizeof *client->stored);
        NET_CHECK(client->stored != NULL, "no memory for a client");
    }
    client->stored[client->stored_count++] =
        (struct net_stored){.session = item->index, .order = item->order, .seq = seq};
}

static void check_stored(struct net_client *client, const struct net_request *request,
                         const struct net_item *item, uint64_t seq)
{
    struct net_run *run = client->run;
    struct net_message *message = net_model_message(&run->model, item->number);
    uint64_t degraded_at = run->node.fairness.degraded_at[net_shard_of(run, item->session_id)];
    NET_CHECK(!item->was_known, "P3: message %u was stored, and is stored again", item->number);
    NET_CHECK(!message->stored, "P3: message %u was stored twice", item->number);
    NET_CHECK(degraded_at == 0 || request->life != run->node.life ||
                  request->sent_at <= degraded_at,
              "P6: a degraded shard took message %u", item->number);
    message->stored = true;
    check_order(client, item, seq);
    run->counts->net_appends_acked++;
}

static void answer_acked(struct net_client *client, const struct net_request *request,
                         const struct net_item *item, const Imlog__Appended *result)
{
    struct net_model *model = &client->run->model;
    NET_CHECK(item->number != 0, "an append that is wrong was stored (expected %d)",
              item->expected);
    NET_CHECK(result->ack == IMLOG__ACK_LEVEL__ACK_DURABLE, "P1: an ack of level %d", result->ack);
    net_model_learn(model, item->number, result->seq, result->msg_id, result->server_ms);
    if (!result->duplicate) {
        check_stored(client, request, item, result->seq);
        return;
    }
    NET_CHECK(net_model_message(model, item->number)->attempt_count > 1,
              "P3: message %u was sent once, and is said to be a retry", item->number);
    client->run->counts->net_appends_duplicate++;
}

/* Did an item before this one, of its session, fail? */
static bool has_failed_before(const struct net_request *request, const int *codes, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (codes[i] < 0 && request->items[i].session_id == request->items[index].session_id)
            return true;
    return false;
}

void net_answer_append(struct net_client *client, struct net_request *request, const uint8_t *body,
                       uint32_t body_bytes)
{
    Imlog__AppendReply *reply = unpack(&imlog__append_reply__descriptor, body, body_bytes);
    const Imlog__Appended *results[NET_ITEMS_MAX] = {NULL};
    bool answered[NET_ITEMS_MAX] = {false};
    int codes[NET_ITEMS_MAX] = {0};
    NET_CHECK(reply->n_results == request->item_count, "request %llu: %zu results for %u items",
              (number_text)request->id, reply->n_results, request->item_count);
    for (uint32_t i = 0; i < request->item_count; i++) {
        (void)result_item(request, reply->results[i]->index, answered);
        results[reply->results[i]->index] = reply->results[i];
        codes[reply->results[i]->index] = reply->results[i]->code;
    }
    for (uint32_t i = 0; i < request->item_count; i++) {
        const struct net_item *item = &request->items[i];
        bool aborts = has_failed_before(request, codes, i);
        sim_trace("  item %u: session %llu message %u: code %d seq %llu%s", i,
                  (number_text)item->session_id, item->number, codes[i],
                  (number_text)results[i]->seq, results[i]->duplicate ? " duplicate" : "");
        if (codes[i] < 0) {
            answer_refused(client, request, item, codes[i], aborts);
            continue;
        }
        NET_CHECK(!aborts || results[i]->duplicate || item->session_id == 0,
                  "stored behind a failed append of its session and request");
        answer_acked(client, request, item, results[i]);
    }
    imlog__append_reply__free_unpacked(reply, NULL);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void answer_resolved(struct net_client *client, const struct net_request *request,
                            const struct net_item *item, const Imlog__Resolved *result)
{
    struct net_model *model = &client->run->model;
    const char *text = model->keys[item->index].text;
    uint32_t shard =
        imlog_shard_of_key(text, (uint32_t)strlen(text), client->run->node.node.shard_count);
    const struct net_fairness *fairness = &client->run->node.fairness;
    if (result->code == 0) {
        NET_CHECK(item->expected == 0, "a wrong key was resolved");
        NET_CHECK(!result->created || !item->was_known, "key %u was made twice", item->index);
        NET_CHECK(!result->created || !request->lookup_only, "a lookup made key %u", item->index);
        NET_CHECK(!result->created || !model->keys[item->index].created, "key %u was made twice",
                  item->index);
        model->keys[item->index].created |= result->created;
        net_model_resolved(model, item->index, result->id);
        client->run->counts->net_keys_resolved++;
        return;
    }
    if (item->expected != 0 && result->code == item->expected)
        return;
    bool fair = result->code == IMLOG_EBUSY;
    fair |= result->code == IMLOG_ENOSESSION && request->lookup_only && !item->was_known;
    fair |= result->code == IMLOG_EDRAINING && fairness->was_drained;
    fair |= result->code == IMLOG_EDISKFULL && fairness->disk_was_full;
    fair |= (result->code == IMLOG_EDEGRADED || result->code == IMLOG_EUNKNOWN) &&
            fairness->write_failed[shard];
    fair |= result->code == -ENOMEM && fairness->memory_was_short;
    NET_CHECK(fair, "key %u was refused with %d", item->index, result->code);
}

static void answer_resolve(struct net_client *client, const struct net_request *request,
                           const uint8_t *body, uint32_t body_bytes)
{
    Imlog__ResolveReply *reply = unpack(&imlog__resolve_reply__descriptor, body, body_bytes);
    bool answered[NET_ITEMS_MAX] = {false};
    NET_CHECK(reply->n_results == request->item_count, "%zu results for %u keys", reply->n_results,
              request->item_count);
    for (size_t i = 0; i < reply->n_results; i++)
        answer_resolved(client, request, result_item(request, reply->results[i]->index, answered),
                        reply->results[i]);
    imlog__resolve_reply__free_unpacked(reply, NULL);
}

static void answer_names(struct net_client *client, const struct net_request *request,
                         const uint8_t *body, uint32_t body_bytes)
{
    Imlog__NamesReply *reply = unpack(&imlog__names_reply__descriptor, body, body_bytes);
    bool answered[NET_ITEMS_MAX] = {false};
    NET_CHECK(reply->n_results == request->item_count, "%zu results for %u ids", reply->n_results,
              request->item_count);
    for (size_t i = 0; i < reply->n_results; i++) {
        const Imlog__Name *name = reply->results[i];
        const struct net_item *item = result_item(request, name->index, answered);
        NET_CHECK(name->id == item->session_id, "another id than was asked");
        const char *text =
            item->index == UINT32_MAX ? "" : client->run->model.keys[item->index].text;
        NET_CHECK(name->key.len == strlen(text), "key %u has another name", item->index);
        NET_CHECK(name->key.len == 0 || memcmp(name->key.data, text, name->key.len) == 0,
                  "key %u has another name", item->index);
    }
    imlog__names_reply__free_unpacked(reply, NULL);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static struct net_session *check_session(struct net_client *client, const Imlog__Session *shown)
{
    struct net_run *run = client->run;
    struct net_session *session = net_model_session(&run->model, shown->session_id);
    NET_CHECK(session != NULL, "session %llu was never made", (number_text)shown->session_id);
    NET_CHECK((int)shown->kind == (int)session->kind, "session %llu has another kind",
              (number_text)session->id);
    NET_CHECK(shown->latest_seq > 0, "P2: a session is shown before its first message is there");
    NET_CHECK(shown->first_seq == 1, "session %llu starts at %llu", (number_text)session->id,
              (number_text)shown->first_seq);
    NET_CHECK(shown->message_count == shown->latest_seq, "session %llu has %llu messages of %llu",
              (number_text)session->id, (number_text)shown->message_count,
              (number_text)shown->latest_seq);
    NET_CHECK(shown->shard == net_shard_of(run, session->id), "on another shard");
    net_model_latest(session, shown->latest_seq);
    return session;
}

static void answer_session(struct net_client *client, const struct net_request *request,
                           const uint8_t *body, uint32_t body_bytes)
{
    Imlog__SessionReply *reply = unpack(&imlog__session_reply__descriptor, body, body_bytes);
    bool answered[NET_ITEMS_MAX] = {false};
    NET_CHECK(reply->n_results == request->item_count, "%zu results for %u sessions",
              reply->n_results, request->item_count);
    for (size_t i = 0; i < reply->n_results; i++) {
        const Imlog__Session *shown = reply->results[i];
        const struct net_item *item = result_item(request, shown->index, answered);
        NET_CHECK(shown->session_id == item->session_id, "another session than was asked");
        if (shown->code < 0) {
            NET_CHECK(shown->code == IMLOG_ENOSESSION, "a session is refused with %d", shown->code);
            NET_CHECK(item->latest_seq == 0 || item->index == UINT32_MAX,
                      "P2: session %llu is gone", (number_text)item->session_id);
            continue;
        }
        NET_CHECK(item->index != UINT32_MAX, "a session that nobody made");
        (void)check_session(client, shown);
        NET_CHECK(shown->latest_seq >= item->latest_seq, "P2: session %llu went back from %llu",
                  (number_text)item->session_id, (number_text)item->latest_seq);
    }
    imlog__session_reply__free_unpacked(reply, NULL);
}

static void answer_page(struct net_client *client, const struct net_request *request,
                        const uint8_t *body, uint32_t body_bytes)
{
    Imlog__SessionsReply *reply = unpack(&imlog__sessions_reply__descriptor, body, body_bytes);
    struct net_paging *paging = &client->paging;
    const struct net_model *model = &client->run->model;
    uint32_t count_max = request->count_max == 0 ? SESSIONS_PAGE_DEFAULT : request->count_max;
    NET_CHECK(reply->n_sessions <= count_max, "a page of %zu, not %u", reply->n_sessions,
              count_max);
    for (size_t i = 0; i < reply->n_sessions; i++) {
        ptrdiff_t index = check_session(client, reply->sessions[i]) - model->sessions;
        NET_CHECK(!paging->seen[index], "session %td is on two pages", index);
        paging->seen[index] = true;
    }
    client->run->counts->net_session_pages++;
    NET_CHECK(reply->next_cursor.len <= sizeof paging->cursor, "a very long cursor");
    paging->cursor_bytes = (uint32_t)reply->next_cursor.len;
    if (paging->cursor_bytes > 0)
        memcpy(paging->cursor, reply->next_cursor.data, paging->cursor_bytes);
    paging->under_way = paging->cursor_bytes > 0;
    for (uint32_t i = 0; i < model->session_count && !paging->under_way; i++)
        NET_CHECK(paging->seen[i] || !paging->was_known[i], "session %u is on no page", i);
    imlog__sessions_reply__free_unpacked(reply, NULL);
}

static void answer_stats(struct net_client *client, const uint8_t *body, uint32_t body_bytes)
{
    Imlog__StatsReply *reply = unpack(&imlog__stats_reply__descriptor, body, body_bytes);
    bool seen[NET_SHARDS_MAX] = {false};
    NET_CHECK(reply->n_shards == client->run->node.node.shard_count, "figures of %zu shards",
              reply->n_shards);
    for (size_t i = 0; i < reply->n_shards; i++) {
        uint32_t shard = reply->shards[i]->shard;
        NET_CHECK(shard < reply->n_shards && !seen[shard], "shard %u has figures twice", shard);
        seen[shard] = true;
    }
    imlog__stats_reply__free_unpacked(reply, NULL);
}

/* ---- whole replies --------------------------------------------------------------------------- */

static void answer_error(struct net_client *client, struct net_request *request,
                         const uint8_t *body, uint32_t body_bytes)
{
    Imlog__ErrorReply *error = unpack(&imlog__error_reply__descriptor, body, body_bytes);
    int code = error->code;
    uint32_t retry_after_ms = error->retry_after_ms;
    NET_CHECK(strlen(error->text) > 0, "an error without a word");
    imlog__error_reply__free_unpacked(error, NULL);
    sim_trace("  error %d", code);
    const struct net_fairness *fairness = &client->run->node.fairness;
    bool no_memory = code == -ENOMEM && fairness->memory_was_short;
    if (request->expected != 0) {
        NET_CHECK(code == request->expected || no_memory, "request %llu: error %d, not %d",
                  (number_text)request->id, code, request->expected);
        client->run->counts->net_bad_requests++;
        client->run->counts->net_bad_frames += client->link->spoiled;
        return;
    }
    bool writes = request->type == FRAME_APPEND || request->type == FRAME_RESOLVE;
    bool fair = code == IMLOG_EBUSY || (code == IMLOG_EDRAINING && fairness->was_drained) ||
                (code == IMLOG_EUNKNOWN && fairness->memory_was_short);
    NET_CHECK((writes && fair) || no_memory, "request %llu of type %04x: error %d",
              (number_text)request->id, request->type, code);
    NET_CHECK(code != IMLOG_EBUSY || retry_after_ms > 0, "busy, and no word of when to retry");
    for (uint32_t i = 0; i < request->item_count && request->type == FRAME_APPEND; i++)
        if (request->items[i].expected == 0)
            answer_refused(client, request, &request->items[i], code, false);
}

static void answer_of_type(struct net_client *client, struct net_request *request,
                           const uint8_t *body, uint32_t body_bytes)
{
    switch (request->type) {
    case FRAME_APPEND:
        return net_answer_append(client, request, body, body_bytes);
    case FRAME_PULL:
        return net_answer_pull(client, request, body, body_bytes);
    case FRAME_RESOLVE:
        return answer_resolve(client, request, body, body_bytes);
    case FRAME_NAMES:
        return answer_names(client, request, body, body_bytes);
    case FRAME_SESSION:
        return answer_session(client, request, body, body_bytes);
    case FRAME_SESSIONS:
        return answer_page(client, request, body, body_bytes);
    case FRAME_STATS:
        return answer_stats(client, body, body_bytes);
    default:
        return; /* ping, info: they came */
    }
}

void net_answer(struct net_client *client, const struct frame_header *header, const uint8_t *body)
{
    uint32_t at = 0;
    if (header->type == FRAME_HEARTBEAT) {
        NET_CHECK(header->request_id == 0 && header->body_bytes == 0, "a heartbeat with more");
        client->run->counts->net_heartbeats++;
        return;
    }
    if (header->type == FRAME_ERROR && header->request_id == 0) { /* of no request; it closes */
        NET_CHECK(client->run->node.fairness.memory_was_short, "P10: an error to nobody");
        return;
    }
    while (at < client->pending_count && client->pending[at].id != header->request_id)
        at++;
    NET_CHECK(at < client->pending_count, "P10: a reply to %llu, which was not asked",
              (number_text)header->request_id);
    NET_CHECK(header->body_bytes <= IMLOG_REPLY_BYTES_MAX, "a reply of %u bytes",
              header->body_bytes);
    struct net_request request = client->pending[at];
    client->pending_count--;
    memmove(&client->pending[at], &client->pending[at + 1],
            (client->pending_count - at) * sizeof client->pending[0]);
    client->run->counts->net_replies++;
    sim_trace("%llu client %u: reply %llu type %04x, %u bytes", (number_text)client->run->node.step,
              client->index, (number_text)request.id, header->type, header->body_bytes);
    if (header->type == FRAME_ERROR) {
        answer_error(client, &request, body, header->body_bytes);
    } else {
        NET_CHECK(header->type == (request.type | FRAME_REPLY), "a reply of type %04x to %04x",
                  header->type, request.type);
        NET_CHECK(request.expected == 0, "a wrong request was answered (expected %d)",
                  request.expected);
        answer_of_type(client, &request, body, header->body_bytes);
    }
    free(request.items);
}

/* net_ask.c: appends and pulls, packed by protobuf-c: nothing of the node's own encoding. */
#include "tests/sim/net_ask.h"

#include "tests/lib/model.h"
#include "tests/sim/net_check.h"
#include "tests/sim/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_BODIES_BYTES_MAX = 100 * 1024 }; /* of one request's messages */

struct net_session *net_ask_session(struct net_client *client, uint32_t *index)
{
    struct net_model *model = &client->run->model;
    uint64_t born_count = 2 + client->run->node.step / 16; /* some are used only later */
    uint32_t count = chance(client, 2) && model->session_count > 3 ? 3 : model->session_count;
    if (count > born_count)
        count = (uint32_t)born_count;
    *index = (uint32_t)below(client, count);
    return &model->sessions[*index];
}

/* ---- sending --------------------------------------------------------------------------------- */

uint8_t *net_ask_bytes(struct net_client *client, uint32_t byte_count)
{
    struct net_bytes *out = &client->out;
    if (out->byte_count + byte_count > out->capacity) {
        out->capacity = (out->byte_count + byte_count) * 2;
        out->bytes = realloc(out->bytes, out->capacity);
        NET_CHECK(out->bytes != NULL, "no memory for a client");
    }
    out->byte_count += byte_count;
    return out->bytes + out->byte_count - byte_count;
}

struct net_request *net_ask_new(struct net_client *client, uint16_t type, uint32_t item_count)
{
    struct net_request *request = &client->pending[client->pending_count++];
    NET_CHECK(client->pending_count <= NET_PENDING_MAX, "too many requests");
    *request = (struct net_request){.id = ++client->request_number << 8 | client->index,
                                    .type = type,
                                    .sent_at = client->run->node.step,
                                    .life = client->run->node.life,
                                    .item_count = item_count};
    request->items = calloc(item_count + 1, sizeof *request->items);
    NET_CHECK(request->items != NULL, "no memory for a request");
    client->run->counts->net_requests++;
    sim_trace("%llu client %u link %u: request %llu type %04x, %u items",
              (unsigned long long)client->run->node.step, client->index, client->link->number,
              (unsigned long long)request->id, type, item_count);
    return request;
}

void net_ask_header(struct net_client *client, const struct net_request *request,
                    uint32_t body_bytes)
{
    struct frame_header header = {.body_bytes = body_bytes,
                                  .version = FRAME_VERSION,
                                  .type = request->type,
                                  .request_id = request->id};
    frame_encode(net_ask_bytes(client, FRAME_HEADER_BYTES), &header);
    client->hears_ms = net_node_now_ms(&client->run->node);
}

void net_ask_send(struct net_client *client, const struct net_request *request,
                  const ProtobufCMessage *message)
{
    uint32_t body_bytes = (uint32_t)protobuf_c_message_get_packed_size(message);
    net_ask_header(client, request, body_bytes);
    (void)protobuf_c_message_pack(message, net_ask_bytes(client, body_bytes));
}

void net_ask_heartbeat(struct net_client *client)
{
    const struct net_request heartbeat = {.type = FRAME_HEARTBEAT};
    net_ask_header(client, &heartbeat, 0);
}

/* ---- appends --------------------------------------------------------------------------------- */

struct ask_appends { /* a request while it is put together */
    Imlog__Append items[NET_ITEMS_MAX];
    Imlog__Append *pointers[NET_ITEMS_MAX];
    uint8_t bodies[NET_ITEMS_MAX * 64 + ASK_BODIES_BYTES_MAX + 4 * IMLOG_BODY_BYTES_MAX];
    uint32_t count;
    uint32_t body_bytes;
};

static Imlog__Append *append_add(struct ask_appends *asked, uint32_t body_bytes)
{
    Imlog__Append *append = &asked->items[asked->count];
    *append = (Imlog__Append)IMLOG__APPEND__INIT;
    asked->pointers[asked->count++] = append;
    append->body.data = asked->bodies + asked->body_bytes;
    append->body.len = body_bytes;
    asked->body_bytes += body_bytes;
    return append;
}

static bool appends_have_room(const struct ask_appends *asked, uint32_t body_bytes)
{
    return asked->count == 0 ||
           (asked->count < NET_ITEMS_MAX && asked->body_bytes + body_bytes <= ASK_BODIES_BYTES_MAX);
}

static void append_put(struct net_client *client, struct ask_appends *asked, struct net_item *item,
                       uint32_t number)
{
    struct net_message *message = net_model_message(&client->run->model, number);
    const struct net_session *session = &client->run->model.sessions[message->session];
    Imlog__Append *append = append_add(asked, message->body_bytes);
    append->session_id = session->id;
    append->kind = (Imlog__Kind)session->kind;
    if (session->latest_seq > 0 && chance(client, 3))
        append->kind = IMLOG__KIND__KIND_ANY;
    append->sender_id = message->sender_id;
    append->client_msg_id = message->client_msg_id;
    append->client_ms = number;
    append->type = message->type;
    model_body(number, append->body.data, message->body_bytes);
    *item = (struct net_item){.number = number,
                              .order = ++client->append_order,
                              .was_known = message->seq != 0,
                              .session_id = session->id,
                              .index = message->session};
    client->run->counts->net_retries += message->attempt_count > 0;
    message->attempt_count++;
    message->unresolved_count++;
}

/* Wrong in one way. It may not be stored: client_ms 0 is the number of no message. */
static void wrong_put(struct net_client *client, struct ask_appends *asked, struct net_item *item)
{
    const struct net_session *session = net_ask_session(client, &item->index);
    bool exists = session->latest_seq > 0;
    uint64_t fault = below(client, 5);
    Imlog__Append *append =
        append_add(asked, fault == 0 ? client->run->node.node.body_bytes_max + 1 : 3);
    append->session_id = fault == 1 ? 0 : session->id;
    append->sender_id = fault == 2 ? 0 : 99;
    append->type = fault == 3 ? 65536 : 1;
    append->kind = (Imlog__Kind)session->kind;
    if (fault == 4)
        append->kind = exists ? (Imlog__Kind)(session->kind % IMLOG_KIND_BROADCAST + 1)
                              : (Imlog__Kind)(IMLOG_KIND_BROADCAST + 1);
    memset(append->body.data, 1, append->body.len);
    item->session_id = append->session_id;
    item->expected = fault == 0 ? IMLOG_ETOOBIG : IMLOG_EINVALID;
    if (fault == 4 && exists)
        item->expected = IMLOG_EKIND;
}

static void ask_appends_send(struct net_client *client, struct net_request *request,
                             struct ask_appends *asked)
{
    Imlog__AppendRequest message = IMLOG__APPEND_REQUEST__INIT;
    request->item_count = asked->count;
    message.n_items = asked->count;
    message.items = asked->pointers;
    net_ask_send(client, request, &message.base);
}

static uint32_t new_message(struct net_client *client)
{
    struct net_message message = {.sender_id = 1 + client->index * 2 + below(client, 2),
                                  .type = (uint16_t)below(client, 65536),
                                  .body_bytes = (uint32_t)below(client, 200)};
    if (chance(client, client->heavy ? 2 : 30))
        message.body_bytes = (uint32_t)below(client, 4000);
    if (chance(client, client->heavy ? 15 : 100))
        message.body_bytes = (uint32_t)below(client, client->run->node.node.body_bytes_max + 1);
    if (!chance(client, 15))
        message.client_msg_id = ++client->client_msg_id;
    (void)net_ask_session(client, &message.session);
    return net_model_add(&client->run->model, &message);
}

void net_ask_appends(struct net_client *client)
{
    struct ask_appends asked = {.count = 0};
    uint32_t wanted = 1 + (uint32_t)below(client, chance(client, 3) ? NET_ITEMS_MAX : 4);
    struct net_request *request = net_ask_new(client, FRAME_APPEND, NET_ITEMS_MAX);
    while (asked.count < wanted &&
           appends_have_room(&asked, client->run->node.node.body_bytes_max)) {
        append_put(client, &asked, &request->items[asked.count], new_message(client));
        if (chance(client, 30) && asked.count < wanted) { /* the same twice in a request */
            struct net_item *item = &request->items[asked.count];
            uint32_t number = item[-1].number;
            if (net_model_message(&client->run->model, number)->client_msg_id != 0)
                append_put(client, &asked, item, number);
        }
    }
    ask_appends_send(client, request, &asked);
}

void net_ask_backlog(struct net_client *client)
{
    struct ask_appends asked = {.count = 0};
    uint32_t wanted = 1 + (uint32_t)below(client, NET_ITEMS_MAX);
    uint32_t taken = 0;
    struct net_request *request = net_ask_new(client, FRAME_APPEND, NET_ITEMS_MAX);
    for (; taken < client->backlog_count && taken < wanted; taken++) {
        uint32_t number = client->backlog[taken];
        const struct net_message *message = net_model_message(&client->run->model, number);
        if (!appends_have_room(&asked, message->body_bytes))
            break;
        append_put(client, &asked, &request->items[asked.count], number);
    }
    client->backlog_count -= taken;
    memmove(client->backlog, client->backlog + taken,
            client->backlog_count * sizeof *client->backlog);
    ask_appends_send(client, request, &asked);
}

/* Messages sent before, by anybody, answered or not. */
void net_ask_retries(struct net_client *client)
{
    struct net_model *model = &client->run->model;
    struct ask_appends asked = {.count = 0};
    uint32_t wanted = 1 + (uint32_t)below(client, 6);
    uint32_t newest_count = chance(client, 2) ? 20 : model->message_count;
    if (newest_count > model->message_count)
        newest_count = model->message_count;
    if (newest_count == 0)
        return;
    struct net_request *request = net_ask_new(client, FRAME_APPEND, NET_ITEMS_MAX);
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t number = model->message_count - (uint32_t)below(client, newest_count);
        const struct net_message *message = net_model_message(model, number);
        if (message->client_msg_id != 0 && message->attempt_count > 0 &&
            appends_have_room(&asked, message->body_bytes))
            append_put(client, &asked, &request->items[asked.count], number);
    }
    ask_appends_send(client, request, &asked);
}

void net_ask_wrong_appends(struct net_client *client)
{
    struct ask_appends asked = {.count = 0};
    uint32_t wanted = 1 + (uint32_t)below(client, 3);
    struct net_request *request = net_ask_new(client, FRAME_APPEND, NET_ITEMS_MAX);
    for (uint32_t i = 0; i < wanted; i++)
        wrong_put(client, &asked, &request->items[i]);
    ask_appends_send(client, request, &asked);
}

/* ---- pulls ----------------------------------------------------------------------------------- */

static void pull_choose(struct net_client *client, struct net_item *item)
{
    const struct net_session *session = net_ask_session(client, &item->index);
    struct imlog_pull *pull = &item->pull;
    item->latest_seq = session->latest_seq;
    pull->session_id = session->id;
    pull->backward = chance(client, 2);
    if (pull->backward)
        pull->before_seq = chance(client, 2) ? 0 : below(client, session->latest_seq + 3);
    else
        pull->after_seq = chance(client, 3) ? 0 : below(client, session->latest_seq + 3);
    if (!chance(client, 3))
        pull->count_max = (uint32_t)below(client, IMLOG_PULL_MESSAGES_MAX + 10);
    if (!chance(client, 3))
        pull->bytes_max = (uint32_t)below(client, chance(client, 4) ? IMLOG_REPLY_BYTES_MAX : 8000);
    if (!chance(client, 25))
        return;
    pull->session_id = NET_NO_SESSION_ID * below(client, 2);
    item->index = UINT32_MAX;
    item->expected = pull->session_id == 0 ? IMLOG_EINVALID : IMLOG_ENOSESSION;
}

static void ask_pulls_send(struct net_client *client, const struct net_request *request)
{
    Imlog__Pull items[NET_ITEMS_MAX];
    Imlog__Pull *pointers[NET_ITEMS_MAX];
    Imlog__PullRequest message = IMLOG__PULL_REQUEST__INIT;
    for (uint32_t i = 0; i < request->item_count; i++) {
        const struct imlog_pull *pull = &request->items[i].pull;
        items[i] = (Imlog__Pull)IMLOG__PULL__INIT;
        items[i].session_id = pull->session_id;
        items[i].after_seq = pull->after_seq;
        items[i].before_seq = pull->before_seq;
        items[i].backward = pull->backward;
        items[i].count_max = pull->count_max;
        items[i].bytes_max = pull->bytes_max;
        pointers[i] = &items[i];
    }
    message.n_items = request->item_count;
    message.items = pointers;
    net_ask_send(client, request, &message.base);
}

void net_ask_pulls(struct net_client *client)
{
    uint32_t item_count = (uint32_t)below(client, chance(client, 5) ? NET_ITEMS_MAX : 5);
    struct net_request *request = net_ask_new(client, FRAME_PULL, item_count);
    for (uint32_t i = 0; i < item_count; i++)
        pull_choose(client, &request->items[i]);
    ask_pulls_send(client, request);
}

bool net_ask_has_more(const struct net_run *run)
{
    for (uint32_t i = 0; i < run->model.session_count; i++)
        if (run->read_seq[i] < run->model.sessions[i].latest_seq)
            return true;
    return false;
}

void net_ask_all(struct net_client *client)
{
    struct net_run *run = client->run;
    struct net_request *request = net_ask_new(client, FRAME_PULL, run->model.session_count);
    request->is_reading = true;
    for (uint32_t i = 0; i < request->item_count; i++) {
        const struct net_session *session = &run->model.sessions[i];
        request->items[i] = (struct net_item){.index = i,
                                              .latest_seq = session->latest_seq,
                                              .pull = {.session_id = session->id,
                                                       .after_seq = run->read_seq[i],
                                                       .bytes_max = UINT32_MAX}};
    }
    ask_pulls_send(client, request);
}

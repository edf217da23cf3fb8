/* net_ask_other.c: keys, sessions, the node itself; and what no client should send. */
#include "tests/sim/net_ask.h"
#include "tests/sim/net_check.h"

#include <stdlib.h>
#include <string.h>

static void ask_resolve(struct net_client *client)
{
    struct net_model *model = &client->run->model;
    ProtobufCBinaryData keys[8];
    Imlog__ResolveRequest message = IMLOG__RESOLVE_REQUEST__INIT;
    uint32_t item_count = 1 + (uint32_t)below(client, 8);
    struct net_request *request = net_ask_new(client, FRAME_RESOLVE, item_count);
    request->lookup_only = chance(client, 3);
    for (uint32_t i = 0; i < item_count; i++) {
        uint32_t index = (uint32_t)below(client, model->key_count);
        struct net_key *key = &model->keys[index];
        request->items[i] = (struct net_item){.index = index, .was_known = key->answered};
        keys[i].data = (uint8_t *)key->text;
        keys[i].len = strlen(key->text);
        if (chance(client, 40)) {
            keys[i].len = 0;
            request->items[i].expected = IMLOG_EINVALID;
        }
    }
    message.n_keys = item_count;
    message.keys = keys;
    message.lookup_only = request->lookup_only;
    net_ask_send(client, request, &message.base);
}

static void ask_names(struct net_client *client)
{
    struct net_model *model = &client->run->model;
    uint64_t ids[8];
    Imlog__NamesRequest message = IMLOG__NAMES_REQUEST__INIT;
    uint32_t item_count = 1 + (uint32_t)below(client, 8);
    struct net_request *request = net_ask_new(client, FRAME_NAMES, item_count);
    for (uint32_t i = 0; i < item_count; i++) {
        uint32_t index = (uint32_t)below(client, model->key_count);
        bool known = model->keys[index].answered;
        ids[i] = known ? model->keys[index].id : 12;
        request->items[i] =
            (struct net_item){.index = known ? index : UINT32_MAX, .session_id = ids[i]};
    }
    message.n_ids = item_count;
    message.ids = ids;
    net_ask_send(client, request, &message.base);
}

static void ask_session(struct net_client *client)
{
    uint64_t ids[8];
    Imlog__SessionRequest message = IMLOG__SESSION_REQUEST__INIT;
    uint32_t item_count = 1 + (uint32_t)below(client, 8);
    struct net_request *request = net_ask_new(client, FRAME_SESSION, item_count);
    for (uint32_t i = 0; i < item_count; i++) {
        struct net_item *item = &request->items[i];
        const struct net_session *session = net_ask_session(client, &item->index);
        for (uint32_t again = 0; again < 4 && session->latest_seq > 0; again++)
            session = net_ask_session(client, &item->index); /* rather one that is being made */
        item->latest_seq = session->latest_seq;
        item->session_id = ids[i] = session->id;
        if (chance(client, 30)) {
            item->index = UINT32_MAX;
            item->session_id = ids[i] = NET_NO_SESSION_ID;
        }
    }
    message.n_session_ids = item_count;
    message.session_ids = ids;
    net_ask_send(client, request, &message.base);
}

/* The next page of all sessions; each known one must be on one of them. */
static void ask_page(struct net_client *client)
{
    struct net_paging *paging = &client->paging;
    const struct net_model *model = &client->run->model;
    Imlog__SessionsRequest message = IMLOG__SESSIONS_REQUEST__INIT;
    for (uint32_t i = 0; i < client->pending_count; i++)
        if (client->pending[i].is_page)
            return;
    if (!paging->under_way) {
        *paging = (struct net_paging){.under_way = true};
        for (uint32_t i = 0; i < model->session_count; i++)
            paging->was_known[i] = model->sessions[i].latest_seq > 0;
    }
    struct net_request *request = net_ask_new(client, FRAME_SESSIONS, 0);
    request->is_page = true;
    request->count_max = (uint32_t)below(client, 10);
    message.count_max = request->count_max;
    message.cursor.data = paging->cursor;
    message.cursor.len = paging->cursor_bytes;
    net_ask_send(client, request, &message.base);
}

static void ask_node(struct net_client *client)
{
    static const uint16_t types[] = {FRAME_PING, FRAME_INFO, FRAME_STATS};
    const struct net_request *request = net_ask_new(client, types[below(client, 3)], 0);
    net_ask_header(client, request, 0);
}

/* ---- what is wrong as a whole ---------------------------------------------------------------- */

static void ask_too_many(struct net_client *client)
{
    Imlog__Pull item = IMLOG__PULL__INIT;
    Imlog__Pull *items[IMLOG_REQUEST_ITEMS_MAX + 1];
    Imlog__PullRequest message = IMLOG__PULL_REQUEST__INIT;
    for (uint32_t i = 0; i <= IMLOG_REQUEST_ITEMS_MAX; i++)
        items[i] = &item;
    message.n_items = IMLOG_REQUEST_ITEMS_MAX + 1;
    message.items = items;
    struct net_request *request = net_ask_new(client, FRAME_PULL, 0);
    request->expected = IMLOG_EINVALID;
    net_ask_send(client, request, &message.base);
}

static void ask_foreign_page(struct net_client *client)
{
    uint8_t cursor[15] = {1};
    Imlog__SessionsRequest message = IMLOG__SESSIONS_REQUEST__INIT;
    struct net_request *request = net_ask_new(client, FRAME_SESSIONS, 0);
    request->expected = IMLOG_EINVALID;
    message.cursor.data = cursor;
    message.cursor.len = 1 + below(client, 14); /* 15 could, by chance, be good */
    net_ask_send(client, request, &message.base);
}

/* A good append in front of bytes that are none: nothing of it may be stored. */
static void ask_broken_body(struct net_client *client)
{
    static const uint16_t types[] = {FRAME_APPEND, FRAME_PULL, FRAME_RESOLVE,
                                     FRAME_STATS,  FRAME_PING, FRAME_SESSIONS,
                                     FRAME_NAMES,  FRAME_INFO, FRAME_SESSION};
    uint8_t body[64];
    uint32_t index;
    Imlog__Append append = IMLOG__APPEND__INIT;
    append.session_id = net_ask_session(client, &index)->id;
    append.sender_id = 99;
    uint32_t body_bytes = (uint32_t)protobuf_c_message_get_packed_size(&append.base);
    NET_CHECK(body_bytes < 40, "no room for a body");
    uint16_t type = types[below(client, 9)];
    body[0] = 1 << 3 | 2;
    body[1] = (uint8_t)body_bytes;
    (void)protobuf_c_message_pack(&append.base, body + 2);
    body_bytes = type == FRAME_APPEND ? body_bytes + 2 : 0;
    body[body_bytes++] = 1 << 3 | 2; /* a field that says more bytes follow than do */
    body[body_bytes++] = 100;
    struct net_request *request = net_ask_new(client, type, 0);
    request->expected = IMLOG_EPROTO;
    net_ask_header(client, request, body_bytes);
    memcpy(net_ask_bytes(client, body_bytes), body, body_bytes);
}

static void ask_unknown_type(struct net_client *client)
{
    struct net_request *request = net_ask_new(client, 0x0077, 0);
    request->expected = IMLOG_EUNSUPPORTED;
    net_ask_header(client, request, 5);
    memset(net_ask_bytes(client, 5), 0xff, 5);
}

/* After this the node answers what it took, and closes. */
static void ask_bad_frame(struct net_client *client)
{
    struct net_request *request = net_ask_new(client, FRAME_PING, 0);
    struct frame_header header = {
        .version = FRAME_VERSION, .type = request->type, .request_id = request->id};
    uint64_t fault = below(client, 3);
    request->expected = fault == 2 ? IMLOG_EPROTO : IMLOG_EUNSUPPORTED;
    if (fault == 0)
        header.version = 2;
    else if (fault == 1)
        header.flags = 1;
    else
        header.body_bytes = IMLOG_FRAME_BYTES_MAX + 1;
    frame_encode(net_ask_bytes(client, FRAME_HEADER_BYTES), &header);
    client->link->spoiled = true;
}

static void ask_wrong(struct net_client *client)
{
    switch (below(client, 12)) {
    case 0:
        return ask_bad_frame(client);
    case 1:
    case 2:
        return ask_too_many(client);
    case 3:
    case 4:
        return ask_foreign_page(client);
    case 5:
    case 6:
    case 7:
        return ask_broken_body(client);
    case 8:
        return ask_unknown_type(client);
    default:
        return net_ask_wrong_appends(client);
    }
}

void net_ask_something(struct net_client *client)
{
    uint64_t choice = below(client, 100);
    if (choice < 12)
        net_ask_retries(client);
    else if (choice < 50 && client->backlog_count == 0)
        net_ask_appends(client);
    else if (choice < 75)
        net_ask_pulls(client);
    else if (choice < 80)
        ask_resolve(client);
    else if (choice < 83)
        ask_names(client);
    else if (choice < 88)
        ask_session(client);
    else if (choice < 92)
        ask_page(client);
    else if (choice < 95)
        ask_node(client);
    else
        ask_wrong(client);
}

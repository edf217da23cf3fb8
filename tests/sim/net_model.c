/* net_model.c: see net_model.h. */
#include "tests/sim/net_model.h"

#include "tests/lib/model.h"
#include "tests/sim/net_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long number_text; /* for %llu */

void net_model_init(struct net_model *model, struct prng *prng)
{
    *model = (struct net_model){.session_count = 2 + (uint32_t)prng_below(prng, 20),
                                .key_count = 2 + (uint32_t)prng_below(prng, NET_KEYS_MAX - 1)};
    for (uint32_t i = 0; i < model->session_count; i++) {
        model->sessions[i].id = i + NET_SESSIONS_MAX * (1 + prng_below(prng, UINT64_C(1) << 40));
        model->sessions[i].kind =
            (enum imlog_kind)(IMLOG_KIND_DIRECT + prng_below(prng, IMLOG_KIND_BROADCAST));
    }
    for (uint32_t i = 0; i < model->key_count; i++)
        (void)snprintf(model->keys[i].text, NET_KEY_TEXT_BYTES, "key:%u", i);
}

void net_model_deinit(struct net_model *model)
{
    for (uint32_t i = 0; i < model->session_count; i++)
        free(model->sessions[i].slots);
    free(model->messages);
}

uint32_t net_model_add(struct net_model *model, const struct net_message *message)
{
    if (model->message_count == model->message_capacity) {
        model->message_capacity = model->message_capacity * 2 + 64;
        model->messages =
            reallocarray(model->messages, model->message_capacity, sizeof *model->messages);
        NET_CHECK(model->messages != NULL, "no memory for the model");
    }
    model->messages[model->message_count] = *message;
    return ++model->message_count;
}

struct net_message *net_model_message(struct net_model *model, uint32_t number)
{
    NET_CHECK(number >= 1 && number <= model->message_count, "message %u was never sent", number);
    return &model->messages[number - 1];
}

struct net_session *net_model_session(struct net_model *model, uint64_t session_id)
{
    for (uint32_t i = 0; i < model->session_count; i++)
        if (model->sessions[i].id == session_id)
            return &model->sessions[i];
    return NULL;
}

static struct net_slot *slot_at(struct net_session *session, uint64_t seq)
{
    NET_CHECK(seq >= 1 && seq < 1000000, "session %llu: seq %llu out of nowhere",
              (number_text)session->id, (number_text)seq);
    if (seq > session->slot_capacity) {
        uint32_t capacity = (uint32_t)seq * 2 + 16;
        session->slots = reallocarray(session->slots, capacity, sizeof *session->slots);
        NET_CHECK(session->slots != NULL, "no memory for the model");
        memset(session->slots + session->slot_capacity, 0,
               (capacity - session->slot_capacity) * sizeof *session->slots);
        session->slot_capacity = capacity;
    }
    return &session->slots[seq - 1];
}

/* msg_ids rise within a session: look at the nearest neighbours that are known. */
static void check_rising(struct net_session *session, uint64_t seq)
{
    uint64_t msg_id = slot_at(session, seq)->msg_id;
    for (uint64_t at = seq - 1; at >= 1; at--) {
        if (session->slots[at - 1].number == 0)
            continue;
        NET_CHECK(session->slots[at - 1].msg_id < msg_id, "session %llu: msg_id of %llu and %llu",
                  (number_text)session->id, (number_text)at, (number_text)seq);
        break;
    }
    for (uint64_t at = seq + 1; at <= session->slot_capacity; at++) {
        if (session->slots[at - 1].number == 0)
            continue;
        NET_CHECK(session->slots[at - 1].msg_id > msg_id, "session %llu: msg_id of %llu and %llu",
                  (number_text)session->id, (number_text)seq, (number_text)at);
        break;
    }
}

void net_model_latest(struct net_session *session, uint64_t latest_seq)
{
    if (latest_seq > session->latest_seq)
        session->latest_seq = latest_seq;
}

void net_model_learn(struct net_model *model, uint32_t number, uint64_t seq, uint64_t msg_id,
                     uint64_t server_ms)
{
    struct net_message *message = net_model_message(model, number);
    struct net_session *session = &model->sessions[message->session];
    struct net_slot *slot = slot_at(session, seq);
    net_model_latest(session, seq);
    if (message->seq != 0 || slot->number != 0) {
        NET_CHECK(message->seq == seq,
                  "P2/P3: session %llu: message %u was at seq %llu, and is now said to be at %llu",
                  (number_text)session->id, number, (number_text)message->seq, (number_text)seq);
        NET_CHECK(slot->number == number,
                  "P2: session %llu seq %llu: message %u was there, and now %u is",
                  (number_text)session->id, (number_text)seq, slot->number, number);
        NET_CHECK(message->msg_id == msg_id, "P3: message %u has another msg_id", number);
        NET_CHECK(message->server_ms == server_ms, "P3: message %u has another time", number);
        return;
    }
    NET_CHECK(message->unresolved_count > 0,
              "message %u is stored, but every attempt to send it was refused", number);
    message->seq = seq;
    message->msg_id = msg_id;
    message->server_ms = server_ms;
    *slot = (struct net_slot){.number = number, .msg_id = msg_id};
    check_rising(session, seq);
}

static void check_content(const struct net_message *sent, uint32_t number,
                          const struct imlog_message *got)
{
    static uint8_t body[IMLOG_BODY_BYTES_MAX];
    NET_CHECK(got->sender_id == sent->sender_id, "message %u: another sender", number);
    NET_CHECK(got->client_msg_id == sent->client_msg_id, "message %u: another client_msg_id",
              number);
    NET_CHECK(got->type == sent->type, "message %u: another type", number);
    NET_CHECK(got->body_bytes == sent->body_bytes, "message %u: %u body bytes, not %u", number,
              got->body_bytes, sent->body_bytes);
    model_body(number, body, sent->body_bytes);
    NET_CHECK(sent->body_bytes == 0 || memcmp(body, got->body, sent->body_bytes) == 0,
              "message %u: another body", number);
}

void net_model_see(struct net_model *model, struct net_session *session,
                   const struct imlog_message *message)
{
    uint32_t number = message->client_ms <= model->message_count ? (uint32_t)message->client_ms : 0;
    NET_CHECK(number != 0, "session %llu seq %llu: a message that nobody sent",
              (number_text)session->id, (number_text)message->seq);
    struct net_message *sent = net_model_message(model, number);
    NET_CHECK(&model->sessions[sent->session] == session,
              "message %u of session %llu is in session %llu", number,
              (number_text)model->sessions[sent->session].id, (number_text)session->id);
    check_content(sent, number, message);
    net_model_learn(model, number, message->seq, message->msg_id, message->server_ms);
    if (message->seq == 1) {
        NET_CHECK(message->prev_msg_id == 0, "session %llu: seq 1 has a message before it",
                  (number_text)session->id);
        return;
    }
    const struct net_slot *before = slot_at(session, message->seq - 1);
    NET_CHECK(before->number == 0 || before->msg_id == message->prev_msg_id,
              "session %llu seq %llu: the chain is broken", (number_text)session->id,
              (number_text)message->seq);
}

void net_model_resolved(struct net_model *model, uint32_t key, uint64_t id)
{
    struct net_key *known = &model->keys[key];
    NET_CHECK(id >= IMLOG_RESOLVED_ID_MIN && id < UINT64_C(1) << 53, "key %u: id %llu", key,
              (number_text)id);
    NET_CHECK(known->id == 0 || known->id == id, "key %u was %llu, and is now %llu", key,
              (number_text)known->id, (number_text)id);
    for (uint32_t i = 0; i < model->key_count; i++)
        NET_CHECK(i == key || model->keys[i].id != id, "keys %u and %u are both %llu", i, key,
                  (number_text)id);
    known->id = id;
    known->answered = true;
}

void net_model_check_whole(struct net_model *model)
{
    for (uint32_t i = 0; i < model->session_count; i++) {
        struct net_session *session = &model->sessions[i];
        for (uint64_t seq = 1; seq <= session->latest_seq; seq++)
            NET_CHECK(slot_at(session, seq)->number != 0,
                      "P2: session %llu has nothing at seq %llu of %llu", (number_text)session->id,
                      (number_text)seq, (number_text)session->latest_seq);
    }
    for (uint32_t number = 1; number <= model->message_count; number++) {
        const struct net_message *message = &model->messages[number - 1];
        NET_CHECK(message->seq != 0 || message->client_msg_id == 0 || message->attempt_count == 0,
                  "P1/P10: message %u was retried to the end and is not stored", number);
    }
}

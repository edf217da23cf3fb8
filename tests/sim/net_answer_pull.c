/* net_answer_pull.c: what a pull brought: the range, the budget, and every message. */
#include "tests/sim/net_check.h"
#include "tests/sim/net_client.h"

#include "net/limits.h"

#include <errno.h>

typedef unsigned long long number_text; /* for %llu */

/* The bounds that the node puts on a pull. */
static struct imlog_pull pull_bounded(const struct imlog_pull *asked)
{
    struct imlog_pull pull = *asked;
    if (pull.count_max == 0 || pull.count_max > IMLOG_PULL_MESSAGES_MAX)
        pull.count_max = IMLOG_PULL_MESSAGES_MAX;
    if (pull.bytes_max == 0)
        pull.bytes_max = IMLOG_PULL_BYTES_DEFAULT;
    if (pull.bytes_max > PULL_BYTES_MAX)
        pull.bytes_max = PULL_BYTES_MAX;
    return pull;
}

/* [*first, *end): what is asked for, before the budget of bytes. */
static void asked_range(const struct imlog_pull *pull, uint64_t latest, uint64_t *first,
                        uint64_t *end)
{
    if (pull->backward) {
        *end = pull->before_seq == 0 || pull->before_seq > latest ? latest + 1 : pull->before_seq;
        *first = *end > pull->count_max ? *end - pull->count_max : 1;
    } else {
        *first = (pull->after_seq < latest ? pull->after_seq : latest) + 1;
        *end = latest + 1 - *first < pull->count_max ? latest + 1 : *first + pull->count_max;
    }
}

static void check_message(struct net_client *client, struct net_session *session,
                          const Imlog__Message *shown)
{
    const struct imlog_message message = {.session_id = session->id,
                                          .seq = shown->seq,
                                          .msg_id = shown->msg_id,
                                          .prev_msg_id = shown->prev_msg_id,
                                          .sender_id = shown->sender_id,
                                          .client_msg_id = shown->client_msg_id,
                                          .client_ms = shown->client_ms,
                                          .server_ms = shown->server_ms,
                                          .body = shown->body.data,
                                          .body_bytes = (uint32_t)shown->body.len,
                                          .type = (uint16_t)shown->type};
    net_model_see(&client->run->model, session, &message);
    client->run->counts->net_messages_pulled++;
}

/* A block that cannot be read is a gap, in this answer only; nothing else here makes gaps. */
static bool is_in_gap(const struct net_client *client, const struct net_session *session,
                      const Imlog__Pulled *result, uint64_t seq)
{
    for (size_t i = 0; i < result->n_gaps; i++) {
        if (seq < result->gaps[i]->first_seq || seq > result->gaps[i]->last_seq)
            continue;
        NET_CHECK(client->run->node.fairness.read_failed[net_shard_of(client->run, session->id)],
                  "P4: session %llu has a gap at %llu", (number_text)session->id, (number_text)seq);
        return true;
    }
    return false;
}

static uint64_t check_messages(struct net_client *client, struct net_session *session,
                               const Imlog__Pulled *result)
{
    uint64_t body_bytes = 0;
    size_t at = 0;
    for (uint64_t seq = result->first_seq; seq < result->end_seq; seq++) {
        if (at < result->n_messages && result->messages[at]->seq == seq) {
            body_bytes += result->messages[at]->body.len;
            check_message(client, session, result->messages[at++]);
            continue;
        }
        NET_CHECK(is_in_gap(client, session, result, seq),
                  "session %llu: seq %llu is missing in [%llu, %llu)", (number_text)session->id,
                  (number_text)seq, (number_text)result->first_seq, (number_text)result->end_seq);
        client->run->counts->net_gaps++;
    }
    NET_CHECK(at == result->n_messages, "session %llu: messages that are out of place",
              (number_text)session->id);
    return body_bytes;
}

/* It stopped early only because of the budget, and as late as that allows. */
static void check_range(struct net_client *client, const struct net_session *session,
                        const struct imlog_pull *pull, const Imlog__Pulled *result,
                        uint64_t body_bytes)
{
    uint64_t first;
    uint64_t end;
    asked_range(pull, result->session_latest_seq, &first, &end);
    NET_CHECK(result->first_seq >= first && result->end_seq <= end,
              "session %llu: [%llu, %llu) for [%llu, %llu)", (number_text)session->id,
              (number_text)result->first_seq, (number_text)result->end_seq, (number_text)first,
              (number_text)end);
    NET_CHECK(pull->backward ? result->end_seq == end : result->first_seq == first,
              "session %llu: the answer begins at another place", (number_text)session->id);
    NET_CHECK(result->n_messages <= 1 || body_bytes <= pull->bytes_max,
              "session %llu: %llu bytes, over the budget", (number_text)session->id,
              (number_text)body_bytes);
    bool more = pull->backward ? result->first_seq > 1 && result->end_seq > 1
                               : result->end_seq <= result->session_latest_seq;
    NET_CHECK(result->more == more, "session %llu: more is wrong", (number_text)session->id);
    if (result->first_seq == first && result->end_seq == end)
        return;
    NET_CHECK(result->n_messages > 0, "session %llu: nothing, and there is something",
              (number_text)session->id);
    uint64_t next_seq = pull->backward ? result->first_seq - 1 : result->end_seq;
    uint32_t number = next_seq <= session->slot_capacity ? session->slots[next_seq - 1].number : 0;
    if (number == 0 || result->n_gaps > 0)
        return;
    NET_CHECK(body_bytes + net_model_message(&client->run->model, number)->body_bytes >
                  pull->bytes_max,
              "session %llu: seq %llu would have fitted", (number_text)session->id,
              (number_text)next_seq);
}

/* A result without messages that says there are more: its reply was full. */
static bool is_full(const Imlog__Pulled *result)
{
    return result->code == 0 && result->n_messages == 0 && result->n_gaps == 0 && result->more;
}

static void check_full(const struct imlog_pull *pull, const Imlog__Pulled *result)
{
    uint64_t at_seq = pull->after_seq + 1;
    if (pull->backward)
        at_seq = pull->before_seq != 0 ? pull->before_seq : result->session_latest_seq + 1;
    NET_CHECK(result->first_seq == at_seq && result->end_seq == at_seq,
              "a full reply moved the position from %llu to %llu", (number_text)at_seq,
              (number_text)result->end_seq);
}

static void check_failed(struct net_client *client, const struct net_item *item,
                         const Imlog__Pulled *result)
{
    struct net_run *run = client->run;
    if (item->expected != 0) {
        NET_CHECK(result->code == item->expected || result->code == IMLOG_ENOSESSION,
                  "a wrong pull: %d, not %d", result->code, item->expected);
        return;
    }
    if (result->code == IMLOG_ENOSESSION) {
        NET_CHECK(item->latest_seq == 0, "P2: session %llu is gone",
                  (number_text)item->pull.session_id);
        return;
    }
    run->counts->net_pulls_failed++;
    const struct net_fairness *fairness = &run->node.fairness;
    NET_CHECK(
        (result->code == -EIO && fairness->read_failed[net_shard_of(run, item->pull.session_id)]) ||
            (result->code == -ENOMEM && fairness->memory_was_short),
        "a pull of session %llu failed with %d", (number_text)item->pull.session_id, result->code);
}

static void answer_pulled(struct net_client *client, const struct net_item *item,
                          const Imlog__Pulled *result)
{
    if (result->code < 0) {
        check_failed(client, item, result);
        return;
    }
    const struct imlog_pull pull = pull_bounded(&item->pull);
    NET_CHECK(item->expected == 0, "a wrong pull was answered");
    NET_CHECK(result->session_id == pull.session_id, "another session than was asked");
    struct net_session *session = &client->run->model.sessions[item->index];
    NET_CHECK(result->session_latest_seq >= item->latest_seq,
              "P2: session %llu went back from %llu to %llu", (number_text)session->id,
              (number_text)item->latest_seq, (number_text)result->session_latest_seq);
    net_model_latest(session, result->session_latest_seq);
    if (is_full(result)) {
        client->run->counts->net_pulls_full++;
        check_full(&pull, result);
        return;
    }
    NET_CHECK(result->session_latest_seq > 0, "P2: a session before its first message");
    NET_CHECK(result->session_first_seq == 1, "session %llu starts at %llu",
              (number_text)session->id, (number_text)result->session_first_seq);
    uint64_t body_bytes = check_messages(client, session, result);
    check_range(client, session, &pull, result, body_bytes);
}

/* At least one of those that found it full would not have fitted beside what is there. */
static void check_fullness(const struct net_request *request, const Imlog__PullReply *reply)
{
    uint64_t room_bytes = IMLOG_REPLY_BYTES_MAX - (uint64_t)request->item_count * RESULT_BYTES_MAX;
    uint64_t used_bytes = 0;
    uint64_t wanted_bytes = 0;
    bool some_full = false;
    for (size_t i = 0; i < reply->n_results; i++) {
        const Imlog__Pulled *result = reply->results[i];
        uint64_t result_bytes = protobuf_c_message_get_packed_size(&result->base);
        if (!is_full(result)) {
            used_bytes += result_bytes > RESULT_BYTES_MAX ? result_bytes - RESULT_BYTES_MAX : 0;
            continue;
        }
        const struct imlog_pull pull = pull_bounded(&request->items[result->index].pull);
        uint64_t most_bytes = pull.bytes_max + IMLOG_BODY_BYTES_MAX +
                              (uint64_t)pull.count_max * PULLED_MESSAGE_BYTES_MAX;
        wanted_bytes = most_bytes > wanted_bytes ? most_bytes : wanted_bytes;
        some_full = true;
    }
    NET_CHECK(!some_full || used_bytes + wanted_bytes > room_bytes,
              "a reply is called full with %llu of %llu bytes", (number_text)used_bytes,
              (number_text)room_bytes);
}

void net_answer_pull(struct net_client *client, const struct net_request *request,
                     const uint8_t *body, uint32_t body_bytes)
{
    bool answered[NET_ITEMS_MAX] = {false};
    Imlog__PullReply *reply = imlog__pull_reply__unpack(NULL, body_bytes, body);
    NET_CHECK(reply != NULL, "a reply is no valid PullReply");
    NET_CHECK(reply->n_results == request->item_count, "%zu results for %u pulls", reply->n_results,
              request->item_count);
    for (size_t i = 0; i < reply->n_results; i++) {
        const Imlog__Pulled *result = reply->results[i];
        NET_CHECK(result->index < request->item_count && !answered[result->index],
                  "item %u was not asked, or is answered twice", result->index);
        answered[result->index] = true;
        answer_pulled(client, &request->items[result->index], result);
        if (request->is_reading && result->code == 0)
            client->run->read_seq[result->index] = result->end_seq - 1;
    }
    check_fullness(request, reply);
    imlog__pull_reply__free_unpacked(reply, NULL);
}

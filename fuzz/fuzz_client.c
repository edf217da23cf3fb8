/* fuzz_client.c: any bytes as an AppendReply and as a PullReply to the C client's own decoder,
 * held against protobuf-c's.
 *
 *     [items asked for: 1 byte][the reply's body]
 *
 * Laws: no reply is accepted that leaves an item without its answer; what both decoders take they
 * take for the same; nothing is read or written outside what was given. */
#include "fuzz/fuzz.h"
#include "net/client_codec.h"
#include "net/imlog.pb-c.h"

enum { ITEMS_MAX = 8 };

/* ---- append ------------------------------------------------------------------------------ */

static void check_ack(const struct imlog_client_ack *ack, const Imlog__Appended *result)
{
    FUZZ_CHECK(ack->code == result->code && ack->code <= 0);
    FUZZ_CHECK(ack->seq == result->seq);
    FUZZ_CHECK(ack->msg_id == result->msg_id);
    FUZZ_CHECK(ack->server_ms == result->server_ms);
    FUZZ_CHECK((int)ack->ack == (int)result->ack);
    FUZZ_CHECK(ack->duplicate == result->duplicate);
}

static void run_append(const uint8_t *body, uint32_t body_bytes, uint32_t count)
{
    struct imlog_client_ack *acks = calloc(count + 1, sizeof(*acks));
    struct client_codec_text text = {.bytes = NULL};
    FUZZ_CHECK(acks != NULL);
    int verdict = client_codec_appended(body, body_bytes, acks, count, &text);
    FUZZ_CHECK(verdict == 0 || verdict == IMLOG_EPROTO);
    if (verdict == 0 && text.bytes != NULL)
        FUZZ_CHECK(text.bytes >= body && text.bytes + text.byte_count <= body + body_bytes);
    Imlog__AppendReply *reply = imlog__append_reply__unpack(NULL, body_bytes, body);
    if (verdict == 0 && reply != NULL) {
        FUZZ_CHECK(reply->n_results == count);
        for (size_t i = 0; i < reply->n_results; i++) {
            FUZZ_CHECK(reply->results[i]->index < count);
            check_ack(&acks[reply->results[i]->index], reply->results[i]);
        }
    }
    if (reply != NULL)
        imlog__append_reply__free_unpacked(reply, NULL);
    free(acks);
}

/* ---- pull -------------------------------------------------------------------------------- */

static void check_message(const struct imlog_message *message, const Imlog__Message *other,
                          uint64_t session_id)
{
    FUZZ_CHECK(message->session_id == session_id);
    FUZZ_CHECK(message->seq == other->seq);
    FUZZ_CHECK(message->msg_id == other->msg_id);
    FUZZ_CHECK(message->prev_msg_id == other->prev_msg_id);
    FUZZ_CHECK(message->sender_id == other->sender_id);
    FUZZ_CHECK(message->client_msg_id == other->client_msg_id);
    FUZZ_CHECK(message->client_ms == other->client_ms);
    FUZZ_CHECK(message->server_ms == other->server_ms);
    FUZZ_CHECK(message->type == (uint16_t)other->type);
    FUZZ_CHECK(message->body_bytes == other->body.len);
    if (message->body_bytes > 0)
        FUZZ_CHECK(memcmp(message->body, other->body.data, other->body.len) == 0);
}

static void check_page(const struct imlog_client_pulled *pulled, const Imlog__Pulled *result)
{
    const struct imlog_page *page = &pulled->page;
    FUZZ_CHECK(pulled->code == result->code && pulled->code <= 0);
    FUZZ_CHECK(pulled->session_id == result->session_id);
    FUZZ_CHECK(page->first_seq == result->first_seq && page->end_seq == result->end_seq);
    FUZZ_CHECK(page->session_first_seq == result->session_first_seq);
    FUZZ_CHECK(page->session_latest_seq == result->session_latest_seq);
    FUZZ_CHECK(page->more == result->more);
    FUZZ_CHECK(page->message_count == result->n_messages && page->gap_count == result->n_gaps);
    for (uint32_t i = 0; i < page->message_count; i++)
        check_message(&page->messages[i], result->messages[i], result->session_id);
    for (uint32_t i = 0; i < page->gap_count; i++) {
        FUZZ_CHECK(page->gaps[i].first_seq == result->gaps[i]->first_seq);
        FUZZ_CHECK(page->gaps[i].last_seq == result->gaps[i]->last_seq);
        FUZZ_CHECK((int)page->gaps[i].reason == (int)result->gaps[i]->reason);
    }
}

static void run_pull(const uint8_t *body, uint32_t body_bytes, uint32_t count)
{
    struct client_codec_room room;
    if (client_codec_pulled_room(body, body_bytes, &room) < 0)
        return;
    FUZZ_CHECK(room.message_count <= body_bytes && room.gap_count <= body_bytes);
    struct imlog_client_pulled *pulled = calloc(count + 1, sizeof(*pulled));
    /* Exactly the room asked for: a byte more and the sanitizer ends the run. */
    struct imlog_message *messages = malloc(room.message_count * sizeof(*messages));
    struct imlog_gap *gaps = malloc(room.gap_count * sizeof(*gaps));
    struct client_codec_text text = {.bytes = NULL};
    FUZZ_CHECK(pulled != NULL);
    int verdict = client_codec_pulled(body, body_bytes, pulled, count, messages, gaps, &text);
    FUZZ_CHECK(verdict == 0 || verdict == IMLOG_EPROTO);
    Imlog__PullReply *reply = imlog__pull_reply__unpack(NULL, body_bytes, body);
    if (verdict == 0 && reply != NULL) {
        FUZZ_CHECK(reply->n_results == count);
        for (size_t i = 0; i < reply->n_results; i++) {
            FUZZ_CHECK(reply->results[i]->index < count);
            check_page(&pulled[reply->results[i]->index], reply->results[i]);
        }
    }
    if (reply != NULL)
        imlog__pull_reply__free_unpacked(reply, NULL);
    free(gaps);
    free(messages);
    free(pulled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    struct fuzz_input input = fuzz_input_of(data, byte_count);
    uint32_t count = (uint32_t)fuzz_take(&input, 1) % (ITEMS_MAX + 1);
    size_t body_bytes = fuzz_left(&input);
    uint8_t *body = fuzz_copy(input.at, body_bytes);
    run_append(body, (uint32_t)body_bytes, count);
    run_pull(body, (uint32_t)body_bytes, count);
    free(body);
    return 0;
}

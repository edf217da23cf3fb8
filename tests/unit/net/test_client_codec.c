/* test_client_codec.c: append and pull packed and read by hand, held against protobuf-c. */
#include "net/client_codec.h"
#include "net/imlog.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEM_COUNT = 3 };

static const struct imlog_client_message messages[ITEM_COUNT] = {
    {.session_id = 1, .sender_id = 2, .body = "", .body_bytes = 0},
    {.session_id = UINT64_MAX,
     .sender_id = UINT64_MAX - 1,
     .client_msg_id = UINT64_MAX - 2,
     .client_ms = 1103966040000,
     .kind = IMLOG_KIND_BROADCAST,
     .type = UINT16_MAX,
     .body_bytes = 4,
     .body = "a\0b\xff"},
    {.session_id = 127, .sender_id = 128, .client_msg_id = 16384, .body_bytes = 1, .body = "x"},
};

static void protobuf_c_reads_the_same_appends(void **state)
{
    uint8_t bytes[256];
    struct wire_writer measure = {0};
    struct wire_writer writer = {.at = bytes};
    (void)state;
    client_codec_append_put(&measure, messages, ITEM_COUNT);
    client_codec_append_put(&writer, messages, ITEM_COUNT);
    assert_int_equal(measure.byte_count, writer.byte_count);
    assert_ptr_equal(writer.at, bytes + writer.byte_count);

    Imlog__AppendRequest *request = imlog__append_request__unpack(NULL, writer.byte_count, bytes);
    assert_non_null(request);
    assert_int_equal(request->n_items, ITEM_COUNT);
    for (size_t i = 0; i < ITEM_COUNT; i++) {
        const Imlog__Append *item = request->items[i];
        assert_true(item->session_id == messages[i].session_id);
        assert_true(item->sender_id == messages[i].sender_id);
        assert_true(item->client_msg_id == messages[i].client_msg_id);
        assert_true(item->client_ms == messages[i].client_ms);
        assert_int_equal(item->kind, messages[i].kind);
        assert_int_equal(item->type, messages[i].type);
        assert_int_equal(item->body.len, messages[i].body_bytes);
        if (item->body.len > 0)
            assert_memory_equal(item->body.data, messages[i].body, item->body.len);
    }
    imlog__append_request__free_unpacked(request, NULL);
}

static void protobuf_c_reads_the_same_pulls(void **state)
{
    const struct imlog_client_pull pulls[] = {
        {.session_id = 5},
        {.session_id = 6,
         .after_seq = 7,
         .before_seq = UINT64_MAX,
         .backward = true,
         .count_max = 1000,
         .bytes_max = UINT32_MAX},
    };
    uint8_t bytes[128];
    struct wire_writer measure = {0};
    struct wire_writer writer = {.at = bytes};
    (void)state;
    client_codec_pull_put(&measure, pulls, 2);
    client_codec_pull_put(&writer, pulls, 2);
    assert_int_equal(measure.byte_count, writer.byte_count);

    Imlog__PullRequest *request = imlog__pull_request__unpack(NULL, writer.byte_count, bytes);
    assert_non_null(request);
    assert_int_equal(request->n_items, 2);
    assert_int_equal(request->items[0]->session_id, 5);
    assert_false(request->items[0]->backward);
    assert_int_equal(request->items[1]->after_seq, 7);
    assert_true(request->items[1]->before_seq == UINT64_MAX);
    assert_true(request->items[1]->backward);
    assert_int_equal(request->items[1]->count_max, 1000);
    assert_true(request->items[1]->bytes_max == UINT32_MAX);
    imlog__pull_request__free_unpacked(request, NULL);
}

/* Two results in the other order, the first an error. */
static uint32_t append_reply_pack(uint8_t *bytes)
{
    Imlog__Appended good = IMLOG__APPENDED__INIT;
    Imlog__Appended bad = IMLOG__APPENDED__INIT;
    Imlog__Appended *results[] = {&good, &bad};
    Imlog__AppendReply reply = IMLOG__APPEND_REPLY__INIT;
    good.index = 1;
    good.seq = 300;
    good.msg_id = UINT64_MAX;
    good.server_ms = 1;
    good.ack = IMLOG__ACK_LEVEL__ACK_DURABLE;
    good.duplicate = 1;
    bad.code = IMLOG_ETOOBIG;
    bad.text = (char *)"too big, said the node";
    reply.n_results = 2;
    reply.results = results;
    return (uint32_t)imlog__append_reply__pack(&reply, bytes);
}

static void acks_stand_at_the_index_of_their_item(void **state)
{
    uint8_t bytes[128];
    const uint32_t byte_count = append_reply_pack(bytes);
    struct imlog_client_ack acks[2];
    struct client_codec_text text = {0};
    (void)state;
    assert_int_equal(client_codec_appended(bytes, byte_count, acks, 2, &text), 0);
    assert_int_equal(acks[0].code, IMLOG_ETOOBIG);
    assert_int_equal(acks[1].code, 0);
    assert_int_equal(acks[1].seq, 300);
    assert_true(acks[1].msg_id == UINT64_MAX);
    assert_int_equal(acks[1].ack, IMLOG_ACK_DURABLE);
    assert_true(acks[1].duplicate);
    assert_int_equal(text.code, IMLOG_ETOOBIG);
    assert_memory_equal(text.bytes, "too big, said the node", text.byte_count);
}

static void every_item_needs_exactly_one_answer(void **state)
{
    uint8_t bytes[256];
    const uint32_t byte_count = append_reply_pack(bytes);
    struct imlog_client_ack acks[3];
    struct client_codec_text text = {0};
    (void)state;
    assert_int_equal(client_codec_appended(bytes, byte_count, acks, 1, &text), IMLOG_EPROTO);
    assert_int_equal(client_codec_appended(bytes, byte_count, acks, 3, &text), IMLOG_EPROTO);
    (void)append_reply_pack(bytes + byte_count); /* the same results again */
    assert_int_equal(client_codec_appended(bytes, byte_count * 2, acks, 2, &text), IMLOG_EPROTO);
}

static uint32_t pull_reply_pack(uint8_t *bytes)
{
    Imlog__Message first = IMLOG__MESSAGE__INIT;
    Imlog__Message second = IMLOG__MESSAGE__INIT;
    Imlog__Message *page[] = {&first, &second};
    Imlog__Gap gap = IMLOG__GAP__INIT;
    Imlog__Gap *gaps[] = {&gap};
    Imlog__Pulled good = IMLOG__PULLED__INIT;
    Imlog__Pulled none = IMLOG__PULLED__INIT;
    Imlog__Pulled *results[] = {&none, &good};
    Imlog__PullReply reply = IMLOG__PULL_REPLY__INIT;
    first.seq = 8;
    first.msg_id = 1000;
    first.body.len = 3;
    first.body.data = (uint8_t *)"abc";
    second.seq = 10;
    second.msg_id = UINT64_MAX;
    second.prev_msg_id = 1001;
    second.type = 9;
    gap.first_seq = 9;
    gap.last_seq = 9;
    gap.reason = IMLOG__GAP_REASON__GAP_DAMAGED;
    good.session_id = 77;
    good.first_seq = 8;
    good.end_seq = 11;
    good.n_messages = 2;
    good.messages = page;
    good.n_gaps = 1;
    good.gaps = gaps;
    good.session_first_seq = 1;
    good.session_latest_seq = 20;
    good.more = 1;
    none.index = 1;
    none.code = IMLOG_ENOSESSION;
    reply.n_results = 2;
    reply.results = results;
    return (uint32_t)imlog__pull_reply__pack(&reply, bytes);
}

static void a_page_is_read_without_copying_bodies(void **state)
{
    uint8_t bytes[256];
    const uint32_t byte_count = pull_reply_pack(bytes);
    struct imlog_client_pulled pulled[2];
    struct imlog_message page[2];
    struct imlog_gap gaps[1];
    struct client_codec_room room;
    struct client_codec_text text = {0};
    (void)state;
    assert_int_equal(client_codec_pulled_room(bytes, byte_count, &room), 0);
    assert_int_equal(room.message_count, 2);
    assert_int_equal(room.gap_count, 1);
    assert_int_equal(client_codec_pulled(bytes, byte_count, pulled, 2, page, gaps, &text), 0);
    assert_int_equal(pulled[1].code, IMLOG_ENOSESSION);
    assert_int_equal(pulled[0].code, 0);
    assert_int_equal(pulled[0].page.message_count, 2);
    assert_int_equal(pulled[0].page.first_seq, 8);
    assert_int_equal(pulled[0].page.end_seq, 11);
    assert_int_equal(pulled[0].page.session_latest_seq, 20);
    assert_true(pulled[0].page.more);
    assert_int_equal(pulled[0].page.messages[0].session_id, 77);
    assert_memory_equal(pulled[0].page.messages[0].body, "abc", 3);
    const uint8_t *body = pulled[0].page.messages[0].body;
    assert_true(body > bytes && body < bytes + byte_count);
    assert_true(pulled[0].page.messages[1].msg_id == UINT64_MAX);
    assert_int_equal(pulled[0].page.messages[1].prev_msg_id, 1001);
    assert_int_equal(pulled[0].page.gaps[0].first_seq, 9);
    assert_int_equal(pulled[0].page.gaps[0].reason, IMLOG_GAP_DAMAGED);
}

static int pulled_read(const uint8_t *bytes, uint32_t byte_count)
{
    struct client_codec_room room;
    struct client_codec_text text = {0};
    struct imlog_client_pulled pulled[2];
    if (client_codec_pulled_room(bytes, byte_count, &room) < 0)
        return IMLOG_EPROTO;
    struct imlog_message *page = calloc((size_t)room.message_count + 1, sizeof *page);
    struct imlog_gap *gaps = calloc((size_t)room.gap_count + 1, sizeof *gaps);
    const int error = client_codec_pulled(bytes, byte_count, pulled, 2, page, gaps, &text);
    free(page);
    free(gaps);
    return error;
}

/* The sanitizers judge: nothing is read past the end, nothing written past its room. */
static void no_damage_leads_past_the_bytes(void **state)
{
    uint8_t good[256];
    struct imlog_client_ack acks[2];
    struct client_codec_text text = {0};
    (void)state;
    for (int pull = 0; pull < 2; pull++) {
        const uint32_t byte_count = pull ? pull_reply_pack(good) : append_reply_pack(good);
        for (uint32_t bit = 0; bit < byte_count * 8; bit++) {
            uint8_t *bytes = malloc(byte_count);
            memcpy(bytes, good, byte_count);
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            if (pull)
                (void)pulled_read(bytes, byte_count);
            else
                (void)client_codec_appended(bytes, byte_count, acks, 2, &text);
            free(bytes);
        }
        for (uint32_t cut_bytes = 1; cut_bytes < byte_count; cut_bytes++) {
            uint8_t *bytes = malloc(cut_bytes);
            memcpy(bytes, good, cut_bytes);
            assert_int_equal(pull ? pulled_read(bytes, cut_bytes)
                                  : client_codec_appended(bytes, cut_bytes, acks, 2, &text),
                             IMLOG_EPROTO);
            free(bytes);
        }
    }
}

static void a_reply_of_empty_messages_cannot_ask_for_much_memory(void **state)
{
    uint8_t bytes[4096];
    struct client_codec_room room;
    (void)state;
    bytes[0] = 1 << 3 | WIRE_BYTES;
    bytes[1] = 0x80 | (4000 & 0x7f);
    bytes[2] = 4000 >> 7;
    for (uint32_t i = 0; i < 4000; i += 2) {
        bytes[3 + i] = 7 << 3 | WIRE_BYTES;
        bytes[4 + i] = 0;
    }
    assert_int_equal(client_codec_pulled_room(bytes, 4003, &room), IMLOG_EPROTO);
}

/* Two failed items: the one that was only taken along does not hide what went wrong. */
static void the_text_of_the_cause_is_kept(void **state)
{
    (void)state;
    for (int cause_first = 0; cause_first < 2; cause_first++) {
        uint8_t bytes[128];
        Imlog__Appended cause = IMLOG__APPENDED__INIT;
        Imlog__Appended consequence = IMLOG__APPENDED__INIT;
        Imlog__Appended *results[] = {&cause, &consequence};
        Imlog__AppendReply reply = IMLOG__APPEND_REPLY__INIT;
        cause.code = IMLOG_EKIND;
        cause.text = (char *)"another kind";
        consequence.index = 1;
        consequence.code = IMLOG_EABORTED;
        consequence.text = (char *)"one before it failed";
        if (!cause_first) {
            results[0] = &consequence;
            results[1] = &cause;
        }
        reply.n_results = 2;
        reply.results = results;
        uint32_t byte_count = (uint32_t)imlog__append_reply__pack(&reply, bytes);
        struct imlog_client_ack acks[2];
        struct client_codec_text text = {0};
        assert_int_equal(client_codec_appended(bytes, byte_count, acks, 2, &text), 0);
        assert_int_equal(acks[1].code, IMLOG_EABORTED);
        assert_int_equal(text.code, IMLOG_EKIND);
        assert_int_equal(text.byte_count, strlen("another kind"));
        assert_memory_equal(text.bytes, "another kind", text.byte_count);
    }
}

/* A message's client_ms comes back, and a reply that is cut inside its last result is none. */
static void a_pulled_message_has_all_its_fields(void **state)
{
    (void)state;
    uint8_t bytes[128];
    Imlog__Message message = IMLOG__MESSAGE__INIT;
    Imlog__Message *pointers[] = {&message};
    Imlog__Pulled pulled = IMLOG__PULLED__INIT;
    Imlog__Pulled *results[] = {&pulled};
    Imlog__PullReply reply = IMLOG__PULL_REPLY__INIT;
    message.seq = 1;
    message.prev_msg_id = 44;
    message.sender_id = 77;
    message.client_msg_id = 88;
    message.client_ms = 55;
    message.type = 66;
    pulled.n_messages = 1;
    pulled.messages = pointers;
    reply.n_results = 1;
    reply.results = results;
    uint32_t byte_count = (uint32_t)imlog__pull_reply__pack(&reply, bytes);
    for (uint32_t cut = 0; cut <= byte_count; cut++) {
        struct imlog_client_pulled one;
        struct imlog_message read;
        struct client_codec_text text = {0};
        int error = client_codec_pulled(bytes, cut, &one, 1, &read, NULL, &text);
        assert_int_equal(error, cut == byte_count ? 0 : IMLOG_EPROTO);
        if (error == 0) {
            assert_int_equal(read.prev_msg_id, 44);
            assert_int_equal(read.sender_id, 77);
            assert_int_equal(read.client_msg_id, 88);
            assert_int_equal(read.client_ms, 55);
            assert_int_equal(read.type, 66);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protobuf_c_reads_the_same_appends),
        cmocka_unit_test(protobuf_c_reads_the_same_pulls),
        cmocka_unit_test(acks_stand_at_the_index_of_their_item),
        cmocka_unit_test(every_item_needs_exactly_one_answer),
        cmocka_unit_test(a_page_is_read_without_copying_bodies),
        cmocka_unit_test(no_damage_leads_past_the_bytes),
        cmocka_unit_test(a_reply_of_empty_messages_cannot_ask_for_much_memory),
        cmocka_unit_test(the_text_of_the_cause_is_kept),
        cmocka_unit_test(a_pulled_message_has_all_its_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

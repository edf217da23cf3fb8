/* client_codec.c: append and pull as protobuf bytes, by hand; see client_codec.h for why.
 * Reading skips fields it does not know and believes no length. */
#include "net/client_codec.h"

enum { ITEMS = 1 }; /* field 1 of all four: the repeated items or results */

/* ---- packing ---------------------------------------------------------------------------- */

/* Without an `at` these only count, so that measuring and writing cannot disagree. */
static void append_put(struct wire_writer *writer, const struct imlog_client_message *message)
{
    wire_put_uint(writer, 1, message->session_id);
    wire_put_uint(writer, 2, message->kind);
    wire_put_uint(writer, 3, message->sender_id);
    wire_put_uint(writer, 4, message->client_msg_id);
    wire_put_uint(writer, 5, message->client_ms);
    wire_put_uint(writer, 6, message->type);
    wire_put_bytes(writer, 7, message->body, message->body_bytes);
}

void client_codec_append_put(struct wire_writer *writer,
                             const struct imlog_client_message *messages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct wire_writer measure = {0};
        append_put(&measure, &messages[i]);
        wire_put_message(writer, ITEMS, measure.byte_count);
        if (writer->at == NULL)
            writer->byte_count += measure.byte_count;
        else
            append_put(writer, &messages[i]);
    }
}

static void pull_put(struct wire_writer *writer, const struct imlog_client_pull *pull)
{
    wire_put_uint(writer, 1, pull->session_id);
    wire_put_uint(writer, 2, pull->after_seq);
    wire_put_uint(writer, 3, pull->before_seq);
    wire_put_uint(writer, 4, pull->backward);
    wire_put_uint(writer, 5, pull->count_max);
    wire_put_uint(writer, 6, pull->bytes_max);
}

void client_codec_pull_put(struct wire_writer *writer, const struct imlog_client_pull *pulls,
                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct wire_writer measure = {0};
        pull_put(&measure, &pulls[i]);
        wire_put_message(writer, ITEMS, measure.byte_count);
        pull_put(writer, &pulls[i]);
    }
}

/* ---- reading ---------------------------------------------------------------------------- */

/* The next result of a reply, its other fields skipped: 1, 0 at the end, or IMLOG_EPROTO. */
static int result_next(struct wire_reader *reader, struct wire_reader *result)
{
    struct wire_field field;
    int more;
    while ((more = wire_next(reader, &field)) > 0) {
        if (field.number == ITEMS && field.type == WIRE_BYTES) {
            *result = wire_reader_of(field.bytes, field.value);
            return 1;
        }
    }
    return more;
}

static int32_t signed_value(uint64_t zigzag)
{
    const uint32_t value = (uint32_t)zigzag;
    return (int32_t)(value >> 1 ^ (0 - (value & 1)));
}

static void text_note(struct client_codec_text *text, int code, const struct wire_field *words)
{
    const bool consequence = code == IMLOG_EABORTED && text->code != 0; /* the cause says more */
    if (code != 0 && !consequence)
        *text = (struct client_codec_text){
            words->bytes, words->type == WIRE_BYTES ? (uint32_t)words->value : 0, code};
}

/* A message inside another; empty if the field is none. */
static struct wire_reader inside(const struct wire_field *field)
{
    return field->type == WIRE_BYTES ? wire_reader_of(field->bytes, field->value)
                                     : (struct wire_reader){0};
}

/* Until an item has its answer, its code is this, which no node sends. */
enum { UNANSWERED = 1 };

static int appended_get(struct wire_reader result, struct imlog_client_ack *ack, uint32_t *index,
                        struct client_codec_text *text)
{
    struct wire_field field;
    struct wire_field words = {0};
    int more;
    *ack = (struct imlog_client_ack){0};
    *index = 0;
    while ((more = wire_next(&result, &field)) > 0) {
        switch (field.number) {
        case 1:
            *index = (uint32_t)field.value;
            break;
        case 2:
            ack->code = signed_value(field.value);
            break;
        case 3:
            words = field;
            break;
        case 4:
            ack->seq = field.value;
            break;
        case 5:
            ack->msg_id = field.value;
            break;
        case 6:
            ack->server_ms = field.value;
            break;
        case 7:
            ack->ack = (enum imlog_ack)field.value;
            break;
        case 8:
            ack->duplicate = field.value != 0;
            break;
        default:
            break;
        }
    }
    text_note(text, ack->code, &words);
    return ack->code > 0 ? IMLOG_EPROTO : more;
}

int client_codec_appended(const uint8_t *body, uint32_t body_bytes, struct imlog_client_ack *acks,
                          uint32_t count, struct client_codec_text *text)
{
    struct wire_reader reader = wire_reader_of(body, body_bytes);
    struct wire_reader result;
    uint32_t answered_count = 0;
    int more;
    for (uint32_t i = 0; i < count; i++)
        acks[i].code = UNANSWERED;
    while ((more = result_next(&reader, &result)) > 0) {
        struct imlog_client_ack ack;
        uint32_t index;
        if (appended_get(result, &ack, &index, text) < 0 || index >= count ||
            acks[index].code != UNANSWERED)
            return IMLOG_EPROTO;
        acks[index] = ack;
        answered_count++;
    }
    return more < 0 || answered_count != count ? IMLOG_EPROTO : 0;
}

enum pulled_field { PULLED_MESSAGES = 7, PULLED_GAPS = 8 };

/* No real message takes fewer (key, count, seq, msg_id). Holding replies to it bounds the memory
 * that a reply of nothing but empty messages could ask for. */
enum { MESSAGE_BYTES_MIN = 2 + 2 + 9 };

int client_codec_pulled_room(const uint8_t *body, uint32_t body_bytes,
                             struct client_codec_room *room)
{
    struct wire_reader reader = wire_reader_of(body, body_bytes);
    struct wire_reader result;
    struct wire_field field;
    int more;
    int inner = 0;
    *room = (struct client_codec_room){0};
    while ((more = result_next(&reader, &result)) > 0 && inner == 0) {
        while ((inner = wire_next(&result, &field)) > 0) {
            room->message_count += field.number == PULLED_MESSAGES;
            room->gap_count += field.number == PULLED_GAPS;
        }
    }
    if (more < 0 || inner < 0 || room->message_count > body_bytes / MESSAGE_BYTES_MIN)
        return IMLOG_EPROTO;
    return 0;
}

static int message_get(struct wire_reader reader, struct imlog_message *message)
{
    struct wire_field field;
    int more;
    const uint8_t *body;
    *message = (struct imlog_message){.body = reader.at};
    while ((more = wire_next(&reader, &field)) > 0) {
        switch (field.number) {
        case 1:
            message->seq = field.value;
            break;
        case 2:
            message->msg_id = field.value;
            break;
        case 3:
            message->prev_msg_id = field.value;
            break;
        case 4:
            message->sender_id = field.value;
            break;
        case 5:
            message->client_msg_id = field.value;
            break;
        case 6:
            message->client_ms = field.value;
            break;
        case 7:
            message->server_ms = field.value;
            break;
        case 8:
            message->type = (uint16_t)field.value;
            break;
        case 9:
            if (wire_get_bytes(&field, &body, &message->body_bytes) < 0)
                return IMLOG_EPROTO;
            message->body = body;
            break;
        default:
            break;
        }
    }
    return more;
}

static int gap_get(struct wire_reader reader, struct imlog_gap *gap)
{
    struct wire_field field;
    int more;
    *gap = (struct imlog_gap){0};
    while ((more = wire_next(&reader, &field)) > 0) {
        switch (field.number) {
        case 1:
            gap->first_seq = field.value;
            break;
        case 2:
            gap->last_seq = field.value;
            break;
        case 3:
            gap->reason = (enum imlog_gap_reason)field.value;
            break;
        default:
            break;
        }
    }
    return more;
}

/* Where the next message and gap go. */
struct page_room {
    struct imlog_message *messages;
    struct imlog_gap *gaps;
};

static int pulled_get(struct wire_reader result, struct imlog_client_pulled *pulled,
                      uint32_t *index, struct page_room *room, struct client_codec_text *text)
{
    struct imlog_page *page = &pulled->page;
    struct imlog_message *first_message = room->messages;
    struct wire_field field;
    struct wire_field words = {0};
    int more;
    *pulled =
        (struct imlog_client_pulled){.page = {.messages = room->messages, .gaps = room->gaps}};
    *index = 0;
    while ((more = wire_next(&result, &field)) > 0) {
        switch (field.number) {
        case 1:
            *index = (uint32_t)field.value;
            break;
        case 2:
            pulled->code = signed_value(field.value);
            break;
        case 3:
            words = field;
            break;
        case 4:
            pulled->session_id = field.value;
            break;
        case 5:
            page->first_seq = field.value;
            break;
        case 6:
            page->end_seq = field.value;
            break;
        case PULLED_MESSAGES:
            if (message_get(inside(&field), room->messages++) < 0)
                return IMLOG_EPROTO;
            page->message_count++;
            break;
        case PULLED_GAPS:
            if (gap_get(inside(&field), room->gaps++) < 0)
                return IMLOG_EPROTO;
            page->gap_count++;
            break;
        case 9:
            page->session_first_seq = field.value;
            break;
        case 10:
            page->session_latest_seq = field.value;
            break;
        case 11:
            page->more = field.value != 0;
            break;
        default:
            break;
        }
    }
    for (uint32_t i = 0; i < page->message_count; i++)
        first_message[i].session_id = pulled->session_id;
    text_note(text, pulled->code, &words);
    return pulled->code > 0 ? IMLOG_EPROTO : more;
}

int client_codec_pulled(const uint8_t *body, uint32_t body_bytes,
                        struct imlog_client_pulled *pulled, uint32_t count,
                        struct imlog_message *messages, struct imlog_gap *gaps,
                        struct client_codec_text *text)
{
    struct wire_reader reader = wire_reader_of(body, body_bytes);
    struct page_room room = {messages, gaps};
    struct wire_reader result;
    uint32_t answered_count = 0;
    int more;
    for (uint32_t i = 0; i < count; i++)
        pulled[i].code = UNANSWERED;
    while ((more = result_next(&reader, &result)) > 0) {
        struct imlog_client_pulled one;
        uint32_t index;
        if (pulled_get(result, &one, &index, &room, text) < 0 || index >= count ||
            pulled[index].code != UNANSWERED)
            return IMLOG_EPROTO;
        pulled[index] = one;
        answered_count++;
    }
    return more < 0 || answered_count != count ? IMLOG_EPROTO : 0;
}

/* fuzz_request.c: any bytes as the bodies of requests, through the whole request path.
 *
 *     [node, its habits, pieces: 3 bytes][form: 1 byte]
 *     then requests: [type: 1 byte][body bytes: 1 byte][the body]
 *
 * In the repaired form a body that protobuf-c can read is sent as protobuf-c writes it.
 *
 * Laws: every request gets exactly one reply (P10); an error says which and why; else the reply
 * is sound protobuf, and answers every item once, under its index. What protobuf-c wrote is not
 * called malformed. The C client understands every answer. Appends of one session are stored in
 * the order sent. */
#include "fuzz/connection.h"
#include "net/client_codec.h"
#include "net/imlog.pb-c.h"

enum {
    FORM_REPAIR = 1,
    REQUESTS_MAX = 128,
    BODY_BYTES_MAX = 512,
    ITEMS_MAX = 256,
    TYPES = 9,
    SESSIONS_MAX = 1024,
};

struct request {
    uint8_t body[BODY_BYTES_MAX];
    uint32_t body_bytes;
    uint32_t kind; /* index into kinds */
    bool sound;    /* protobuf-c wrote it */
    bool answered;
};

static struct request requests[REQUESTS_MAX];
static uint32_t request_count;

/* The newest seq acked for a session, for the law of order. */
static struct {
    uint64_t session_id;
    uint64_t seq;
} newest[SESSIONS_MAX];
static uint32_t newest_count;

/* ---- results by type --------------------------------------------------------------------- */

struct result {
    uint32_t index;
    int32_t code;
};

#define RESULT_OF(name, Type)                                                                      \
    static struct result name##_result(const void *reply, size_t i)                                \
    {                                                                                              \
        const Type *results = reply;                                                               \
        return (struct result){results->results[i]->index, results->results[i]->code};             \
    }                                                                                              \
    static size_t name##_results(const void *reply)                                                \
    {                                                                                              \
        return ((const Type *)reply)->n_results;                                                   \
    }

RESULT_OF(append, Imlog__AppendReply)
RESULT_OF(pull, Imlog__PullReply)
RESULT_OF(resolve, Imlog__ResolveReply)
RESULT_OF(session, Imlog__SessionReply)

static struct result names_result(const void *reply, size_t i)
{
    return (struct result){((const Imlog__NamesReply *)reply)->results[i]->index, 0};
}

static size_t names_results(const void *reply)
{
    return ((const Imlog__NamesReply *)reply)->n_results;
}

static size_t append_items(const void *request)
{
    return ((const Imlog__AppendRequest *)request)->n_items;
}

static size_t pull_items(const void *request)
{
    return ((const Imlog__PullRequest *)request)->n_items;
}

static size_t resolve_items(const void *request)
{
    return ((const Imlog__ResolveRequest *)request)->n_keys;
}

static size_t session_items(const void *request)
{
    return ((const Imlog__SessionRequest *)request)->n_session_ids;
}

static size_t names_items(const void *request)
{
    return ((const Imlog__NamesRequest *)request)->n_ids;
}

static const struct kind {
    uint16_t type;
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *reply;
    size_t (*items)(const void *request); /* NULL: not a list */
    size_t (*results)(const void *reply);
    struct result (*result)(const void *reply, size_t i);
} kinds[TYPES] = {
    {FRAME_APPEND, &imlog__append_request__descriptor, &imlog__append_reply__descriptor,
     append_items, append_results, append_result},
    {FRAME_PULL, &imlog__pull_request__descriptor, &imlog__pull_reply__descriptor, pull_items,
     pull_results, pull_result},
    {FRAME_RESOLVE, &imlog__resolve_request__descriptor, &imlog__resolve_reply__descriptor,
     resolve_items, resolve_results, resolve_result},
    {FRAME_SESSION, &imlog__session_request__descriptor, &imlog__session_reply__descriptor,
     session_items, session_results, session_result},
    {FRAME_NAMES, &imlog__names_request__descriptor, &imlog__names_reply__descriptor, names_items,
     names_results, names_result},
    {FRAME_SESSIONS, &imlog__sessions_request__descriptor, &imlog__sessions_reply__descriptor, NULL,
     NULL, NULL},
    {FRAME_PING, &imlog__ping_request__descriptor, &imlog__ping_reply__descriptor, NULL, NULL,
     NULL},
    {FRAME_INFO, &imlog__info_request__descriptor, &imlog__info_reply__descriptor, NULL, NULL,
     NULL},
    {FRAME_STATS, &imlog__stats_request__descriptor, &imlog__stats_reply__descriptor, NULL, NULL,
     NULL},
};

/* ---- laws -------------------------------------------------------------------------------- */

static void check_error(const struct reply *reply, bool sound)
{
    Imlog__ErrorReply *error =
        imlog__error_reply__unpack(NULL, reply->header.body_bytes, reply->body);
    FUZZ_CHECK(error != NULL);
    FUZZ_CHECK(error->code < 0 && error->text[0] != '\0');
    FUZZ_CHECK(!sound || error->code != IMLOG_EPROTO);
    imlog__error_reply__free_unpacked(error, NULL);
}

/* Every item's result is there, once. */
static void check_items(const struct kind *kind, const void *request, const void *reply)
{
    bool answered[ITEMS_MAX] = {false};
    size_t count = kind->results(reply);
    FUZZ_CHECK(count == kind->items(request) && count <= ITEMS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct result result = kind->result(reply, i);
        FUZZ_CHECK(result.index < count && result.code <= 0);
        FUZZ_CHECK(!answered[result.index]);
        answered[result.index] = true;
    }
}

static uint64_t *newest_seq(uint64_t session_id)
{
    for (uint32_t i = 0; i < newest_count; i++)
        if (newest[i].session_id == session_id)
            return &newest[i].seq;
    FUZZ_CHECK(newest_count < SESSIONS_MAX);
    newest[newest_count].session_id = session_id;
    newest[newest_count].seq = 0;
    return &newest[newest_count++].seq;
}

static void check_append(const struct reply *reply, const Imlog__AppendRequest *request)
{
    struct imlog_client_ack acks[ITEMS_MAX];
    struct client_codec_text text = {.bytes = NULL};
    uint32_t count = (uint32_t)request->n_items;
    FUZZ_CHECK(client_codec_appended(reply->body, reply->header.body_bytes, acks, count, &text) ==
               0);
    for (uint32_t i = 0; i < count; i++) {
        if (acks[i].code < 0)
            continue;
        uint64_t *seq = newest_seq(request->items[i]->session_id);
        FUZZ_CHECK(acks[i].ack == IMLOG_ACK_DURABLE && acks[i].seq > *seq);
        *seq = acks[i].seq;
    }
}

static void check_pull(const struct reply *reply, const Imlog__PullRequest *request)
{
    static struct imlog_client_pulled pulled[ITEMS_MAX];
    struct client_codec_room room;
    struct client_codec_text text = {.bytes = NULL};
    const uint8_t *body = reply->body;
    uint32_t body_bytes = reply->header.body_bytes;
    FUZZ_CHECK(client_codec_pulled_room(body, body_bytes, &room) == 0);
    struct imlog_message *messages = malloc(room.message_count * sizeof(*messages));
    struct imlog_gap *gaps = malloc(room.gap_count * sizeof(*gaps));
    FUZZ_CHECK(client_codec_pulled(body, body_bytes, pulled, (uint32_t)request->n_items, messages,
                                   gaps, &text) == 0);
    for (size_t i = 0; i < request->n_items; i++)
        FUZZ_CHECK(pulled[i].session_id == request->items[i]->session_id);
    free(gaps);
    free(messages);
}

static void check_reply(const struct reply *reply)
{
    uint64_t at = reply->header.request_id;
    FUZZ_CHECK(at < request_count && !requests[at].answered);
    struct request *request = &requests[at];
    const struct kind *kind = &kinds[request->kind];
    ProtobufCMessage *asked =
        protobuf_c_message_unpack(kind->request, NULL, request->body_bytes, request->body);
    request->answered = true;
    if (reply->header.type == FRAME_ERROR) {
        check_error(reply, request->sound);
    } else {
        FUZZ_CHECK(reply->header.type == (kind->type | FRAME_REPLY));
        ProtobufCMessage *said =
            protobuf_c_message_unpack(kind->reply, NULL, reply->header.body_bytes, reply->body);
        FUZZ_CHECK(said != NULL);
        if (asked != NULL && kind->items != NULL)
            check_items(kind, asked, said);
        if (asked != NULL && kind->type == FRAME_PULL)
            check_pull(reply, (const Imlog__PullRequest *)asked);
        protobuf_c_message_free_unpacked(said, NULL);
    }
    if (asked != NULL)
        protobuf_c_message_free_unpacked(asked, NULL);
}

/* In the order of the requests, which is not that of the replies. */
static void check_order(const struct reply *replies, uint32_t reply_count)
{
    newest_count = 0;
    for (uint32_t at = 0; at < request_count; at++) {
        const struct request *request = &requests[at];
        if (kinds[request->kind].type != FRAME_APPEND)
            continue;
        Imlog__AppendRequest *asked =
            imlog__append_request__unpack(NULL, request->body_bytes, request->body);
        for (uint32_t i = 0; i < reply_count && asked != NULL; i++)
            if (replies[i].header.request_id == at && replies[i].header.type != FRAME_ERROR)
                check_append(&replies[i], asked);
        if (asked != NULL)
            imlog__append_request__free_unpacked(asked, NULL);
    }
}

/* ---- one run ------------------------------------------------------------------------------ */

/* Fields that protobuf-c does not know it keeps as they came, sound or not. */
static bool has_unknown_fields(const ProtobufCMessage *message)
{
    if (message->n_unknown_fields > 0)
        return true;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const uint8_t *bytes = (const uint8_t *)message;
        size_t count;
        ProtobufCMessage **inner;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label != PROTOBUF_C_LABEL_REPEATED)
            continue;
        memcpy(&count, bytes + field->quantifier_offset, sizeof(count));
        memcpy(&inner, bytes + field->offset, sizeof(inner));
        for (size_t j = 0; j < count; j++)
            if (has_unknown_fields(inner[j]))
                return true;
    }
    return false;
}

static void repair_body(struct request *request)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(kinds[request->kind].request, NULL,
                                                          request->body_bytes, request->body);
    if (message == NULL)
        return;
    size_t packed_bytes = protobuf_c_message_get_packed_size(message);
    if (packed_bytes <= sizeof(request->body)) {
        request->body_bytes = (uint32_t)protobuf_c_message_pack(message, request->body);
        request->sound = !has_unknown_fields(message);
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

static void send_request(struct fuzz_input *input, uint64_t form)
{
    struct request *request = &requests[request_count];
    request->kind = (uint32_t)fuzz_take(input, 1) % TYPES;
    request->body_bytes = (uint32_t)fuzz_take(input, 1);
    size_t body_bytes;
    const uint8_t *body = fuzz_take_bytes(input, request->body_bytes, &body_bytes);
    request->body_bytes = (uint32_t)body_bytes;
    request->sound = false;
    request->answered = false;
    if (body_bytes > 0)
        memcpy(request->body, body, body_bytes);
    if ((form & FORM_REPAIR) != 0)
        repair_body(request);
    struct frame_header header = {.body_bytes = request->body_bytes,
                                  .version = FRAME_VERSION,
                                  .type = kinds[request->kind].type,
                                  .request_id = request_count++};
    uint8_t frame[FRAME_HEADER_BYTES + BODY_BYTES_MAX];
    frame_encode(frame, &header);
    memcpy(frame + FRAME_HEADER_BYTES, request->body, request->body_bytes);
    connection_send(frame, FRAME_HEADER_BYTES + request->body_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    struct fuzz_input input = fuzz_input_of(data, byte_count);
    connection_begin(&input);
    uint64_t form = fuzz_take(&input, 1);
    request_count = 0;
    while (fuzz_left(&input) > 0 && request_count < REQUESTS_MAX)
        send_request(&input, form);
    uint32_t reply_count;
    const struct reply *replies = connection_replies(&reply_count);
    FUZZ_CHECK(reply_count == request_count);
    for (uint32_t i = 0; i < reply_count; i++)
        check_reply(&replies[i]);
    check_order(replies, reply_count);
    FUZZ_CHECK(connection_is_open());
    connection_end();
    return 0;
}

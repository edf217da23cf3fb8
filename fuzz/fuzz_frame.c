/* fuzz_frame.c: any bytes as what a client sends, in any pieces.
 *
 *     [node, its habits, pieces: 3 bytes][form: 1 byte][the stream]
 *
 * Laws (P10): every whole frame before the first bad header gets exactly one reply, of its type
 * or an error, under its request id; the bad header gets an error, and nothing behind it is
 * read; an unfinished frame gets nothing. When the connection is gone the node holds nothing of
 * it. A header that is sound encodes back to its bytes. */
#include "fuzz/connection.h"

enum { FORM_REPAIR = 1, REQUESTS_MAX = 512 };

struct request {
    uint64_t request_id;
    uint16_t type;
    bool answered;
};

static struct request requests[REQUESTS_MAX];
static uint32_t request_count;

/* Headers such that the whole stream is frames the node takes, of types it mostly knows. */
static void repair_stream(uint8_t *stream, size_t byte_count)
{
    static const uint16_t types[16] = {FRAME_PING,    FRAME_INFO,     FRAME_HEARTBEAT, FRAME_STATS,
                                       FRAME_RESOLVE, FRAME_NAMES,    FRAME_APPEND,    FRAME_PULL,
                                       FRAME_SESSION, FRAME_SESSIONS, FRAME_APPEND,    FRAME_PULL,
                                       FRAME_RESOLVE, FRAME_NAMES,    FRAME_ERROR,     0x7777};
    for (size_t at = 0; byte_count - at >= FRAME_HEADER_BYTES;) {
        struct frame_header header;
        frame_decode(stream + at, &header);
        size_t left = byte_count - at - FRAME_HEADER_BYTES;
        header.version = FRAME_VERSION;
        header.flags = 0;
        header.type = types[header.type % 16];
        header.body_bytes %= 128;
        if (header.body_bytes > left)
            header.body_bytes = (uint32_t)left;
        frame_encode(stream + at, &header);
        at += FRAME_HEADER_BYTES + header.body_bytes;
    }
}

static void expect(const struct frame_header *header, uint16_t type)
{
    FUZZ_CHECK(request_count < REQUESTS_MAX);
    requests[request_count++] = (struct request){.request_id = header->request_id, .type = type};
}

/* What the stream asks for, read the plain way. True if it ends in a bad header. */
static bool read_stream(const uint8_t *stream, size_t byte_count)
{
    request_count = 0;
    for (size_t at = 0; byte_count - at >= FRAME_HEADER_BYTES;) {
        uint8_t again[FRAME_HEADER_BYTES];
        struct frame_header header;
        frame_decode(stream + at, &header);
        frame_encode(again, &header);
        FUZZ_CHECK(memcmp(again, stream + at, FRAME_HEADER_BYTES) == 0);
        if (header.version != FRAME_VERSION || header.flags != 0 ||
            header.body_bytes > 4 * 1024 * 1024) {
            expect(&header, FRAME_ERROR);
            return true;
        }
        if (header.body_bytes > byte_count - at - FRAME_HEADER_BYTES)
            return false;
        if (header.type != FRAME_HEARTBEAT)
            expect(&header, header.type);
        at += FRAME_HEADER_BYTES + header.body_bytes;
    }
    return false;
}

static bool answers(const struct reply *reply, const struct request *request)
{
    return !request->answered && reply->header.request_id == request->request_id &&
           (reply->header.type == FRAME_ERROR ||
            reply->header.type == (request->type | FRAME_REPLY));
}

/* Replies of the right type are matched first: an id may have been used twice. */
static void match(const struct reply *reply)
{
    FUZZ_CHECK(reply->header.version == FRAME_VERSION && reply->header.flags == 0);
    for (uint32_t i = 0; i < request_count; i++) {
        if (answers(reply, &requests[i])) {
            requests[i].answered = true;
            return;
        }
    }
    fuzz_failed("a reply answers a request", __FILE__, __LINE__);
}

static void check_replies(const struct reply *replies, uint32_t reply_count)
{
    FUZZ_CHECK(reply_count == request_count);
    for (uint32_t i = 0; i < reply_count; i++)
        if (replies[i].header.type != FRAME_ERROR)
            match(&replies[i]);
    for (uint32_t i = 0; i < reply_count; i++)
        if (replies[i].header.type == FRAME_ERROR)
            match(&replies[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    struct fuzz_input input = fuzz_input_of(data, byte_count);
    connection_begin(&input);
    uint64_t form = fuzz_take(&input, 1);
    size_t stream_bytes = fuzz_left(&input);
    uint8_t *stream = fuzz_copy(input.at, stream_bytes);
    if ((form & FORM_REPAIR) != 0)
        repair_stream(stream, stream_bytes);
    bool ends = read_stream(stream, stream_bytes);
    connection_send(stream, stream_bytes);
    uint32_t reply_count;
    const struct reply *replies = connection_replies(&reply_count);
    check_replies(replies, reply_count);
    FUZZ_CHECK(connection_is_open() == !ends);
    connection_end();
    free(stream);
    return 0;
}

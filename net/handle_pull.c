/* handle_pull.c: PullRequest. Messages go from the engine's memory into the reply in one copy:
 * done() measures the page and writes it into the chunk that is sent.
 *
 * The reply is bounded (IMLOG_REPLY_BYTES_MAX): each pull reserves its room first. One that finds
 * none comes back empty with more = true, and is not worked on further. */
#include "net/dispatch.h"
#include "net/handler.h"
#include "net/limits.h"

#include <imlog/planted.h>
#include <stddef.h>

struct pull_item {
    struct item item; /* first */
    struct imlog_pull pull;
};

struct pulled { /* what one result is written from */
    const struct pull_item *item;
    struct imlog_page page;
};

static struct pull_item *pull_item_of(const struct item *item)
{
    return (struct pull_item *)(uintptr_t)item;
}

static int pull_field(struct imlog_pull *pull, const struct wire_field *field)
{
    switch (field->number) {
    case 1:
        return wire_get_uint64(field, &pull->session_id);
    case 2:
        return wire_get_uint64(field, &pull->after_seq);
    case 3:
        return wire_get_uint64(field, &pull->before_seq);
    case 4:
        return wire_get_bool(field, &pull->backward);
    case 5:
        return wire_get_uint32(field, &pull->count_max);
    case 6:
        return wire_get_uint32(field, &pull->bytes_max);
    default:
        return 0;
    }
}

static int pull_decode(struct item *item, const uint8_t *bytes, uint64_t byte_count)
{
    struct imlog_pull *pull = &pull_item_of(item)->pull;
    struct wire_reader reader = wire_reader_of(bytes, byte_count);
    struct wire_field field;
    int rc;
    while ((rc = wire_next(&reader, &field)) > 0) {
        rc = pull_field(pull, &field);
        if (rc < 0)
            return rc;
    }
    if (pull->count_max == 0 || pull->count_max > IMLOG_PULL_MESSAGES_MAX)
        pull->count_max = IMLOG_PULL_MESSAGES_MAX;
    if (pull->bytes_max == 0)
        pull->bytes_max = IMLOG_PULL_BYTES_DEFAULT;
    if (pull->bytes_max > PULL_BYTES_MAX)
        pull->bytes_max = PULL_BYTES_MAX;
    return rc;
}

static uint32_t pull_shard_of(const struct item *item, uint32_t shard_count)
{
    return imlog_shard_of_id(pull_item_of(item)->pull.session_id, shard_count);
}

static uint64_t pull_result_bytes(const struct item *item, uint32_t body_bytes_max)
{
    const struct imlog_pull *pull = &pull_item_of(item)->pull;
    uint64_t body_bytes = (uint64_t)pull->count_max * body_bytes_max;
    if (body_bytes > pull->bytes_max)
        body_bytes = pull->bytes_max;
    return body_bytes + (uint64_t)pull->count_max * PULLED_MESSAGE_BYTES_MAX + RESULT_BYTES_MAX;
}

static void pull_put_message(struct wire_writer *writer, const struct imlog_message *message)
{
    wire_put_uint(writer, 1, message->seq);
    wire_put_fixed64(writer, 2, message->msg_id);
    wire_put_fixed64(writer, 3, message->prev_msg_id);
    wire_put_uint(writer, 4, message->sender_id);
    wire_put_uint(writer, 5, message->client_msg_id);
    wire_put_uint(writer, 6, message->client_ms);
    wire_put_uint(writer, 7, message->server_ms);
    wire_put_uint(writer, 8, message->type);
    wire_put_bytes(writer, 9, message->body, message->body_bytes);
}

static void pull_put_messages(struct wire_writer *writer, const struct imlog_page *page)
{
    for (uint32_t i = 0; i < page->message_count; i++) {
        struct wire_writer fields = {.at = NULL};
        pull_put_message(&fields, &page->messages[i]);
        wire_put_message(writer, 7, fields.byte_count);
        if (writer->at == NULL)
            writer->byte_count += fields.byte_count;
        else
            pull_put_message(writer, &page->messages[i]);
    }
}

static void pull_put_gap(struct wire_writer *writer, const struct imlog_gap *gap)
{
    wire_put_uint(writer, 1, gap->first_seq);
    wire_put_uint(writer, 2, gap->last_seq);
    wire_put_uint(writer, 3, (uint64_t)gap->reason);
}

static void pull_put_gaps(struct wire_writer *writer, const struct imlog_page *page)
{
    for (uint32_t i = 0; i < page->gap_count; i++) {
        struct wire_writer fields = {.at = NULL};
        pull_put_gap(&fields, &page->gaps[i]);
        wire_put_message(writer, 8, fields.byte_count);
        pull_put_gap(writer, &page->gaps[i]);
    }
}

static void pull_put(struct wire_writer *writer, const void *arg)
{
    const struct pulled *pulled = arg;
    const struct imlog_page *page = &pulled->page;
    handler_put_result(writer, &pulled->item->item);
    wire_put_uint(writer, 4, pulled->item->pull.session_id);
    wire_put_uint(writer, 5, page->first_seq);
    wire_put_uint(writer, 6, page->end_seq);
    pull_put_messages(writer, page);
    pull_put_gaps(writer, page);
    wire_put_uint(writer, 9, page->session_first_seq);
    wire_put_uint(writer, 10, page->session_latest_seq);
    wire_put_uint(writer, 11, page->more);
}

/* The answer to a pull whose messages have no room in this reply: the same position again. */
static void pull_empty_page(struct imlog_page *page, const struct imlog_pull *pull,
                            uint64_t session_first_seq, uint64_t session_latest_seq)
{
    uint64_t at_seq = pull->after_seq + (IMLOG_PLANTED(full_reply_skips_one) ? 2 : 1);
    if (pull->backward)
        at_seq = pull->before_seq != 0 ? pull->before_seq : session_latest_seq + 1;
    *page = (struct imlog_page){.first_seq = at_seq,
                                .end_seq = at_seq,
                                .session_first_seq = session_first_seq,
                                .session_latest_seq = session_latest_seq,
                                .more = !IMLOG_PLANTED(full_reply_says_no_more)};
}

static void pull_answer(struct pull_item *item, const struct imlog_page *page)
{
    struct part *part = item->item.part;
    struct pulled pulled = {.item = item};
    if (page != NULL)
        pulled.page = *page;
    struct wire_writer counter = {.at = NULL};
    pull_put(&counter, &pulled);
    if (counter.byte_count <= RESULT_BYTES_MAX ||
        request_reserve(part->request, counter.byte_count - RESULT_BYTES_MAX)) {
        handler_put_measured(part, 1, counter.byte_count, pull_put, &pulled);
        return;
    }
    pull_empty_page(&pulled.page, &item->pull, pulled.page.session_first_seq,
                    pulled.page.session_latest_seq);
    handler_put(part, 1, pull_put, &pulled);
}

static void handle_pull_done(struct imlog_pull *pull, int status, const struct imlog_page *page)
{
    struct pull_item *item =
        (struct pull_item *)(void *)((char *)pull - offsetof(struct pull_item, pull));
    struct part *part = item->item.part;
    item->item.status = status;
    pull_answer(item, status < 0 ? NULL : page);
    part_item_done(part);
}

/* Nothing fits any more: say so without asking for messages. */
static int pull_answer_full(struct part *part, struct pull_item *item)
{
    struct imlog_session_info info;
    struct imlog_page page;
    item->item.status = imlog_session_get(part->desk->shard, item->pull.session_id, &info);
    if (item->item.status == 0)
        pull_empty_page(&page, &item->pull, info.first_seq, info.latest_seq);
    pull_answer(item, item->item.status == 0 ? &page : NULL);
    return ITEM_DONE;
}

static int pull_start(struct part *part, struct item *base)
{
    struct pull_item *item = pull_item_of(base);
    if (request_is_full(part->request))
        return pull_answer_full(part, item);
    item->pull.done = handle_pull_done;
    int status = imlog_pull(part->desk->shard, &item->pull);
    if (status == 0)
        return ITEM_UNDER_WAY;
    base->status = status;
    pull_answer(item, NULL);
    return ITEM_DONE;
}

const struct handler handle_pull = {
    .type = FRAME_PULL,
    .take = request_take_items,
    .item_bytes = sizeof(struct pull_item),
    .decode = pull_decode,
    .shard_of = pull_shard_of,
    .result_bytes = pull_result_bytes,
    .at_once_max = PULLS_AT_ONCE_MAX,
    .start = pull_start,
};

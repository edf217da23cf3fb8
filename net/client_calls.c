/* client_calls.c: append and pull, asynchronous and blocking. The results of an append and the
 * pages of a pull lie in the client's scratch; bodies lie in what was received. */
#include "net/client_codec.h"
#include "net/client_core.h"
#include "net/frame.h"
#include "net/why.h"

#include <errno.h>
#include <string.h>

static void error_note(struct imlog_client *client, const struct client_codec_text *text)
{
    if (text->code == 0)
        return;
    if (text->byte_count > 0)
        (void)why_fill(&client->error, 0, "%.*s", (int)text->byte_count, (const char *)text->bytes);
    else
        (void)why_fill(&client->error, 0, "%s", imlog_error_text(text->code));
}

/* ---- append ----------------------------------------------------------------------------- */

static int append_finish(struct imlog_client *client, const struct client_request *request,
                         int status, const uint8_t *body, uint32_t body_bytes)
{
    struct client_codec_text text = {0};
    struct imlog_client_ack *acks = NULL;
    if (status == 0) {
        acks = client_scratch(client, request->item_count * sizeof *acks);
        status = acks == NULL
                     ? -ENOMEM
                     : client_codec_appended(body, body_bytes, acks, request->item_count, &text);
        error_note(client, &text);
    }
    request->then.append_done(request->arg, status, status == 0 ? acks : NULL,
                              status == 0 ? request->item_count : 0);
    return body != NULL && status == IMLOG_EPROTO ? status : 0;
}

int imlog_client_append_start(struct imlog_client *client,
                              const struct imlog_client_message *messages, uint32_t message_count,
                              imlog_client_append_fn *done, void *arg)
{
    const struct client_request request = {.type = FRAME_APPEND,
                                           .item_count = message_count,
                                           .finish = append_finish,
                                           .then.append_done = done,
                                           .arg = arg};
    struct wire_writer writer = {0};
    client_codec_append_put(&writer, messages, message_count);
    const int error = client_start(client, &request, writer.byte_count, &writer.at);
    if (error == 0)
        client_codec_append_put(&writer, messages, message_count);
    return error;
}

struct append_call {
    bool over;
    int status;
    struct imlog_client_ack *acks;
};

static void append_call_done(void *arg, int status, const struct imlog_client_ack *acks,
                             uint32_t ack_count)
{
    struct append_call *call = arg;
    if (status == 0 && ack_count > 0)
        memcpy(call->acks, acks, ack_count * sizeof *acks);
    call->status = status;
    call->over = true;
}

int imlog_client_append(struct imlog_client *client, const struct imlog_client_message *messages,
                        uint32_t message_count, struct imlog_client_ack *acks)
{
    struct append_call call = {.acks = acks};
    const int error =
        imlog_client_append_start(client, messages, message_count, append_call_done, &call);
    if (error < 0)
        return error;
    const int waited = client_wait(client, &call.over);
    return waited < 0 ? waited : call.status;
}

/* ---- pull ------------------------------------------------------------------------------- */

/* Room for the results, their messages and their gaps, one behind the other. */
static int pulled_read(struct imlog_client *client, uint32_t count, const uint8_t *body,
                       uint32_t body_bytes, struct imlog_client_pulled **pulled,
                       struct client_codec_text *text)
{
    struct client_codec_room room;
    const int error = client_codec_pulled_room(body, body_bytes, &room);
    if (error < 0)
        return error;
    const size_t pulled_bytes = count * sizeof **pulled;
    const size_t messages_bytes = room.message_count * sizeof(struct imlog_message);
    const size_t gaps_bytes = room.gap_count * sizeof(struct imlog_gap);
    uint8_t *scratch = client_scratch(client, pulled_bytes + messages_bytes + gaps_bytes);
    if (scratch == NULL)
        return -ENOMEM;
    *pulled = (void *)scratch;
    return client_codec_pulled(body, body_bytes, *pulled, count, (void *)(scratch + pulled_bytes),
                               (void *)(scratch + pulled_bytes + messages_bytes), text);
}

static_assert(_Alignof(struct imlog_message) <= sizeof(uint64_t) &&
                  sizeof(struct imlog_client_pulled) % sizeof(uint64_t) == 0 &&
                  sizeof(struct imlog_message) % sizeof(uint64_t) == 0,
              "arrays behind each other stay aligned");

static int pull_finish(struct imlog_client *client, const struct client_request *request,
                       int status, const uint8_t *body, uint32_t body_bytes)
{
    struct client_codec_text text = {0};
    struct imlog_client_pulled *pulled = NULL;
    if (status == 0) {
        status = pulled_read(client, request->item_count, body, body_bytes, &pulled, &text);
        error_note(client, &text);
    }
    request->then.pull_done(request->arg, status, status == 0 ? pulled : NULL,
                            status == 0 ? request->item_count : 0);
    return body != NULL && status == IMLOG_EPROTO ? status : 0;
}

int imlog_client_pull_start(struct imlog_client *client, const struct imlog_client_pull *pulls,
                            uint32_t pull_count, imlog_client_pull_fn *done, void *arg)
{
    const struct client_request request = {.type = FRAME_PULL,
                                           .item_count = pull_count,
                                           .finish = pull_finish,
                                           .then.pull_done = done,
                                           .arg = arg};
    struct wire_writer writer = {0};
    client_codec_pull_put(&writer, pulls, pull_count);
    const int error = client_start(client, &request, writer.byte_count, &writer.at);
    if (error == 0)
        client_codec_pull_put(&writer, pulls, pull_count);
    return error;
}

struct pull_call {
    bool over;
    int status;
    struct imlog_client_pulled *pulled;
};

static void pull_call_done(void *arg, int status, const struct imlog_client_pulled *pulled,
                           uint32_t pulled_count)
{
    struct pull_call *call = arg;
    if (status == 0 && pulled_count > 0)
        memcpy(call->pulled, pulled, pulled_count * sizeof *pulled);
    call->status = status;
    call->over = true;
}

int imlog_client_pull(struct imlog_client *client, const struct imlog_client_pull *pulls,
                      uint32_t pull_count, struct imlog_client_pulled *pulled)
{
    struct pull_call call = {.pulled = pulled};
    const int error = imlog_client_pull_start(client, pulls, pull_count, pull_call_done, &call);
    if (error < 0)
        return error;
    const int waited = client_wait(client, &call.over);
    return waited < 0 ? waited : call.status;
}

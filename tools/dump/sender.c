/* sender.c: a node that is appended to with patience.
 *
 * One request is under way at a time, and what it did not get stored goes again, in order, before
 * anything later: so a session's order survives every failure. What was stored although no answer
 * came is found by the node (client_msg_id) and acked as a duplicate. Reconnecting to another
 * node than the first is refused: its dedupe window knows nothing of what was sent. */
#include "tools/dump/sender.h"

#include "net/why.h"
#include "tools/lib/progress.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

enum { BACK_OFF_MS_MIN = 20, BACK_OFF_MS_MAX = 1000 };

/* Errors that a retry of the same message gets again. */
static bool is_for_good(int code)
{
    return code == IMLOG_ETOOBIG || code == IMLOG_EKIND || code == IMLOG_EINVALID ||
           code == IMLOG_EUNSUPPORTED || code == IMLOG_EMISMATCH || code == IMLOG_ENOSESSION;
}

/* Errors after which nothing this program does can help. */
static bool is_hopeless(int error)
{
    return is_for_good(error) || error == IMLOG_EPROTO;
}

void sender_wait(struct sender *sender, uint32_t wait_ms)
{
    const uint64_t deadline_ns = progress_clock_ns() + wait_ms * NS_PER_MS;
    for (uint64_t now_ns = progress_clock_ns(); now_ns < deadline_ns;
         now_ns = progress_clock_ns()) {
        const uint32_t left_ms = (uint32_t)((deadline_ns - now_ns) / NS_PER_MS) + 1;
        if (imlog_client_socket(sender->client) < 0)
            (void)poll(NULL, 0, (int)left_ms);
        else
            (void)imlog_client_poll(sender->client, left_ms); /* a loss shows in the next call */
    }
}

static int reconnect(struct sender *sender, struct imlog_why *why)
{
    struct imlog_client_info info;
    int error = imlog_client_reconnect(sender->client, why);
    if (error < 0)
        return error;
    error = imlog_client_info(sender->client, &info);
    if (error < 0)
        return why_fill(why, error, "%s", imlog_client_error(sender->client));
    if (memcmp(info.node_uuid, sender->info.node_uuid, sizeof info.node_uuid) != 0)
        return why_fill(why, IMLOG_EMISMATCH, "another node answers now at the same address");
    sender->reconnect_count++;
    return 0;
}

/* After an error: 0 to try again, having waited, or the error when that makes no sense. */
static int sender_recover(struct sender *sender, int error, struct imlog_why *why)
{
    const uint64_t now_ns = progress_clock_ns();
    if (sender->failing_ns == 0) {
        sender->failing_ns = now_ns;
        sender->back_off_ms = BACK_OFF_MS_MIN;
    }
    (void)why_fill(why, 0, "%s", imlog_client_error(sender->client));
    for (;;) {
        if (is_hopeless(error))
            return error;
        if (progress_clock_ns() - sender->failing_ns > sender->give_up_ns)
            return error;
        const uint32_t asked_ms = imlog_client_retry_after_ms(sender->client);
        sender_wait(sender, asked_ms > sender->back_off_ms && asked_ms < BACK_OFF_MS_MAX
                                ? asked_ms
                                : sender->back_off_ms);
        sender->back_off_ms =
            sender->back_off_ms * 2 < BACK_OFF_MS_MAX ? sender->back_off_ms * 2 : BACK_OFF_MS_MAX;
        if (imlog_client_socket(sender->client) >= 0)
            return 0;
        error = reconnect(sender, why);
        if (error == 0)
            return 0;
    }
}

static void sender_succeeded(struct sender *sender)
{
    sender->failing_ns = 0;
}

int sender_open(struct sender *sender, const char *server, uint64_t give_up_s,
                struct imlog_why *why)
{
    *sender = (struct sender){.give_up_ns = give_up_s * 1000 * NS_PER_MS};
    int error = imlog_client_connect(server, NULL, &sender->client, why);
    if (error < 0)
        return error;
    error = imlog_client_info(sender->client, &sender->info);
    return error < 0 ? why_fill(why, error, "%s", imlog_client_error(sender->client)) : 0;
}

void sender_close(struct sender *sender)
{
    imlog_client_close(sender->client);
}

/* ---- resolve ---------------------------------------------------------------------------- */

static int resolved_take(const struct imlog_client_resolved *resolved, uint32_t key_count,
                         uint64_t *ids)
{
    for (uint32_t i = 0; i < key_count; i++) {
        if (resolved[i].code < 0)
            return resolved[i].code;
        ids[i] = resolved[i].id;
    }
    return 0;
}

static int resolve_some(struct sender *sender, const struct imlog_client_key *keys,
                        uint32_t key_count, uint64_t *ids, struct imlog_client_resolved *resolved,
                        struct imlog_why *why)
{
    for (;;) {
        int error = imlog_client_resolve(sender->client, keys, key_count, resolved);
        if (error == 0)
            error = resolved_take(resolved, key_count, ids);
        if (error == 0) {
            sender_succeeded(sender);
            return 0;
        }
        error = sender_recover(sender, error, why);
        if (error < 0)
            return error;
    }
}

int sender_resolve(struct sender *sender, const struct imlog_client_key *keys, uint32_t key_count,
                   uint64_t *ids, struct imlog_why *why)
{
    struct imlog_client_resolved *resolved = calloc(IMLOG_REQUEST_ITEMS_MAX, sizeof *resolved);
    int error = resolved == NULL ? why_fill(why, -ENOMEM, "out of memory") : 0;
    for (uint32_t at = 0; at < key_count && error == 0; at += IMLOG_REQUEST_ITEMS_MAX) {
        const uint32_t left_count = key_count - at;
        error = resolve_some(sender, keys + at,
                             left_count < IMLOG_REQUEST_ITEMS_MAX ? left_count
                                                                  : IMLOG_REQUEST_ITEMS_MAX,
                             ids + at, resolved, why);
    }
    free(resolved);
    return error;
}

/* ---- append ----------------------------------------------------------------------------- */

/* What of a batch has no outcome yet: packed copies, and where each belongs. */
struct rest {
    struct imlog_client_message *messages;
    struct imlog_client_ack *acks;
    uint32_t *indexes;
    uint32_t count;
};

/* Returns the newest error that a retry may cure, or 0 if every item has its outcome. */
static int rest_settle(struct rest *rest, struct sender_outcome *outcomes, bool *progressed)
{
    uint32_t kept_count = 0;
    int error = 0;
    for (uint32_t i = 0; i < rest->count; i++) {
        const struct imlog_client_ack *ack = &rest->acks[i];
        if (ack->code == 0 || is_for_good(ack->code)) {
            outcomes[rest->indexes[i]] =
                (struct sender_outcome){.code = ack->code, .duplicate = ack->duplicate};
            *progressed = true;
            continue;
        }
        if (error == 0 || error == IMLOG_EABORTED)
            error = ack->code; /* the cause, rather than what it dragged along */
        rest->messages[kept_count] = rest->messages[i];
        rest->indexes[kept_count++] = rest->indexes[i];
    }
    rest->count = kept_count;
    return error;
}

/* Where in the batch the first message stands that is refused for good; UINT32_MAX: nowhere. */
static uint32_t first_refused(const struct rest *rest)
{
    for (uint32_t i = 0; i < rest->count; i++)
        if (is_for_good(rest->acks[i].code))
            return rest->indexes[i];
    return UINT32_MAX;
}

/* Forget what stands behind an index of the batch. */
static void rest_cut(struct rest *rest, uint32_t index)
{
    while (rest->count > 0 && rest->indexes[rest->count - 1] > index)
        rest->count--;
}

static int rest_send(struct sender *sender, struct rest *rest, bool stop_at_refusal,
                     struct sender_outcome *outcomes, struct imlog_why *refusal,
                     struct imlog_why *why)
{
    while (rest->count > 0) {
        bool progressed = false;
        int error = imlog_client_append(sender->client, rest->messages, rest->count, rest->acks);
        if (error == 0) {
            const uint32_t refused_index = first_refused(rest);
            if (refused_index != UINT32_MAX)
                (void)why_fill(refusal, 0, "%s", imlog_client_error(sender->client));
            error = rest_settle(rest, outcomes, &progressed);
            if (stop_at_refusal)
                rest_cut(rest, refused_index);
        }
        if (progressed)
            sender_succeeded(sender);
        if (error == 0 || error == IMLOG_EABORTED || rest->count == 0)
            continue; /* aborted: another item's failure, by now settled */
        error = sender_recover(sender, error, why);
        if (error < 0)
            return error;
    }
    return 0;
}

int sender_append(struct sender *sender, const struct imlog_client_message *messages,
                  uint32_t message_count, bool stop_at_refusal, struct sender_outcome *outcomes,
                  struct imlog_why *refusal, struct imlog_why *why)
{
    struct rest rest = {
        .messages = calloc((size_t)message_count + 1, sizeof *rest.messages),
        .acks = calloc((size_t)message_count + 1, sizeof *rest.acks),
        .indexes = calloc((size_t)message_count + 1, sizeof *rest.indexes),
        .count = message_count,
    };
    int error = -ENOMEM;
    if (rest.messages != NULL && rest.acks != NULL && rest.indexes != NULL) {
        for (uint32_t i = 0; i < message_count; i++) {
            outcomes[i].code = IMLOG_EUNKNOWN;
            rest.messages[i] = messages[i];
            rest.indexes[i] = i;
        }
        error = rest_send(sender, &rest, stop_at_refusal, outcomes, refusal, why);
    } else {
        (void)why_fill(why, 0, "out of memory");
    }
    free(rest.messages);
    free(rest.acks);
    free(rest.indexes);
    return error;
}

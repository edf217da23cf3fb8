/* fake_shard.h: an engine for tests of the request path: what of <imlog/imlog.h> the handlers
 * call, with a session a slot, and switches to make it busy, slow or broken. */
#ifndef TESTS_UNIT_NET_FAKE_SHARD_H
#define TESTS_UNIT_NET_FAKE_SHARD_H

#include <imlog/imlog.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_MESSAGES_MAX = 8192, FAKE_KEYS_MAX = 64 };

struct fake_message {
    uint64_t session_id;
    uint64_t seq;
    uint64_t client_msg_id;
    uint32_t body_bytes;
    uint8_t *body;
};

struct imlog_shard {
    uint32_t accept_count; /* this many appends are taken a turn; then it is busy */
    uint32_t accepted_count;
    uint64_t refuse_session_id; /* appends to it fail with refuse_status */
    int refuse_status;
    int done_status;             /* of appends */
    uint32_t resolve_busy_count; /* so many resolves find it busy, */
    int resolve_status;          /* and then get this */
    uint64_t damaged_seq;        /* of every session */
    bool frozen;                 /* a turn finishes nothing */
    struct fake_message messages[FAKE_MESSAGES_MAX];
    uint32_t message_count;
    struct imlog_append *appends, **appends_end;
    struct imlog_pull *pulls, **pulls_end;
    struct imlog_resolve *resolves, **resolves_end;
    uint32_t pulls_under_way, pulls_under_way_max;
};

static inline struct imlog_shard *fake_shard_create(void)
{
    struct imlog_shard *shard = calloc(1, sizeof *shard);
    shard->accept_count = UINT32_MAX;
    shard->appends_end = &shard->appends;
    shard->pulls_end = &shard->pulls;
    shard->resolves_end = &shard->resolves;
    return shard;
}

static inline void fake_shard_destroy(struct imlog_shard *shard)
{
    for (uint32_t i = 0; i < shard->message_count; i++)
        free(shard->messages[i].body);
    free(shard);
}

uint32_t imlog_shard_of_id(uint64_t id, uint32_t shard_count)
{
    return (uint32_t)(id % shard_count);
}

uint32_t imlog_shard_of_key(const void *key, uint32_t key_bytes, uint32_t shard_count)
{
    return (key_bytes + *(const uint8_t *)key) % shard_count;
}

uint32_t imlog_shard_of_resolved_id(uint64_t id, uint32_t shard_count)
{
    return id < IMLOG_RESOLVED_ID_MIN ? UINT32_MAX : (uint32_t)(id % shard_count);
}

int imlog_append(struct imlog_shard *shard, struct imlog_append *append)
{
    if (append->session_id == 0 || append->sender_id == 0)
        return IMLOG_EINVALID;
    if (append->session_id == shard->refuse_session_id)
        return shard->refuse_status;
    if (shard->accepted_count == shard->accept_count)
        return IMLOG_EBUSY;
    shard->accepted_count++;
    struct fake_message *message = &shard->messages[shard->message_count++];
    *message = (struct fake_message){.session_id = append->session_id,
                                     .client_msg_id = append->client_msg_id,
                                     .body_bytes = append->body_bytes,
                                     .body = malloc(append->body_bytes + 1)};
    memcpy(message->body, append->body_bytes > 0 ? append->body : "", append->body_bytes);
    for (uint32_t i = 0; i < shard->message_count; i++)
        message->seq += shard->messages[i].session_id == append->session_id;
    append->seq = message->seq;
    append->msg_id = append->seq * 1000 + append->session_id;
    append->server_ms = 77;
    append->ack = IMLOG_ACK_DURABLE;
    append->next = NULL;
    *shard->appends_end = append;
    shard->appends_end = &append->next;
    return 0;
}

int imlog_resolve(struct imlog_shard *shard, struct imlog_resolve *resolve)
{
    if (shard->resolve_busy_count > 0) {
        shard->resolve_busy_count--;
        return IMLOG_EBUSY;
    }
    if (shard->resolve_status < 0)
        return shard->resolve_status;
    resolve->id = IMLOG_RESOLVED_ID_MIN + resolve->key_bytes;
    resolve->created = true;
    resolve->next = NULL;
    *shard->resolves_end = resolve;
    shard->resolves_end = &resolve->next;
    return 0;
}

int imlog_key_lookup(const struct imlog_shard *shard, const void *key, uint32_t key_bytes,
                     uint64_t *id)
{
    (void)shard;
    *id = IMLOG_RESOLVED_ID_MIN + key_bytes;
    return memcmp(key, "known", key_bytes < 5 ? key_bytes : 5) == 0 ? 0 : IMLOG_ENOSESSION;
}

uint32_t imlog_key_of_id(const struct imlog_shard *shard, uint64_t id, const void **key)
{
    (void)shard;
    *key = "a-key";
    return id < IMLOG_RESOLVED_ID_MIN ? 0 : 5;
}

int imlog_pull(struct imlog_shard *shard, struct imlog_pull *pull)
{
    if (pull->session_id == 0)
        return IMLOG_EINVALID;
    pull->next = NULL;
    *shard->pulls_end = pull;
    shard->pulls_end = &pull->next;
    shard->pulls_under_way++;
    if (shard->pulls_under_way > shard->pulls_under_way_max)
        shard->pulls_under_way_max = shard->pulls_under_way;
    return 0;
}

int imlog_session_get(const struct imlog_shard *shard, uint64_t session_id,
                      struct imlog_session_info *info)
{
    *info = (struct imlog_session_info){.session_id = session_id, .kind = IMLOG_KIND_GROUP};
    for (uint32_t i = 0; i < shard->message_count; i++)
        if (shard->messages[i].session_id == session_id)
            info->latest_seq = ++info->message_count;
    info->first_seq = info->latest_seq > 0;
    return info->latest_seq > 0 ? 0 : IMLOG_ENOSESSION;
}

/* Position: index of the next message that is the first of its session, plus one. */
uint32_t imlog_sessions_list(const struct imlog_shard *shard, uint64_t *next,
                             struct imlog_session_info *infos, uint32_t count_max)
{
    uint32_t count = 0;
    uint64_t at = *next > 0 ? *next - 1 : 0;
    for (; at < shard->message_count && count < count_max; at++)
        if (shard->messages[at].seq == 1)
            (void)imlog_session_get(shard, shard->messages[at].session_id, &infos[count++]);
    while (at < shard->message_count && shard->messages[at].seq != 1)
        at++;
    *next = at < shard->message_count ? at + 1 : 0;
    return count;
}

void imlog_stats_get(const struct imlog_shard *shard, struct imlog_stats *stats)
{
    *stats = (struct imlog_stats){.appends = shard->message_count};
}

static void fake_shard_answer_pull(struct imlog_shard *shard, struct imlog_pull *pull)
{
    struct imlog_message *messages = calloc(IMLOG_PULL_MESSAGES_MAX, sizeof *messages);
    struct imlog_gap gap = {shard->damaged_seq, shard->damaged_seq, IMLOG_GAP_DAMAGED};
    struct imlog_page page = {.messages = messages, .gaps = &gap, .first_seq = pull->after_seq + 1};
    page.end_seq = page.first_seq;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < shard->message_count; i++) {
        const struct fake_message *message = &shard->messages[i];
        if (message->session_id != pull->session_id)
            continue;
        page.session_latest_seq = message->seq;
        page.session_first_seq = 1;
        if (message->seq != page.end_seq || page.message_count == pull->count_max ||
            (bytes > 0 && bytes + message->body_bytes > pull->bytes_max))
            continue;
        if (message->seq == shard->damaged_seq) {
            page.gap_count = 1;
            page.end_seq++;
            continue;
        }
        messages[page.message_count++] =
            (struct imlog_message){.session_id = message->session_id,
                                   .seq = message->seq,
                                   .msg_id = message->seq * 1000 + message->session_id,
                                   .client_msg_id = message->client_msg_id,
                                   .body = message->body,
                                   .body_bytes = message->body_bytes};
        bytes += message->body_bytes;
        page.end_seq++;
    }
    page.more = page.end_seq <= page.session_latest_seq;
    bool exists = page.session_latest_seq > 0;
    pull->done(pull, exists ? 0 : IMLOG_ENOSESSION, exists ? &page : NULL);
    free(messages);
}

uint32_t imlog_shard_turn(struct imlog_shard *shard)
{
    uint32_t ran = 0;
    shard->accepted_count = 0;
    if (shard->frozen)
        return 0;
    struct imlog_append *append = shard->appends;
    struct imlog_resolve *resolve = shard->resolves;
    struct imlog_pull *pull = shard->pulls;
    shard->appends = NULL;
    shard->resolves = NULL;
    shard->pulls = NULL;
    shard->appends_end = &shard->appends;
    shard->resolves_end = &shard->resolves;
    shard->pulls_end = &shard->pulls;
    for (struct imlog_append *next; append != NULL; append = next, ran++) {
        next = append->next;
        append->done(append, shard->done_status);
    }
    for (struct imlog_resolve *next; resolve != NULL; resolve = next, ran++) {
        next = resolve->next;
        resolve->done(resolve, 0);
    }
    for (struct imlog_pull *next; pull != NULL; pull = next, ran++) {
        next = pull->next;
        shard->pulls_under_way--;
        fake_shard_answer_pull(shard, pull);
    }
    return ran;
}

uint64_t imlog_shard_wait_ns(const struct imlog_shard *shard)
{
    return shard->frozen || (shard->appends == NULL && shard->pulls == NULL) ? UINT64_MAX : 0;
}

#endif

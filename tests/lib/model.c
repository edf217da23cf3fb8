/* model.c: see model.h. */
#include "tests/lib/model.h"

#include "tests/lib/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct model *model_create(void)
{
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    return model;
}

void model_destroy(struct model *model)
{
    for (uint32_t i = 0; i < MODEL_SESSIONS_MAX; i++)
        free(model->sessions[i].messages);
    free(model->all);
    free(model);
}

void model_body(uint64_t body_seed, void *body, uint32_t body_bytes)
{
    struct prng prng = {.state = body_seed};
    for (uint32_t at = 0; at < body_bytes; at += 8) {
        uint64_t value = prng_next(&prng);
        memcpy((uint8_t *)body + at, &value, body_bytes - at < 8 ? body_bytes - at : 8);
    }
}

/* ---- appends -------------------------------------------------------------------------------- */

static void session_push(struct model_session *session, uint32_t index)
{
    if (session->count == session->capacity) {
        session->capacity = session->capacity == 0 ? 16 : session->capacity * 2;
        session->messages = reallocarray(session->messages, session->capacity, sizeof(uint32_t));
        assert_non_null(session->messages);
    }
    session->messages[session->count++] = index;
}

uint32_t model_take(struct model *model, const struct imlog_append *append, uint64_t body_seed)
{
    assert_in_range(append->session_id, 1, MODEL_SESSIONS_MAX - 1);
    struct model_session *session = &model->sessions[append->session_id];
    assert_false(append->duplicate);
    assert_int_equal(append->seq, session->count + 1);
    assert_true(append->msg_id > model->newest_msg_id);
    if (append->session_id > model->session_id_max)
        model->session_id_max = append->session_id;
    if (session->count == 0)
        session->kind = append->kind == IMLOG_KIND_ANY ? IMLOG_KIND_GROUP : append->kind;
    if (model->count == model->capacity) {
        model->capacity = model->capacity == 0 ? 1024 : model->capacity * 2;
        model->all = reallocarray(model->all, model->capacity, sizeof(struct model_message));
        assert_non_null(model->all);
    }
    model->newest_msg_id = append->msg_id;
    model->all[model->count] = (struct model_message){.session_id = append->session_id,
                                                      .seq = append->seq,
                                                      .msg_id = append->msg_id,
                                                      .sender_id = append->sender_id,
                                                      .client_msg_id = append->client_msg_id,
                                                      .client_ms = append->client_ms,
                                                      .server_ms = append->server_ms,
                                                      .body_seed = body_seed,
                                                      .body_bytes = append->body_bytes,
                                                      .type = append->type};
    session_push(session, model->count);
    return model->count++;
}

void model_ack(struct model *model, uint32_t index)
{
    assert_int_equal(index, model->acked_count);
    model->acked_count++;
}

bool model_has_retry(const struct model *model, uint64_t session_id, uint64_t sender_id,
                     uint64_t client_msg_id)
{
    const struct model_session *session = &model->sessions[session_id];
    for (uint32_t i = 0; i < session->count; i++) {
        const struct model_message *message = &model->all[session->messages[i]];
        if (message->sender_id == sender_id && message->client_msg_id == client_msg_id)
            return true;
    }
    return false;
}

bool model_in_window(const struct model *model, uint32_t index, uint32_t dedupe_messages)
{
    uint32_t newer_count = 0;
    for (uint32_t i = index + 1; i < model->count; i++)
        newer_count += model->all[i].client_msg_id != 0;
    return newer_count < dedupe_messages;
}

uint32_t model_window_edge(const struct model *model, uint32_t dedupe_messages)
{
    uint32_t edge = model->count;
    for (uint32_t i = model->count; i-- > 0 && dedupe_messages > 0;) {
        if (model->all[i].client_msg_id == 0)
            continue;
        edge = i;
        dedupe_messages--;
    }
    return edge;
}

/* ---- reopening ------------------------------------------------------------------------------ */

static uint64_t latest_seq_of(const struct imlog_shard *shard, uint64_t session_id)
{
    struct imlog_session_info info;
    int error = imlog_session_get(shard, session_id, &info);
    if (error == IMLOG_ENOSESSION)
        return 0;
    assert_int_equal(error, 0);
    assert_int_equal(info.session_id, session_id);
    assert_int_equal(info.first_seq, 1);
    assert_int_equal(info.message_count, info.latest_seq);
    return info.latest_seq;
}

static void reopen_keys(struct model *model, const struct imlog_shard *shard)
{
    for (uint32_t i = 0; i < model->key_count; i++) {
        struct model_key *key = &model->keys[i];
        uint64_t id = 0;
        int error = imlog_key_lookup(shard, key->text, (uint32_t)strlen(key->text), &id);
        if (error < 0) {
            assert_int_equal(error, IMLOG_ENOSESSION);
            assert_true(!key->acked || model->keys_damaged);
            if (key->acked)
                key->lost_id = key->id;
            key->acked = false;
            key->id = 0;
            continue;
        }
        if (key->id != 0)
            assert_int_equal(id, key->id);
        key->acked = true;
        key->id = id;
    }
}

void model_reopen(struct model *model, const struct imlog_shard *shard)
{
    static uint64_t latest_seqs[MODEL_SESSIONS_MAX];
    uint32_t session_count = 0;
    for (uint32_t id = 1; id <= model->session_id_max; id++) {
        latest_seqs[id] = latest_seq_of(shard, id);
        session_count += latest_seqs[id] > 0;
    }
    struct imlog_stats stats;
    imlog_stats_get(shard, &stats);
    assert_int_equal(stats.sessions, session_count); /* none out of nowhere */
    uint32_t kept = 0;
    while (kept < model->count && model->all[kept].seq <= latest_seqs[model->all[kept].session_id])
        kept++;
    assert_true(kept >= model->acked_count);       /* P1: nothing acked is lost */
    assert_true(kept >= model->seen_count);        /* P2: nothing a reader saw is taken back */
    for (uint32_t i = kept; i < model->count; i++) /* a prefix of the log, nothing behind it */
        assert_true(model->all[i].seq > latest_seqs[model->all[i].session_id]);
    for (uint32_t id = 1; id <= model->session_id_max; id++) {
        struct model_session *session = &model->sessions[id];
        assert_true(latest_seqs[id] <= session->count); /* nothing out of nowhere */
        session->count = (uint32_t)latest_seqs[id];
    }
    model->count = kept;
    model->acked_count = kept;
    model->newest_msg_id = kept == 0 ? 0 : model->all[kept - 1].msg_id;
    reopen_keys(model, shard);
}

/* ---- pulls ---------------------------------------------------------------------------------- */

static struct model_message *message_at(const struct model *model, uint64_t session_id,
                                        uint64_t seq)
{
    const struct model_session *session = &model->sessions[session_id];
    assert_in_range(seq, 1, session->count);
    return &model->all[session->messages[seq - 1]];
}

void model_check_message(const struct model *model, const struct imlog_message *message)
{
    static uint8_t body[IMLOG_BODY_BYTES_MAX];
    const struct model_message *expected = message_at(model, message->session_id, message->seq);
    assert_int_equal(message->msg_id, expected->msg_id);
    assert_int_equal(message->sender_id, expected->sender_id);
    assert_int_equal(message->client_msg_id, expected->client_msg_id);
    assert_int_equal(message->client_ms, expected->client_ms);
    assert_int_equal(message->server_ms, expected->server_ms);
    assert_int_equal(message->type, expected->type);
    assert_int_equal(message->body_bytes, expected->body_bytes);
    model_body(expected->body_seed, body, expected->body_bytes);
    if (memcmp(body, message->body, expected->body_bytes) != 0)
        fail_msg("session %llu seq %llu: another body", (unsigned long long)message->session_id,
                 (unsigned long long)message->seq);
    if (message->seq == 1) {
        assert_int_equal(message->prev_msg_id, 0);
        return;
    }
    const struct model_message *prev = message_at(model, message->session_id, message->seq - 1);
    if (!prev->damaged) /* else the id may have been lost before this one was appended */
        assert_int_equal(message->prev_msg_id, prev->msg_id);
}

void model_damage(struct model *model, uint64_t session_id, uint64_t seq)
{
    message_at(model, session_id, seq)->damaged = true;
}

uint32_t model_damaged_count(const struct model *model)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->count; i++)
        count += model->all[i].damaged;
    return count;
}

/* [*first, *end): what count_max and the direction ask for, before the budget of bytes. */
static void asked_range(const struct imlog_pull *pull, uint64_t latest, uint64_t *first,
                        uint64_t *end)
{
    uint64_t count = pull->count_max == 0 ? IMLOG_PULL_MESSAGES_MAX : pull->count_max;
    if (pull->backward) {
        *end = pull->before_seq == 0 || pull->before_seq > latest ? latest + 1 : pull->before_seq;
        *first = *end > count ? *end - count : 1;
    } else {
        *first = (pull->after_seq < latest ? pull->after_seq : latest) + 1;
        *end = latest + 1 - *first < count ? latest + 1 : *first + count;
    }
}

static uint64_t bodies_of(const struct imlog_page *page)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < page->message_count; i++)
        bytes += page->messages[i].body_bytes;
    return bytes;
}

/* The page stopped early only because of the budget, and as late as that allows. */
static void check_budget(const struct model *model, const struct imlog_pull *pull,
                         const struct imlog_page *page, uint64_t first, uint64_t end)
{
    uint64_t bytes_max = pull->bytes_max == 0 ? IMLOG_PULL_BYTES_DEFAULT : pull->bytes_max;
    assert_true(page->end_seq - page->first_seq <= 1 || bodies_of(page) <= bytes_max);
    if (pull->backward)
        assert_int_equal(page->end_seq, end);
    else
        assert_int_equal(page->first_seq, first);
    if (page->first_seq == first && page->end_seq == end)
        return;
    assert_true(page->end_seq > page->first_seq);
    uint64_t next_seq = pull->backward ? page->first_seq - 1 : page->end_seq;
    uint64_t next_bytes = message_at(model, pull->session_id, next_seq)->body_bytes;
    assert_true(bodies_of(page) + next_bytes > bytes_max);
}

static void check_contents(const struct model *model, const struct imlog_pull *pull,
                           const struct imlog_page *page)
{
    uint32_t message = 0;
    uint32_t gap = 0;
    for (uint64_t seq = page->first_seq; seq < page->end_seq; seq++) {
        if (message < page->message_count && page->messages[message].seq == seq) {
            assert_int_equal(page->messages[message].session_id, pull->session_id);
            assert_false(message_at(model, pull->session_id, seq)->damaged);
            model_check_message(model, &page->messages[message++]);
            continue;
        }
        while (gap < page->gap_count && page->gaps[gap].last_seq < seq)
            gap++;
        assert_true(gap < page->gap_count);
        assert_in_range(seq, page->gaps[gap].first_seq, page->gaps[gap].last_seq);
        assert_int_equal(page->gaps[gap].reason, IMLOG_GAP_DAMAGED);
        if (!message_at(model, pull->session_id, seq)->damaged)
            fail_msg("session %llu seq %llu is missing", (unsigned long long)pull->session_id,
                     (unsigned long long)seq);
    }
    assert_int_equal(message, page->message_count);
}

static void note_seen(struct model *model, uint64_t session_id, uint64_t latest)
{
    if (latest == 0)
        return;
    uint32_t index = model->sessions[session_id].messages[latest - 1];
    if (index >= model->seen_count)
        model->seen_count = index + 1;
}

void model_check_page(struct model *model, const struct imlog_pull *pull,
                      const struct imlog_page *page)
{
    const struct model_session *session = &model->sessions[pull->session_id];
    uint64_t latest = page->session_latest_seq;
    uint64_t first;
    uint64_t end;
    assert_true(latest <= session->count);
    note_seen(model, pull->session_id, latest);
    asked_range(pull, latest, &first, &end);
    assert_true(page->first_seq >= first);
    assert_true(page->end_seq <= end);
    assert_int_equal(page->session_first_seq, 1);
    check_budget(model, pull, page, first, end);
    check_contents(model, pull, page);
    if (pull->backward)
        assert_int_equal(page->more, page->first_seq > 1 && page->end_seq > 1);
    else
        assert_int_equal(page->more, page->end_seq <= latest);
}

/* ---- keys ----------------------------------------------------------------------------------- */

uint32_t model_key(struct model *model, const char *text)
{
    for (uint32_t i = 0; i < model->key_count; i++) {
        if (strcmp(model->keys[i].text, text) == 0)
            return i;
    }
    assert_true(model->key_count < MODEL_KEYS_MAX);
    struct model_key *key = &model->keys[model->key_count];
    *key = (struct model_key){.id = 0};
    strncpy(key->text, text, sizeof(key->text) - 1);
    return model->key_count++;
}

void model_resolved(struct model *model, uint32_t key_index, uint64_t id, bool created, bool acked)
{
    struct model_key *key = &model->keys[key_index];
    assert_true(id >= IMLOG_RESOLVED_ID_MIN);
    assert_true(id < UINT64_C(1) << 53);
    assert_int_equal(created && key->id != 0 && key->id != id, false);
    if (key->id != 0)
        assert_int_equal(id, key->id);
    for (uint32_t i = 0; i < model->key_count; i++) {
        if (i != key_index)
            assert_true(model->keys[i].id != id);
        assert_true(model->keys[i].lost_id != id);
    }
    key->id = id;
    key->acked |= acked;
}

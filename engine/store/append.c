/* append.c: requests that write: check, make records, apply them, and answer once durable. */
#include "engine/store/store.h"

#include "engine/base/assert.h"
#include "engine/format/msg_id.h"

#include <errno.h>
#include <imlog/planted.h>

/* The active segment's index, begun when the log has rolled. NULL: no memory. */
static struct extents *append_extents(struct store *store)
{
    if (store->newest != NULL && store->newest->segment == store->log.active->number)
        return store->newest->by_session == NULL ? store->newest : NULL; /* see store_init() */
    if (store->newest != NULL && extents_sort(store->newest) < 0)
        return NULL;
    struct extents *extents = extents_create(store->log.active->number);
    if (extents != NULL)
        store_add_extents(store, extents);
    return extents;
}

/* Room to keep for the active segment's footer. Its index may not have been begun yet. */
static uint64_t append_footer_bytes(const struct store *store)
{
    const struct extents *newest = store->newest;
    bool begun =
        newest != NULL && store->log.active != NULL && newest->segment == store->log.active->number;
    if (!begun)
        return 3 * IMLOG_BLOCK_BYTES;
    return newest->by_session == NULL ? extents_footer_bytes(newest)
                                      : store->log.prepare.segment_bytes; /* see store_init() */
}

uint32_t store_open_extent(const struct store *store, uint32_t session_index)
{
    const struct session *session = sessions_at(&store->sessions, session_index);
    return session->roots[0] == store->newest->segment ? session->open_extent : EXTENT_NONE;
}

void store_begin_extent(struct store *store, uint32_t session_index, uint64_t first_seq)
{
    struct session *session = sessions_at(&store->sessions, session_index);
    uint32_t segment = store->newest->segment;
    struct roots_links links = session->roots[0] == segment
                                   ? sessions_links(&store->sessions, session_index)
                                   : sessions_link(&store->sessions, session_index, segment);
    session->open_extent = extents_open(store->newest, session->session_id, first_seq, links);
}

static int append_check(const struct store *store, const struct imlog_append *append)
{
    if (append->session_id == 0 || append->sender_id == 0 || (unsigned)append->kind > 3)
        return IMLOG_EINVALID;
    if (append->body_bytes > store->body_bytes_max)
        return IMLOG_ETOOBIG;
    return store->log.degraded ? IMLOG_EDEGRADED : 0;
}

static void append_queue(struct store *store, struct imlog_append *append)
{
    append->end_lsn = log_end_lsn(&store->log);
    append->ack = IMLOG_ACK_DURABLE;
    append->next = NULL;
    if (store->appends_last != NULL)
        store->appends_last->next = append;
    else
        store->appends_first = append;
    store->appends_last = append;
}

static bool append_is_retry(struct store *store, struct imlog_append *append)
{
    if (append->client_msg_id == 0)
        return false;
    const struct dedupe_entry *original =
        dedupe_find(&store->dedupe, append->session_id, append->sender_id, append->client_msg_id);
    if (original == NULL)
        return false;
    append->seq = original->seq;
    append->msg_id = original->msg_id;
    append->server_ms = msg_id_ms(original->msg_id);
    append->duplicate = true;
    store->stats.append_duplicates++;
    append_queue(store, append);
    if (IMLOG_PLANTED(retry_gets_a_new_msg_id))
        append->msg_id = clock_msg_id(&store->clock);
    return true;
}

/* Everything that can fail, before anything is changed. */
static int append_reserve(struct store *store, const struct imlog_append *append,
                          uint32_t session_index)
{
    uint32_t bytes = record_bytes((uint32_t)sizeof(struct message_head) + append->body_bytes);
    if (session_index == SESSION_NONE)
        bytes += record_bytes(0);
    int error = log_room(&store->log, bytes, append_footer_bytes(store));
    if (error < 0)
        return error;
    struct extents *extents = append_extents(store);
    if (extents == NULL)
        return -ENOMEM;
    uint32_t extent = EXTENT_NONE;
    if (session_index != SESSION_NONE)
        extent = store_open_extent(store, session_index);
    else
        error = sessions_reserve(&store->sessions, append->session_id);
    if (error == 0)
        error = extents_reserve(extents, extent);
    if (error == 0 && append->client_msg_id != 0)
        error = dedupe_reserve(&store->dedupe, append->session_id, append->sender_id,
                               append->client_msg_id);
    return error;
}

static uint32_t append_new_session(struct store *store, const struct imlog_append *append)
{
    enum imlog_kind kind = append->kind == IMLOG_KIND_ANY ? IMLOG_KIND_GROUP : append->kind;
    struct record_header header = {
        .subject_id = append->session_id, .kind = RECORD_SESSION, .type = (uint16_t)kind};
    (void)log_put(&store->log, &header, NULL, 0, NULL, 0);
    return sessions_add(&store->sessions, append->session_id, kind);
}

static void append_index(struct store *store, uint32_t session_index,
                         const struct log_position *position, uint64_t server_ms)
{
    struct extents *extents = store->newest;
    const struct session *session = sessions_at(&store->sessions, session_index);
    if (store_open_extent(store, session_index) == EXTENT_NONE)
        store_begin_extent(store, session_index, session->latest_seq);
    extents_add(extents, session->open_extent, position->offset);
    extents_saw_time(extents, server_ms);
}

static void append_message(struct store *store, struct imlog_append *append, uint32_t session_index)
{
    struct session *session = sessions_at(&store->sessions, session_index);
    append->seq = session->latest_seq + 1;
    if (IMLOG_PLANTED(seq_skips_one) && append->seq % 64 == 0)
        append->seq++;
    append->msg_id = clock_msg_id(&store->clock);
    append->server_ms = msg_id_ms(append->msg_id);
    append->duplicate = false;
    struct record_header header = {.subject_id = append->session_id,
                                   .seq = append->seq,
                                   .kind = RECORD_MESSAGE,
                                   .type = append->type};
    struct message_head head = {.msg_id = append->msg_id,
                                .prev_msg_id = session->last_msg_id,
                                .sender_id = append->sender_id,
                                .client_msg_id = append->client_msg_id,
                                .client_ms = append->client_ms};
    struct log_position position =
        log_put(&store->log, &header, &head, sizeof(head), append->body, append->body_bytes);

    session->latest_seq = append->seq & ((UINT64_C(1) << 48) - 1);
    session->last_msg_id = append->msg_id;
    session->last_lsn = position.lsn;
    append_index(store, session_index, &position, append->server_ms);
    if (append->client_msg_id != 0) {
        struct dedupe_entry entry = {.session_id = append->session_id,
                                     .sender_id = append->sender_id,
                                     .client_msg_id = append->client_msg_id,
                                     .seq = append->seq,
                                     .msg_id = append->msg_id};
        dedupe_add(&store->dedupe, &entry);
    }
    store->stats.appends++;
    store->stats.append_body_bytes += append->body_bytes;
}

int store_append(struct store *store, struct imlog_append *append)
{
    int error = append_check(store, append);
    if (error == 0 && append_is_retry(store, append))
        return 0;
    uint32_t session_index = SESSION_NONE;
    if (error == 0) {
        session_index = sessions_find(&store->sessions, append->session_id);
        if (session_index != SESSION_NONE && append->kind != IMLOG_KIND_ANY &&
            sessions_at(&store->sessions, session_index)->kind != append->kind)
            error = IMLOG_EKIND;
    }
    if (error == 0)
        error = append_reserve(store, append, session_index);
    if (error < 0) {
        store->stats.append_rejects++;
        return error;
    }
    if (session_index == SESSION_NONE)
        session_index = append_new_session(store, append);
    append_message(store, append, session_index);
    append_queue(store, append);
    return 0;
}

/* ---- resolve ---------------------------------------------------------------------------- */

static void resolve_queue(struct store *store, struct imlog_resolve *resolve)
{
    resolve->end_lsn = log_end_lsn(&store->log);
    resolve->next = NULL;
    if (store->resolves_last != NULL)
        store->resolves_last->next = resolve;
    else
        store->resolves_first = resolve;
    store->resolves_last = resolve;
}

static int resolve_create(struct store *store, struct imlog_resolve *resolve)
{
    struct keys *keys = &store->keys;
    uint32_t number = keys->next_number;
    int error = keys_reserve(keys, resolve->key, resolve->key_bytes, number);
    if (error == 0)
        error = log_room(&store->log, record_bytes(resolve->key_bytes), append_footer_bytes(store));
    if (error < 0)
        return error;
    if (append_extents(store) == NULL)
        return -ENOMEM;
    resolve->id = keys_id_of_number(keys, number);
    resolve->created = true;
    struct record_header header = {.subject_id = resolve->id, .kind = RECORD_KEY};
    (void)log_put(&store->log, &header, resolve->key, resolve->key_bytes, NULL, 0);
    keys_add(keys, resolve->key, resolve->key_bytes, number);
    resolve_queue(store, resolve);
    return 0;
}

int store_resolve(struct store *store, struct imlog_resolve *resolve)
{
    if (resolve->key_bytes < 1 || resolve->key_bytes > IMLOG_KEY_BYTES_MAX)
        return IMLOG_EINVALID;
    uint32_t number = keys_find(&store->keys, resolve->key, resolve->key_bytes);
    if (number != UINT32_MAX && (number < store->durable_keys || !store->log.degraded)) {
        resolve->id = keys_id_of_number(&store->keys, number);
        resolve->created = false;
        resolve_queue(store, resolve);
        if (number < store->durable_keys)
            resolve->end_lsn = 0; /* nothing to wait for but those before it */
        return 0;
    }
    return store->log.degraded ? IMLOG_EDEGRADED : resolve_create(store, resolve);
}

/* ---- answers ------------------------------------------------------------------------------ */

static bool ack_ready(const struct store *store, uint64_t end_lsn)
{
    return end_lsn <= store->log.durable_lsn || store->log.degraded;
}

static int ack_status(const struct store *store, uint64_t end_lsn)
{
    return end_lsn <= store->log.durable_lsn || IMLOG_PLANTED(unknown_is_acked) ? 0
                                                                                : IMLOG_EUNKNOWN;
}

bool store_has_acks(const struct store *store)
{
    return (store->appends_first != NULL && ack_ready(store, store->appends_first->end_lsn)) ||
           (store->resolves_first != NULL && ack_ready(store, store->resolves_first->end_lsn));
}

static uint32_t ack_resolves(struct store *store)
{
    uint32_t count = 0;
    struct imlog_resolve *resolve;
    while ((resolve = store->resolves_first) != NULL && ack_ready(store, resolve->end_lsn)) {
        int status = ack_status(store, resolve->end_lsn);
        store->resolves_first = resolve->next;
        if (store->resolves_first == NULL)
            store->resolves_last = NULL;
        if (status == 0 && resolve->created)
            store->durable_keys = keys_number_of_id(&store->keys, resolve->id) + 1;
        count++;
        resolve->done(resolve, status);
    }
    return count;
}

uint32_t store_ack(struct store *store)
{
    uint32_t count = ack_resolves(store);
    struct imlog_append *append;
    while ((append = store->appends_first) != NULL && ack_ready(store, append->end_lsn)) {
        store->appends_first = append->next;
        if (store->appends_first == NULL)
            store->appends_last = NULL;
        count++;
        append->done(append, ack_status(store, append->end_lsn));
    }
    return count;
}

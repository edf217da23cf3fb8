/* fold.c: the state of a shard as a fold of its log: what append.c applied when the records were
 * made, applied again when they are read back.
 *
 * Idempotent: the state may come from a checkpoint that was captured while later records were
 * appended, so a record may find itself applied already. Per session seqs only rise; links of a
 * session's extents only move to later segments.
 *
 * Damage: a record whose payload is broken keeps its seq (its place is known, its content not);
 * seqs that are missing between two records become lost ones. Both are reported by range. */
#include "engine/store/store.h"

#include "engine/base/assert.h"
#include "engine/format/msg_id.h"
#include "engine/store/footer.h"

#include <errno.h>
#include <imlog/planted.h>

enum { FOLD_REPORTS_MAX = 100, FOLD_KEYS_SKIPPED = 65536 };

struct fold {
    struct store *store;
    struct segment *segment;
    bool sealed;    /* its footer is on disk: no index in RAM */
    bool unordered; /* its index must be rebuilt from the whole segment, see fold_extent */
    bool damaged;   /* this segment */
    bool damaged_ever;
    uint64_t damaged_bytes;
    uint32_t report_count;
    uint64_t run_session; /* the damaged range being gathered */
    uint64_t run_first_seq;
    uint64_t run_last_seq;
};

static void fold_report_run(struct fold *fold)
{
    if (fold->run_session == 0)
        return;
    fold->store->stats.damaged_messages += fold->run_last_seq - fold->run_first_seq + 1;
    if (fold->report_count++ < FOLD_REPORTS_MAX)
        log_report(&fold->store->log, IMLOG_ERROR,
                   "shard %u: damaged: session %llu seq %llu..%llu in segment %u",
                   fold->store->log.shard_index, (unsigned long long)fold->run_session,
                   (unsigned long long)fold->run_first_seq, (unsigned long long)fold->run_last_seq,
                   fold->segment->number);
    fold->run_session = 0;
}

static void fold_report(struct fold *fold, uint64_t session_id, uint64_t first_seq,
                        uint64_t last_seq)
{
    fold->damaged_ever = true;
    if (fold->run_session == session_id && fold->run_last_seq + 1 == first_seq) {
        fold->run_last_seq = last_seq;
        return;
    }
    fold_report_run(fold);
    fold->run_session = session_id;
    fold->run_first_seq = first_seq;
    fold->run_last_seq = last_seq;
}

/* ---- records ------------------------------------------------------------------------------ */

static int fold_session_slot(struct fold *fold, uint64_t session_id, enum imlog_kind kind,
                             uint32_t *index)
{
    struct sessions *sessions = &fold->store->sessions;
    *index = sessions_find(sessions, session_id);
    if (*index != SESSION_NONE)
        return 0;
    int error = sessions_reserve(sessions, session_id);
    if (error == 0)
        *index = sessions_add(sessions, session_id, kind);
    return error;
}

static int fold_key(struct fold *fold, const struct record *record)
{
    struct keys *keys = &fold->store->keys;
    uint32_t number = keys_number_of_id(keys, record->header.subject_id);
    const void *name;
    if (number == UINT32_MAX)
        return IMLOG_ECORRUPT;
    if (keys_name(keys, number, &name) > 0 ||
        keys_find(keys, record->payload, record->header.payload_bytes) != UINT32_MAX)
        return 0;
    int error = keys_reserve(keys, record->payload, record->header.payload_bytes, number);
    if (error == 0)
        keys_add(keys, record->payload, record->header.payload_bytes, number);
    return error;
}

/* The message's place goes into the index in RAM of a segment without footer. */
static int fold_extent(struct fold *fold, uint32_t index, uint64_t seq, uint32_t offset)
{
    struct store *store = fold->store;
    struct session *session = sessions_at(&store->sessions, index);
    if (fold->sealed) {
        if (session->roots[0] < fold->segment->number)
            (void)sessions_link(&store->sessions, index, fold->segment->number);
        return 0;
    }
    if (session->roots[0] > fold->segment->number)
        fold->unordered = true; /* sealed once, and its trailer is lost now */
    if (fold->unordered) {
        if (session->roots[0] < fold->segment->number)
            (void)sessions_link(&store->sessions, index, fold->segment->number);
        return 0;
    }
    int error = 0;
    if (store_open_extent(store, index) == EXTENT_NONE) {
        error = extents_reserve(store->newest, EXTENT_NONE);
        if (error == 0)
            store_begin_extent(store, index, seq);
    }
    if (error < 0)
        return error;
    const struct extent *extent = &store->newest->array[session->open_extent];
    if (seq > extent->first_seq + extent->count + SEGMENT_MESSAGES_MAX)
        return IMLOG_ECORRUPT; /* no segment ever lacked so many: a sound checksum around nonsense */
    for (uint64_t next_seq = extent->first_seq + extent->count; next_seq <= seq; next_seq++) {
        error = extents_reserve(store->newest, session->open_extent);
        if (error < 0)
            return error;
        extents_add(store->newest, session->open_extent,
                    next_seq == seq ? offset : SEGMENT_OFFSET_LOST);
    }
    return 0;
}

/* msg_ids rise in log order: what is not above the newest one loaded was captured, or had left
 * the window before it could be. */
static int fold_retry_window(struct fold *fold, const struct imlog_message *message)
{
    struct dedupe *dedupe = &fold->store->dedupe;
    if (message->client_msg_id == 0 || message->msg_id <= dedupe->loaded_msg_id ||
        IMLOG_PLANTED(retry_window_not_rebuilt))
        return 0;
    int error =
        dedupe_reserve(dedupe, message->session_id, message->sender_id, message->client_msg_id);
    if (error < 0)
        return error;
    struct dedupe_entry entry = {.session_id = message->session_id,
                                 .sender_id = message->sender_id,
                                 .client_msg_id = message->client_msg_id,
                                 .seq = message->seq,
                                 .msg_id = message->msg_id};
    dedupe_add(dedupe, &entry);
    return 0;
}

static int fold_message(struct fold *fold, const struct record *record,
                        const struct log_position *position, bool payload_valid)
{
    struct store *store = fold->store;
    uint64_t seq = record->header.seq;
    uint32_t index;
    int error = fold_session_slot(fold, record->header.subject_id, IMLOG_KIND_GROUP, &index);
    if (error < 0)
        return error;
    struct session *session = sessions_at(&store->sessions, index);
    error = fold_extent(fold, index, seq, position->offset);
    if (error < 0)
        return error;

    struct imlog_message message = {.msg_id = 0};
    if (payload_valid && record_message(record, &message) == 0) {
        if (!IMLOG_PLANTED(replay_forgets_msg_ids))
            clock_saw_msg_id(&store->clock, message.msg_id);
        if (!fold->sealed && !fold->unordered)
            extents_saw_time(store->newest, message.server_ms);
        error = fold_retry_window(fold, &message);
    } else {
        fold_report(fold, record->header.subject_id, seq, seq);
    }
    if (seq > session->latest_seq) {
        if (seq > (uint64_t)session->latest_seq + 1)
            fold_report(fold, session->session_id, session->latest_seq + 1, seq - 1);
        session->latest_seq = seq & ((UINT64_C(1) << 48) - 1);
        session->last_lsn = position->lsn;
        session->last_msg_id = message.msg_id != 0 ? message.msg_id : session->last_msg_id;
    }
    return error;
}

static int fold_record(void *arg, const struct record *record, const struct log_position *position,
                       bool payload_valid)
{
    struct fold *fold = arg;
    uint32_t index;
    switch (record->header.kind) {
    case RECORD_MESSAGE:
        return fold_message(fold, record, position, payload_valid);
    case RECORD_SESSION:
        return fold_session_slot(fold, record->header.subject_id,
                                 (enum imlog_kind)record->header.type, &index);
    case RECORD_KEY:
        if (payload_valid && !IMLOG_PLANTED(keys_not_rebuilt))
            return fold_key(fold, record);
        fold->damaged_ever = true;
        return 0;
    default:
        return IMLOG_ECORRUPT;
    }
}

/* ---- segments ----------------------------------------------------------------------------- */

static int fold_segment_begin(void *arg, struct segment *segment, bool sealed)
{
    struct fold *fold = arg;
    struct store *store = fold->store;
    fold->segment = segment;
    fold->sealed = sealed;
    fold->unordered = false;
    fold->damaged = false;
    if (sealed)
        return 0;
    if (store->newest != NULL && extents_sort(store->newest) < 0)
        return -ENOMEM;
    struct extents *extents = extents_create(segment->number);
    if (extents == NULL)
        return -ENOMEM;
    store_add_extents(store, extents);
    return 0;
}

static int fold_damage(void *arg, struct segment *segment, const struct scan_item *item,
                       uint32_t lost_records)
{
    struct fold *fold = arg;
    fold_report_run(fold);
    fold->damaged = true;
    fold->damaged_ever = true;
    fold->damaged_bytes += item->end_offset - item->offset;
    log_report(&fold->store->log, IMLOG_ERROR,
               "shard %u: segment %u is damaged at file offset %llu..%llu, below what was "
               "durable%s; messages that could not be saved are listed as damaged, all others "
               "are served",
               fold->store->log.shard_index, segment->number, (unsigned long long)item->offset,
               (unsigned long long)item->end_offset,
               lost_records > 0 || !item->header_valid ? " (some records there lost their identity)"
                                                       : "");
    return 0;
}

/* A footer names every message its segment had: those that damage took are not forgotten. */
static int fold_footer_entry(struct fold *fold, const struct segment_extent *entry)
{
    uint32_t index;
    int error = fold_session_slot(fold, entry->session_id, IMLOG_KIND_GROUP, &index);
    if (error < 0)
        return error;
    struct session *session = sessions_at(&fold->store->sessions, index);
    if (session->roots[0] < fold->segment->number)
        (void)sessions_link(&fold->store->sessions, index, fold->segment->number);
    uint64_t last_seq = entry->first_seq + entry->count - 1;
    if (last_seq > session->latest_seq) {
        fold_report(fold, entry->session_id, session->latest_seq + 1, last_seq);
        session->latest_seq = last_seq & ((UINT64_C(1) << 48) - 1);
        session->last_lsn = fold->segment->end_lsn - 1;
    }
    return 0;
}

static int fold_footer(struct fold *fold, const uint8_t *image)
{
    const struct segment_trailer *trailer = fold->segment->trailer;
    for (uint32_t i = 0; i < trailer->extents_blocks; i++) {
        const uint8_t *block =
            image + (size_t)segment_extents_block(trailer, i) * IMLOG_BLOCK_BYTES;
        int count = segment_block_check(block, SEGMENT_EXTENTS, fold->segment->number, i,
                                        fold->store->log.salt);
        for (int j = 0; j < count; j++) {
            struct segment_extent entry;
            memcpy(&entry, block + sizeof(struct segment_block_header) + (size_t)j * sizeof(entry),
                   sizeof(entry));
            int error = segment_extent_possible(&entry) ? fold_footer_entry(fold, &entry) : 0;
            if (error < 0)
                return error;
        }
    }
    return 0;
}

/* The footer was there when the checkpoint was made and is not now: index by what is there. */
static int fold_rebuild(struct fold *fold, const uint8_t *image)
{
    struct store *store = fold->store;
    struct log *log = &store->log;
    struct image whole = {.bytes = (uint8_t *)(uintptr_t)image, /* only read from */
                          .byte_count = fold->segment->segment_bytes,
                          .file = -1};
    struct scan scan;
    struct extents *extents;
    if (image_scan(&whole, fold->segment->number, log->shard_index, log->salt,
                   fold->segment->base_lsn, NULL, &scan) < 0)
        return IMLOG_ECORRUPT;
    scan.durable_lsn = fold->segment->end_lsn;
    int error = rebuild_extents(scan, &extents);
    if (error < 0)
        return error;
    struct extents *begun = store->newest;
    store_remove_extents(store, begun);
    extents_destroy(begun);
    extents->keep = true;
    store_add_extents(store, extents);
    fold->segment->footer_damaged = true;
    return 0;
}

static int fold_segment_end(void *arg, struct segment *segment, const uint8_t *image)
{
    struct fold *fold = arg;
    int error = 0;
    fold_report_run(fold);
    if (fold->sealed && fold->damaged)
        error = fold_footer(fold, image);
    else if (fold->unordered)
        error = fold_rebuild(fold, image);
    fold_report_run(fold);
    IMLOG_ASSERT(segment == fold->segment);
    return error;
}

int store_replay(struct store *store, const struct log_origin *origin, struct imlog_why *why)
{
    struct fold fold = {.store = store};
    struct log_fold calls = {.arg = &fold,
                             .segment_begin = fold_segment_begin,
                             .record = fold_record,
                             .damage = fold_damage,
                             .segment_end = fold_segment_end};
    struct log_recovered recovered;
    int error = log_recover(&store->log, origin, &calls, &recovered, why);
    if (error < 0)
        return error;
    store->stats.replayed_records = recovered.records;
    store->stats.torn_bytes = recovered.torn_bytes;
    if (fold.damaged_ever) {
        /* Ids of keys and messages that were lost must never be given out again. */
        store->keys.next_number +=
            FOLD_KEYS_SKIPPED + (uint32_t)(fold.damaged_bytes / record_bytes(1));
        if (recovered.newest_wall_ms > MSG_ID_EPOCH_MS)
            clock_saw_msg_id(&store->clock,
                             msg_id_make(recovered.newest_wall_ms + 1, store->log.shard_index, 0));
    }
    store->durable_keys = store->keys.next_number;
    return 0;
}

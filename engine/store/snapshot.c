/* snapshot.c: writing checkpoints; see snapshot.h. Loading is in snapshot_load.c. */
#define _GNU_SOURCE
#include "engine/store/snapshot.h"

#include "engine/base/assert.h"
#include "engine/io/blocking.h"
#include "engine/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/planted.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void snapshot_name(uint64_t number, char *name)
{
    (void)snprintf(name, 32, "%016" PRIx64 ".ckpt", number);
}

uint64_t snapshot_number(const char *name)
{
    uint64_t number = 0;
    int used_bytes = 0;
    if (strlen(name) != 21 || sscanf(name, "%16" SCNx64 ".ckpt%n", &number, &used_bytes) != 1 ||
        used_bytes != 21)
        return 0;
    return number;
}

int snapshot_init(struct snapshot *snapshot, struct store *store)
{
    snapshot->store = store;
    snapshot->file = -1;
    snapshot->directory_file = -1;
    snapshot->path = malloc(MEDIA_PATH_BYTES);
    if (asprintf(&snapshot->temporary_path, "%s/checkpoint.tmp", store->log.media.directory) < 0)
        snapshot->temporary_path = NULL;
    return snapshot->path == NULL || snapshot->temporary_path == NULL ? -ENOMEM : 0;
}

void snapshot_deinit(struct snapshot *snapshot)
{
    IMLOG_ASSERT(!snapshot->under_way);
    struct imlog_io *io = snapshot->store == NULL ? NULL : snapshot->store->io;
    if (io != NULL && snapshot->file >= 0)
        (void)blocking_close(io, snapshot->file);
    if (io != NULL && snapshot->directory_file >= 0)
        (void)blocking_close(io, snapshot->directory_file);
    if (io != NULL && snapshot->state != SNAPSHOT_IDLE)
        (void)blocking_unlink(io, snapshot->temporary_path);
    free(snapshot->buffer);
    free(snapshot->path);
    free(snapshot->temporary_path);
    snapshot->store = NULL;
}

/* ---- capturing ---------------------------------------------------------------------------- */

static uint64_t capture_end(const struct snapshot *snapshot)
{
    const struct store *store = snapshot->store;
    switch (snapshot->kind) {
    case CHECKPOINT_SEGMENTS:
        return snapshot->head.origin_segment;
    case CHECKPOINT_SESSIONS:
        return store->sessions.count;
    case CHECKPOINT_KEYS:
        return store->keys.next_number;
    case CHECKPOINT_DEDUPE:
        return store->dedupe.next;
    case CHECKPOINT_END:
        break;
    }
    return 0;
}

static void capture_kind(struct snapshot *snapshot, enum checkpoint_kind kind)
{
    const struct store *store = snapshot->store;
    snapshot->kind = kind;
    snapshot->cursor = 0;
    if (kind == CHECKPOINT_SEGMENTS && store->log.media.segment_count > 0)
        snapshot->cursor = store->log.media.segments[0]->number;
    if (kind == CHECKPOINT_DEDUPE)
        snapshot->cursor = store->dedupe.first;
    snapshot->cursor_end = capture_end(snapshot);
}

/* One entry into payload, which has room for room_bytes. Its bytes; 0 if it does not fit;
 * UINT32_MAX if the cursor's entry is to be left out. */
static uint32_t capture_segment(const struct snapshot *snapshot, uint8_t *payload,
                                uint32_t room_bytes)
{
    const struct segment *segment =
        media_segment(&snapshot->store->log.media, (uint32_t)snapshot->cursor);
    struct checkpoint_segment entry = {.number = segment->number};
    if (room_bytes < sizeof(entry))
        return 0;
    entry.segment_bytes = segment->segment_bytes;
    entry.base_lsn = segment->base_lsn;
    entry.end_offset = segment->trailer->end_offset;
    entry.extent_count = segment->trailer->extent_count;
    entry.message_count = segment->trailer->message_count;
    entry.batch_count = segment->trailer->batch_count;
    entry.last_checksum = segment->trailer->last_checksum;
    entry.min_server_ms = segment->trailer->min_server_ms;
    entry.max_server_ms = segment->trailer->max_server_ms;
    entry.epoch = segment->trailer->epoch;
    memcpy(payload, &entry, sizeof(entry));
    return sizeof(entry);
}

static uint32_t capture_session(const struct snapshot *snapshot, uint8_t *payload,
                                uint32_t room_bytes)
{
    const struct sessions *sessions = &snapshot->store->sessions;
    uint32_t index = (uint32_t)snapshot->cursor;
    const struct session *session = sessions_at(sessions, index);
    uint32_t roots[ROOTS_MAX];
    uint32_t root_count = roots_get(&sessions->roots, index, session->depth, session->roots, roots);
    uint32_t roots_bytes = root_count * (uint32_t)sizeof(uint32_t);
    struct checkpoint_session entry = {.session_id = session->session_id,
                                       .latest_seq = session->latest_seq,
                                       .last_msg_id = session->last_msg_id,
                                       .last_lsn = session->last_lsn,
                                       .depth = session->depth,
                                       .prev_segment = session->prev_segment,
                                       .kind = session->kind,
                                       .root_count = (uint8_t)root_count};
    if (room_bytes < sizeof(entry) + roots_bytes)
        return 0;
    memcpy(payload, &entry, sizeof(entry));
    memcpy(payload + sizeof(entry), roots, roots_bytes);
    return (uint32_t)sizeof(entry) + roots_bytes;
}

static uint32_t capture_key(const struct snapshot *snapshot, uint8_t *payload, uint32_t room_bytes)
{
    uint32_t number = (uint32_t)snapshot->cursor;
    const void *key = NULL;
    uint32_t key_bytes = keys_name(&snapshot->store->keys, number, &key);
    if (key_bytes == 0)
        return UINT32_MAX;
    if (room_bytes < sizeof(number) + 1 + key_bytes)
        return 0;
    memcpy(payload, &number, sizeof(number));
    payload[sizeof(number)] = (uint8_t)key_bytes;
    memcpy(payload + sizeof(number) + 1, key, key_bytes);
    return (uint32_t)sizeof(number) + 1 + key_bytes;
}

static uint32_t capture_dedupe(struct snapshot *snapshot, uint8_t *payload, uint32_t room_bytes)
{
    const struct dedupe *dedupe = &snapshot->store->dedupe;
    if (snapshot->cursor < dedupe->first)
        return UINT32_MAX; /* left the window meanwhile */
    if (room_bytes < sizeof(struct dedupe_entry))
        return 0;
    memcpy(payload, &dedupe->entries[snapshot->cursor % dedupe->capacity],
           sizeof(struct dedupe_entry));
    return sizeof(struct dedupe_entry);
}

static uint32_t capture_one(struct snapshot *snapshot, uint8_t *payload, uint32_t room_bytes)
{
    switch (snapshot->kind) {
    case CHECKPOINT_SEGMENTS:
        return capture_segment(snapshot, payload, room_bytes);
    case CHECKPOINT_SESSIONS:
        return capture_session(snapshot, payload, room_bytes);
    case CHECKPOINT_KEYS:
        return capture_key(snapshot, payload, room_bytes);
    case CHECKPOINT_DEDUPE:
        return capture_dedupe(snapshot, payload, room_bytes);
    case CHECKPOINT_END:
        break;
    }
    return UINT32_MAX;
}

/* Fill one chunk with what the cursor still has of its kind. */
static void capture_chunk(struct snapshot *snapshot, uint8_t *chunk)
{
    uint8_t *payload = chunk + sizeof(struct checkpoint_chunk);
    uint32_t payload_bytes = 0;
    uint32_t entry_count = 0;
    while (snapshot->cursor < snapshot->cursor_end) {
        uint32_t bytes = capture_one(snapshot, payload + payload_bytes,
                                     CHECKPOINT_PAYLOAD_BYTES_MAX - payload_bytes);
        if (bytes == 0)
            break;
        if (bytes != UINT32_MAX) {
            payload_bytes += bytes;
            entry_count++;
        }
        snapshot->cursor++;
    }
    checkpoint_chunk_seal(chunk, snapshot->kind, snapshot->number, snapshot->chunk_index++,
                          entry_count, payload_bytes, snapshot->store->log.salt);
}

/* Fill the buffer with the next chunks; how many. 0: everything is captured. */
static uint32_t capture_chunks(struct snapshot *snapshot)
{
    uint32_t count = 0;
    while (count < SNAPSHOT_BUFFER_CHUNKS && snapshot->kind != CHECKPOINT_END) {
        if (snapshot->cursor >= snapshot->cursor_end) {
            capture_kind(snapshot, snapshot->kind + 1);
            continue;
        }
        capture_chunk(snapshot, snapshot->buffer + (size_t)count++ * CHECKPOINT_CHUNK_BYTES);
    }
    return count;
}

/* ---- steps -------------------------------------------------------------------------------- */

static void snapshot_step(struct snapshot *snapshot, int32_t result);

/* Close what is open, one handle after the other, and be idle. */
static void snapshot_abandon(struct snapshot *snapshot)
{
    struct imlog_io *io = snapshot->store->io;
    int *file = snapshot->file >= 0 ? &snapshot->file : &snapshot->directory_file;
    snapshot->state = SNAPSHOT_IDLE;
    if (*file < 0)
        return;
    if (io->ops->close(io, &snapshot->op, *file) == 0) {
        snapshot->state = SNAPSHOT_ABANDONING;
        snapshot->under_way = true;
    }
    *file = -1;
}

static void snapshot_give_up(struct snapshot *snapshot, int error)
{
    struct log *log = &snapshot->store->log;
    log_report(log, IMLOG_WARNING,
               "shard %u: checkpoint %" PRIu64 " given up (%s); opening will take longer until "
               "one succeeds",
               log->shard_index, snapshot->number, imlog_error_text(error));
    free(snapshot->buffer);
    snapshot->buffer = NULL;
    snapshot->number--;
    snapshot_abandon(snapshot);
}

static void handle_step_done(struct imlog_io_op *op, int32_t result)
{
    struct snapshot *snapshot =
        (struct snapshot *)(void *)((char *)op - offsetof(struct snapshot, op));
    snapshot->under_way = false;
    snapshot_step(snapshot, result);
}

static void snapshot_started(struct snapshot *snapshot, enum snapshot_state state, int started)
{
    if (started < 0) {
        snapshot_give_up(snapshot, started);
        return;
    }
    snapshot->state = state;
    snapshot->under_way = true;
}

static void snapshot_write(struct snapshot *snapshot, enum snapshot_state state,
                           uint64_t byte_count)
{
    struct imlog_io *io = snapshot->store->io;
    snapshot->part = (struct iovec){.iov_base = snapshot->buffer, .iov_len = byte_count};
    snapshot_started(snapshot, state,
                     io->ops->write(io, &snapshot->op, snapshot->file, &snapshot->part, 1,
                                    snapshot->file_offset, 0));
}

static void snapshot_write_next(struct snapshot *snapshot)
{
    uint32_t count = capture_chunks(snapshot);
    if (count > 0) {
        snapshot_write(snapshot, SNAPSHOT_WRITING, (uint64_t)count * CHECKPOINT_CHUNK_BYTES);
        return;
    }
    const struct log *log = &snapshot->store->log;
    snapshot->captured_lsn = log_end_lsn(log);
    snapshot->captured_segment = log->active != NULL ? log->active->number : UINT32_MAX;
    snapshot->state = SNAPSHOT_WAITING;
}

/* Whether everything captured is durable, and indexed by footers where it must be. */
static bool snapshot_publishable(const struct snapshot *snapshot)
{
    const struct log *log = &snapshot->store->log;
    if (log->durable_lsn < snapshot->captured_lsn && !IMLOG_PLANTED(checkpoint_ahead_of_log))
        return false;
    for (uint32_t i = log->media.segment_count; i-- > 0;) {
        const struct segment *segment = log->media.segments[i];
        if (segment->number < snapshot->head.origin_segment)
            return true;
        if (segment->number < snapshot->captured_segment && segment->state != SEGMENT_SEALED)
            return false;
    }
    return true;
}

static void snapshot_write_end(struct snapshot *snapshot)
{
    const struct store *store = snapshot->store;
    struct checkpoint_end end = {.durable_lsn = store->log.durable_lsn,
                                 .last_msg_id = store->clock.last_msg_id,
                                 .next_key = store->keys.next_number,
                                 .chunk_count = snapshot->chunk_index + 1,
                                 .session_count = store->sessions.count};
    memcpy(snapshot->buffer + sizeof(struct checkpoint_chunk), &end, sizeof(end));
    checkpoint_chunk_seal(snapshot->buffer, CHECKPOINT_END, snapshot->number,
                          snapshot->chunk_index++, 1, sizeof(end), store->log.salt);
    snapshot_write(snapshot, SNAPSHOT_ENDING, CHECKPOINT_CHUNK_BYTES);
}

static void snapshot_path(struct snapshot *snapshot, uint64_t number)
{
    char name[32];
    snapshot_name(number, name);
    (void)snprintf(snapshot->path, MEDIA_PATH_BYTES, "%s/%s", snapshot->store->log.media.directory,
                   name);
}

static void snapshot_finish(struct snapshot *snapshot)
{
    snapshot->count++;
    snapshot->newest_bytes = snapshot->file_offset;
    snapshot->published_lsn = snapshot->head.origin_lsn;
    free(snapshot->buffer);
    snapshot->buffer = NULL;
    snapshot->state = SNAPSHOT_IDLE;
}

static void snapshot_remove_old(struct snapshot *snapshot)
{
    struct imlog_io *io = snapshot->store->io;
    if (snapshot->number <= SNAPSHOTS_KEPT) {
        snapshot_finish(snapshot);
        return;
    }
    snapshot_path(snapshot, snapshot->number - SNAPSHOTS_KEPT);
    snapshot_started(snapshot, SNAPSHOT_REMOVING,
                     io->ops->unlink(io, &snapshot->op, snapshot->path));
}

static void snapshot_written(struct snapshot *snapshot, int32_t result)
{
    if ((uint64_t)result != snapshot->part.iov_len) {
        snapshot_give_up(snapshot, -ENOSPC);
        return;
    }
    snapshot->file_offset += (uint64_t)result;
    snapshot->bytes_total += (uint64_t)result;
    struct imlog_io *io = snapshot->store->io;
    if (snapshot->state == SNAPSHOT_ENDING && IMLOG_PLANTED(checkpoint_not_synced)) {
        snapshot->state = SNAPSHOT_SYNCING;
        snapshot_step(snapshot, 0);
    } else if (snapshot->state == SNAPSHOT_ENDING) {
        snapshot_started(snapshot, SNAPSHOT_SYNCING,
                         io->ops->sync(io, &snapshot->op, snapshot->file));
    } else {
        snapshot_write_next(snapshot);
    }
}

/* `result` is of the operation that the state names. */
static void snapshot_step(struct snapshot *snapshot, int32_t result)
{
    struct imlog_io *io = snapshot->store->io;
    const struct imlog_io_ops *ops = io->ops;
    if (result < 0 && snapshot->state != SNAPSHOT_REMOVING &&
        snapshot->state != SNAPSHOT_ABANDONING) {
        snapshot_give_up(snapshot, result);
        return;
    }
    switch (snapshot->state) {
    case SNAPSHOT_OPENING:
        snapshot->file = result;
        checkpoint_head_encode(snapshot->buffer, &snapshot->head, snapshot->store->log.salt);
        snapshot_write(snapshot, SNAPSHOT_WRITING, IMLOG_BLOCK_BYTES);
        break;
    case SNAPSHOT_WRITING:
    case SNAPSHOT_ENDING:
        snapshot_written(snapshot, result);
        break;
    case SNAPSHOT_SYNCING:
        snapshot_started(snapshot, SNAPSHOT_CLOSING, ops->close(io, &snapshot->op, snapshot->file));
        snapshot->file = -1;
        break;
    case SNAPSHOT_CLOSING:
        snapshot_path(snapshot, snapshot->number);
        snapshot_started(snapshot, SNAPSHOT_RENAMING,
                         ops->rename(io, &snapshot->op, snapshot->temporary_path, snapshot->path));
        break;
    case SNAPSHOT_RENAMING:
        snapshot_started(snapshot, SNAPSHOT_DIR_OPENING,
                         ops->open(io, &snapshot->op, snapshot->store->log.media.directory,
                                   O_RDONLY | O_DIRECTORY));
        break;
    case SNAPSHOT_DIR_OPENING:
        snapshot->directory_file = result;
        snapshot_started(snapshot, SNAPSHOT_DIR_SYNCING,
                         ops->sync(io, &snapshot->op, snapshot->directory_file));
        break;
    case SNAPSHOT_DIR_SYNCING:
        snapshot_started(snapshot, SNAPSHOT_DIR_CLOSING,
                         ops->close(io, &snapshot->op, snapshot->directory_file));
        snapshot->directory_file = -1;
        break;
    case SNAPSHOT_DIR_CLOSING:
        snapshot_remove_old(snapshot);
        break;
    case SNAPSHOT_REMOVING: /* one left over does no harm */
        snapshot_finish(snapshot);
        break;
    case SNAPSHOT_ABANDONING:
        snapshot_abandon(snapshot);
        break;
    case SNAPSHOT_IDLE:
    case SNAPSHOT_WAITING:
        IMLOG_ASSERT(snapshot->under_way); /* no operation belongs to these */
    }
}

/* ---- turns -------------------------------------------------------------------------------- */

/* Often enough that replay stays short, rarely enough that writing state stays a small part of
 * writing the log. */
static bool snapshot_due(const struct snapshot *snapshot)
{
    const struct log *log = &snapshot->store->log;
    uint64_t logged_bytes = log->fill_lsn - snapshot->begun_lsn;
    uint64_t least_bytes = log->prepare.segment_bytes;
    if (4 * snapshot->newest_bytes > least_bytes)
        least_bytes = 4 * snapshot->newest_bytes;
    return logged_bytes >= least_bytes;
}

/* The oldest segment that is not sealed; the active one at the latest. One that lost its trailer
 * may lie before sealed ones. All of them have their index in RAM, but an active one without any
 * record yet. */
static const struct segment *snapshot_origin(const struct snapshot *snapshot)
{
    const struct media *media = &snapshot->store->log.media;
    const struct extents *extents = snapshot->store->oldest;
    for (; extents != NULL; extents = extents->newer) {
        const struct segment *segment = media_segment(media, extents->segment);
        if (segment->state != SEGMENT_SEALED)
            return segment;
    }
    const struct segment *last =
        media->segment_count > 0 ? media->segments[media->segment_count - 1] : NULL;
    return last != NULL && last->state != SEGMENT_SEALED ? last : NULL;
}

static void snapshot_begin(struct snapshot *snapshot)
{
    struct store *store = snapshot->store;
    const struct segment *origin = snapshot_origin(snapshot);
    if (origin == NULL)
        return; /* full disk, nothing to append to */
    snapshot->op.done = handle_step_done;
    snapshot->number++;
    snapshot->begun_lsn = store->log.fill_lsn;
    snapshot->buffer =
        aligned_alloc(IMLOG_BLOCK_BYTES, (size_t)SNAPSHOT_BUFFER_CHUNKS * CHECKPOINT_CHUNK_BYTES);
    if (snapshot->buffer == NULL) {
        snapshot_give_up(snapshot, -ENOMEM);
        return;
    }
    snapshot->file_offset = 0;
    snapshot->chunk_index = 0;
    snapshot->head = (struct checkpoint_head){.shard_index = store->log.shard_index,
                                              .number = snapshot->number,
                                              .origin_lsn = origin->base_lsn,
                                              .origin_chain = origin->first_chain,
                                              .epoch = store->log.epoch,
                                              .origin_segment = origin->number,
                                              .log_end_lsn = log_end_lsn(&store->log)};
    memcpy(snapshot->head.uuid, store->log.uuid, sizeof(snapshot->head.uuid));
    capture_kind(snapshot, CHECKPOINT_SEGMENTS);
    snapshot_started(snapshot, SNAPSHOT_OPENING,
                     store->io->ops->open(store->io, &snapshot->op, snapshot->temporary_path,
                                          O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT));
}

bool snapshot_has_work(const struct snapshot *snapshot)
{
    if (snapshot->store->log.degraded)
        return false;
    if (snapshot->state == SNAPSHOT_WAITING)
        return snapshot_publishable(snapshot);
    return snapshot->state == SNAPSHOT_IDLE && snapshot_due(snapshot) &&
           snapshot_origin(snapshot) != NULL;
}

void snapshot_turn(struct snapshot *snapshot, bool now)
{
    if (snapshot->under_way || snapshot->store->log.degraded)
        return;
    if (snapshot->state == SNAPSHOT_IDLE && (now || snapshot_due(snapshot)))
        snapshot_begin(snapshot);
    else if (snapshot->state == SNAPSHOT_WAITING && snapshot_publishable(snapshot))
        snapshot_write_end(snapshot);
}

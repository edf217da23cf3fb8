/* reader.c: include/imlog/reader.h: opening, and messages in the order the node took them.
 *
 * Beside a running node the log grows while it is read. So first the end of every shard is
 * noted, then keys and kinds are read to *their* end, then messages up to the noted ends: every
 * message found has its key found. */
#include "engine/reader_state.h"

#include "engine/base/assert.h"
#include "engine/base/error.h"
#include "engine/io/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening -------------------------------------------------------------------------------- */

#define READER_WATERMARK_NS UINT64_C(500000000)
#define READER_RETRY_NS     UINT64_C(10000000)

struct reader_end {
    uint64_t end_lsn;
    uint64_t records_end_lsn; /* of the last batch with records; 0: none in the last segments */
    uint64_t durable_lsn;     /* highest watermark */
};

/* The end of a shard's log as the last file_count files tell it; end_lsn 0: they tell nothing. */
static int reader_find_end_in(struct reader_shard *shard, uint32_t file_count,
                              struct reader_end *end)
{
    struct walk *walk = &shard->walk;
    int more;
    walk_rewind(walk);
    if (walk->number_count > file_count)
        walk->at = walk->number_count - file_count - 1;
    *end = (struct reader_end){0};
    while ((more = walk_next_segment(walk)) > 0) {
        int item;
        while ((item = walk_next_item(walk)) > 0)
            continue;
        if (item < 0)
            return item;
        end->end_lsn = walk->end_lsn;
    }
    end->records_end_lsn = walk->records_end_lsn;
    end->durable_lsn = walk->durable_lsn;
    walk_rewind(walk);
    return more;
}

/* Batches are contiguous from segment to segment: only the last used one must be scanned, and it
 * is among the last few files; further back only where those are wiped or unreadable. */
static int reader_find_end(struct reader_shard *shard, struct reader_end *end)
{
    for (uint32_t file_count = 3;; file_count *= 2) {
        int error = reader_find_end_in(shard, file_count, end);
        if (error < 0 || end->end_lsn > 0 || shard->walk.number_count <= file_count)
            return error;
    }
}

/* Whether a node serves the directory now: 1, 0, or why that cannot be told. */
static int reader_node_runs(const struct imlog_reader *reader)
{
    char path[DIR_PATH_BYTES + 8];
    (void)snprintf(path, sizeof(path), "%s/LOCK", reader->path);
    int file = blocking_open(reader->io, path, O_RDONLY);
    if (file < 0)
        return file == -ENOENT ? 0 : file;
    int error = reader->io->ops->lock(reader->io, file);
    if (error == 0)
        reader->io->ops->unlock(reader->io, file);
    (void)blocking_close(reader->io, file);
    return error == -EWOULDBLOCK ? 1 : error;
}

/* Up to where the shard is told. On a stopped directory that is its log's end. Beside a running
 * node, batches read back before they are durable: only what a watermark covers counts, and the
 * watermark follows the last batch within moments (log.h), so it is waited for. */
static int reader_find_until(struct imlog_reader *reader, struct reader_shard *shard)
{
    struct imlog_io *io = reader->io;
    uint64_t give_up_ns = io->ops->monotonic_ns(io) + READER_WATERMARK_NS;
    uint64_t begun_lsn = 0;
    for (bool first = true;; first = false) {
        struct reader_end end;
        int error = reader_find_end(shard, &end);
        if (error < 0)
            return error;
        begun_lsn = first ? end.records_end_lsn : begun_lsn;
        int runs = reader_node_runs(reader);
        if (runs < 0)
            return runs;
        shard->until_lsn = runs > 0 ? end.durable_lsn : end.end_lsn;
        if (runs == 0 || end.durable_lsn >= begun_lsn || io->ops->monotonic_ns(io) >= give_up_ns)
            return 0;
        int rc = io->ops->poll(io, READER_RETRY_NS);
        if (rc < 0)
            return rc;
    }
}

static int reader_open_shard(struct imlog_reader *reader, uint32_t shard_index,
                             struct imlog_why *why)
{
    struct reader_shard *shard = &reader->shards[shard_index];
    shard->keys.shard_index = shard_index;
    int error = walk_open(&shard->walk, reader->io, reader->path, &reader->identity, shard_index);
    if (error == 0)
        error = reader_find_until(reader, shard);
    if (error < 0)
        return why_set(why, error, "cannot read shard %u in %s: %s", shard_index, reader->path,
                       imlog_error_text(error));
    reader->total_bytes += 2 * reader_shard_bytes(&shard->walk);
    return 0;
}

int imlog_reader_open(struct imlog_io *io, const char *path, struct imlog_reader **out,
                      struct imlog_why *why)
{
    struct identity identity;
    if (strlen(path) >= DIR_PATH_BYTES - 64)
        return why_set(why, -ENAMETOOLONG, "the path of the data directory is too long");
    int error = dir_read_identity(io, path, &identity, why);
    if (error < 0)
        return error;
    struct imlog_reader *reader =
        calloc(1, sizeof(*reader) + identity.shard_count * sizeof(struct reader_shard));
    if (reader == NULL)
        return why_set(why, -ENOMEM, "out of memory");
    reader->io = io;
    reader->identity = identity;
    (void)snprintf(reader->path, sizeof(reader->path), "%s", path);
    for (uint32_t i = 0; i < identity.shard_count; i++)
        reader->shards[i].walk = (struct walk){.image = {.file = -1}, .next = {.file = -1}};
    for (uint32_t i = 0; i < identity.shard_count && error == 0; i++)
        error = reader_open_shard(reader, i, why);
    if (error < 0) {
        imlog_reader_close(reader);
        return error;
    }
    *out = reader;
    return 0;
}

void imlog_reader_close(struct imlog_reader *reader)
{
    for (uint32_t i = 0; i < reader->identity.shard_count; i++) {
        struct reader_shard *shard = &reader->shards[i];
        walk_close(&shard->walk);
        keys_deinit(&shard->keys);
        sessions_deinit(&shard->sessions);
    }
    free(reader);
}

uint32_t imlog_reader_shard_count(const struct imlog_reader *reader)
{
    return reader->identity.shard_count;
}

const uint8_t *imlog_reader_uuid(const struct imlog_reader *reader)
{
    return reader->identity.uuid;
}

/* All files of a shard have one size, unless settings changed: good enough for progress. */
uint64_t reader_shard_bytes(const struct walk *walk)
{
    return (uint64_t)walk->number_count * walk->image_bytes_max;
}

void imlog_reader_progress(const struct imlog_reader *reader, uint64_t *done_bytes,
                           uint64_t *total_bytes)
{
    *done_bytes = reader->prepared_bytes;
    *total_bytes = reader->total_bytes;
    for (uint32_t i = 0; i < reader->identity.shard_count; i++)
        *done_bytes += reader->shards[i].walk.read_bytes;
    if (*total_bytes < *done_bytes)
        *total_bytes = *done_bytes;
}

/* ---- keys and kinds ---------------------------------------------------------------------------
 */

static int reader_keep_key(struct reader_shard *shard, const struct record *record)
{
    struct keys *keys = &shard->keys;
    uint32_t number = keys_number_of_id(keys, record->header.subject_id);
    const void *name;
    if (number == UINT32_MAX || keys_name(keys, number, &name) > 0 ||
        keys_find(keys, record->payload, record->header.payload_bytes) != UINT32_MAX)
        return 0;
    int error = keys_reserve(keys, record->payload, record->header.payload_bytes, number);
    if (error == 0)
        keys_add(keys, record->payload, record->header.payload_bytes, number);
    return error;
}

static int reader_keep_kind(struct reader_shard *shard, const struct record *record)
{
    if (sessions_find(&shard->sessions, record->header.subject_id) != SESSION_NONE)
        return 0;
    int error = sessions_reserve(&shard->sessions, record->header.subject_id);
    if (error == 0)
        (void)sessions_add(&shard->sessions, record->header.subject_id,
                           (enum imlog_kind)record->header.type);
    return error;
}

static int reader_prepare_shard(struct reader_shard *shard)
{
    struct record record;
    uint64_t lsn;
    bool valid;
    int more;
    while ((more = walk_next_record(&shard->walk, &record, &lsn, &valid)) > 0) {
        int error = 0;
        if (valid && record.header.kind == RECORD_KEY)
            error = reader_keep_key(shard, &record);
        else if (record.header.kind == RECORD_SESSION)
            error = reader_keep_kind(shard, &record);
        if (error < 0)
            return error;
    }
    return more;
}

static int reader_prepare(struct imlog_reader *reader)
{
    if (reader->prepared)
        return 0;
    for (uint32_t i = 0; i < reader->identity.shard_count; i++) {
        struct reader_shard *shard = &reader->shards[i];
        int error = reader_prepare_shard(shard);
        if (error < 0)
            return error;
        reader->prepared_bytes += shard->walk.read_bytes;
        walk_rewind(&shard->walk);
    }
    reader->prepared = true;
    return 0;
}

uint32_t imlog_reader_key(const struct imlog_reader *reader, uint64_t id, const void **key)
{
    uint32_t shard_index = id < IMLOG_RESOLVED_ID_MIN
                               ? UINT32_MAX
                               : (uint32_t)((id - IMLOG_RESOLVED_ID_MIN) % IMLOG_SHARDS_MAX);
    if (shard_index >= reader->identity.shard_count)
        return 0;
    const struct keys *keys = &reader->shards[shard_index].keys;
    uint32_t number = keys_number_of_id(keys, id);
    return number == UINT32_MAX ? 0 : keys_name(keys, number, key);
}

/* ---- messages -----------------------------------------------------------------------------------
 */

static int reader_advance(struct reader_shard *shard)
{
    struct record record;
    uint64_t lsn;
    bool valid;
    int more;
    shard->has_message = false;
    while (!shard->finished &&
           (more = walk_next_record(&shard->walk, &record, &lsn, &valid)) != 0) {
        if (more < 0)
            return more;
        if (lsn >= shard->until_lsn)
            break;
        if (!valid || record_message(&record, &shard->message) < 0)
            continue;
        uint32_t index = sessions_find(&shard->sessions, shard->message.session_id);
        shard->message.kind = index == SESSION_NONE
                                  ? IMLOG_KIND_GROUP
                                  : (enum imlog_kind)sessions_at(&shard->sessions, index)->kind;
        shard->has_message = true;
        return 0;
    }
    shard->finished = true;
    return 0;
}

/* After an error the shards are not where they belong to each other: it stays. */
int imlog_reader_next(struct imlog_reader *reader, struct imlog_message *message)
{
    bool first = !reader->prepared;
    int error = reader->error < 0 ? reader->error : reader_prepare(reader);
    struct reader_shard *oldest = NULL;
    for (uint32_t i = 0; i < reader->identity.shard_count && error == 0; i++) {
        struct reader_shard *shard = &reader->shards[i];
        if (first || shard == reader->last)
            error = reader_advance(shard);
        if (shard->has_message &&
            (oldest == NULL || shard->message.msg_id < oldest->message.msg_id))
            oldest = shard;
    }
    reader->error = error;
    if (error < 0)
        return error;
    reader->last = oldest;
    if (oldest == NULL)
        return 0;
    *message = oldest->message;
    return 1;
}

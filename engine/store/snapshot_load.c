/* snapshot_load.c: finding and loading the newest checkpoint that is valid throughout.
 *
 * A file is read whole, and checked to its end before anything of it is believed; so a bad one
 * leaves no trace in the store. */
#define _GNU_SOURCE
#include "engine/base/assert.h"
#include "engine/base/error.h"
#include "engine/io/blocking.h"
#include "engine/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/planted.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct loader {
    struct store *store;
    struct imlog_io *io;
    struct image image;    /* the file */
    const uint8_t *buffer; /* the chunk being looked at, in it */
    struct checkpoint_head head;
    struct checkpoint_end end;
};

struct names {
    uint64_t *numbers;
    uint32_t count;
    uint32_t capacity;
    bool no_memory;
};

static void handle_name(void *arg, const char *name)
{
    struct names *names = arg;
    uint64_t number = snapshot_number(name);
    if (number == 0 || names->no_memory)
        return;
    if (names->count == names->capacity) {
        uint32_t capacity = names->capacity == 0 ? 8 : names->capacity * 2;
        uint64_t *bigger = reallocarray(names->numbers, capacity, sizeof(uint64_t));
        if (bigger == NULL) {
            names->no_memory = true;
            return;
        }
        names->numbers = bigger;
        names->capacity = capacity;
    }
    names->numbers[names->count++] = number;
}

static int compare_numbers_down(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a > b ? -1 : a < b;
}

/* ---- one file ------------------------------------------------------------------------------ */

static int load_head(struct loader *loader, uint64_t number)
{
    struct log *log = &loader->store->log;
    if (loader->image.byte_count < IMLOG_BLOCK_BYTES)
        return IMLOG_ECORRUPT;
    int error = checkpoint_head_decode(loader->image.bytes, log->salt, &loader->head);
    if (error < 0)
        return error;
    return loader->head.number == number && loader->head.shard_index == log->shard_index &&
                   memcmp(loader->head.uuid, log->uuid, sizeof(log->uuid)) == 0
               ? 0
               : IMLOG_ECORRUPT;
}

static const uint8_t *load_chunk_at(const struct loader *loader, uint32_t index)
{
    uint64_t offset = IMLOG_BLOCK_BYTES + (uint64_t)index * CHECKPOINT_CHUNK_BYTES;
    return offset + CHECKPOINT_CHUNK_BYTES <= loader->image.byte_count
               ? loader->image.bytes + offset
               : NULL;
}

static int load_check(struct loader *loader)
{
    struct checkpoint_chunk header;
    for (uint32_t index = 0;; index++) {
        loader->buffer = load_chunk_at(loader, index);
        if (loader->buffer == NULL ||
            checkpoint_chunk_decode(loader->buffer, loader->head.number, index,
                                    loader->store->log.salt, &header) < 0)
            return IMLOG_ECORRUPT;
        if (header.kind != CHECKPOINT_END)
            continue;
        if (header.payload_bytes != sizeof(loader->end))
            return IMLOG_ECORRUPT;
        memcpy(&loader->end, loader->buffer + sizeof(header), sizeof(loader->end));
        return loader->end.chunk_count == index + 1 ? 0 : IMLOG_ECORRUPT;
    }
}

/* Whether a segment that begins there can be the next one: they follow each other without holes. */
static bool load_follows(const struct media *media, uint32_t number, uint64_t base_lsn)
{
    if (media->segment_count == 0)
        return number != SEGMENT_NONE;
    const struct segment *last = media->segments[media->segment_count - 1];
    return number == last->number + 1 && base_lsn == last->end_lsn;
}

/* Whether a file of that size can be a segment that holds what the entry counts. */
static bool load_size_possible(const struct checkpoint_segment *entry)
{
    uint32_t blocks[3];
    uint64_t footer_blocks = segment_footer_blocks(entry->extent_count, entry->message_count,
                                                   &blocks[0], &blocks[1], &blocks[2]);
    return entry->segment_bytes >= IMLOG_SEGMENT_BYTES_MIN &&
           entry->segment_bytes <= IMLOG_SEGMENT_BYTES_MAX &&
           entry->segment_bytes % IMLOG_BLOCK_BYTES == 0 &&
           entry->end_offset >= IMLOG_BLOCK_BYTES && entry->end_offset % IMLOG_BLOCK_BYTES == 0 &&
           entry->end_offset + (footer_blocks + 1) * IMLOG_BLOCK_BYTES <= entry->segment_bytes;
}

static int load_segments(struct loader *loader, const struct checkpoint_chunk *header)
{
    struct log *log = &loader->store->log;
    struct checkpoint_segment entry;
    if (header->payload_bytes != header->entry_count * sizeof(entry))
        return IMLOG_ECORRUPT;
    for (uint32_t i = 0; i < header->entry_count; i++) {
        memcpy(&entry, loader->buffer + sizeof(*header) + (size_t)i * sizeof(entry), sizeof(entry));
        if (!load_follows(&log->media, entry.number, entry.base_lsn) || !load_size_possible(&entry))
            return IMLOG_ECORRUPT;
        struct segment *segment =
            media_add(&log->media, entry.number, entry.segment_bytes, entry.base_lsn, -1);
        struct segment_trailer *trailer = calloc(1, sizeof(*trailer));
        if (segment == NULL || trailer == NULL) {
            free(trailer);
            return -ENOMEM;
        }
        *trailer = (struct segment_trailer){.number = entry.number,
                                            .shard_index = log->shard_index,
                                            .end_offset = entry.end_offset,
                                            .base_lsn = entry.base_lsn,
                                            .end_lsn = entry.base_lsn + entry.end_offset -
                                                       IMLOG_BLOCK_BYTES,
                                            .last_checksum = entry.last_checksum,
                                            .extent_count = entry.extent_count,
                                            .message_count = entry.message_count,
                                            .batch_count = entry.batch_count,
                                            .min_server_ms = entry.min_server_ms,
                                            .max_server_ms = entry.max_server_ms,
                                            .epoch = entry.epoch};
        (void)segment_footer_blocks(entry.extent_count, entry.message_count,
                                    &trailer->extents_blocks, &trailer->offsets_blocks,
                                    &trailer->fence_blocks);
        segment->end_lsn = trailer->end_lsn;
        segment->batch_count = entry.batch_count;
        segment->trailer = trailer;
        segment_move(segment, SEGMENT_ROLLED);
        segment_move(segment, SEGMENT_SEALED);
    }
    return 0;
}

static int load_sessions(struct loader *loader, const struct checkpoint_chunk *header)
{
    struct sessions *sessions = &loader->store->sessions;
    uint32_t at = 0;
    for (uint32_t i = 0; i < header->entry_count; i++) {
        struct checkpoint_session entry;
        uint32_t roots[ROOTS_MAX];
        int error = checkpoint_session_next(loader->buffer + sizeof(*header), header->payload_bytes,
                                            &at, &entry, roots, ROOTS_MAX);
        if (error < 0 || entry.root_count != roots_count(entry.depth) ||
            entry.last_lsn >= loader->end.durable_lsn ||
            sessions_find(sessions, entry.session_id) != SESSION_NONE)
            return IMLOG_ECORRUPT;
        error = sessions_reserve(sessions, entry.session_id);
        if (error < 0)
            return error;
        uint32_t index = sessions_add(sessions, entry.session_id, (enum imlog_kind)entry.kind);
        struct session *session = sessions_at(sessions, index);
        session->latest_seq = entry.latest_seq & ((UINT64_C(1) << 48) - 1);
        session->last_msg_id = entry.last_msg_id;
        session->last_lsn = entry.last_lsn;
        session->depth = entry.depth;
        session->prev_segment =
            IMLOG_PLANTED(checkpoint_loses_link) ? SEGMENT_NONE : entry.prev_segment;
        session->open_extent = EXTENT_NONE;
        roots_set(&sessions->roots, index, entry.depth, session->roots, roots);
    }
    return 0;
}

static int load_keys(struct loader *loader, const struct checkpoint_chunk *header)
{
    struct keys *keys = &loader->store->keys;
    uint32_t at = 0;
    for (uint32_t i = 0; i < header->entry_count; i++) {
        uint32_t number;
        const uint8_t *key;
        uint32_t key_bytes;
        const void *name;
        int error = checkpoint_key_next(loader->buffer + sizeof(*header), header->payload_bytes,
                                        &at, &number, &key, &key_bytes);
        if (error < 0 || number >= loader->end.next_key || keys_name(keys, number, &name) > 0 ||
            keys_find(keys, key, key_bytes) != UINT32_MAX)
            return IMLOG_ECORRUPT;
        error = keys_reserve(keys, key, key_bytes, number);
        if (error < 0)
            return error;
        keys_add(keys, key, key_bytes, number);
    }
    return 0;
}

static int load_dedupe(struct loader *loader, const struct checkpoint_chunk *header)
{
    struct dedupe *dedupe = &loader->store->dedupe;
    struct dedupe_entry entry;
    if (header->payload_bytes != header->entry_count * sizeof(entry))
        return IMLOG_ECORRUPT;
    for (uint32_t i = 0; i < header->entry_count; i++) {
        memcpy(&entry, loader->buffer + sizeof(*header) + (size_t)i * sizeof(entry), sizeof(entry));
        int error = dedupe_reserve(dedupe, entry.session_id, entry.sender_id, entry.client_msg_id);
        if (error < 0)
            return error;
        dedupe_add(dedupe, &entry);
        if (!IMLOG_PLANTED(captured_retries_twice))
            dedupe->loaded_msg_id = entry.msg_id; /* they are in log order */
    }
    return 0;
}

static int load_state(struct loader *loader)
{
    for (uint32_t index = 0; index + 1 < loader->end.chunk_count; index++) {
        struct checkpoint_chunk header;
        int error = 0;
        loader->buffer = load_chunk_at(loader, index);
        memcpy(&header, loader->buffer, sizeof(header)); /* checked before */
        switch ((enum checkpoint_kind)header.kind) {
        case CHECKPOINT_SEGMENTS:
            error = load_segments(loader, &header);
            break;
        case CHECKPOINT_SESSIONS:
            error = load_sessions(loader, &header);
            break;
        case CHECKPOINT_KEYS:
            error = load_keys(loader, &header);
            break;
        case CHECKPOINT_DEDUPE:
            error = load_dedupe(loader, &header);
            break;
        case CHECKPOINT_END:
            error = IMLOG_ECORRUPT;
            break;
        }
        if (error < 0)
            return error;
    }
    const struct media *media = &loader->store->log.media;
    return load_follows(media, loader->head.origin_segment, loader->head.origin_lsn)
               ? 0
               : IMLOG_ECORRUPT;
}

/* ---- which file ------------------------------------------------------------------------------ */

static int load_open(struct loader *loader, uint64_t number)
{
    char name[32];
    char path[MEDIA_PATH_BYTES];
    snapshot_name(number, name);
    (void)snprintf(path, sizeof(path), "%s/%s", loader->store->log.media.directory, name);
    int error = image_load(loader->io, path, false, &loader->image);
    if (error == 0)
        error = load_head(loader, number);
    return error < 0 ? error : load_check(loader);
}

/* 1: loaded; 0: not valid, nothing changed; < 0: cannot go on. */
static int load_one(struct loader *loader, uint64_t number, struct log_origin *origin,
                    struct imlog_why *why)
{
    int error = load_open(loader, number);
    struct log *log = &loader->store->log;
    if (error == 0) {
        error = load_state(loader);
        if (error < 0) /* valid checksums around nonsense: nothing else can be trusted either */
            return why_set(why, error, "checkpoint %" PRIu64 " of shard %u cannot be loaded: %s",
                           number, log->shard_index, imlog_error_text(error));
        *origin = (struct log_origin){.segment = loader->head.origin_segment,
                                      .base_lsn = loader->head.origin_lsn,
                                      .chain = loader->head.origin_chain,
                                      .epoch = loader->head.epoch,
                                      .durable_lsn = loader->end.durable_lsn};
        clock_saw_msg_id(&loader->store->clock, loader->end.last_msg_id);
        if (loader->end.next_key > loader->store->keys.next_number)
            loader->store->keys.next_number = loader->end.next_key;
        return 1;
    }
    if (error == IMLOG_EVERSION)
        return why_set(why, error,
                       "checkpoint %" PRIu64 " of shard %u was written by a newer imlog: run that, "
                       "or restore a backup of this version",
                       number, log->shard_index);
    if (error == -ENOMEM)
        return error;
    log_report(log, IMLOG_WARNING,
               "shard %u: checkpoint %" PRIu64 " is damaged (%s); using an older one",
               log->shard_index, number, imlog_error_text(error));
    return 0;
}

static void load_remove_old(struct loader *loader, const struct names *names)
{
    for (uint32_t i = SNAPSHOTS_KEPT; i < names->count; i++) {
        if (names->numbers[i] >= loader->head.number)
            continue; /* the newer ones are damaged: this is the good one */
        char name[32];
        char path[MEDIA_PATH_BYTES];
        snapshot_name(names->numbers[i], name);
        (void)snprintf(path, sizeof(path), "%s/%s", loader->store->log.media.directory, name);
        (void)blocking_unlink(loader->io, path); /* one left over does no harm */
    }
}

int snapshot_load(struct store *store, struct log_origin *origin, struct imlog_why *why)
{
    struct loader loader = {.store = store, .io = store->io, .image = {.file = -1}};
    struct names names = {0};
    *origin = (struct log_origin){.segment = 1};
    int error = store->io->ops->list(store->io, store->log.media.directory, handle_name, &names);
    if (error == 0 && names.no_memory)
        error = -ENOMEM;
    if (error == 0 && names.count > 0)
        qsort(names.numbers, names.count, sizeof(uint64_t), compare_numbers_down);
    for (uint32_t i = 0; i < names.count && error == 0; i++) {
        error = load_one(&loader, names.numbers[i], origin, why);
        image_unload(store->io, &loader.image);
    }
    if (error == 1) {
        load_remove_old(&loader, &names);
        store->snapshot.published_lsn = loader.head.origin_lsn;
        store->snapshot.newest_bytes =
            IMLOG_BLOCK_BYTES + (uint64_t)loader.end.chunk_count * CHECKPOINT_CHUNK_BYTES;
        store->snapshot.begun_lsn = loader.head.log_end_lsn;
    }
    store->snapshot.number = names.count > 0 ? names.numbers[0] : 0;
    free(names.numbers);
    return error < 0 ? error : 0;
}

/* base.c: see base.h. */
#include "fuzz/base.h"

#include "engine/format/batch.h"
#include "engine/format/checkpoint.h"
#include "engine/format/identity.h"
#include "engine/format/record.h"
#include "engine/format/segment.h"
#include "engine/log/media.h"
#include "fuzz/fuzz.h"
#include "tests/lib/disk.h"

enum { SEGMENTS_WANTED = 4, APPENDS_AT_ONCE = 12 };

const struct imlog_shard_options base_options = {.segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                                 .hot_bytes = IMLOG_HOT_BYTES_MIN,
                                                 .cache_bytes = IMLOG_CACHE_BYTES_MIN,
                                                 .body_bytes_max = BASE_BODY_BYTES_MAX,
                                                 .dedupe_messages = 32};

/* ---- work -------------------------------------------------------------------------------- */

static uint32_t pending_count;

static void handle_appended(struct imlog_append *append, int status)
{
    (void)append;
    (void)status; /* a crash ends some of them */
    pending_count--;
}

static void handle_resolved(struct imlog_resolve *resolve, int status)
{
    (void)resolve;
    (void)status;
    pending_count--;
}

static void append_next(struct base *base, struct imlog_shard *shard)
{
    uint32_t at = base->message_count++;
    FUZZ_CHECK(at < BASE_MESSAGES_MAX);
    struct base_message *message = &base->messages[at];
    uint32_t body_bytes = at % 23 == 22 ? BASE_BODY_BYTES_MAX : at * 37 % 300;
    for (uint32_t i = 0; i < body_bytes; i++)
        message->body[i] = (uint8_t)(at * 7 + i * 3);
    message->append = (struct imlog_append){.session_id = 1 + (at * 5 + at / 7) % BASE_SESSIONS,
                                            .sender_id = 1 + at % 3,
                                            .client_msg_id = at % 4 == 0 ? 0 : 1000 + at,
                                            .client_ms = at,
                                            .kind = IMLOG_KIND_ANY,
                                            .type = (uint16_t)at,
                                            .body = message->body,
                                            .body_bytes = body_bytes,
                                            .done = handle_appended};
    int error;
    while ((error = imlog_append(shard, &message->append)) == IMLOG_EBUSY)
        FUZZ_CHECK(imlog_poll(shard, UINT64_MAX) >= 0);
    FUZZ_CHECK(error == 0);
    pending_count++;
}

static void settle(struct imlog_shard *shard)
{
    while (pending_count > 0)
        FUZZ_CHECK(imlog_poll(shard, UINT64_MAX) >= 0);
}

static void work(struct base *base, struct imlog_shard *shard)
{
    static struct imlog_resolve resolves[3];
    static const char *const keys[3] = {"alice", "bob", "a-longer-key:with/more in it"};
    for (uint32_t i = 0; i < 3; i++) {
        resolves[i] = (struct imlog_resolve){
            .key = keys[i], .key_bytes = (uint32_t)strlen(keys[i]), .done = handle_resolved};
        FUZZ_CHECK(imlog_resolve(shard, &resolves[i]) == 0);
        pending_count++;
    }
    struct imlog_stats stats = {.segments = 0};
    while (stats.segments < SEGMENTS_WANTED) {
        for (uint32_t i = 0; i < APPENDS_AT_ONCE; i++)
            append_next(base, shard);
        settle(shard);
        imlog_stats_get(shard, &stats);
    }
    for (uint32_t i = 0; i < APPENDS_AT_ONCE; i++)
        append_next(base, shard);
}

/* A directory worked in, and left in the way of its kind. */
static struct disk *make_disk(struct base *base)
{
    const struct imlog_dir_options options = {.shard_count = 1, .create = true};
    struct disk *disk = disk_create(1);
    struct imlog_io *io = disk_io(disk);
    struct imlog_dir *dir;
    struct imlog_shard *shard;
    FUZZ_CHECK(imlog_dir_open(io, BASE_DIR, &options, &dir, NULL) == 0);
    FUZZ_CHECK(imlog_shard_open(io, dir, 0, &base_options, &shard, NULL) == 0);
    work(base, shard);
    if (base->kind == BASE_CRASHED) {
        for (int i = 0; i < 2; i++)
            FUZZ_CHECK(imlog_poll(shard, 0) >= 0);
        disk_crash(disk, DISK_TORN_512);
    } else {
        settle(shard);
    }
    (void)imlog_shard_close(shard);
    imlog_dir_close(dir);
    FUZZ_CHECK(pending_count == 0);
    if (base->kind == BASE_CRASHED)
        disk_restart(disk);
    return disk;
}

/* ---- files ------------------------------------------------------------------------------- */

struct keeping {
    struct base *base;
    const struct disk *disk;
    const char *directory;
};

static void keep_file(void *arg, const char *name)
{
    struct keeping *keeping = arg;
    struct base *base = keeping->base;
    struct base_file file = {.kind = BASE_IDENTITY, .number = media_segment_number(name)};
    if (file.number != 0)
        file.kind = BASE_SEGMENT;
    else if (strstr(name, ".ckpt") != NULL)
        file.kind = BASE_CHECKPOINT;
    else if (strcmp(name, IDENTITY_FILE) != 0)
        return; /* LOCK, shard-000 */
    if (file.kind == BASE_CHECKPOINT && base->kind != BASE_CLOSED)
        return;
    FUZZ_CHECK(snprintf(file.path, sizeof file.path, "%s/%s", keeping->directory, name) <
               BASE_PATH_BYTES);
    file.byte_count = (uint32_t)disk_file_bytes(keeping->disk, file.path);
    file.bytes = malloc(file.byte_count + 1);
    FUZZ_CHECK(file.bytes != NULL && base->file_count < BASE_FILES_MAX);
    disk_peek(keeping->disk, file.path, 0, file.bytes, file.byte_count);
    base->files[base->file_count++] = file;
}

static int compare_paths(const void *left, const void *right)
{
    const struct base_file *a = left;
    const struct base_file *b = right;
    return strcmp(a->path, b->path);
}

static void keep_files(struct base *base, struct disk *disk)
{
    struct imlog_io *io = disk_io(disk);
    struct keeping keeping = {.base = base, .disk = disk, .directory = BASE_DIR};
    FUZZ_CHECK(io->ops->list(io, BASE_DIR, keep_file, &keeping) == 0);
    keeping.directory = BASE_SHARD_DIR;
    FUZZ_CHECK(io->ops->list(io, BASE_SHARD_DIR, keep_file, &keeping) == 0);
    qsort(base->files, base->file_count, sizeof(base->files[0]), compare_paths);
}

/* ---- what lies where --------------------------------------------------------------------- */

static void add_spot(struct base *base, enum base_spot_kind kind, uint32_t file, uint64_t offset,
                     uint64_t byte_count)
{
    FUZZ_CHECK(base->spot_count < BASE_SPOTS_MAX);
    base->spots[base->spot_count++] = (struct base_spot){
        .kind = kind, .file = file, .offset = (uint32_t)offset, .byte_count = (uint32_t)byte_count};
}

static void map_record(struct base *base, uint32_t file, uint32_t offset,
                       const struct record *record)
{
    add_spot(base, BASE_LOG, file, offset,
             sizeof(record->header) +
                 (record->header.kind == RECORD_MESSAGE ? sizeof(struct message_head) : 8U));
    for (uint32_t i = 0; i < base->message_count && record->header.kind == RECORD_MESSAGE; i++) {
        struct base_message *message = &base->messages[i];
        if (message->append.session_id != record->header.subject_id ||
            message->append.seq != record->header.seq)
            continue;
        message->stored = true;
        message->file = file;
        message->offset = offset;
        message->end_offset =
            offset + (uint32_t)sizeof(record->header) + record->header.payload_bytes;
    }
}

static void map_batch(struct base *base, uint32_t file, uint32_t at,
                      const struct batch_header *header, uint64_t lsn)
{
    const uint8_t *bytes = base->files[file].bytes;
    uint32_t offset = at + (uint32_t)sizeof(*header);
    uint32_t end_offset = offset + header->records_bytes;
    add_spot(base, BASE_LOG, file, at, sizeof(*header));
    while (offset < end_offset) {
        struct record record;
        if (record_decode(bytes + offset, end_offset - offset, base->salt, lsn + offset - at,
                          &record) < 0)
            return; /* torn */
        map_record(base, file, offset, &record);
        offset += record.record_bytes;
    }
}

static void map_segment(struct base *base, uint32_t file)
{
    const uint8_t *bytes = base->files[file].bytes;
    struct segment_head head;
    struct batch_header header;
    if (base->files[file].byte_count < 2 * IMLOG_BLOCK_BYTES ||
        segment_head_decode(bytes, &head) < 0)
        return; /* prepared */
    base->active_file = file;
    add_spot(base, BASE_LOG, file, 0, offsetof(struct segment_head, reserved));
    uint32_t at = IMLOG_BLOCK_BYTES;
    for (; at < base->files[file].byte_count; at += header.batch_bytes) {
        memcpy(&header, bytes + at, sizeof(header));
        uint64_t lsn = head.base_lsn + at - IMLOG_BLOCK_BYTES;
        if (header.magic != BATCH_MAGIC || header.lsn != lsn)
            break;
        map_batch(base, file, at, &header, lsn);
    }
    struct segment_block_header block;
    for (; at < base->files[file].byte_count; at += IMLOG_BLOCK_BYTES) {
        memcpy(&block, bytes + at, sizeof(block));
        if (block.magic == SEGMENT_BLOCK_MAGIC)
            add_spot(base, BASE_FOOTER, file, at,
                     sizeof(block) + 4 * sizeof(struct segment_extent));
    }
    struct segment_trailer trailer;
    if (segment_trailer_decode(bytes + at - IMLOG_BLOCK_BYTES, base->salt, head.number, &trailer) ==
        0)
        add_spot(base, BASE_FOOTER, file, at - IMLOG_BLOCK_BYTES,
                 offsetof(struct segment_trailer, reserved));
}

static void map_checkpoint(struct base *base, uint32_t file)
{
    const uint8_t *bytes = base->files[file].bytes;
    struct checkpoint_chunk chunk;
    add_spot(base, BASE_STATE, file, 0, offsetof(struct checkpoint_head, reserved));
    for (uint32_t at = IMLOG_BLOCK_BYTES; at < base->files[file].byte_count;
         at += CHECKPOINT_CHUNK_BYTES) {
        memcpy(&chunk, bytes + at, sizeof(chunk));
        add_spot(base, BASE_STATE, file, at, sizeof(chunk));
        if (chunk.payload_bytes > 0)
            add_spot(base, BASE_STATE, file, at + sizeof(chunk), chunk.payload_bytes);
    }
}

static void map_files(struct base *base)
{
    struct identity identity;
    for (uint32_t i = 0; i < base->file_count; i++)
        if (base->files[i].kind == BASE_IDENTITY)
            FUZZ_CHECK(
                identity_decode(base->files[i].bytes, base->files[i].byte_count, &identity) == 0);
    base->salt = identity_shard_salt(&identity, 0);
    for (uint32_t i = 0; i < base->file_count; i++) {
        if (base->files[i].kind == BASE_SEGMENT)
            map_segment(base, i);
        else if (base->files[i].kind == BASE_CHECKPOINT)
            map_checkpoint(base, i);
    }
    for (uint32_t i = 0; i < base->message_count; i++) {
        const struct imlog_append *append = &base->messages[i].append;
        FUZZ_CHECK(append->seq < BASE_SEQS_MAX);
        base->by_seq[append->session_id][append->seq] = &base->messages[i];
        if (base->messages[i].stored && append->seq > base->latest[append->session_id])
            base->latest[append->session_id] = append->seq;
    }
}

const struct base *base_of(enum base_kind kind)
{
    static struct base bases[BASE_KINDS];
    struct base *base = &bases[kind];
    if (base->file_count > 0)
        return base;
    base->kind = kind;
    struct disk *disk = make_disk(base);
    keep_files(base, disk);
    disk_destroy(disk);
    map_files(base);
    FUZZ_CHECK(base->active_file > 0 && base->spot_count > 100);
    return base;
}

const struct base_message *base_message(const struct base *base, uint64_t session_id, uint64_t seq)
{
    bool known = session_id <= BASE_SESSIONS && seq < BASE_SEQS_MAX;
    return known ? base->by_seq[session_id][seq] : NULL;
}

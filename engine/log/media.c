/* media.c: the segment table and the files behind it. */
#define _GNU_SOURCE
#include "engine/log/media.h"

#include "engine/base/assert.h"
#include "engine/io/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/planted.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int media_init(struct media *media, struct imlog_io *io, const char *directory,
               uint32_t shard_index)
{
    memset(media, 0, sizeof(*media));
    media->io = io;
    media->shard_index = shard_index;
    media->directory = strdup(directory);
    return media->directory == NULL ? -ENOMEM : 0;
}

static void segment_free(struct segment *segment)
{
    if (segment == NULL)
        return;
    free(segment->trailer);
    free(segment->path);
    free(segment);
}

void media_deinit(struct media *media)
{
    while (media->operations > 0) {
        if (media->io->ops->poll(media->io, UINT64_MAX) < 0)
            break;
    }
    for (uint32_t i = 0; i < media->segment_count; i++) {
        struct segment *segment = media->segments[i];
        if (segment->file >= 0)
            (void)blocking_close(media->io, segment->file);
        segment_free(segment);
    }
    free(media->segments);
    free(media->directory);
    memset(media, 0, sizeof(*media));
}

void media_segment_path(const struct media *media, uint32_t number, char *path)
{
    (void)snprintf(path, MEDIA_PATH_BYTES, "%s/%010u.seg", media->directory, number);
}

uint32_t media_segment_number(const char *name)
{
    unsigned number = 0;
    int used_bytes = 0;
    if (sscanf(name, "%10u.seg%n", &number, &used_bytes) != 1 || used_bytes != 14 ||
        strlen(name) != 14)
        return 0;
    return number == SEGMENT_UNKNOWN ? 0 : number;
}

static int media_grow(struct media *media)
{
    if (media->segment_count < media->segment_capacity)
        return 0;
    uint32_t capacity = media->segment_capacity == 0 ? 16 : media->segment_capacity * 2;
    struct segment **bigger =
        reallocarray(media->segments, capacity, sizeof(struct segment *)); /* NOLINT */
    if (bigger == NULL)
        return -ENOMEM;
    media->segments = bigger;
    media->segment_capacity = capacity;
    return 0;
}

struct segment *media_add(struct media *media, uint32_t number, uint64_t segment_bytes,
                          uint64_t base_lsn, int file)
{
    IMLOG_ASSERT(media->segment_count == 0 ||
                 media->segments[media->segment_count - 1]->number + 1 == number);
    struct segment *segment = calloc(1, sizeof(*segment));
    char path[MEDIA_PATH_BYTES];
    media_segment_path(media, number, path);
    if (segment == NULL || (segment->path = strdup(path)) == NULL || media_grow(media) < 0) {
        segment_free(segment);
        return NULL;
    }
    segment->media = media;
    segment->number = number;
    segment->state = SEGMENT_ACTIVE;
    segment->segment_bytes = segment_bytes;
    segment->base_lsn = base_lsn;
    segment->end_lsn = base_lsn;
    segment->file = file;
    media->open_files += file >= 0;
    media->segments[media->segment_count++] = segment;
    return segment;
}

struct segment *media_segment(const struct media *media, uint32_t number)
{
    if (media->segment_count == 0 || number < media->segments[0]->number)
        return NULL;
    uint32_t index = number - media->segments[0]->number;
    return index < media->segment_count ? media->segments[index] : NULL;
}

void segment_move(struct segment *segment, enum segment_state state)
{
    IMLOG_ASSERT((int)state == (int)segment->state + 1);
    segment->state = state;
}

/* ---- files ---------------------------------------------------------------------------- */

static void handle_closed(struct imlog_io_op *op, int32_t result)
{
    (void)result; /* a read handle: nothing unwritten can be lost */
    struct segment *segment =
        (struct segment *)(void *)((char *)op - offsetof(struct segment, close_op));
    segment->closing = false;
    segment->media->operations--;
}

/* Close the least recently used file when too many are open. */
static void media_close_one(struct media *media)
{
    struct segment *oldest = NULL;
    for (uint32_t i = 0; i < media->segment_count; i++) {
        struct segment *segment = media->segments[i];
        if (segment->file >= 0 && segment->reads == 0 && segment->waiting == NULL &&
            !segment->closing && segment->state == SEGMENT_SEALED &&
            (oldest == NULL || segment->used_tick < oldest->used_tick))
            oldest = segment;
    }
    if (oldest == NULL)
        return;
    oldest->close_op.done = handle_closed;
    if (media->io->ops->close(media->io, &oldest->close_op, oldest->file) < 0)
        return;
    oldest->closing = true;
    media->operations++;
    media->open_files--;
    oldest->file = -1;
}

static int media_read_now(struct segment *segment, struct media_read *read);

/* So many bytes arrived: what is left begins behind them. False: nothing is left. */
static bool read_advance(struct media_read *read, uint64_t byte_count)
{
    read->arrived_bytes += byte_count;
    read->offset += byte_count;
    while (read->part_count > 0 && byte_count >= read->parts->iov_len) {
        byte_count -= read->parts->iov_len;
        read->parts++;
        read->part_count--;
    }
    if (read->part_count == 0)
        return false;
    read->parts->iov_base = (uint8_t *)read->parts->iov_base + byte_count;
    read->parts->iov_len -= byte_count;
    return true;
}

/* A read may be short for reasons that say nothing about the disk. Go on behind what came, until
 * nothing comes: the file ends, or an error says why. Direct I/O goes on at sectors only. */
static void handle_read(struct imlog_io_op *op, int32_t result)
{
    struct media_read *read =
        (struct media_read *)(void *)((char *)op - offsetof(struct media_read, op));
    read->segment->reads--;
    read->segment->media->operations--;
    if (result > 0 && read_advance(read, (uint64_t)result) && result % MEDIA_SECTOR_BYTES == 0 &&
        !IMLOG_PLANTED(short_read_is_damage)) {
        result = media_read_now(read->segment, read);
        if (result == 0)
            return;
    }
    bool some = read->arrived_bytes >= IMLOG_BLOCK_BYTES || result >= 0;
    read->done(read, some ? (int32_t)read->arrived_bytes : result);
}

static int media_read_now(struct segment *segment, struct media_read *read)
{
    struct media *media = segment->media;
    read->op.done = handle_read;
    int error = media->io->ops->read(media->io, &read->op, segment->file, read->parts,
                                     read->part_count, read->offset);
    if (error < 0)
        return error;
    segment->reads++;
    segment->used_tick = ++media->tick;
    media->operations++;
    return 0;
}

static void handle_opened(struct imlog_io_op *op, int32_t result)
{
    struct segment *segment =
        (struct segment *)(void *)((char *)op - offsetof(struct segment, open_op));
    struct media *media = segment->media;
    segment->opening = false;
    media->operations--;
    if (result >= 0) {
        segment->file = result;
        if (++media->open_files > MEDIA_OPEN_FILES_MAX)
            media_close_one(media);
    }
    struct media_read *read = segment->waiting;
    segment->waiting = NULL;
    while (read != NULL) {
        struct media_read *next = read->next;
        int error = result < 0 ? result : media_read_now(segment, read);
        if (error < 0)
            read->done(read, error);
        read = next;
    }
}

static int media_open_start(struct segment *segment)
{
    if (segment->opening)
        return 0;
    struct media *media = segment->media;
    segment->open_op.done = handle_opened;
    int error =
        media->io->ops->open(media->io, &segment->open_op, segment->path, O_RDWR | O_DIRECT);
    if (error < 0)
        return error;
    segment->opening = true;
    media->operations++;
    return 0;
}

int media_read_start(struct segment *segment, struct media_read *read)
{
    read->segment = segment;
    read->arrived_bytes = 0;
    if (segment->file >= 0)
        return media_read_now(segment, read);
    int error = media_open_start(segment);
    if (error < 0)
        return error;
    read->next = segment->waiting;
    segment->waiting = read;
    return 0;
}

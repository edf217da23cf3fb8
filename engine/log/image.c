/* image.c: a segment file read whole into memory, and what it claims to be. */
#define _GNU_SOURCE
#include "engine/base/assert.h"
#include "engine/io/blocking.h"
#include "engine/log/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

enum { IMAGE_PART_BYTES = 64 * 1024 }; /* read at once around unreadable blocks */

/* Block by block, what the disk cannot read stays zeros, which verify as nothing. */
static int image_read_blocks(struct imlog_io *io, int file, struct image *image, uint64_t offset,
                             uint64_t byte_count)
{
    for (uint64_t end = offset + byte_count; offset < end; offset += IMLOG_BLOCK_BYTES) {
        uint8_t *block = image->bytes + offset;
        int64_t result = blocking_read(io, file, block, IMLOG_BLOCK_BYTES, offset);
        if (says_unreadable(result)) {
            memset(block, 0, IMLOG_BLOCK_BYTES);
            image->unreadable_end = offset + IMLOG_BLOCK_BYTES;
        } else if (result < 0) {
            return (int)result;
        }
    }
    return 0;
}

/* Read around what the disk cannot read. Among what was durable that is damage like any other;
 * at the log's end nobody can tell what it held, so it is kept in mind. */
static int image_read(struct imlog_io *io, int file, struct image *image)
{
    int64_t result = blocking_read(io, file, image->bytes, image->byte_count, 0);
    if (!says_unreadable(result))
        return result < 0 ? (int)result : 0;
    for (uint64_t offset = 0; offset < image->byte_count;) {
        uint64_t rest = image->byte_count - offset;
        uint64_t part = rest < IMAGE_PART_BYTES ? rest : IMAGE_PART_BYTES;
        result = blocking_read(io, file, image->bytes + offset, part, offset);
        if (says_unreadable(result))
            result = image_read_blocks(io, file, image, offset, part);
        if (result < 0)
            return (int)result;
        offset += part;
    }
    return 0;
}

int image_load(struct imlog_io *io, const char *path, bool keep_open, struct image *image)
{
    *image = (struct image){.file = -1};
    int file = blocking_open(io, path, keep_open ? O_RDWR | O_DIRECT : O_RDONLY | O_DIRECT);
    if (file < 0)
        return file;
    uint64_t file_bytes = 0;
    int result = io->ops->file_bytes(io, file, &file_bytes);
    image->byte_count = file_bytes & ~(uint64_t)(IMLOG_BLOCK_BYTES - 1);
    if (result == 0 && image->byte_count > 0) {
        void *bytes = mmap(NULL, image->byte_count, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        result = bytes == MAP_FAILED ? -ENOMEM : 0;
        image->bytes = bytes == MAP_FAILED ? NULL : bytes;
    }
    if (result == 0 && image->byte_count > 0)
        result = image_read(io, file, image);
    if (result < 0 || !keep_open)
        (void)blocking_close(io, file);
    else
        image->file = file;
    if (result < 0) {
        image_unload(io, image);
        return result;
    }
    return 0;
}

void image_unload(struct imlog_io *io, struct image *image)
{
    if (image->file >= 0)
        (void)blocking_close(io, image->file);
    if (image->bytes != NULL)
        (void)munmap(image->bytes, image->byte_count);
    *image = (struct image){.file = -1};
}

int image_trailer(const struct image *image, uint32_t number, uint64_t salt,
                  struct segment_trailer *trailer)
{
    if (image->byte_count < 2 * IMLOG_BLOCK_BYTES)
        return IMLOG_ECORRUPT;
    int error = segment_trailer_decode(image->bytes + image->byte_count - IMLOG_BLOCK_BYTES, salt,
                                       number, trailer);
    if (error < 0)
        return error;
    uint64_t footer_blocks =
        (uint64_t)trailer->extents_blocks + trailer->offsets_blocks + trailer->fence_blocks;
    return trailer->end_offset + (footer_blocks + 1) * IMLOG_BLOCK_BYTES <= image->byte_count
               ? 0
               : IMLOG_ECORRUPT;
}

/* Where the segment begins in the log, and in which epoch, by the first batch header that is this
 * segment's and valid at its place. */
static bool image_find_base(const struct image *image, struct scan *scan)
{
    for (uint64_t offset = IMLOG_BLOCK_BYTES; offset < scan->end_offset;
         offset += IMLOG_BLOCK_BYTES) {
        struct batch_header header;
        memcpy(&header, image->bytes + offset, sizeof(header));
        struct batch_place place = {.salt = scan->salt,
                                    .lsn = header.lsn,
                                    .segment = scan->segment,
                                    .offset = (uint32_t)offset,
                                    .shard_index = scan->shard_index};
        if (!batch_header_decode(image->bytes + offset, image->byte_count - offset, &place,
                                 &header) ||
            header.lsn < offset - IMLOG_BLOCK_BYTES)
            continue;
        scan->base_lsn = header.lsn - (offset - IMLOG_BLOCK_BYTES);
        scan->epoch = header.epoch;
        return true;
    }
    return false;
}

int image_scan(const struct image *image, uint32_t number, uint16_t shard_index, uint64_t salt,
               uint64_t base_lsn, const struct segment_trailer *trailer, struct scan *scan)
{
    *scan = (struct scan){.image = image->bytes,
                          .end_offset = image->byte_count < IMLOG_SEGMENT_BYTES_MAX
                                            ? image->byte_count
                                            : IMLOG_SEGMENT_BYTES_MAX,
                          .base_lsn = base_lsn,
                          .offset = IMLOG_BLOCK_BYTES,
                          .salt = salt,
                          .segment = number,
                          .shard_index = shard_index};
    struct segment_head head;
    bool head_valid = image->byte_count >= 2 * IMLOG_BLOCK_BYTES &&
                      segment_head_decode(image->bytes, &head) == 0 && head.number == number &&
                      head.shard_index == shard_index && head.salt == salt;
    if (head_valid) {
        scan->base_lsn = head.base_lsn;
        scan->chain = head.prev_checksum;
        scan->chain_known = true;
    } else if (trailer != NULL) {
        scan->base_lsn = trailer->base_lsn;
    } else if (!image_find_base(image, scan)) {
        return IMLOG_EFOREIGN;
    }
    if (trailer != NULL) {
        scan->end_offset = trailer->end_offset;
        scan->durable_lsn = trailer->end_lsn;
    }
    return 0;
}

void image_bounds(const struct image *next, uint32_t number, struct scan *scan)
{
    struct segment_head head;
    scan->next_known = next->byte_count >= IMLOG_BLOCK_BYTES &&
                       segment_head_decode(next->bytes, &head) == 0 && head.number == number &&
                       head.shard_index == scan->shard_index && head.salt == scan->salt;
    if (scan->next_known) {
        scan->next_lsn = head.base_lsn;
        scan->next_chain = head.prev_checksum;
    }
}

bool image_proves_more(const struct image *next, uint32_t number, struct scan *scan)
{
    struct scan next_scan;
    uint64_t end_lsn = scan->base_lsn + scan->offset - IMLOG_BLOCK_BYTES;
    if (next->bytes == NULL ||
        image_scan(next, number, scan->shard_index, scan->salt, end_lsn, NULL, &next_scan) < 0)
        return false;
    uint64_t evidence = scan_evidence(&next_scan, IMLOG_BLOCK_BYTES);
    if (evidence <= end_lsn || next_scan.base_lsn <= end_lsn)
        return false;
    uint64_t limit = next_scan.base_lsn < evidence ? next_scan.base_lsn : evidence;
    uint64_t limit_offset = limit - scan->base_lsn + IMLOG_BLOCK_BYTES;
    if (limit_offset < scan->end_offset)
        scan->end_offset = limit_offset;
    scan->durable_lsn = limit;
    return scan->offset < scan->end_offset;
}

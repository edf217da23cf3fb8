/* disk_file.c: see disk_file.h. Memory that runs out ends the test. */
#include "tests/lib/disk_file.h"

#include <imlog/assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- images --------------------------------------------------------------------------------- */

static bool all_zero(const uint8_t *bytes, uint64_t byte_count)
{
    return byte_count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, byte_count - 1) == 0);
}

static void image_grow(struct disk_image *image, uint64_t block_count)
{
    if (block_count <= image->block_count)
        return;
    uint8_t **bigger = reallocarray(image->blocks, block_count, sizeof(uint8_t *)); /* NOLINT */
    IMLOG_ASSERT(bigger != NULL);
    memset(bigger + image->block_count, 0,
           (block_count - image->block_count) * sizeof(uint8_t *)); /* NOLINT */
    image->blocks = bigger;
    image->block_count = block_count;
}

void disk_image_resize(struct disk_image *image, uint64_t byte_count)
{
    uint64_t kept_blocks = (byte_count + DISK_BLOCK_BYTES - 1) / DISK_BLOCK_BYTES;
    for (uint64_t i = kept_blocks; i < image->block_count; i++) {
        free(image->blocks[i]);
        image->blocks[i] = NULL;
    }
    uint64_t tail_bytes = byte_count % DISK_BLOCK_BYTES;
    if (byte_count < image->byte_count && tail_bytes != 0 && image->blocks[kept_blocks - 1] != NULL)
        memset(image->blocks[kept_blocks - 1] + tail_bytes, 0, DISK_BLOCK_BYTES - tail_bytes);
    image_grow(image, kept_blocks);
    image->byte_count = byte_count;
}

void disk_image_read(const struct disk_image *image, uint64_t offset, void *bytes,
                     uint64_t byte_count)
{
    IMLOG_ASSERT(offset + byte_count <= image->byte_count);
    for (uint64_t done = 0; done < byte_count;) {
        uint64_t at = (offset + done) % DISK_BLOCK_BYTES;
        uint64_t part = DISK_BLOCK_BYTES - at;
        part = part < byte_count - done ? part : byte_count - done;
        const uint8_t *block = image->blocks[(offset + done) / DISK_BLOCK_BYTES];
        if (block == NULL)
            memset((uint8_t *)bytes + done, 0, part);
        else
            memcpy((uint8_t *)bytes + done, block + at, part);
        done += part;
    }
}

static void image_write_block(uint8_t **block, uint64_t at, const uint8_t *bytes, uint64_t part)
{
    bool zeros = bytes == NULL || all_zero(bytes, part);
    if (zeros && *block == NULL)
        return;
    if (zeros && part == DISK_BLOCK_BYTES) {
        free(*block);
        *block = NULL;
        return;
    }
    if (*block == NULL) {
        *block = calloc(1, DISK_BLOCK_BYTES);
        IMLOG_ASSERT(*block != NULL);
    }
    if (bytes == NULL)
        memset(*block + at, 0, part);
    else
        memcpy(*block + at, bytes, part);
}

void disk_image_write(struct disk_image *image, uint64_t offset, const void *bytes,
                      uint64_t byte_count)
{
    if (offset + byte_count > image->byte_count)
        disk_image_resize(image, offset + byte_count);
    for (uint64_t done = 0; done < byte_count;) {
        uint64_t at = (offset + done) % DISK_BLOCK_BYTES;
        uint64_t part = DISK_BLOCK_BYTES - at;
        part = part < byte_count - done ? part : byte_count - done;
        image_write_block(&image->blocks[(offset + done) / DISK_BLOCK_BYTES], at,
                          bytes == NULL ? NULL : (const uint8_t *)bytes + done, part);
        done += part;
    }
}

void disk_image_clear(struct disk_image *image)
{
    for (uint64_t i = 0; i < image->block_count; i++)
        free(image->blocks[i]);
    free(image->blocks);
    *image = (struct disk_image){0};
}

static void image_copy(struct disk_image *to, const struct disk_image *from)
{
    disk_image_resize(to, 0);
    disk_image_resize(to, from->byte_count);
    for (uint64_t i = 0; i * DISK_BLOCK_BYTES < from->byte_count; i++) {
        if (from->blocks[i] != NULL)
            image_write_block(&to->blocks[i], 0, from->blocks[i], DISK_BLOCK_BYTES);
    }
}

/* ---- changes -------------------------------------------------------------------------------- */

static struct disk_change *file_add_change(struct disk_file *file)
{
    if (file->change_count == file->change_capacity) {
        uint32_t capacity = file->change_capacity == 0 ? 8 : file->change_capacity * 2;
        file->changes = reallocarray(file->changes, capacity, sizeof(struct disk_change));
        IMLOG_ASSERT(file->changes != NULL);
        file->change_capacity = capacity;
    }
    struct disk_change *change = &file->changes[file->change_count++];
    *change = (struct disk_change){0};
    return change;
}

static void file_drop_changes(struct disk_file *file, uint32_t change_count)
{
    for (uint32_t i = 0; i < change_count; i++)
        free(file->changes[i].bytes);
    file->change_count -= change_count;
    file->settled_count += change_count;
    if (file->change_count > 0)
        memmove(file->changes, file->changes + change_count,
                file->change_count * sizeof(struct disk_change));
}

static void file_apply(struct disk_file *file, const struct disk_change *change)
{
    if (change->is_resize)
        disk_image_resize(&file->durable, change->byte_count);
    else
        disk_image_write(&file->durable, change->offset, change->bytes, change->byte_count);
}

void disk_file_in_flight(struct disk_file *file, uint64_t offset, const void *bytes,
                         uint64_t byte_count)
{
    struct disk_change *change = file_add_change(file);
    change->offset = offset;
    change->byte_count = byte_count;
    if (all_zero(bytes, byte_count))
        return;
    change->bytes = malloc(byte_count);
    IMLOG_ASSERT(change->bytes != NULL);
    memcpy(change->bytes, bytes, byte_count);
}

/* A durable write needs the file's size on media, so resizes before it go there too, and what
 * they cut off is gone. Other writes stay where they are. */
static void file_settle_resizes(struct disk_file *file)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < file->change_count; i++) {
        if (file->changes[i].is_resize)
            newest = file->settled_count + i + 1;
    }
    disk_file_sync(file, newest);
}

/* Earlier writes that were not durable yet will not come back over this one. */
static void file_overwrite_changes(struct disk_file *file, uint64_t offset, const uint8_t *bytes,
                                   uint64_t byte_count)
{
    for (uint32_t i = 0; i < file->change_count; i++) {
        struct disk_change *change = &file->changes[i];
        uint64_t end = change->offset + change->byte_count;
        if (change->is_resize || change->offset >= offset + byte_count || end <= offset)
            continue;
        if (change->bytes == NULL) {
            change->bytes = calloc(1, change->byte_count);
            IMLOG_ASSERT(change->bytes != NULL);
        }
        uint64_t from = change->offset > offset ? change->offset : offset;
        uint64_t to = end < offset + byte_count ? end : offset + byte_count;
        memcpy(change->bytes + (from - change->offset), bytes + (from - offset), to - from);
    }
}

void disk_file_write(struct disk_file *file, uint64_t offset, const void *bytes,
                     uint64_t byte_count, bool durable)
{
    disk_image_write(&file->seen, offset, bytes, byte_count);
    if (durable) {
        file_settle_resizes(file);
        disk_image_write(&file->durable, offset, bytes, byte_count);
        file_overwrite_changes(file, offset, bytes, byte_count);
    } else {
        disk_file_in_flight(file, offset, bytes, byte_count);
    }
}

void disk_file_resize(struct disk_file *file, uint64_t byte_count)
{
    disk_image_resize(&file->seen, byte_count);
    *file_add_change(file) = (struct disk_change){.byte_count = byte_count, .is_resize = true};
}

void disk_file_sync(struct disk_file *file, uint64_t changes_total)
{
    if (changes_total <= file->settled_count)
        return; /* a later sync was faster */
    uint64_t wanted_count = changes_total - file->settled_count;
    uint32_t change_count =
        wanted_count < file->change_count ? (uint32_t)wanted_count : file->change_count;
    for (uint32_t i = 0; i < change_count; i++)
        file_apply(file, &file->changes[i]);
    file_drop_changes(file, change_count);
}

void disk_file_lose(struct disk_file *file, uint64_t changes_total)
{
    if (changes_total <= file->settled_count)
        return;
    uint64_t lost_count = changes_total - file->settled_count;
    uint32_t limit = lost_count < file->change_count ? (uint32_t)lost_count : file->change_count;
    for (uint32_t i = 0; i < limit; i++) {
        if (file->changes[i].is_resize)
            file_apply(file, &file->changes[i]); /* the size is the file system's own affair */
    }
    file_drop_changes(file, limit);
}

/* ---- crash ---------------------------------------------------------------------------------- */

static void file_apply_torn(struct disk_file *file, const struct disk_change *change,
                            uint64_t sector_bytes, struct prng *prng)
{
    if (change->is_resize) {
        file_apply(file, change); /* metadata is not torn */
        return;
    }
    for (uint64_t at = 0; at < change->byte_count; at += sector_bytes) {
        uint64_t rest = change->byte_count - at;
        uint64_t part = rest < sector_bytes ? rest : sector_bytes;
        if (prng_one_in(prng, 2))
            disk_image_write(&file->durable, change->offset + at,
                             change->bytes == NULL ? NULL : change->bytes + at, part);
    }
}

/* Any of its sectors, and among those some that hold neither the old nor the new bytes. */
static void file_apply_garbled(struct disk_file *file, const struct disk_change *change,
                               struct prng *prng)
{
    uint64_t garbage[DISK_SECTOR_BYTES / sizeof(uint64_t)];
    file_apply_torn(file, change, DISK_SECTOR_BYTES, prng);
    for (uint64_t at = 0; !change->is_resize && at + DISK_SECTOR_BYTES <= change->byte_count;
         at += DISK_SECTOR_BYTES) {
        if (!prng_one_in(prng, 8))
            continue;
        for (uint32_t i = 0; i < DISK_SECTOR_BYTES / sizeof(uint64_t); i++)
            garbage[i] = prng_next(prng);
        disk_image_write(&file->durable, change->offset + at, garbage, DISK_SECTOR_BYTES);
    }
}

/* Any of them, in any order; new sizes in theirs. */
static void file_apply_reordered(struct disk_file *file, struct prng *prng)
{
    for (uint32_t i = 0; i < file->change_count; i++) {
        if (file->changes[i].is_resize)
            file_apply(file, &file->changes[i]);
    }
    for (uint32_t left = file->change_count; left > 0; left--) {
        uint32_t pick = (uint32_t)prng_below(prng, left);
        struct disk_change change = file->changes[pick];
        file->changes[pick] = file->changes[left - 1];
        file->changes[left - 1] = change;
        if (!change.is_resize && prng_one_in(prng, 2))
            file_apply(file, &change);
    }
}

static void file_apply_prefix(struct disk_file *file, struct prng *prng)
{
    uint32_t whole_count = (uint32_t)prng_below(prng, file->change_count + 1);
    for (uint32_t i = 0; i < whole_count; i++)
        file_apply(file, &file->changes[i]);
    if (whole_count == file->change_count || file->changes[whole_count].is_resize)
        return;
    struct disk_change cut = file->changes[whole_count];
    cut.byte_count = prng_below(prng, cut.byte_count / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES;
    file_apply(file, &cut);
}

static void file_crash_change(struct disk_file *file, const struct disk_change *change,
                              enum disk_crash kind, struct prng *prng)
{
    if (kind == DISK_ANY)
        kind = (enum disk_crash)(DISK_KEEP_ALL + (int)prng_below(prng, DISK_ANY - DISK_KEEP_ALL));
    switch (kind) {
    case DISK_PROCESS:
    case DISK_KEEP_ALL:
        file_apply(file, change);
        break;
    case DISK_DROP_ALL:
        break;
    case DISK_TORN_512:
    case DISK_PREFIX:    /* of a single write: what is left is any case of the others */
    case DISK_REORDERED: /* so is this */
    case DISK_ANY:
        file_apply_torn(file, change, DISK_SECTOR_BYTES, prng);
        break;
    case DISK_GARBLED:
        file_apply_garbled(file, change, prng);
        break;
    case DISK_TORN_4096:
        file_apply_torn(file, change, 4096, prng);
        break;
    }
}

void disk_file_crash(struct disk_file *file, enum disk_crash kind, struct prng *prng)
{
    if (kind == DISK_PREFIX || (kind == DISK_ANY && prng_one_in(prng, 3))) {
        file_apply_prefix(file, prng);
    } else if (kind == DISK_REORDERED || (kind == DISK_ANY && prng_one_in(prng, 4))) {
        file_apply_reordered(file, prng);
    } else {
        for (uint32_t i = 0; i < file->change_count; i++)
            file_crash_change(file, &file->changes[i], kind, prng);
    }
    file_drop_changes(file, file->change_count);
}

void disk_file_restart(struct disk_file *file, bool power_lost)
{
    file->locked_by = -1;
    if (!power_lost)
        return;
    image_copy(&file->seen, &file->durable);
    file->reserved_bytes = file->seen.byte_count;
}

void disk_file_clear(struct disk_file *file)
{
    disk_image_clear(&file->seen);
    disk_image_clear(&file->durable);
    file_drop_changes(file, file->change_count);
    free(file->changes);
    *file = (struct disk_file){.locked_by = -1};
}

/* disk_file.h: the contents of one file of the disk in memory: two images, and the changes that
 * the durable one has not seen yet. */
#ifndef TESTS_LIB_DISK_FILE_H
#define TESTS_LIB_DISK_FILE_H

#include "tests/lib/disk.h"
#include "tests/lib/prng.h"

#include <stddef.h>

enum { DISK_BLOCK_BYTES = 4096, DISK_SECTOR_BYTES = 512 };

/* Bytes of a file; blocks that are NULL are zeros. */
struct disk_image {
    uint8_t **blocks;
    uint64_t block_count;
    uint64_t byte_count;
};

/* A change not yet durable: bytes written, or a new byte count. */
struct disk_change {
    uint64_t offset;
    uint64_t byte_count;
    uint8_t *bytes; /* owned; NULL: zeros */
    bool is_resize; /* the file has byte_count bytes */
};

struct disk_file {
    struct disk_image seen;
    struct disk_image durable;
    struct disk_change *changes; /* oldest first */
    uint32_t change_count;
    uint32_t change_capacity;
    uint64_t settled_count;  /* changes that became durable before these */
    uint64_t reserved_bytes; /* space it takes */
    uint64_t bad_offset;     /* unreadable range */
    uint64_t bad_bytes;
    bool is_directory;
    bool in_use;   /* by the sweep after a crash */
    int locked_by; /* handle, or -1 */
};

void disk_image_read(const struct disk_image *image, uint64_t offset, void *bytes,
                     uint64_t byte_count);
void disk_image_write(struct disk_image *image, uint64_t offset, const void *bytes,
                      uint64_t byte_count);
void disk_image_resize(struct disk_image *image, uint64_t byte_count);
void disk_image_clear(struct disk_image *image);

/* A write completes: seen now, durable at once or when synced. */
void disk_file_write(struct disk_file *file, uint64_t offset, const void *bytes,
                     uint64_t byte_count, bool durable);
void disk_file_resize(struct disk_file *file, uint64_t byte_count);
/* All changes so far, as a number for disk_file_sync(). */
static inline uint64_t disk_file_changes(const struct disk_file *file)
{
    return file->settled_count + file->change_count;
}
/* The first changes_total changes of the file's life become durable. */
void disk_file_sync(struct disk_file *file, uint64_t changes_total);
/* They never will, though they are seen: a sync of them failed. */
void disk_file_lose(struct disk_file *file, uint64_t changes_total);
/* A write was in flight when the power went: note it as one more change, unseen. */
void disk_file_in_flight(struct disk_file *file, uint64_t offset, const void *bytes,
                         uint64_t byte_count);
/* Decide the durable image. */
void disk_file_crash(struct disk_file *file, enum disk_crash kind, struct prng *prng);
/* No handle is left; if power was lost, the durable image is all there is now. */
void disk_file_restart(struct disk_file *file, bool power_lost);
void disk_file_clear(struct disk_file *file);

#endif

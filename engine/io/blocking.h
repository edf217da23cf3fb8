/* blocking.h: the seam's operations one at a time, for opening, closing and offline reading.
 *
 * Each starts one operation and polls until it is done, so completions of others run inside:
 * never call these from a done() or while serving. Errors: -errno. */
#ifndef ENGINE_IO_BLOCKING_H
#define ENGINE_IO_BLOCKING_H

#include <errno.h>
#include <imlog/io.h>
#include <stdbool.h>

/* What a disk says of bytes it cannot give, now or ever (Linux has ENODATA for a medium error,
 * block/blk-core.c). Any other error, no memory or no handles, says nothing about the bytes. */
static inline bool says_unreadable(int64_t result)
{
    return result == -EIO || result == -ENODATA;
}

int blocking_open(struct imlog_io *io, const char *path, int flags); /* a handle, or < 0 */
int blocking_close(struct imlog_io *io, int file);
/* All of it, over short reads. Returns the bytes read: fewer only at the end of the file. */
int64_t blocking_read(struct imlog_io *io, int file, void *bytes, uint64_t byte_count,
                      uint64_t offset);
/* All of it or an error; a short write is -EIO. */
int blocking_write(struct imlog_io *io, int file, const void *bytes, uint64_t byte_count,
                   uint64_t offset, uint32_t flags);
int blocking_sync(struct imlog_io *io, int file);
int blocking_allocate(struct imlog_io *io, int file, uint64_t bytes);
int blocking_rename(struct imlog_io *io, const char *from, const char *to);
int blocking_unlink(struct imlog_io *io, const char *path);
int blocking_mkdir(struct imlog_io *io, const char *path);
/* Make the names in a directory durable. */
int blocking_sync_directory(struct imlog_io *io, const char *path);

#endif

/* lossfs_files.c: open, create, read, write, sync, allocate, release. */
#define _GNU_SOURCE
#include "tests/power/lossfs_call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made by hand, because the library of Debian 12 has no word for parallel direct writes. Without
 * them the kernel lets one write a file through at a time, and what a log does with several under
 * way would not be tested. (A kernel before 6.2 ignores the flag.) */
static struct fuse_open_out open_reply(const struct lossfs *fs, int32_t file)
{
    return (struct fuse_open_out){.fh = handle_make(fs, file),
                                  .open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES};
}

static void reply_create(struct call *call, int32_t file)
{
    struct {
        struct fuse_entry_out entry;
        struct fuse_open_out open;
    } reply = {.open = open_reply(call->fs, file)};
    struct stat status;
    int error = fill_stat(call->fs, call->path, &status);
    if (error < 0) {
        (void)fuse_reply_err(call->request, -error);
        return;
    }
    reply.entry.nodeid = status.st_ino;
    reply.entry.attr = (struct fuse_attr){.ino = status.st_ino,
                                          .size = (uint64_t)status.st_size,
                                          .blocks = (uint64_t)status.st_blocks,
                                          .mode = status.st_mode,
                                          .nlink = 1,
                                          .blksize = 4096};
    (void)fuse_reply_buf(call->request, (const char *)&reply, sizeof reply);
}

static void handle_open_done(struct imlog_io_op *op, int32_t result)
{
    struct call *call = (struct call *)(void *)op;
    if (result < 0) {
        (void)fuse_reply_err(call->request, -result);
    } else if (call->is_create) {
        reply_create(call, result);
    } else {
        struct fuse_open_out reply = open_reply(call->fs, result);
        (void)fuse_reply_buf(call->request, (const char *)&reply, sizeof reply);
    }
    free(call);
}

/* The seam checks the memory of direct I/O too; what the kernel hands us is not the caller's. */
static void open_path(struct call *call, int flags)
{
    const struct imlog_io_ops *ops = call->fs->io->ops;
    flags &= O_ACCMODE | O_CREAT | O_TRUNC;
    call_started(call, ops->open(call->fs->io, &call->op, call->path, flags));
}

void call_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    const char *path = lossfs_path(fs_of(request), node);
    if (path == NULL) {
        (void)fuse_reply_err(request, ESTALE);
        return;
    }
    struct call *call = call_begin(fs_of(request), request, 0, handle_open_done);
    (void)snprintf(call->path, sizeof call->path, "%s", path);
    open_path(call, info->flags & ~O_CREAT);
}

void call_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                 struct fuse_file_info *info)
{
    (void)mode;
    struct call *call = call_begin(fs_of(request), request, 0, handle_open_done);
    call->is_create = true;
    int error = lossfs_join(call->fs, parent, name, call->path);
    if (error < 0)
        call_started(call, error);
    else
        open_path(call, info->flags | O_CREAT);
}

static void handle_read_done(struct imlog_io_op *op, int32_t result)
{
    struct call *call = (struct call *)(void *)op;
    if (result < 0)
        (void)fuse_reply_err(call->request, -result);
    else
        (void)fuse_reply_buf(call->request, (const char *)call->bytes, (size_t)result);
    free(call);
}

void call_read(fuse_req_t request, fuse_ino_t node, size_t byte_count, off_t offset,
               struct fuse_file_info *info)
{
    (void)node;
    struct call *call = call_begin(fs_of(request), request, byte_count, handle_read_done);
    int file = handle_file(call->fs, info->fh);
    call_started(call, file < 0 ? file
                                : call->fs->io->ops->read(call->fs->io, &call->op, file,
                                                          &call->part, 1, (uint64_t)offset));
}

static void handle_write_done(struct imlog_io_op *op, int32_t result)
{
    struct call *call = (struct call *)(void *)op;
    if (result < 0)
        (void)fuse_reply_err(call->request, -result);
    else
        (void)fuse_reply_write(call->request, (size_t)result);
    free(call);
}

void call_write(fuse_req_t request, fuse_ino_t node, const char *bytes, size_t byte_count,
                off_t offset, struct fuse_file_info *info)
{
    (void)node;
    struct lossfs *fs = fs_of(request);
    struct call *call = call_begin(fs_of(request), request, byte_count, handle_write_done);
    memcpy(call->bytes, bytes, byte_count);
    int file = handle_file(fs, info->fh);
    if ((info->flags & O_DIRECT) != 0 && ((uint64_t)offset | byte_count) % LOSSFS_SECTOR_BYTES != 0)
        file = -EINVAL;
    bool durable = (info->flags & O_DSYNC) != 0; /* O_SYNC has that bit too */
    fs->write_count++;
    fs->durable_write_count += durable;
    if ((fs->lies & LOSSFS_LIE_WRITES) != 0)
        durable = false;
    call_started(call, file < 0
                           ? file
                           : fs->io->ops->write(fs->io, &call->op, file, &call->part, 1,
                                                (uint64_t)offset, durable ? IMLOG_IO_DURABLE : 0));
}

void call_fsync(fuse_req_t request, fuse_ino_t node, int datasync, struct fuse_file_info *info)
{
    (void)node;
    (void)datasync;
    handle_sync(request, info->fh, LOSSFS_LIE_SYNCS);
}

void call_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t byte_count,
                    struct fuse_file_info *info)
{
    (void)node;
    struct call *call = call_begin(fs_of(request), request, 0, call_done);
    int file = mode != 0 ? -EOPNOTSUPP : handle_file(call->fs, info->fh);
    uint64_t end = (uint64_t)offset + (uint64_t)byte_count;
    call_started(call,
                 file < 0 ? file : call->fs->io->ops->allocate(call->fs->io, &call->op, file, end));
}

void call_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)node;
    handle_close(fs_of(request), info->fh);
    (void)fuse_reply_err(request, 0);
}

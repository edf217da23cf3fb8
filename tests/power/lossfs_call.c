/* lossfs_call.c: see lossfs_call.h. */
#include "tests/power/lossfs_call.h"

#include <imlog/assert.h>
#include <stdlib.h>

struct call *call_begin(struct lossfs *fs, fuse_req_t request, size_t byte_count,
                        imlog_io_done_fn *done)
{
    struct call *call = calloc(1, sizeof(*call) + byte_count);
    IMLOG_ASSERT(call != NULL);
    call->request = request;
    call->fs = fs;
    call->op.done = done;
    call->part = (struct iovec){call->bytes, byte_count};
    return call;
}

void call_started(struct call *call, int error)
{
    if (error < 0)
        call_done(&call->op, error);
    else
        lossfs_count(call->fs);
}

void call_done(struct imlog_io_op *op, int32_t result)
{
    struct call *call = (struct call *)(void *)op;
    (void)fuse_reply_err(call->request, result < 0 ? -result : 0);
    free(call);
}

static void handle_close_done(struct imlog_io_op *op, int32_t result)
{
    (void)result;
    free(op);
}

void handle_close(struct lossfs *fs, uint64_t handle)
{
    int file = handle_file(fs, handle);
    if (file < 0 || fs->cut)
        return;
    struct call *call = call_begin(fs, NULL, 0, handle_close_done);
    int error = fs->io->ops->close(fs->io, &call->op, file);
    IMLOG_ASSERT(error == 0);
}

void handle_sync(fuse_req_t request, uint64_t handle, enum lossfs_lie lie)
{
    struct lossfs *fs = fs_of(request);
    int file = handle_file(fs, handle);
    fs->sync_count++;
    if ((fs->lies & lie) != 0 && file >= 0 && !fs->cut) {
        (void)fuse_reply_err(request, 0);
        return;
    }
    struct call *call = call_begin(fs, request, 0, call_done);
    call_started(call, file < 0 ? file : fs->io->ops->sync(fs->io, &call->op, file));
}

int fill_stat(struct lossfs *fs, const char *path, struct stat *status)
{
    *status = (struct stat){.st_blksize = 4096};
    if (fs->cut)
        return -EIO;
    if (path == NULL)
        return -ESTALE;
    if (!disk_has(fs->disk, path))
        return -ENOENT;
    bool is_directory = disk_is_directory(fs->disk, path);
    status->st_ino = lossfs_node_of(fs, path);
    status->st_mode = is_directory ? S_IFDIR | 0750 : S_IFREG | 0640;
    status->st_nlink = is_directory ? 2 : 1;
    status->st_size = (off_t)disk_file_bytes(fs->disk, path);
    status->st_blocks = status->st_size / LOSSFS_SECTOR_BYTES;
    return 0;
}

/* lossfs_names.c: attributes and names: lookup, directories, mkdir, rename, unlink. */
#define _GNU_SOURCE
#include "tests/power/lossfs_call.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* One answer to readdir, filling. */
struct listing {
    fuse_req_t request;
    char *bytes;
    size_t byte_count;
    size_t used_bytes;
    off_t skip_count; /* names that earlier answers had */
    off_t name_count;
};

/* ---- attributes ------------------------------------------------------------------------------ */

static void reply_entry(fuse_req_t request, const char *path)
{
    struct fuse_entry_param entry = {0};
    int error = fill_stat(fs_of(request), path, &entry.attr);
    entry.ino = entry.attr.st_ino;
    if (error < 0)
        (void)fuse_reply_err(request, -error);
    else
        (void)fuse_reply_entry(request, &entry);
}

void call_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    char path[LOSSFS_PATH_BYTES];
    int error = lossfs_join(fs_of(request), parent, name, path);
    if (error < 0)
        (void)fuse_reply_err(request, -error);
    else
        reply_entry(request, path);
}

void call_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)info;
    struct stat status;
    int error = fill_stat(fs_of(request), lossfs_path(fs_of(request), node), &status);
    if (error < 0)
        (void)fuse_reply_err(request, -error);
    else
        (void)fuse_reply_attr(request, &status, 0);
}

/* Modes and times are nobody's concern here; the seam has no truncate but O_TRUNC. */
void call_setattr(fuse_req_t request, fuse_ino_t node, struct stat *wanted, int which,
                  struct fuse_file_info *info)
{
    (void)wanted;
    if ((which & FUSE_SET_ATTR_SIZE) != 0)
        (void)fuse_reply_err(request, EOPNOTSUPP);
    else
        call_getattr(request, node, info);
}

void call_statfs(fuse_req_t request, fuse_ino_t node)
{
    (void)node;
    const struct statvfs status = {.f_bsize = 4096,
                                   .f_frsize = 4096,
                                   .f_blocks = 1 << 24,
                                   .f_bfree = 1 << 24,
                                   .f_bavail = 1 << 24,
                                   .f_namemax = 100};
    (void)fuse_reply_statfs(request, &status);
}

/* ---- directories ----------------------------------------------------------------------------- */

static void handle_opendir_done(struct imlog_io_op *op, int32_t result)
{
    struct call *call = (struct call *)(void *)op;
    struct fuse_file_info info = {0};
    if (result < 0) {
        (void)fuse_reply_err(call->request, -result);
    } else {
        info.fh = handle_make(call->fs, result);
        (void)fuse_reply_open(call->request, &info);
    }
    free(call);
}

void call_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)info;
    struct lossfs *fs = fs_of(request);
    const char *path = lossfs_path(fs, node);
    if (path == NULL) {
        (void)fuse_reply_err(request, ESTALE);
        return;
    }
    struct call *call = call_begin(fs, request, 0, handle_opendir_done);
    call_started(call, fs->io->ops->open(fs->io, &call->op, path, O_RDONLY | O_DIRECTORY));
}

static void list_name(void *arg, const char *name)
{
    struct listing *listing = arg;
    off_t index = listing->name_count++;
    if (index < listing->skip_count)
        return;
    const struct stat status = {.st_ino = (ino_t)index + 1};
    size_t rest_bytes = listing->byte_count - listing->used_bytes;
    size_t entry_bytes = fuse_add_direntry(listing->request, listing->bytes + listing->used_bytes,
                                           rest_bytes, name, &status, index + 1);
    if (entry_bytes <= rest_bytes)
        listing->used_bytes += entry_bytes;
    else
        listing->byte_count = listing->used_bytes; /* none that follows may squeeze in */
}

/* The offset of a name is its place in the list, so names must not go while they are read. */
void call_readdir(fuse_req_t request, fuse_ino_t node, size_t byte_count, off_t offset,
                  struct fuse_file_info *info)
{
    (void)info;
    struct lossfs *fs = fs_of(request);
    const char *path = lossfs_path(fs, node);
    struct listing listing = {.request = request,
                              .bytes = malloc(byte_count),
                              .byte_count = byte_count,
                              .skip_count = offset};
    IMLOG_ASSERT(listing.bytes != NULL);
    int error = path == NULL ? -ESTALE : fs->io->ops->list(fs->io, path, list_name, &listing);
    if (error < 0)
        (void)fuse_reply_err(request, -error);
    else
        (void)fuse_reply_buf(request, listing.bytes, listing.used_bytes);
    free(listing.bytes);
}

void call_fsyncdir(fuse_req_t request, fuse_ino_t node, int datasync, struct fuse_file_info *info)
{
    (void)node;
    (void)datasync;
    handle_sync(request, info->fh, LOSSFS_LIE_NAMES);
}

void call_releasedir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)node;
    handle_close(fs_of(request), info->fh);
    (void)fuse_reply_err(request, 0);
}

/* ---- changing names -------------------------------------------------------------------------- */

static void handle_mkdir_done(struct imlog_io_op *op, int32_t result)
{
    struct call *call = (struct call *)(void *)op;
    if (result < 0)
        (void)fuse_reply_err(call->request, -result);
    else
        reply_entry(call->request, call->path);
    free(call);
}

void call_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
    (void)mode;
    struct lossfs *fs = fs_of(request);
    struct call *call = call_begin(fs, request, 0, handle_mkdir_done);
    int error = lossfs_join(fs, parent, name, call->path);
    call_started(call, error < 0 ? error : fs->io->ops->mkdir(fs->io, &call->op, call->path));
}

static void handle_move_done(struct imlog_io_op *op, int32_t result)
{
    struct call *call = (struct call *)(void *)op;
    if (result == 0)
        lossfs_nodes_move(call->fs, call->path[0] == '\0' ? NULL : call->path, call->to);
    call_done(op, result);
}

void call_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct lossfs *fs = fs_of(request);
    struct call *call = call_begin(fs, request, 0, handle_move_done);
    int error = lossfs_join(fs, parent, name, call->to);
    call_started(call, error < 0 ? error : fs->io->ops->unlink(fs->io, &call->op, call->to));
}

void call_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                 const char *new_name, unsigned int flags)
{
    struct lossfs *fs = fs_of(request);
    struct call *call = call_begin(fs, request, 0, handle_move_done);
    int error = lossfs_join(fs, parent, name, call->path);
    if (error == 0)
        error = lossfs_join(fs, new_parent, new_name, call->to);
    if (error == 0 && (flags != 0 || disk_is_directory(fs->disk, call->path)))
        error = -EOPNOTSUPP;
    call_started(call,
                 error < 0 ? error : fs->io->ops->rename(fs->io, &call->op, call->path, call->to));
}

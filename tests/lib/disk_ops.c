/* disk_ops.c: what each operation of the disk in memory does when it completes. */
#define _GNU_SOURCE
#include "tests/lib/disk_state.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int disk_new_file(struct disk *disk, bool is_directory)
{
    disk->files = reallocarray(disk->files, disk->file_count + 1, sizeof(struct disk_file));
    IMLOG_ASSERT(disk->files != NULL);
    disk->files[disk->file_count] =
        (struct disk_file){.is_directory = is_directory, .locked_by = -1};
    return (int)disk->file_count++;
}

uint8_t *disk_join(const struct disk_op *op, uint64_t *byte_count)
{
    *byte_count = 0;
    for (uint32_t i = 0; i < op->part_count; i++)
        *byte_count += op->parts[i].iov_len;
    uint8_t *bytes = malloc(*byte_count + 1);
    IMLOG_ASSERT(bytes != NULL);
    uint64_t at = 0;
    for (uint32_t i = 0; i < op->part_count; i++) {
        memcpy(bytes + at, op->parts[i].iov_base, op->parts[i].iov_len);
        at += op->parts[i].iov_len;
    }
    return bytes;
}

/* ---- files ---------------------------------------------------------------------------------- */

static void file_give_space(struct disk *disk, struct disk_file *file, uint64_t kept_bytes)
{
    if (file->reserved_bytes <= kept_bytes)
        return;
    if (disk->free_bytes != UINT64_MAX)
        disk->free_bytes += file->reserved_bytes - kept_bytes;
    file->reserved_bytes = kept_bytes;
}

/* Space for the file up to byte_count: all of it, or -ENOSPC. */
static int file_take_space(struct disk *disk, struct disk_file *file, uint64_t byte_count)
{
    if (byte_count <= file->reserved_bytes)
        return 0;
    uint64_t more = byte_count - file->reserved_bytes;
    if (more > disk->free_bytes)
        return -ENOSPC;
    if (disk->free_bytes != UINT64_MAX)
        disk->free_bytes -= more;
    file->reserved_bytes = byte_count;
    return 0;
}

static int32_t new_handle(struct disk *disk, const char *path, int file, int flags)
{
    uint32_t at = 0;
    while (at < disk->handle_count && disk->handles[at].open)
        at++;
    if (at == disk->handle_count) {
        disk->handles =
            reallocarray(disk->handles, ++disk->handle_count, sizeof(struct disk_handle));
        IMLOG_ASSERT(disk->handles != NULL);
    }
    disk->handles[at] = (struct disk_handle){.file = file, .flags = flags, .open = true};
    (void)snprintf(disk->handles[at].path, DISK_PATH_BYTES, "%s", path);
    return DISK_HANDLE_FIRST + (int32_t)at;
}

static bool has_directory(const struct disk *disk, const char *path)
{
    char directory[DISK_PATH_BYTES];
    (void)snprintf(directory, sizeof(directory), "%s", path);
    char *slash = strrchr(directory, '/');
    slash[slash == directory ? 1 : 0] = '\0';
    int file = disk_tree_find(&disk->tree, directory);
    return file != DISK_NO_FILE && disk->files[file].is_directory;
}

static int32_t run_open(struct disk *disk, const struct disk_op *op)
{
    int flags = (int)op->flags;
    int file = disk_tree_find(&disk->tree, op->path);
    if (file == DISK_NO_FILE) {
        if ((flags & O_CREAT) == 0 || !has_directory(disk, op->path))
            return -ENOENT;
        file = disk_new_file(disk, false);
        disk_tree_move(&disk->tree, NULL, op->path, file);
    } else if ((flags & O_DIRECTORY) != 0 && !disk->files[file].is_directory) {
        return -ENOTDIR;
    } else if (disk->files[file].is_directory && (flags & O_ACCMODE) != O_RDONLY) {
        return -EISDIR;
    }
    if ((flags & O_TRUNC) != 0 && disk->files[file].seen.byte_count > 0) {
        disk_file_resize(&disk->files[file], 0);
        file_give_space(disk, &disk->files[file], 0);
    }
    return new_handle(disk, op->path, file, flags);
}

static int32_t run_close(struct disk *disk, const struct disk_op *op)
{
    struct disk_handle *handle = disk_handle(disk, op->handle);
    struct disk_file *file = &disk->files[handle->file];
    if (file->locked_by == op->handle)
        file->locked_by = -1;
    handle->open = false;
    return 0;
}

/* A read that meets an unreadable range fails as a whole, or comes short. */
static bool meets_bad_range(struct disk *disk, const struct disk_file *file,
                            const struct disk_op *op)
{
    uint64_t end = op->offset;
    for (uint32_t i = 0; i < op->part_count; i++)
        end += op->parts[i].iov_len;
    return op->offset < file->bad_offset + file->bad_bytes && end > file->bad_offset &&
           prng_one_in(&disk->prng, 2);
}

/* Where it stops: at a fault's place, or short because the machine is busy. Never right at its
 * beginning, which would say that the file ends there. */
static uint64_t read_limit(struct disk *disk, const struct disk_file *file,
                           const struct disk_op *op)
{
    if (op->fault != NULL)
        return op->offset + op->fault->short_bytes;
    uint64_t sector_count = 0;
    for (uint32_t i = 0; i < op->part_count; i++)
        sector_count += op->parts[i].iov_len / DISK_SECTOR_BYTES;
    if (file->is_directory || disk->weather.short_odds == 0 || sector_count < 2 ||
        !prng_one_in(&disk->prng, disk->weather.short_odds))
        return UINT64_MAX;
    return op->offset + (1 + prng_below(&disk->prng, sector_count - 1)) * DISK_SECTOR_BYTES;
}

static int32_t run_read(struct disk *disk, const struct disk_op *op)
{
    const struct disk_file *file = &disk->files[disk_handle(disk, op->handle)->file];
    if (meets_bad_range(disk, file, op))
        return -EIO;
    uint64_t at = op->offset;
    uint64_t limit = read_limit(disk, file, op);
    for (uint32_t i = 0; i < op->part_count; i++) {
        uint64_t end = file->seen.byte_count < limit ? file->seen.byte_count : limit;
        if (at >= end)
            break;
        uint64_t part = op->parts[i].iov_len < end - at ? op->parts[i].iov_len : end - at;
        if (at < file->bad_offset + file->bad_bytes && at + part > file->bad_offset) {
            if (at >= file->bad_offset || at > op->offset)
                return at > op->offset ? (int32_t)(at - op->offset) : -EIO;
            part = file->bad_offset - at;
        }
        disk_image_read(&file->seen, at, op->parts[i].iov_base, part);
        at += part;
        if (part < op->parts[i].iov_len)
            break;
    }
    return (int32_t)(at - op->offset);
}

static int32_t run_write(struct disk *disk, const struct disk_op *op)
{
    struct disk_file *file = &disk->files[disk_handle(disk, op->handle)->file];
    uint64_t byte_count;
    uint8_t *bytes = disk_join(op, &byte_count);
    if (op->fault != NULL && op->fault->short_bytes < byte_count)
        byte_count = op->fault->short_bytes;
    int error = file_take_space(disk, file, op->offset + byte_count);
    if (error == 0)
        disk_file_write(file, op->offset, bytes, byte_count,
                        (op->flags & IMLOG_IO_DURABLE) != 0 && op->fault == NULL);
    free(bytes);
    return error < 0 ? error : (int32_t)byte_count;
}

/* A write that failed may have done any part of its work. */
static void run_failed_write(struct disk *disk, const struct disk_op *op)
{
    struct disk_file *file = &disk->files[disk_handle(disk, op->handle)->file];
    uint64_t byte_count;
    uint8_t *bytes = disk_join(op, &byte_count);
    for (uint64_t at = 0; at < byte_count; at += DISK_SECTOR_BYTES) {
        uint64_t rest = byte_count - at;
        uint64_t part = rest < DISK_SECTOR_BYTES ? rest : DISK_SECTOR_BYTES;
        bool inside = op->offset + at + part <= file->seen.byte_count;
        if (inside && prng_one_in(&disk->prng, 2))
            disk_file_write(file, op->offset + at, bytes + at, part, false);
    }
    free(bytes);
}

static int32_t run_sync(struct disk *disk, const struct disk_op *op)
{
    struct disk_handle *handle = disk_handle(disk, op->handle);
    struct disk_file *file = &disk->files[handle->file];
    if (file->is_directory)
        disk_tree_sync(&disk->tree, handle->path);
    else
        disk_file_sync(file, op->sync_changes);
    return 0;
}

/* Not where everything fails for ever: such a device is gone, and comes back as it is read. */
static void run_failed_sync(struct disk *disk, const struct disk_op *op)
{
    if (op->fault->kind == DISK_OP_KINDS && op->fault->for_ever)
        return;
    struct disk_file *file = &disk->files[disk_handle(disk, op->handle)->file];
    if (!file->is_directory && prng_one_in(&disk->prng, 2))
        disk_file_lose(file, op->sync_changes);
}

static int32_t run_allocate(struct disk *disk, const struct disk_op *op)
{
    struct disk_file *file = &disk->files[disk_handle(disk, op->handle)->file];
    int error = file_take_space(disk, file, op->offset);
    if (error == 0 && file->seen.byte_count < op->offset)
        disk_file_resize(file, op->offset);
    return error;
}

/* ---- names ---------------------------------------------------------------------------------- */

static int32_t run_rename(struct disk *disk, const struct disk_op *op)
{
    int file = disk_tree_find(&disk->tree, op->path);
    if (file == DISK_NO_FILE || !has_directory(disk, op->to))
        return -ENOENT;
    disk_tree_move(&disk->tree, op->path, op->to, file);
    return 0;
}

static int32_t run_unlink(struct disk *disk, const struct disk_op *op)
{
    int file = disk_tree_find(&disk->tree, op->path);
    if (file == DISK_NO_FILE)
        return -ENOENT;
    disk_tree_move(&disk->tree, NULL, op->path, DISK_NO_FILE);
    file_give_space(disk, &disk->files[file], 0);
    return 0;
}

static int32_t run_mkdir(struct disk *disk, const struct disk_op *op)
{
    if (disk_tree_find(&disk->tree, op->path) != DISK_NO_FILE)
        return -EEXIST;
    if (!has_directory(disk, op->path))
        return -ENOENT;
    disk_tree_move(&disk->tree, NULL, op->path, disk_new_file(disk, true));
    return 0;
}

int32_t disk_run(struct disk *disk, const struct disk_op *op)
{
    if (op->fault != NULL && op->fault->error < 0) {
        if (op->kind == DISK_WRITE)
            run_failed_write(disk, op);
        if (op->kind == DISK_SYNC)
            run_failed_sync(disk, op);
        if (op->kind == DISK_CLOSE)
            (void)run_close(disk, op);
        return op->fault->error;
    }
    switch (op->kind) {
    case DISK_OPEN:
        return run_open(disk, op);
    case DISK_CLOSE:
        return run_close(disk, op);
    case DISK_READ:
        return run_read(disk, op);
    case DISK_WRITE:
        return run_write(disk, op);
    case DISK_SYNC:
        return run_sync(disk, op);
    case DISK_ALLOCATE:
        return run_allocate(disk, op);
    case DISK_RENAME:
        return run_rename(disk, op);
    case DISK_UNLINK:
        return run_unlink(disk, op);
    case DISK_MKDIR:
        return run_mkdir(disk, op);
    case DISK_OP_KINDS:
        break;
    }
    return -ENOSYS;
}

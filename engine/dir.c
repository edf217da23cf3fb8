/* dir.c: a data directory: its identity, its lock, its creation.
 *
 *     DIR/imlog.id      identity.h; written last: a directory without it is not one yet
 *     DIR/LOCK          locked while a process serves the directory; holds its pid as text
 *     DIR/shard-000/    one folder a shard
 *
 * A creation that was cut short leaves LOCK, imlog.id.tmp and empty shard folders: the next one
 * goes on from there. Anything else in a directory without identity makes it foreign, and it is
 * left alone. */
#define _GNU_SOURCE
#include "engine/dir.h"

#include "engine/base/assert.h"
#include "engine/base/checksum.h"
#include "engine/base/error.h"
#include "engine/io/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/planted.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR_LOCK_PATIENCE_NS UINT64_C(2000000000)
#define DIR_LOCK_RETRY_NS    UINT64_C(10000000)

struct imlog_dir {
    struct imlog_io *io;
    int lock_file;
    struct identity identity;
    char path[DIR_PATH_BYTES];
};

uint32_t imlog_dir_shard_count(const struct imlog_dir *dir)
{
    return dir->identity.shard_count;
}

const uint8_t *imlog_dir_uuid(const struct imlog_dir *dir)
{
    return dir->identity.uuid;
}

uint32_t imlog_shard_of_id(uint64_t id, uint32_t shard_count)
{
    return (uint32_t)(((mix64(id) >> 32) * shard_count) >> 32);
}

uint32_t imlog_shard_of_key(const void *key, uint32_t key_bytes, uint32_t shard_count)
{
    return (uint32_t)(((checksum(key, key_bytes, 0) >> 32) * shard_count) >> 32);
}

const struct identity *dir_identity(const struct imlog_dir *dir)
{
    return &dir->identity;
}

const char *dir_path(const struct imlog_dir *dir)
{
    return dir->path;
}

int dir_lock_file(const struct imlog_dir *dir)
{
    return dir->lock_file;
}

static int dir_join(char *out, const char *path, const char *name)
{
    int bytes = snprintf(out, DIR_PATH_BYTES, "%s/%s", path, name);
    return bytes > 0 && bytes < DIR_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

int dir_shard_path(const char *dir_path_text, uint32_t shard_index, char *path)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "shard-%03u", shard_index);
    return dir_join(path, dir_path_text, name);
}

/* ---- identity ------------------------------------------------------------------------------ */

int64_t dir_read_copies(struct imlog_io *io, int file, uint8_t bytes[IDENTITY_FILE_BYTES])
{
    int64_t got = blocking_read(io, file, bytes, IDENTITY_FILE_BYTES, 0);
    if (!says_unreadable(got))
        return got;
    for (uint64_t at = 0; at < IDENTITY_FILE_BYTES; at += IMLOG_BLOCK_BYTES) {
        int64_t copy = blocking_read(io, file, bytes + at, IMLOG_BLOCK_BYTES, at);
        if (copy >= 0)
            got = IDENTITY_FILE_BYTES;
        else
            memset(bytes + at, 0, IMLOG_BLOCK_BYTES);
    }
    return got;
}

int dir_read_identity(struct imlog_io *io, const char *path, struct identity *identity,
                      struct imlog_why *why)
{
    char file_path[DIR_PATH_BYTES];
    int error = dir_join(file_path, path, IDENTITY_FILE);
    if (error < 0)
        return why_set(why, error, "the path of the data directory is too long");
    int file = blocking_open(io, file_path, O_RDONLY);
    if (file == -ENOENT || file == -ENOTDIR)
        return why_set(why, IMLOG_EFOREIGN, "%s is not an imlog data directory: it has no %s", path,
                       IDENTITY_FILE);
    if (file < 0)
        return why_set(why, file, "cannot open %s: %s", file_path, imlog_error_text(file));
    uint8_t *bytes = calloc(1, IDENTITY_FILE_BYTES);
    int64_t got = bytes == NULL ? -ENOMEM : dir_read_copies(io, file, bytes);
    (void)blocking_close(io, file);
    error = got < 0 ? (int)got : identity_decode(bytes, (uint64_t)got, identity);
    free(bytes);
    if (got < 0)
        return why_set(why, error, "cannot read %s: %s", file_path, imlog_error_text(error));
    if (error == IMLOG_EVERSION)
        return why_set(why, error,
                       "%s was written by a newer imlog (format %u, this is %d): run "
                       "that version",
                       path, identity->version, IDENTITY_VERSION);
    if (error == IMLOG_ECORRUPT)
        return why_set(why, error,
                       "%s is damaged in both of its copies: restore it from a backup "
                       "of this directory",
                       file_path);
    if (error < 0)
        return why_set(why, error, "%s is not an imlog data directory: %s is something else", path,
                       file_path);
    return 0;
}

/* ---- creation ------------------------------------------------------------------------------- */

struct strangers {
    char first[64]; /* a name that does not belong here */
    bool any;
};

static void handle_name(void *arg, const char *name)
{
    struct strangers *strangers = arg;
    if (strcmp(name, "LOCK") == 0 || strcmp(name, IDENTITY_FILE ".tmp") == 0 ||
        strncmp(name, "shard-", 6) == 0 || strcmp(name, "lost+found") == 0)
        return;
    if (!strangers->any)
        (void)snprintf(strangers->first, sizeof(strangers->first), "%s", name);
    strangers->any = true;
}

static void handle_shard_name(void *arg, const char *name)
{
    struct strangers *strangers = arg;
    if (!strangers->any)
        (void)snprintf(strangers->first, sizeof(strangers->first), "%s", name);
    strangers->any = true;
}

/* A creation that was cut short leaves empty shards behind. Files in one mean that only the
 * identity is gone: a new one would make everybody's messages somebody else's. */
static int dir_check_shards(struct imlog_io *io, const char *path, struct imlog_why *why)
{
    for (uint32_t i = 0; i < IMLOG_SHARDS_MAX; i++) {
        char shard_path[DIR_PATH_BYTES];
        struct strangers files = {.any = false};
        int error = dir_shard_path(path, i, shard_path);
        if (error == 0)
            error = io->ops->list(io, shard_path, handle_shard_name, &files);
        if (error == -ENOENT)
            continue;
        if (error < 0)
            return why_set(why, error, "cannot read the directory %s: %s", shard_path,
                           imlog_error_text(error));
        if (files.any)
            return why_set(why, IMLOG_EFOREIGN,
                           "%s has lost its %s (%s still holds %s): restore that file from a "
                           "backup of this directory, or give an empty or a new one",
                           path, IDENTITY_FILE, shard_path, files.first);
    }
    return 0;
}

static int dir_check_empty(struct imlog_io *io, const char *path, struct imlog_why *why)
{
    struct strangers strangers = {.any = false};
    int error = io->ops->list(io, path, handle_name, &strangers);
    if (error < 0)
        return why_set(why, error, "cannot read the directory %s: %s", path,
                       imlog_error_text(error));
    if (strangers.any)
        return why_set(why, IMLOG_EFOREIGN,
                       "%s is not an imlog data directory and not empty (it has %s): give an "
                       "empty or a new directory",
                       path, strangers.first);
    return dir_check_shards(io, path, why);
}

static int dir_make_shards(struct imlog_io *io, const char *path, uint32_t shard_count)
{
    for (uint32_t i = 0; i < shard_count; i++) {
        char shard_path[DIR_PATH_BYTES];
        int error = dir_shard_path(path, i, shard_path);
        if (error == 0)
            error = blocking_mkdir(io, shard_path);
        if (error < 0 && error != -EEXIST)
            return error;
    }
    return 0;
}

static int dir_write_identity(struct imlog_io *io, const char *path, struct identity *identity)
{
    char temporary[DIR_PATH_BYTES];
    char final[DIR_PATH_BYTES];
    uint8_t *bytes = calloc(1, IDENTITY_FILE_BYTES);
    int error = bytes == NULL ? -ENOMEM : dir_join(temporary, path, IDENTITY_FILE ".tmp");
    if (error == 0)
        error = dir_join(final, path, IDENTITY_FILE);
    if (error < 0) {
        free(bytes);
        return error;
    }
    identity_encode(bytes, identity);
    int file = blocking_open(io, temporary, O_WRONLY | O_CREAT | O_TRUNC);
    error = file;
    if (file >= 0) {
        error = blocking_write(io, file, bytes, IDENTITY_FILE_BYTES, 0, 0);
        if (error == 0)
            error = blocking_sync(io, file);
        int close_error = blocking_close(io, file);
        error = error < 0 ? error : close_error;
    }
    free(bytes);
    if (error == 0)
        error = blocking_rename(io, temporary, final);
    return error < 0 ? error : blocking_sync_directory(io, path);
}

/* The directory's own name must survive too: make it durable in the one that holds it, unless we
 * may not read that (then somebody else made it, before us). */
static int dir_sync_parent(struct imlog_io *io, const char *path)
{
    char parent[DIR_PATH_BYTES];
    int error = dir_join(parent, path, "..");
    if (error == 0)
        error = blocking_sync_directory(io, parent);
    return error == -EACCES || error == -EPERM ? 0 : error;
}

static int dir_create(struct imlog_io *io, const char *path, uint32_t shard_count,
                      struct identity *identity, struct imlog_why *why)
{
    int error = dir_check_empty(io, path, why);
    if (error < 0)
        return error;
    *identity =
        (struct identity){.shard_count = (uint16_t)shard_count, .created_ms = io->ops->wall_ms(io)};
    io->ops->random(io, identity->uuid, sizeof(identity->uuid));
    io->ops->random(io, &identity->salt, sizeof(identity->salt));
    error = dir_make_shards(io, path, shard_count);
    if (error == 0)
        error = dir_sync_parent(io, path);
    if (error == 0)
        error = dir_write_identity(io, path, identity);
    if (error < 0)
        return why_set(why, error, "cannot create a data directory in %s: %s", path,
                       imlog_error_text(error));
    return 0;
}

/* ---- lock ----------------------------------------------------------------------------------- */

static int dir_locked(struct imlog_dir *dir, const char *lock_path, struct imlog_why *why)
{
    char pid[32] = "";
    int64_t got = blocking_read(dir->io, dir->lock_file, pid, sizeof(pid) - 1, 0);
    size_t digits = got > 0 ? strspn(pid, "0123456789") : 0;
    pid[digits] = '\0';
    return why_set(why, IMLOG_ELOCKED,
                   "%s is in use by process %s (it holds %s): stop that, or use another directory",
                   dir->path, digits > 0 ? pid : "unknown", lock_path);
}

/* The rings of a process that was just killed hold the lock until their last write has landed,
 * a little longer than the process itself is seen: a restart right behind a kill waits for it. */
static int dir_lock_patiently(struct imlog_dir *dir)
{
    const struct imlog_io_ops *ops = dir->io->ops;
    uint64_t until_ns = ops->monotonic_ns(dir->io) + DIR_LOCK_PATIENCE_NS;
    for (;;) {
        int error = ops->lock(dir->io, dir->lock_file);
        if (error != -EWOULDBLOCK || ops->monotonic_ns(dir->io) >= until_ns)
            return error;
        int rc = ops->poll(dir->io, DIR_LOCK_RETRY_NS);
        if (rc < 0)
            return rc;
    }
}

static int dir_lock(struct imlog_dir *dir, struct imlog_why *why)
{
    char lock_path[DIR_PATH_BYTES];
    char pid[32] = {0};
    int error = dir_join(lock_path, dir->path, "LOCK");
    if (error < 0)
        return error;
    dir->lock_file = blocking_open(dir->io, lock_path, O_RDWR | O_CREAT);
    if (dir->lock_file < 0)
        return why_set(why, dir->lock_file, "cannot open %s: %s", lock_path,
                       imlog_error_text(dir->lock_file));
    error = dir_lock_patiently(dir);
    if (error == -EWOULDBLOCK)
        return dir_locked(dir, lock_path, why);
    if (error < 0)
        return why_set(why, error, "cannot lock %s: %s", lock_path, imlog_error_text(error));
    /* For people only; a full disk must not keep the node from serving reads. */
    (void)snprintf(pid, sizeof(pid), "%" PRIu64 "\n", dir->io->ops->process_id(dir->io));
    (void)blocking_write(dir->io, dir->lock_file, pid, sizeof(pid), 0, 0);
    return 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int dir_make_path(struct imlog_io *io, const char *path, bool create, struct imlog_why *why)
{
    int file = blocking_open(io, path, O_RDONLY | O_DIRECTORY);
    if (file >= 0) {
        (void)blocking_close(io, file);
        return 0;
    }
    if (file == -ENOENT && create) {
        int error = blocking_mkdir(io, path);
        if (error < 0)
            return why_set(why, error, "cannot make the directory %s: %s", path,
                           imlog_error_text(error));
        return 0;
    }
    return why_set(why, file, "cannot open the data directory %s: %s", path,
                   imlog_error_text(file));
}

static uint32_t dir_default_shards(struct imlog_io *io)
{
    uint32_t cores = io->ops->cpu_count(io);
    return cores > IMLOG_SHARDS_MAX ? IMLOG_SHARDS_MAX : cores;
}

/* The identity may have been made by a process that ended before its names were durable. Nothing
 * may be acked below a name that a power loss can take away. */
static int dir_settle(struct imlog_dir *dir, struct imlog_why *why)
{
    if (IMLOG_PLANTED(identity_name_not_synced))
        return 0;
    int error = dir_sync_parent(dir->io, dir->path);
    if (error == 0)
        error = blocking_sync_directory(dir->io, dir->path);
    if (error < 0)
        return why_set(why, error, "cannot make the names in %s durable: %s", dir->path,
                       imlog_error_text(error));
    return 0;
}

static int dir_identify(struct imlog_dir *dir, const struct imlog_dir_options *options,
                        struct imlog_why *why)
{
    int error = dir_read_identity(dir->io, dir->path, &dir->identity, why);
    if (error == IMLOG_EFOREIGN && options->create) {
        char file_path[DIR_PATH_BYTES];
        int exists = dir_join(file_path, dir->path, IDENTITY_FILE);
        int file = exists < 0 ? exists : blocking_open(dir->io, file_path, O_RDONLY);
        if (file >= 0) { /* something else under our name: not ours to replace */
            (void)blocking_close(dir->io, file);
            return error;
        }
        uint32_t shard_count =
            options->shard_count != 0 ? options->shard_count : dir_default_shards(dir->io);
        return dir_create(dir->io, dir->path, shard_count, &dir->identity, why);
    }
    if (error < 0)
        return error;
    if (options->shard_count != 0 && options->shard_count != dir->identity.shard_count)
        return why_set(why, IMLOG_EMISMATCH,
                       "%s was made with %u shards and %u were asked for: the number cannot "
                       "change; leave it out, or replay an export into a new directory",
                       dir->path, dir->identity.shard_count, options->shard_count);
    return dir_settle(dir, why);
}

int imlog_dir_open(struct imlog_io *io, const char *path, const struct imlog_dir_options *options,
                   struct imlog_dir **out, struct imlog_why *why)
{
    if (options->shard_count > IMLOG_SHARDS_MAX)
        return why_set(why, IMLOG_EINVALID, "shards: %u is above the limit of %d",
                       options->shard_count, IMLOG_SHARDS_MAX);
    if (strlen(path) == 0 || strlen(path) >= DIR_PATH_BYTES - 64)
        return why_set(why, IMLOG_EINVALID, "the path of the data directory is %s",
                       strlen(path) == 0 ? "empty" : "too long");
    int error = dir_make_path(io, path, options->create, why);
    if (error < 0)
        return error;
    struct imlog_dir *dir = calloc(1, sizeof(*dir));
    if (dir == NULL)
        return why_set(why, -ENOMEM, "out of memory");
    dir->io = io;
    dir->lock_file = -1;
    (void)snprintf(dir->path, sizeof(dir->path), "%s", path);
    /* A foreign directory is left as it is: look before the lock file is made. */
    struct identity identity;
    error = dir_read_identity(io, path, &identity, NULL);
    if (error == IMLOG_EFOREIGN && options->create)
        error = dir_check_empty(io, path, why);
    else if (error < 0)
        error = dir_read_identity(io, path, &identity, why);
    if (error == 0)
        error = dir_lock(dir, why);
    if (error == 0)
        error = dir_identify(dir, options, why);
    if (error < 0) {
        imlog_dir_close(dir);
        return error;
    }
    *out = dir;
    return 0;
}

void imlog_dir_close(struct imlog_dir *dir)
{
    if (dir->lock_file >= 0) {
        dir->io->ops->unlock(dir->io, dir->lock_file);
        (void)blocking_close(dir->io, dir->lock_file);
    }
    free(dir);
}

/* blocking.c: start one operation, poll until its done() ran. */
#define _GNU_SOURCE
#include "engine/io/blocking.h"

#include "engine/base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

enum { BLOCKING_PART_BYTES = 1024 * 1024, BLOCKING_READS = 4 };

struct wait {
    struct imlog_io_op op;
    int32_t result;
    bool finished;
};

static void handle_done(struct imlog_io_op *op, int32_t result)
{
    struct wait *wait = (struct wait *)(void *)op;
    wait->result = result;
    wait->finished = true;
}

#define WAIT_INIT                                                                                  \
    {                                                                                              \
        .op.done = handle_done                                                                     \
    }

/* `started` is what the start call returned. */
static int wait_finish(struct imlog_io *io, struct wait *wait, int started)
{
    if (started < 0)
        return started;
    while (!wait->finished) {
        int rc = io->ops->poll(io, UINT64_MAX);
        if (rc < 0)
            return rc;
    }
    return wait->result;
}

int blocking_open(struct imlog_io *io, const char *path, int flags)
{
    struct wait wait = WAIT_INIT;
    return wait_finish(io, &wait, io->ops->open(io, &wait.op, path, flags));
}

int blocking_close(struct imlog_io *io, int file)
{
    struct wait wait = WAIT_INIT;
    return wait_finish(io, &wait, io->ops->close(io, &wait.op, file));
}

/* One part, over short reads. Returns the bytes read: fewer only at the end of the file. */
static int64_t read_rest(struct imlog_io *io, int file, char *bytes, uint64_t byte_count,
                         uint64_t offset)
{
    uint64_t read_bytes = 0;
    while (read_bytes < byte_count) {
        struct iovec part = {.iov_base = bytes + read_bytes, .iov_len = byte_count - read_bytes};
        struct wait wait = WAIT_INIT;
        int got = wait_finish(io, &wait,
                              io->ops->read(io, &wait.op, file, &part, 1, offset + read_bytes));
        if (got < 0)
            return got;
        if (got == 0)
            break;
        read_bytes += (uint64_t)got;
    }
    return (int64_t)read_bytes;
}

/* A few parts at once: a disk is read at its speed only with more than one request waiting. */
int64_t blocking_read(struct imlog_io *io, int file, void *bytes, uint64_t byte_count,
                      uint64_t offset)
{
    uint64_t read_bytes = 0;
    while (read_bytes < byte_count) {
        struct wait waits[BLOCKING_READS];
        struct iovec parts[BLOCKING_READS];
        int started[BLOCKING_READS];
        uint32_t count = 0;
        for (uint64_t at = read_bytes; count < BLOCKING_READS && at < byte_count; count++) {
            uint64_t rest = byte_count - at;
            parts[count] =
                (struct iovec){.iov_base = (char *)bytes + at,
                               .iov_len = rest < BLOCKING_PART_BYTES ? rest : BLOCKING_PART_BYTES};
            waits[count] = (struct wait)WAIT_INIT;
            started[count] =
                io->ops->read(io, &waits[count].op, file, &parts[count], 1, offset + at);
            at += parts[count].iov_len;
        }
        int64_t verdict = 0;
        bool ended = false;
        for (uint32_t i = 0; i < count; i++) { /* all must come back before any of this returns */
            int64_t got = wait_finish(io, &waits[i], started[i]);
            if (verdict < 0 || ended)
                continue;
            if (got >= 0 && (uint64_t)got < parts[i].iov_len) {
                int64_t rest = read_rest(io, file, (char *)parts[i].iov_base + got,
                                         parts[i].iov_len - (uint64_t)got,
                                         offset + read_bytes + (uint64_t)got);
                got = rest < 0 ? rest : got + rest;
                ended = got >= 0 && (uint64_t)got < parts[i].iov_len;
            }
            verdict = got < 0 ? got : 0;
            read_bytes += got > 0 ? (uint64_t)got : 0;
        }
        if (verdict < 0)
            return verdict;
        if (ended)
            break;
    }
    return (int64_t)read_bytes;
}

int blocking_write(struct imlog_io *io, int file, const void *bytes, uint64_t byte_count,
                   uint64_t offset, uint32_t flags)
{
    for (uint64_t at = 0; at < byte_count;) {
        uint64_t rest = byte_count - at;
        struct iovec part = {.iov_base = (char *)(uintptr_t)bytes + at,
                             .iov_len = rest < BLOCKING_PART_BYTES ? rest : BLOCKING_PART_BYTES};
        struct wait wait = WAIT_INIT;
        int wrote = wait_finish(io, &wait,
                                io->ops->write(io, &wait.op, file, &part, 1, offset + at, flags));
        if (wrote < 0)
            return wrote;
        if ((uint64_t)wrote != part.iov_len)
            return -EIO;
        at += part.iov_len;
    }
    return 0;
}

int blocking_sync(struct imlog_io *io, int file)
{
    struct wait wait = WAIT_INIT;
    return wait_finish(io, &wait, io->ops->sync(io, &wait.op, file));
}

int blocking_allocate(struct imlog_io *io, int file, uint64_t bytes)
{
    struct wait wait = WAIT_INIT;
    return wait_finish(io, &wait, io->ops->allocate(io, &wait.op, file, bytes));
}

int blocking_rename(struct imlog_io *io, const char *from, const char *to)
{
    struct wait wait = WAIT_INIT;
    return wait_finish(io, &wait, io->ops->rename(io, &wait.op, from, to));
}

int blocking_unlink(struct imlog_io *io, const char *path)
{
    struct wait wait = WAIT_INIT;
    return wait_finish(io, &wait, io->ops->unlink(io, &wait.op, path));
}

int blocking_mkdir(struct imlog_io *io, const char *path)
{
    struct wait wait = WAIT_INIT;
    return wait_finish(io, &wait, io->ops->mkdir(io, &wait.op, path));
}

int blocking_sync_directory(struct imlog_io *io, const char *path)
{
    int file = blocking_open(io, path, O_RDONLY | O_DIRECTORY);
    if (file < 0)
        return file;
    int error = blocking_sync(io, file);
    int close_error = blocking_close(io, file);
    return error < 0 ? error : close_error;
}

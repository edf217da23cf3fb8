/* uring.c: the seam (include/imlog/io.h) on io_uring; the production backend.
 *
 * Every entry's user_data is its struct imlog_io_op. One tag bit marks an open that may be tried
 * again without O_DIRECT (tmpfs before Linux 6.6 and some network file systems have none).
 *
 * Set-up flags are probed from the newest down: DEFER_TASKRUN (6.1) runs completions only where
 * poll() asks for them, COOP_TASKRUN (5.19) spares interrupts, and a plain ring always works.
 *
 * Duty: done() of an op runs exactly once, and only from poll(). */
#define _GNU_SOURCE
#include "engine/io/uring.h"
#include "engine/base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <imlog/assert.h>
#include <imlog/io_uring.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    URING_ENTRIES_DEFAULT = 1024,
    URING_REAP_COUNT = 64,
    URING_HELD_MAX = 16,
    URING_TAG_OPEN = 1, /* in user_data: an open with O_DIRECT; its op keeps path and flags */
};

struct uring {
    struct imlog_io io; /* first: the seam hands this address around */
    struct io_uring ring;
    bool holds; /* the ring's table of held files is there */
    struct {
        int file;
        uint32_t holders;
    } held[URING_HELD_MAX];
};

static struct uring *uring_of(struct imlog_io *io)
{
    return (struct uring *)(void *)io;
}

static struct io_uring_sqe *uring_sqe(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (sqe != NULL)
        return sqe;
    (void)io_uring_submit(&uring->ring);
    return io_uring_get_sqe(&uring->ring);
}

struct io_uring_sqe *imlog_uring_sqe(struct imlog_io *io, struct imlog_io_op *op)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe != NULL)
        io_uring_sqe_set_data(sqe, op);
    return sqe;
}

/* Prepare functions overwrite user_data in newer liburings: it is set after them. */
static int uring_started(struct io_uring_sqe *sqe, struct imlog_io_op *op)
{
    io_uring_sqe_set_data(sqe, op);
    return 0;
}

static int uring_open(struct imlog_io *io, struct imlog_io_op *op, const char *path, int flags)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_openat(sqe, AT_FDCWD, path, flags | O_CLOEXEC, 0640);
    op->scratch[0] = (uint64_t)(uintptr_t)path;
    op->scratch[1] = (uint64_t)(uint32_t)flags;
    uintptr_t tag = (flags & O_DIRECT) != 0 ? URING_TAG_OPEN : 0;
    io_uring_sqe_set_data64(sqe, (uint64_t)((uintptr_t)op | tag));
    return 0;
}

static int uring_close(struct imlog_io *io, struct imlog_io_op *op, int file)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_close(sqe, file);
    return uring_started(sqe, op);
}

static int uring_read(struct imlog_io *io, struct imlog_io_op *op, int file,
                      const struct iovec *parts, uint32_t part_count, uint64_t offset)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_readv(sqe, file, parts, part_count, offset);
    return uring_started(sqe, op);
}

static int uring_write(struct imlog_io *io, struct imlog_io_op *op, int file,
                       const struct iovec *parts, uint32_t part_count, uint64_t offset,
                       uint32_t flags)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    int write_flags = (flags & IMLOG_IO_DURABLE) != 0 ? RWF_DSYNC : 0;
    io_uring_prep_writev2(sqe, file, parts, part_count, offset, write_flags);
    return uring_started(sqe, op);
}

static int uring_sync(struct imlog_io *io, struct imlog_io_op *op, int file)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_fsync(sqe, file, 0);
    return uring_started(sqe, op);
}

static int uring_allocate(struct imlog_io *io, struct imlog_io_op *op, int file, uint64_t bytes)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_fallocate(sqe, file, 0, 0, (off_t)bytes);
    return uring_started(sqe, op);
}

static int uring_rename(struct imlog_io *io, struct imlog_io_op *op, const char *from,
                        const char *to)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_rename(sqe, from, to);
    return uring_started(sqe, op);
}

static int uring_unlink(struct imlog_io *io, struct imlog_io_op *op, const char *path)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_unlink(sqe, path, 0);
    return uring_started(sqe, op);
}

static int uring_mkdir(struct imlog_io *io, struct imlog_io_op *op, const char *path)
{
    struct io_uring_sqe *sqe = uring_sqe(uring_of(io));
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_mkdir(sqe, path, 0750);
    return uring_started(sqe, op);
}

static int uring_list(struct imlog_io *io, const char *path,
                      void (*name)(void *arg, const char *name), void *arg)
{
    (void)io;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -errno;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            name(arg, entry->d_name);
    }
    int error = -errno;
    (void)closedir(directory);
    return error;
}

static int uring_file_bytes(struct imlog_io *io, int file, uint64_t *bytes)
{
    (void)io;
    struct stat status;
    if (fstat(file, &status) != 0)
        return -errno;
    *bytes = (uint64_t)status.st_size;
    return 0;
}

static int uring_free_bytes(struct imlog_io *io, const char *path, uint64_t *bytes)
{
    (void)io;
    struct statvfs status;
    if (statvfs(path, &status) != 0)
        return -errno;
    *bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

static int uring_lock(struct imlog_io *io, int file)
{
    (void)io;
    return flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

static void uring_unlock(struct imlog_io *io, int file)
{
    (void)io;
    (void)flock(file, LOCK_UN);
}

/* A file in the ring's table is let go by the kernel when the ring ends, and that is after the
 * ring's last request. */
static int uring_hold_new(struct uring *uring, uint32_t slot, int file)
{
    int table[URING_HELD_MAX];
    for (uint32_t i = 0; i < URING_HELD_MAX; i++)
        table[i] = -1;
    if (!uring->holds) {
        int error = io_uring_register_files(&uring->ring, table, URING_HELD_MAX);
        if (error < 0)
            return error;
        uring->holds = true;
    }
    int rc = io_uring_register_files_update(&uring->ring, slot, &file, 1);
    if (rc < 0)
        return rc;
    uring->held[slot].file = file;
    uring->held[slot].holders = 1;
    return 0;
}

static int uring_hold(struct imlog_io *io, int file)
{
    struct uring *uring = uring_of(io);
    uint32_t free_slot = URING_HELD_MAX;
    for (uint32_t i = 0; i < URING_HELD_MAX; i++) {
        if (uring->held[i].holders > 0 && uring->held[i].file == file) {
            uring->held[i].holders++;
            return 0;
        }
        if (uring->held[i].holders == 0)
            free_slot = i;
    }
    return free_slot == URING_HELD_MAX ? -EMFILE : uring_hold_new(uring, free_slot, file);
}

static void uring_release(struct imlog_io *io, int file)
{
    struct uring *uring = uring_of(io);
    int none = -1;
    for (uint32_t i = 0; i < URING_HELD_MAX; i++) {
        if (uring->held[i].holders == 0 || uring->held[i].file != file)
            continue;
        if (--uring->held[i].holders == 0)
            (void)io_uring_register_files_update(&uring->ring, i, &none, 1);
        return;
    }
}

static uint32_t uring_cpu_count(struct imlog_io *io)
{
    (void)io;
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (uint32_t)count;
}

static uint64_t uring_process_id(struct imlog_io *io)
{
    (void)io;
    return (uint64_t)getpid();
}

static uint64_t uring_monotonic_ns(struct imlog_io *io)
{
    (void)io;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t uring_wall_ms(struct imlog_io *io)
{
    (void)io;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

static void uring_random(struct imlog_io *io, void *bytes, uint32_t byte_count)
{
    (void)io;
    /* At most 256 bytes a call never comes back short (getrandom(2)). */
    for (uint32_t at = 0; at < byte_count;) {
        uint32_t part = byte_count - at < 256 ? byte_count - at : 256;
        ssize_t got = getrandom((char *)bytes + at, part, 0);
        IMLOG_ASSERT(got > 0 || errno == EINTR);
        at += got > 0 ? (uint32_t)got : 0;
    }
}

/* Run one completion; true if a done() ran. */
static bool uring_complete(struct uring *uring, uint64_t user_data, int32_t result, uint32_t flags)
{
    if (user_data == 0)
        return false; /* an entry nobody waits for */
    struct imlog_io_op *op =
        (struct imlog_io_op *)(uintptr_t)(user_data & ~(uint64_t)URING_TAG_OPEN); /* NOLINT */
    if ((user_data & URING_TAG_OPEN) != 0 && result == -EINVAL) {
        const char *path = (const char *)(uintptr_t)op->scratch[0]; /* NOLINT */
        int error = uring_open(&uring->io, op, path, (int)op->scratch[1] & ~O_DIRECT);
        if (error == 0)
            return false;
        result = error;
    }
    op->flags = flags;
    op->done(op, result);
    return true;
}

static int uring_reap(struct uring *uring)
{
    struct {
        uint64_t user_data;
        int32_t result;
        uint32_t flags;
    } reaped[URING_REAP_COUNT];
    struct io_uring_cqe *cqes[URING_REAP_COUNT];
    int ran = 0;
    for (;;) {
        unsigned count = io_uring_peek_batch_cqe(&uring->ring, cqes, URING_REAP_COUNT);
        for (unsigned i = 0; i < count; i++) {
            reaped[i].user_data = cqes[i]->user_data;
            reaped[i].result = cqes[i]->res;
            reaped[i].flags = cqes[i]->flags;
        }
        io_uring_cq_advance(&uring->ring, count);
        for (unsigned i = 0; i < count; i++)
            ran += uring_complete(uring, reaped[i].user_data, reaped[i].result, reaped[i].flags);
        if (count < URING_REAP_COUNT)
            return ran;
    }
}

static int uring_poll(struct imlog_io *io, uint64_t wait_ns)
{
    struct uring *uring = uring_of(io);
    int rc;
    if (wait_ns == 0) {
        rc = io_uring_submit_and_get_events(&uring->ring);
    } else {
        struct io_uring_cqe *cqe = NULL;
        struct __kernel_timespec wait = {.tv_sec = (long long)(wait_ns / 1000000000U),
                                         .tv_nsec = (long long)(wait_ns % 1000000000U)};
        rc = io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1,
                                              wait_ns == UINT64_MAX ? NULL : &wait, NULL);
    }
    if (rc < 0 && rc != -ETIME && rc != -EINTR && rc != -EBUSY && rc != -EAGAIN)
        return rc;
    return uring_reap(uring);
}

static const struct imlog_io_ops uring_ops = {
    .open = uring_open,
    .close = uring_close,
    .read = uring_read,
    .write = uring_write,
    .sync = uring_sync,
    .allocate = uring_allocate,
    .rename = uring_rename,
    .unlink = uring_unlink,
    .mkdir = uring_mkdir,
    .list = uring_list,
    .file_bytes = uring_file_bytes,
    .free_bytes = uring_free_bytes,
    .lock = uring_lock,
    .unlock = uring_unlock,
    .hold = uring_hold,
    .release = uring_release,
    .cpu_count = uring_cpu_count,
    .process_id = uring_process_id,
    .monotonic_ns = uring_monotonic_ns,
    .wall_ms = uring_wall_ms,
    .random = uring_random,
    .poll = uring_poll,
};

/* The kernel's answer to io_uring_setup(2), for people. */
int uring_explain(int error, struct imlog_why *why)
{
    switch (error) {
    case -ENOSYS:
        return why_set(why, IMLOG_EURING,
                       "io_uring is not available: this kernel has no io_uring, or a seccomp "
                       "profile hides it; use Linux 5.15 or newer, and in a container allow the "
                       "system calls io_uring_setup, io_uring_enter and io_uring_register "
                       "(docker: --security-opt seccomp=PROFILE)");
    case -EPERM:
    case -EACCES:
        return why_set(why, IMLOG_EURING,
                       "io_uring is not permitted (%s): either the sysctl "
                       "kernel.io_uring_disabled is set (need 0, or 1 with membership of "
                       "kernel.io_uring_group), or a container's seccomp profile blocks "
                       "io_uring_setup; allow it there",
                       imlog_error_name(error));
    case -ENOMEM:
        return why_set(why, IMLOG_EURING,
                       "io_uring could not get its memory: raise RLIMIT_MEMLOCK (ulimit -l) or "
                       "free some RAM");
    case -EMFILE:
    case -ENFILE:
        return why_set(why, error,
                       "io_uring needs a file descriptor and the limit is reached: "
                       "raise RLIMIT_NOFILE (ulimit -n)");
    default:
        return why_set(why, error, "io_uring could not be set up: %s", imlog_error_text(error));
    }
}

static int uring_queue_init(struct io_uring *ring, const struct imlog_uring_options *options)
{
    static const unsigned flag_sets[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_COOP_TASKRUN,
        0,
    };
    unsigned entries =
        options != NULL && options->entries != 0 ? options->entries : URING_ENTRIES_DEFAULT;
    unsigned first = options != NULL && options->plain_ring ? 2 : 0;
    int rc = -EINVAL;
    for (unsigned i = first; i < 3 && rc == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = flag_sets[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = entries * 8,
        };
        rc = io_uring_queue_init_params(entries, ring, &params);
    }
    return rc;
}

static int uring_probe(struct io_uring *ring, struct imlog_why *why)
{
    static const int needed[] = {IORING_OP_READV,     IORING_OP_WRITEV,   IORING_OP_FSYNC,
                                 IORING_OP_FALLOCATE, IORING_OP_OPENAT,   IORING_OP_CLOSE,
                                 IORING_OP_RENAMEAT,  IORING_OP_UNLINKAT, IORING_OP_MKDIRAT,
                                 IORING_OP_RECV,      IORING_OP_SEND,     IORING_OP_ACCEPT};
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (probe == NULL)
        return why_set(why, IMLOG_EURING,
                       "io_uring cannot be probed: Linux 5.15 or newer is "
                       "needed");
    int missing = -1;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]) && missing < 0; i++)
        missing = io_uring_opcode_supported(probe, needed[i]) ? -1 : needed[i];
    io_uring_free_probe(probe);
    if (missing >= 0)
        return why_set(why, IMLOG_EURING,
                       "this kernel's io_uring has no operation %d: Linux 5.15 or newer is needed",
                       missing);
    return 0;
}

int imlog_uring_create(const struct imlog_uring_options *options, struct imlog_io **io,
                       struct imlog_why *why)
{
    struct uring *uring = calloc(1, sizeof(*uring));
    if (uring == NULL)
        return why_set(why, -ENOMEM, "out of memory for an io_uring");
    uring->io.ops = &uring_ops;
    int error = uring_queue_init(&uring->ring, options);
    if (error < 0) {
        free(uring);
        return uring_explain(error, why);
    }
    error = uring_probe(&uring->ring, why);
    if (error < 0) {
        imlog_uring_destroy(&uring->io);
        return error;
    }
    *io = &uring->io;
    return 0;
}

void imlog_uring_destroy(struct imlog_io *io)
{
    struct uring *uring = uring_of(io);
    io_uring_queue_exit(&uring->ring);
    free(uring);
}

struct io_uring *imlog_uring_ring(struct imlog_io *io)
{
    return &uring_of(io)->ring;
}

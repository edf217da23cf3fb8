/* io.h: the seam. Everything nondeterministic the engine does (files, time, randomness, the
 * order of completions) goes through one struct imlog_io; the engine never calls the kernel
 * past it.
 *
 * Shape: completion-shaped from day one. A start call (open, read, write ...) returns 0 when
 * the operation is under way, and then op->done(op, result) runs exactly once, only inside
 * io->ops->poll(); or it returns < 0 and done() never runs. `result` is >= 0 (a handle, a byte
 * count, 0) or -errno. Reads and writes may be short. The op and every buffer, path and iovec
 * handed over belong to the backend until done() starts; they then belong to the owner again,
 * who may free or reuse them inside done().
 *
 * Completions come in any order. Nothing is durable before a write with IMLOG_IO_DURABLE, or a
 * sync issued after the write completed, has completed. A new, renamed or removed name is
 * durable only after a sync of its directory (a handle opened with O_DIRECTORY).
 *
 * Threads: an imlog_io belongs to one thread. Several shards of that thread share it. */
#ifndef IMLOG_IO_H
#define IMLOG_IO_H

#include <stdint.h>
#include <sys/uio.h>

struct imlog_io;
struct imlog_io_op;

typedef void imlog_io_done_fn(struct imlog_io_op *op, int32_t result);

/* One operation, embedded in whatever waits for it. `done` is set by the owner. */
struct imlog_io_op {
    imlog_io_done_fn *done;
    uint32_t flags;              /* backend's, valid in done(): io_uring's cqe->flags */
    struct imlog_io_op *pending; /* backend's: list link while it must queue */
    uint64_t scratch[2];         /* backend's */
};

enum {
    IMLOG_IO_DURABLE =
        1, /* write: data and what is needed to read it back are on media when done */
};

struct imlog_io_ops {
    /* flags: open(2)'s, mode 0640. result: a file handle. O_DIRECT is dropped by the backend
     * where the file system has none. */
    int (*open)(struct imlog_io *io, struct imlog_io_op *op, const char *path, int flags);
    int (*close)(struct imlog_io *io, struct imlog_io_op *op, int file);
    int (*read)(struct imlog_io *io, struct imlog_io_op *op, int file, const struct iovec *parts,
                uint32_t part_count, uint64_t offset);
    int (*write)(struct imlog_io *io, struct imlog_io_op *op, int file, const struct iovec *parts,
                 uint32_t part_count, uint64_t offset, uint32_t flags);
    /* Data and metadata of a file, or the names in a directory. */
    int (*sync)(struct imlog_io *io, struct imlog_io_op *op, int file);
    /* Reserve space for [0, bytes); grows the file; -ENOSPC leaves it usable. */
    int (*allocate)(struct imlog_io *io, struct imlog_io_op *op, int file, uint64_t bytes);
    int (*rename)(struct imlog_io *io, struct imlog_io_op *op, const char *from, const char *to);
    int (*unlink)(struct imlog_io *io, struct imlog_io_op *op, const char *path);
    /* mode 0750; -EEXIST if it is there. */
    int (*mkdir)(struct imlog_io *io, struct imlog_io_op *op, const char *path);

    /* Immediate calls: metadata that opening and housekeeping need, never the request path. */
    int (*list)(struct imlog_io *io, const char *path, void (*name)(void *arg, const char *name),
                void *arg);
    int (*file_bytes)(struct imlog_io *io, int file, uint64_t *bytes);
    int (*free_bytes)(struct imlog_io *io, const char *path, uint64_t *bytes);
    /* Exclusive advisory lock, until unlocked or until nothing holds the file any more;
     * -EWOULDBLOCK if another process has it. */
    int (*lock)(struct imlog_io *io, int file);
    void (*unlock)(struct imlog_io *io, int file);
    /* Hold a locked file for as long as any operation of this io may still reach the disk. A
     * killed process's writes can land after it is gone; its lock must not go first. */
    int (*hold)(struct imlog_io *io, int file);
    void (*release)(struct imlog_io *io, int file);

    /* What the process is: for the lock file and for defaults. */
    uint32_t (*cpu_count)(struct imlog_io *io);
    uint64_t (*process_id)(struct imlog_io *io);

    uint64_t (*monotonic_ns)(struct imlog_io *io);
    uint64_t (*wall_ms)(struct imlog_io *io); /* since 1970 */
    void (*random)(struct imlog_io *io, void *bytes, uint32_t byte_count);

    /* Hand what was started to the kernel, wait until at least one operation completes or
     * wait_ns has passed (0: do not wait), and run done() of all that completed. Returns how
     * many ran, or -errno. */
    int (*poll)(struct imlog_io *io, uint64_t wait_ns);
};

struct imlog_io {
    const struct imlog_io_ops *ops;
};

#endif

/* disk_state.h: the disk in memory, as its own files see it. */
#ifndef TESTS_LIB_DISK_STATE_H
#define TESTS_LIB_DISK_STATE_H

#include "tests/lib/disk_file.h"
#include "tests/lib/disk_tree.h"

enum { DISK_HANDLE_FIRST = 3, DISK_FAULTS_MAX = 8 };

struct disk_handle {
    char path[DISK_PATH_BYTES];
    int file;
    int flags;
    bool open;
};

/* An operation in flight. Buffers and iovecs are the owner's; paths are copied. */
struct disk_op {
    struct imlog_io_op *op;
    uint64_t number; /* in order of start */
    enum disk_op_kind kind;
    int handle;
    char path[DISK_PATH_BYTES];
    char to[DISK_PATH_BYTES];
    const struct iovec *parts;
    uint32_t part_count;
    uint64_t offset; /* allocate: the byte count */
    uint32_t flags;
    uint64_t sync_changes;
    uint64_t due_ns;                /* it does not complete before */
    const struct disk_fault *fault; /* what it meets, or NULL */
    bool held;
};

struct disk_armed {
    struct disk_fault fault;
    bool armed;
};

struct disk {
    struct imlog_io io; /* first: the seam hands this address around */
    struct prng prng;
    struct disk_tree tree;
    struct disk_file *files;
    uint32_t file_count;
    struct disk_handle *handles;
    uint32_t handle_count;
    struct disk_op *ops;
    uint32_t op_count;
    uint32_t op_capacity;
    uint64_t started[DISK_OP_KINDS + 1];
    bool held[DISK_OP_KINDS];
    struct disk_armed faults[DISK_FAULTS_MAX];
    struct disk_weather weather;
    void (*watch)(void *arg, const struct disk_moment *moment);
    void *watch_arg;
    uint64_t free_bytes;
    uint64_t monotonic_ns;
    uint64_t wall_ns;
    bool crashed;
    bool power_lost; /* in that crash */
};

static inline struct disk *disk_of(struct imlog_io *io)
{
    return (struct disk *)(void *)io;
}

static inline struct disk_handle *disk_handle(const struct disk *disk, int handle)
{
    return &disk->handles[handle - DISK_HANDLE_FIRST];
}

/* ---- disk_ops.c: what an operation does when it completes; its result ---------------------- */

int32_t disk_run(struct disk *disk, const struct disk_op *op);
int disk_new_file(struct disk *disk, bool is_directory);
/* All bytes of a write in one piece, for the caller to free. */
uint8_t *disk_join(const struct disk_op *op, uint64_t *byte_count);

/* ---- disk_faults.c -----------------------------------------------------------------------------
 */

/* The fault that an operation being started meets, or NULL. */
const struct disk_fault *disk_fault_of(struct disk *disk, enum disk_op_kind kind, const char *path);

#endif

/* lossfs_call.h: a request of the kernel that reaches the disk: held from its start to its reply.
 */
#ifndef TESTS_POWER_LOSSFS_CALL_H
#define TESTS_POWER_LOSSFS_CALL_H

#include "tests/power/lossfs.h"

#include <errno.h>
#include <sys/stat.h>

struct call {
    struct imlog_io_op op; /* first: done() is handed this address */
    fuse_req_t request;    /* NULL: answered already */
    struct lossfs *fs;
    struct iovec part;
    bool is_create;
    char path[LOSSFS_PATH_BYTES];
    char to[LOSSFS_PATH_BYTES]; /* of a rename */
    uint8_t bytes[];            /* of a read or write */
};

struct call *call_begin(struct lossfs *fs, fuse_req_t request, size_t byte_count,
                        imlog_io_done_fn *done);
/* `error` is what the start call returned: if it failed, that is the reply. */
void call_started(struct call *call, int error);
/* Replies with the result alone. */
void call_done(struct imlog_io_op *op, int32_t result);

static inline struct lossfs *fs_of(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

/* ---- handles: the disk's, with the generation above them ------------------------------------- */

static inline uint64_t handle_make(const struct lossfs *fs, int32_t file)
{
    return (uint64_t)fs->generation << 32 | (uint32_t)file;
}

/* -EIO: it was open when the power went. */
static inline int handle_file(const struct lossfs *fs, uint64_t handle)
{
    return handle >> 32 == fs->generation ? (int)(uint32_t)handle : -EIO;
}

/* Nobody waits for it, and after a cut there is nothing to close. */
void handle_close(struct lossfs *fs, uint64_t handle);
void handle_sync(fuse_req_t request, uint64_t handle, enum lossfs_lie lie);

/* -EIO, -ESTALE (path NULL), -ENOENT. */
int fill_stat(struct lossfs *fs, const char *path, struct stat *status);

#endif

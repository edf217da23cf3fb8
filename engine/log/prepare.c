/* prepare.c: the steps of prepare.h, each started by the completion of the one before. */
#define _GNU_SOURCE
#include "engine/log/prepare.h"

#include "engine/base/assert.h"
#include "engine/io/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/planted.h>
#include <stdlib.h>
#include <sys/mman.h>

static void prepare_step(struct prepare *prepare, int32_t result);

int prepare_init(struct prepare *prepare, struct imlog_io *io, struct media *media,
                 uint64_t segment_bytes)
{
    *prepare = (struct prepare){
        .io = io, .media = media, .segment_bytes = segment_bytes, .file = -1, .directory_file = -1};
    prepare->path = malloc(MEDIA_PATH_BYTES);
    /* Never written to: the kernel backs all of it with its one page of zeros. */
    void *zeros = mmap(NULL, PREPARE_ZERO_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (prepare->path == NULL || zeros == MAP_FAILED) {
        free(prepare->path);
        if (zeros != MAP_FAILED)
            (void)munmap(zeros, PREPARE_ZERO_BYTES);
        prepare->io = NULL; /* nothing to deinit */
        return -ENOMEM;
    }
    prepare->zeros.iov_base = zeros;
    return 0;
}

void prepare_deinit(struct prepare *prepare)
{
    if (prepare->io == NULL)
        return;
    while (prepare->under_way && prepare->io->ops->poll(prepare->io, UINT64_MAX) >= 0)
        continue;
    if (prepare->file >= 0)
        (void)blocking_close(prepare->io, prepare->file);
    if (prepare->directory_file >= 0)
        (void)blocking_close(prepare->io, prepare->directory_file);
    free(prepare->path);
    (void)munmap(prepare->zeros.iov_base, PREPARE_ZERO_BYTES);
    prepare->io = NULL;
}

static void prepare_fail(struct prepare *prepare, int error)
{
    prepare->state = PREPARE_FAILED;
    prepare->error = error;
    prepare->retry_ns = prepare->io->ops->monotonic_ns(prepare->io) + PREPARE_RETRY_NS;
}

static void handle_step_done(struct imlog_io_op *op, int32_t result)
{
    struct prepare *prepare = (struct prepare *)(void *)((char *)op - offsetof(struct prepare, op));
    prepare->under_way = false;
    prepare_step(prepare, result);
}

/* `started` is what the start call returned. */
static void prepare_started(struct prepare *prepare, enum prepare_state state, int started)
{
    if (started < 0) {
        prepare_fail(prepare, started);
        return;
    }
    prepare->state = state;
    prepare->under_way = true;
}

static void prepare_zero_next(struct prepare *prepare)
{
    const struct imlog_io_ops *ops = prepare->io->ops;
    if (prepare->zeroed_bytes == prepare->segment_bytes) {
        prepare_started(prepare, PREPARE_SYNCING,
                        ops->sync(prepare->io, &prepare->op, prepare->file));
        return;
    }
    uint64_t rest_bytes = prepare->segment_bytes - prepare->zeroed_bytes;
    prepare->zeros.iov_len = rest_bytes < PREPARE_ZERO_BYTES ? rest_bytes : PREPARE_ZERO_BYTES;
    prepare_started(prepare, PREPARE_ZEROING,
                    ops->write(prepare->io, &prepare->op, prepare->file, &prepare->zeros, 1,
                               prepare->zeroed_bytes, 0));
}

static void prepare_sync_directory(struct prepare *prepare)
{
    prepare_started(prepare, PREPARE_DIR_SYNCING,
                    prepare->io->ops->sync(prepare->io, &prepare->op, prepare->directory_file));
}

static void prepare_begin(struct prepare *prepare)
{
    const struct imlog_io_ops *ops = prepare->io->ops;
    prepare->op.done = handle_step_done;
    prepare->zeroed_bytes = 0;
    if (prepare->file >= 0) { /* a retry goes on with the file it has */
        prepare_started(
            prepare, PREPARE_ALLOCATING,
            ops->allocate(prepare->io, &prepare->op, prepare->file, prepare->segment_bytes));
        return;
    }
    media_segment_path(prepare->media, prepare->number, prepare->path);
    prepare_started(
        prepare, PREPARE_OPENING,
        ops->open(prepare->io, &prepare->op, prepare->path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT));
}

/* `result` is of the operation that prepare->state names. */
static void prepare_step(struct prepare *prepare, int32_t result)
{
    const struct imlog_io_ops *ops = prepare->io->ops;
    struct imlog_io *io = prepare->io;
    if (prepare->state == PREPARE_ALLOCATING && result == -EOPNOTSUPP)
        result = 0; /* zeroing will allocate */
    if (result < 0) {
        prepare_fail(prepare, result);
        return;
    }
    IMLOG_ASSERT(prepare->state != PREPARE_IDLE && prepare->state < PREPARE_READY);
    switch (prepare->state) {
    case PREPARE_OPENING:
        prepare->file = result;
        prepare_started(prepare, PREPARE_ALLOCATING,
                        ops->allocate(io, &prepare->op, prepare->file, prepare->segment_bytes));
        break;
    case PREPARE_ZEROING:
        if ((uint64_t)result != prepare->zeros.iov_len) {
            prepare_fail(prepare, -ENOSPC);
            break;
        }
        prepare->zeroed_bytes += (uint64_t)result;
        prepare->zeroed_bytes_total += (uint64_t)result;
        prepare_zero_next(prepare);
        break;
    case PREPARE_ALLOCATING:
        prepare_zero_next(prepare);
        break;
    case PREPARE_SYNCING:
        if (IMLOG_PLANTED(segment_name_not_synced))
            prepare->state = PREPARE_READY;
        else if (prepare->directory_file >= 0)
            prepare_sync_directory(prepare);
        else
            prepare_started(
                prepare, PREPARE_DIR_OPENING,
                ops->open(io, &prepare->op, prepare->media->directory, O_RDONLY | O_DIRECTORY));
        break;
    case PREPARE_DIR_OPENING:
        prepare->directory_file = result;
        prepare_sync_directory(prepare);
        break;
    case PREPARE_DIR_SYNCING:
        prepare->state = PREPARE_READY;
        prepare->error = 0;
        break;
    case PREPARE_IDLE:
    case PREPARE_READY:
    case PREPARE_FAILED:
        break; /* no operation belongs to these */
    }
}

void prepare_turn(struct prepare *prepare, uint32_t number)
{
    if (prepare->state == PREPARE_IDLE) {
        prepare->number = number;
        prepare_begin(prepare);
    } else if (prepare->state == PREPARE_FAILED &&
               prepare->io->ops->monotonic_ns(prepare->io) >= prepare->retry_ns) {
        prepare_begin(prepare);
    }
}

int prepare_take(struct prepare *prepare)
{
    IMLOG_ASSERT(prepare->state == PREPARE_READY);
    int file = prepare->file;
    prepare->file = -1;
    prepare->state = PREPARE_IDLE;
    return file;
}

bool prepare_may_retry(const struct prepare *prepare)
{
    switch (prepare->error) {
    case -ENOSPC:
    case -EDQUOT:
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -EAGAIN:
    case -EBUSY:
    case -EINTR:
        return true;
    default:
        return false;
    }
}

uint64_t prepare_wait_ns(const struct prepare *prepare, uint64_t now_ns)
{
    if (prepare->state == PREPARE_IDLE)
        return 0;
    if (prepare->state != PREPARE_FAILED)
        return UINT64_MAX;
    return prepare->retry_ns > now_ns ? prepare->retry_ns - now_ns : 0;
}

/* disk.c: the seam over the disk in memory: operations started, completed in seeded order, and
 * what a crash makes of them. */
#define _GNU_SOURCE
#include "tests/lib/disk.h"

#include "tests/lib/disk_state.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- starting ------------------------------------------------------------------------------- */

static const char *op_path(const struct disk *disk, const struct disk_op *op)
{
    return op->handle >= DISK_HANDLE_FIRST ? disk_handle(disk, op->handle)->path : op->path;
}

static void disk_tell(struct disk *disk, enum disk_event event, const struct disk_op *op,
                      int32_t result)
{
    if (disk->watch == NULL)
        return;
    struct disk_moment moment = {.event = event,
                                 .kind = op->kind,
                                 .path = op_path(disk, op),
                                 .offset = op->offset,
                                 .result = result};
    for (uint32_t i = 0; i < op->part_count; i++)
        moment.byte_count += op->parts[i].iov_len;
    disk->watch(disk->watch_arg, &moment);
}

/* When the weather lets it complete. */
static uint64_t disk_due_ns(struct disk *disk)
{
    const struct disk_weather *weather = &disk->weather;
    if (weather->stall_odds == 0 || !prng_one_in(&disk->prng, weather->stall_odds))
        return 0;
    return disk->monotonic_ns + prng_below(&disk->prng, weather->stall_ns_max);
}

static int disk_start(struct disk *disk, struct disk_op op, const char *path)
{
    if (disk->crashed)
        return -EIO;
    int error = path == NULL ? 0 : disk_path_clean(path, op.path);
    if (error < 0)
        return error;
    if (path == NULL) {
        IMLOG_ASSERT(op.handle >= DISK_HANDLE_FIRST);
        IMLOG_ASSERT((uint32_t)(op.handle - DISK_HANDLE_FIRST) < disk->handle_count);
        IMLOG_ASSERT(disk_handle(disk, op.handle)->open);
    }
    op.number = disk->started[DISK_OP_KINDS]++;
    disk->started[op.kind]++;
    op.fault = disk_fault_of(disk, op.kind, op_path(disk, &op));
    if (op.fault != NULL && op.fault->at_start) {
        disk_tell(disk, DISK_FAILED, &op, op.fault->error);
        return op.fault->error;
    }
    op.due_ns = disk_due_ns(disk);
    if (disk->op_count == disk->op_capacity) {
        disk->op_capacity = disk->op_capacity == 0 ? 64 : disk->op_capacity * 2;
        disk->ops = reallocarray(disk->ops, disk->op_capacity, sizeof(struct disk_op));
        IMLOG_ASSERT(disk->ops != NULL);
    }
    disk->ops[disk->op_count++] = op;
    disk_tell(disk, DISK_STARTED, &op, 0);
    return 0;
}

static int start_open(struct imlog_io *io, struct imlog_io_op *op, const char *path, int flags)
{
    struct disk_op start = {.op = op, .kind = DISK_OPEN, .flags = (uint32_t)flags};
    return disk_start(disk_of(io), start, path);
}

static int start_close(struct imlog_io *io, struct imlog_io_op *op, int file)
{
    return disk_start(disk_of(io), (struct disk_op){.op = op, .kind = DISK_CLOSE, .handle = file},
                      NULL);
}

static int start_read(struct imlog_io *io, struct imlog_io_op *op, int file,
                      const struct iovec *parts, uint32_t part_count, uint64_t offset)
{
    struct disk_op start = {.op = op,
                            .kind = DISK_READ,
                            .handle = file,
                            .parts = parts,
                            .part_count = part_count,
                            .offset = offset};
    return disk_start(disk_of(io), start, NULL);
}

/* Direct I/O is what the engine asks for: hold it to the rules of that. */
static void check_direct(const struct disk *disk, const struct disk_op *op)
{
    if (disk->crashed || (disk_handle(disk, op->handle)->flags & O_DIRECT) == 0)
        return;
    IMLOG_ASSERT(op->offset % 512 == 0);
    for (uint32_t i = 0; i < op->part_count; i++) {
        IMLOG_ASSERT(op->parts[i].iov_len % 512 == 0);
        IMLOG_ASSERT((uintptr_t)op->parts[i].iov_base % 512 == 0);
    }
}

static int start_write(struct imlog_io *io, struct imlog_io_op *op, int file,
                       const struct iovec *parts, uint32_t part_count, uint64_t offset,
                       uint32_t flags)
{
    struct disk_op start = {.op = op,
                            .kind = DISK_WRITE,
                            .handle = file,
                            .parts = parts,
                            .part_count = part_count,
                            .offset = offset,
                            .flags = flags};
    check_direct(disk_of(io), &start);
    return disk_start(disk_of(io), start, NULL);
}

/* It covers what completed before it was started. */
static int start_sync(struct imlog_io *io, struct imlog_io_op *op, int file)
{
    struct disk *disk = disk_of(io);
    struct disk_op start = {.op = op, .kind = DISK_SYNC, .handle = file};
    if (!disk->crashed)
        start.sync_changes = disk_file_changes(&disk->files[disk_handle(disk, file)->file]);
    return disk_start(disk, start, NULL);
}

static int start_allocate(struct imlog_io *io, struct imlog_io_op *op, int file, uint64_t bytes)
{
    struct disk_op start = {.op = op, .kind = DISK_ALLOCATE, .handle = file, .offset = bytes};
    return disk_start(disk_of(io), start, NULL);
}

static int start_rename(struct imlog_io *io, struct imlog_io_op *op, const char *from,
                        const char *to)
{
    struct disk_op start = {.op = op, .kind = DISK_RENAME};
    int error = disk_path_clean(to, start.to);
    return error < 0 ? error : disk_start(disk_of(io), start, from);
}

static int start_unlink(struct imlog_io *io, struct imlog_io_op *op, const char *path)
{
    return disk_start(disk_of(io), (struct disk_op){.op = op, .kind = DISK_UNLINK}, path);
}

static int start_mkdir(struct imlog_io *io, struct imlog_io_op *op, const char *path)
{
    return disk_start(disk_of(io), (struct disk_op){.op = op, .kind = DISK_MKDIR}, path);
}

/* ---- immediate calls ------------------------------------------------------------------------ */

static int list_names(struct imlog_io *io, const char *path,
                      void (*name)(void *arg, const char *name), void *arg)
{
    struct disk *disk = disk_of(io);
    char clean[DISK_PATH_BYTES];
    if (disk->crashed)
        return -EIO;
    if (disk_path_clean(path, clean) < 0 || disk_tree_find(&disk->tree, clean) == DISK_NO_FILE)
        return -ENOENT;
    for (uint32_t i = 0; i < disk->tree.seen.count; i++) {
        const char *last;
        if (disk_path_in(disk->tree.seen.all[i].path, clean, &last))
            name(arg, last);
    }
    return 0;
}

static int file_bytes(struct imlog_io *io, int file, uint64_t *bytes)
{
    struct disk *disk = disk_of(io);
    if (disk->crashed)
        return -EIO;
    *bytes = disk->files[disk_handle(disk, file)->file].seen.byte_count;
    return 0;
}

static int free_bytes(struct imlog_io *io, const char *path, uint64_t *bytes)
{
    (void)path;
    *bytes = disk_of(io)->free_bytes;
    return disk_of(io)->crashed ? -EIO : 0;
}

static int lock_file(struct imlog_io *io, int file)
{
    struct disk *disk = disk_of(io);
    if (disk->crashed)
        return -EIO;
    struct disk_file *locked = &disk->files[disk_handle(disk, file)->file];
    if (locked->locked_by >= 0 && locked->locked_by != file)
        return -EWOULDBLOCK;
    locked->locked_by = file;
    return 0;
}

static void unlock_file(struct imlog_io *io, int file)
{
    struct disk *disk = disk_of(io);
    struct disk_file *locked = &disk->files[disk_handle(disk, file)->file];
    if (locked->locked_by == file)
        locked->locked_by = -1;
}

/* A crash here ends all operations at once: there is no time between a lock and the disk. */
static int hold_file(struct imlog_io *io, int file)
{
    (void)file;
    return disk_of(io)->crashed ? -EIO : 0;
}

static void release_file(struct imlog_io *io, int file)
{
    (void)io;
    (void)file;
}

static uint32_t cpu_count(struct imlog_io *io)
{
    (void)io;
    return 1;
}

static uint64_t process_id(struct imlog_io *io)
{
    (void)io;
    return 4711;
}

static uint64_t monotonic_ns(struct imlog_io *io)
{
    return disk_of(io)->monotonic_ns;
}

static uint64_t wall_ms(struct imlog_io *io)
{
    return disk_of(io)->wall_ns / 1000000U;
}

static void random_bytes(struct imlog_io *io, void *bytes, uint32_t byte_count)
{
    for (uint32_t i = 0; i < byte_count; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)prng_next(&disk_of(io)->prng);
}

/* ---- completing ------------------------------------------------------------------------------ */

void disk_advance_ns(struct disk *disk, uint64_t ns)
{
    disk->monotonic_ns += ns;
    disk->wall_ns += ns;
}

/* The pick-th operation of those started before `number` that are not held back; -1: none. */
static int ready_op(const struct disk *disk, uint64_t number, uint64_t pick, uint32_t *ready_count)
{
    *ready_count = 0;
    for (uint32_t i = 0; i < disk->op_count; i++) {
        bool held = disk->ops[i].held || disk->held[disk->ops[i].kind] ||
                    disk->ops[i].due_ns > disk->monotonic_ns;
        if (disk->ops[i].number >= number || (held && !disk->crashed))
            continue;
        if ((*ready_count)++ == pick)
            return (int)i;
    }
    return -1;
}

static void complete_op(struct disk *disk, int at)
{
    struct disk_op op = disk->ops[at];
    disk->op_count--;
    memmove(disk->ops + at, disk->ops + at + 1,
            (disk->op_count - (uint32_t)at) * sizeof(struct disk_op));
    int32_t result = disk->crashed ? -EIO : disk_run(disk, &op);
    if (!disk->crashed)
        disk_tell(disk, result < 0 ? DISK_FAILED : DISK_DONE, &op, result);
    op.op->flags = 0;
    op.op->done(op.op, result);
}

/* When the first of those that stall is due; UINT64_MAX: there is none. */
static uint64_t stalled_until_ns(const struct disk *disk)
{
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < disk->op_count; i++) {
        const struct disk_op *op = &disk->ops[i];
        bool held = op->held || disk->held[op->kind];
        if (!held && op->due_ns > disk->monotonic_ns && op->due_ns < first_ns)
            first_ns = op->due_ns;
    }
    return first_ns;
}

/* Nothing is ready: let time pass until something is, or the wait is over. */
static int wait_disk(struct disk *disk, uint64_t wait_ns)
{
    uint64_t first_ns = stalled_until_ns(disk);
    if (first_ns == UINT64_MAX && wait_ns == UINT64_MAX)
        return -EDEADLK; /* nothing would ever end this wait: somebody's bug */
    uint64_t stalled_ns = first_ns - disk->monotonic_ns;
    disk_advance_ns(disk, stalled_ns < wait_ns ? stalled_ns : wait_ns);
    return 0;
}

static int poll_disk(struct imlog_io *io, uint64_t wait_ns)
{
    struct disk *disk = disk_of(io);
    uint64_t number = disk->started[DISK_OP_KINDS]; /* what done()s start waits for the next poll */
    uint32_t ready_count;
    disk_advance_ns(disk, 1000 + prng_below(&disk->prng, 20000));
    (void)ready_op(disk, number, UINT64_MAX, &ready_count);
    if (ready_count == 0) {
        int error = wait_disk(disk, wait_ns);
        (void)ready_op(disk, number, UINT64_MAX, &ready_count);
        if (error < 0 || ready_count == 0)
            return error;
    }
    uint64_t run_count = prng_below(&disk->prng, ready_count + 1);
    if (wait_ns > 0 && run_count == 0)
        run_count = 1;
    if (disk->crashed)
        run_count = ready_count;
    int ran = 0;
    for (; run_count > 0; run_count--, ran++) {
        uint32_t seen_count;
        int at = ready_op(disk, number, prng_below(&disk->prng, ready_count--), &seen_count);
        if (at < 0)
            break; /* a done() held them back, or crashed the disk */
        complete_op(disk, at);
    }
    return ran;
}

static const struct imlog_io_ops disk_io_ops = {
    .open = start_open,
    .close = start_close,
    .read = start_read,
    .write = start_write,
    .sync = start_sync,
    .allocate = start_allocate,
    .rename = start_rename,
    .unlink = start_unlink,
    .mkdir = start_mkdir,
    .list = list_names,
    .file_bytes = file_bytes,
    .free_bytes = free_bytes,
    .lock = lock_file,
    .unlock = unlock_file,
    .hold = hold_file,
    .release = release_file,
    .cpu_count = cpu_count,
    .process_id = process_id,
    .monotonic_ns = monotonic_ns,
    .wall_ms = wall_ms,
    .random = random_bytes,
    .poll = poll_disk,
};

/* ---- life ------------------------------------------------------------------------------------ */

struct disk *disk_create(uint64_t seed)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    IMLOG_ASSERT(disk != NULL);
    disk->io.ops = &disk_io_ops;
    disk->prng.state = seed;
    disk->free_bytes = UINT64_MAX;
    disk->monotonic_ns = 1000000000;
    disk->wall_ns = UINT64_C(1700000000000000000);
    disk_tree_init(&disk->tree, disk_new_file(disk, true));
    return disk;
}

void disk_destroy(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->file_count; i++)
        disk_file_clear(&disk->files[i]);
    disk_tree_clear(&disk->tree);
    free(disk->files);
    free(disk->handles);
    free(disk->ops);
    free(disk);
}

struct imlog_io *disk_io(struct disk *disk)
{
    return &disk->io;
}

void disk_set_wall_ms(struct disk *disk, uint64_t wall)
{
    disk->wall_ns = wall * 1000000U;
}

void disk_set_free_bytes(struct disk *disk, uint64_t bytes)
{
    disk->free_bytes = bytes;
}

void disk_set_weather(struct disk *disk, const struct disk_weather *weather)
{
    disk->weather = *weather;
}

void disk_watch(struct disk *disk, void (*watch)(void *arg, const struct disk_moment *moment),
                void *arg)
{
    disk->watch = watch;
    disk->watch_arg = arg;
}

uint64_t disk_op_count(const struct disk *disk, enum disk_op_kind kind)
{
    return disk->started[kind];
}

void disk_hold(struct disk *disk, enum disk_op_kind kind, bool hold)
{
    disk->held[kind] = hold;
}

void disk_hold_newest(struct disk *disk, enum disk_op_kind kind)
{
    for (uint32_t i = disk->op_count; i-- > 0;) {
        if (disk->ops[i].kind != kind)
            continue;
        disk->ops[i].held = true;
        return;
    }
    imlog_assert_failed("an operation of the kind is in flight", __FILE__, __LINE__);
}

void disk_let_go(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->op_count; i++)
        disk->ops[i].held = false;
}

uint32_t disk_in_flight(const struct disk *disk, enum disk_op_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk->op_count; i++)
        count += kind == DISK_OP_KINDS || disk->ops[i].kind == kind;
    return count;
}

/* ---- crash ----------------------------------------------------------------------------------- */

/* The device may have got to it already, or not; for writes, how far is the file's to decide. */
static void crash_op(struct disk *disk, const struct disk_op *op, enum disk_crash kind)
{
    bool happened = kind == DISK_KEEP_ALL || (kind != DISK_DROP_ALL && prng_one_in(&disk->prng, 2));
    if (op->kind == DISK_WRITE && kind == DISK_PROCESS) {
        struct disk_op cached = *op; /* seen; whether it is durable nobody waited to hear */
        cached.flags = 0;
        if (happened)
            (void)disk_run(disk, &cached);
    } else if (op->kind == DISK_WRITE) {
        uint64_t byte_count;
        uint8_t *bytes = disk_join(op, &byte_count);
        struct disk_file *file = &disk->files[disk_handle(disk, op->handle)->file];
        disk_file_in_flight(file, op->offset, bytes, byte_count);
        free(bytes);
    } else if (happened && op->kind != DISK_READ && op->kind != DISK_CLOSE) {
        (void)disk_run(disk, op);
    }
}

void disk_crash(struct disk *disk, enum disk_crash kind)
{
    IMLOG_ASSERT(!disk->crashed);
    disk->crashed = true;
    disk->power_lost = kind != DISK_PROCESS;
    for (uint32_t i = 0; i < disk->op_count; i++)
        crash_op(disk, &disk->ops[i], kind);
    if (!disk->power_lost)
        return;
    for (uint32_t i = 0; i < disk->file_count; i++)
        disk_file_crash(&disk->files[i], kind, &disk->prng);
    disk_tree_crash(&disk->tree, kind, &disk->prng);
}

void disk_reseed(struct disk *disk, uint64_t seed)
{
    disk->prng.state = seed;
}

void disk_abandon(struct disk *disk)
{
    IMLOG_ASSERT(disk->crashed);
    disk->op_count = 0;
}

/* Files that no name leads to are gone; their places stay, so that numbers mean what they did. */
static void sweep_files(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->file_count; i++)
        disk->files[i].in_use = false;
    for (uint32_t i = 0; i < disk->tree.seen.count; i++)
        disk->files[disk->tree.seen.all[i].file].in_use = true;
    for (uint32_t i = 0; i < disk->tree.durable.count; i++)
        disk->files[disk->tree.durable.all[i].file].in_use = true;
    for (uint32_t i = 0; i < disk->tree.step_count; i++) {
        if (disk->tree.steps[i].file != DISK_NO_FILE)
            disk->files[disk->tree.steps[i].file].in_use = true;
    }
    for (uint32_t i = 0; i < disk->file_count; i++) {
        if (disk->files[i].in_use)
            disk_file_restart(&disk->files[i], disk->power_lost);
        else
            disk_file_clear(&disk->files[i]);
    }
}

void disk_restart(struct disk *disk)
{
    IMLOG_ASSERT(disk->crashed);
    IMLOG_ASSERT(disk->op_count == 0);
    disk_heal(disk);
    memset(disk->held, 0, sizeof(disk->held));
    disk->handle_count = 0;
    if (disk->power_lost)
        disk_tree_restart(&disk->tree);
    sweep_files(disk);
    disk->crashed = false;
    disk_advance_ns(disk, 1000000000);
}

/* disk.h: a disk in memory behind the seam (<imlog/io.h>): deterministic, seeded, and honest
 * about what is durable.
 *
 * It keeps two images of everything: what reads see, and what a machine would find after losing
 * power. A write reaches the first when it completes, and the second only as the seam promises:
 * by IMLOG_IO_DURABLE, or by a sync started after it completed; a name by a sync of its
 * directory. Operations complete in seeded random order, some at each poll.
 *
 * A crash takes two steps, so that the crashed program's memory can be freed in between:
 *
 *     disk_crash()    the durable image is decided; from here on every operation fails
 *                     with -EIO and changes nothing, those in flight too
 *     disk_restart()  the durable image (after DISK_PROCESS: all that was seen) becomes the
 *                     disk; all handles are gone
 *
 * One thread. Paths are absolute; "/" exists. */
#ifndef TESTS_LIB_DISK_H
#define TESTS_LIB_DISK_H

#include <imlog/io.h>
#include <stdbool.h>
#include <stdint.h>

struct disk;

struct disk *disk_create(uint64_t seed);
void disk_destroy(struct disk *disk);
struct imlog_io *disk_io(struct disk *disk);

/* ---- clocks: both move a little with every poll ------------------------------------------- */

void disk_advance_ns(struct disk *disk, uint64_t ns);
/* The wall clock jumps; the monotonic one does not. */
void disk_set_wall_ms(struct disk *disk, uint64_t wall_ms);

/* ---- crash ---------------------------------------------------------------------------------- */

/* What becomes of writes and names that nothing made durable, those in flight included. */
enum disk_crash {
    DISK_PROCESS,   /* the program died, the machine did not: all that completed, and perhaps what
                       was in flight, is seen, and as little durable as it was */
    DISK_KEEP_ALL,  /* all of it had just reached the media */
    DISK_DROP_ALL,  /* none of it had */
    DISK_PREFIX,    /* each file has a prefix of them, the last one cut at a sector */
    DISK_TORN_512,  /* each was torn: any subset of its 512-byte sectors is there */
    DISK_TORN_4096, /* the same with 4096-byte sectors */
    DISK_REORDERED, /* any of them, in any order */
    DISK_GARBLED,   /* as DISK_TORN_512, and sectors that were under way may hold anything */
    DISK_ANY,       /* for each file and write, one of the above by chance */
};
enum { DISK_CRASH_KINDS = DISK_ANY + 1 };

void disk_crash(struct disk *disk, enum disk_crash kind);
void disk_restart(struct disk *disk);
/* What chance does from here on. */
void disk_reseed(struct disk *disk, uint64_t seed);
/* After disk_crash(), for a program that will never run again: what it had in flight is
 * forgotten, without done(). */
void disk_abandon(struct disk *disk);

/* ---- watching ------------------------------------------------------------------------------- */

enum disk_event {
    DISK_STARTED, /* an operation was started */
    DISK_DONE,    /* it had its effect; done() is next */
    DISK_FAILED,  /* it had none: its start failed, or an error met it */
};

/* What a watcher is told of an operation. */
struct disk_moment {
    enum disk_event event;
    uint32_t kind; /* enum disk_op_kind */
    const char *path;
    uint64_t offset;
    uint64_t byte_count;
    int32_t result; /* of DISK_DONE and DISK_FAILED */
};

/* Called for every operation; it may crash the disk, or arm a fault: one armed while an operation
 * starts meets the next. One watcher; NULL: none. */
void disk_watch(struct disk *disk, void (*watch)(void *arg, const struct disk_moment *moment),
                void *arg);

/* ---- weather: what a slow, busy machine does to all operations ------------------------------ */

struct disk_weather {      /* all zero: fair */
    uint32_t stall_odds;   /* one operation in so many stalls */
    uint64_t stall_ns_max; /* for as long as this */
    uint32_t short_odds;   /* one read in so many comes short */
};

void disk_set_weather(struct disk *disk, const struct disk_weather *weather);

/* ---- faults -----------------------------------------------------------------------------------
 */

enum disk_op_kind {
    DISK_OPEN,
    DISK_CLOSE,
    DISK_READ,
    DISK_WRITE,
    DISK_SYNC,
    DISK_ALLOCATE,
    DISK_RENAME,
    DISK_UNLINK,
    DISK_MKDIR,
    DISK_OP_KINDS, /* also: of any kind */
};

struct disk_fault {
    enum disk_op_kind kind; /* which operations; DISK_OP_KINDS: any */
    const char *path_part;  /* only of files whose path contains this; NULL: any */
    uint64_t skip_count;    /* let so many pass first */
    int error;              /* -errno; 0 with short_bytes */
    uint32_t short_bytes;   /* error 0: the read or write stops after so many bytes */
    bool for_ever;          /* and all operations of the kind that follow */
    bool at_start;          /* the start call fails, instead of the completion */
};

/* Arm one fault (several may be armed). A write that fails leaves any part of itself behind. A
 * sync that fails may have dropped what it was to make durable, and the next one then succeeds
 * without it, unless everything fails for ever (Rebello et al., "Can Applications Recover from
 * fsync Failures?", ATC 2020). */
void disk_fail(struct disk *disk, const struct disk_fault *fault);
void disk_heal(struct disk *disk); /* disarm all */
/* Operations started so far, of a kind (DISK_OP_KINDS: all): where to place a fault. */
uint64_t disk_op_count(const struct disk *disk, enum disk_op_kind kind);

/* Space that is left, to allocate and for files to grow; UINT64_MAX at first. */
void disk_set_free_bytes(struct disk *disk, uint64_t free_bytes);

/* Completions of this kind are held back while set (and others go on). */
void disk_hold(struct disk *disk, enum disk_op_kind kind, bool hold);
/* The newest operation of the kind in flight is held back, until all are let go. */
void disk_hold_newest(struct disk *disk, enum disk_op_kind kind);
void disk_let_go(struct disk *disk);
/* In flight, of a kind (DISK_OP_KINDS: all). */
uint32_t disk_in_flight(const struct disk *disk, enum disk_op_kind kind);

/* Reads of [offset, offset + byte_count) fail with -EIO from now on. Once a file. */
void disk_set_unreadable(struct disk *disk, const char *path, uint64_t offset, uint64_t byte_count);

/* ---- the files, from outside --------------------------------------------------------------------
 */

bool disk_has(const struct disk *disk, const char *path);
bool disk_is_directory(const struct disk *disk, const char *path);
uint64_t disk_file_bytes(const struct disk *disk, const char *path); /* 0 if there is none */
/* Into and out of both images; the file must exist and be long enough. */
void disk_peek(const struct disk *disk, const char *path, uint64_t offset, void *bytes,
               uint64_t byte_count);
void disk_poke(struct disk *disk, const char *path, uint64_t offset, const void *bytes,
               uint64_t byte_count);
void disk_flip_bit(struct disk *disk, const char *path, uint64_t bit_index);
void disk_remove(struct disk *disk, const char *path);
void disk_truncate(struct disk *disk, const char *path, uint64_t byte_count);

#endif

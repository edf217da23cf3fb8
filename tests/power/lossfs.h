/* lossfs.h: the disk in memory (tests/lib/disk.h) as a mounted file system, so that a real process
 * can lose power.
 *
 * Every request of the kernel becomes an operation of that disk's seam: it is under way for a
 * while, completes in seeded order beside others, and reaches the durable image by the rules of
 * disk.h and by nothing else. O_DSYNC and RWF_DSYNC come as flags of the write; nothing is cached
 * by the kernel (direct I/O, no attribute or name outlives its answer).
 *
 * A cut is disk_crash(): what is under way and what nobody synced is decided there and then, and
 * all requests fail with -EIO until the restart. A restart is disk_restart(): files and names are
 * what was durable; whatever was open is stale and fails for ever.
 *
 * One thread; the loop is in lossfs.c. */
#ifndef TESTS_POWER_LOSSFS_H
#define TESTS_POWER_LOSSFS_H

#define FUSE_USE_VERSION 35

#include "tests/lib/disk.h"

#include <fuse3/fuse_lowlevel.h>

enum { LOSSFS_PATH_BYTES = 256, LOSSFS_SECTOR_BYTES = 512, LOSSFS_WRITE_BYTES_MAX = 1 << 20 };

/* What is acknowledged without being done: a test of the test. */
enum lossfs_lie {
    LOSSFS_LIE_WRITES = 1, /* durable writes are only seen */
    LOSSFS_LIE_SYNCS = 2,  /* a sync of a file does nothing */
    LOSSFS_LIE_NAMES = 4,  /* nor does one of a directory */
};

/* What the kernel calls an inode: a path, until that is unlinked, replaced or lost. Numbers are
 * never used again. */
struct lossfs_node {
    char path[LOSSFS_PATH_BYTES]; /* "": stale */
};

struct lossfs {
    struct disk *disk;
    struct imlog_io *io;
    uint32_t lies;             /* of enum lossfs_lie */
    uint32_t generation;       /* of handles: one more each restart */
    struct lossfs_node *nodes; /* by inode number - 1; the first is "/" */
    uint64_t node_count;
    uint64_t node_capacity;
    bool cut; /* and not restarted yet */
    bool cut_armed;
    enum disk_crash cut_kind;
    uint64_t cut_at;              /* operations the disk has started */
    uint64_t write_count;         /* since the restart */
    uint64_t durable_write_count; /* of these */
    uint64_t sync_count;
};

/* ---- lossfs_nodes.c -------------------------------------------------------------------------- */

/* The inode number of a path, given on first use. */
fuse_ino_t lossfs_node_of(struct lossfs *fs, const char *path);
/* NULL: it is stale. */
const char *lossfs_path(const struct lossfs *fs, fuse_ino_t node);
/* The path of a name in a directory: 0, -ESTALE, -ENAMETOOLONG. */
int lossfs_join(const struct lossfs *fs, fuse_ino_t directory, const char *name,
                char path[LOSSFS_PATH_BYTES]);
/* `to` is what `from` was; from NULL: it is nothing any more. */
void lossfs_nodes_move(struct lossfs *fs, const char *from, const char *to);
/* All but "/" are stale. */
void lossfs_nodes_forget(struct lossfs *fs);

/* ---- lossfs_files.c, lossfs_names.c: struct fuse_lowlevel_ops says what each does ------------ */

void call_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void call_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info);
void call_setattr(fuse_req_t request, fuse_ino_t node, struct stat *wanted, int which,
                  struct fuse_file_info *info);
void call_statfs(fuse_req_t request, fuse_ino_t node);
void call_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info);
void call_readdir(fuse_req_t request, fuse_ino_t node, size_t byte_count, off_t offset,
                  struct fuse_file_info *info);
void call_fsyncdir(fuse_req_t request, fuse_ino_t node, int datasync, struct fuse_file_info *info);
void call_releasedir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info);
void call_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void call_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void call_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                 const char *new_name, unsigned int flags);
void call_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info);
void call_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                 struct fuse_file_info *info);
void call_read(fuse_req_t request, fuse_ino_t node, size_t byte_count, off_t offset,
               struct fuse_file_info *info);
void call_write(fuse_req_t request, fuse_ino_t node, const char *bytes, size_t byte_count,
                off_t offset, struct fuse_file_info *info);
void call_fsync(fuse_req_t request, fuse_ino_t node, int datasync, struct fuse_file_info *info);
void call_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t byte_count,
                    struct fuse_file_info *info);
void call_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info);

/* ---- lossfs_power.c -------------------------------------------------------------------------- */

/* An operation was started: cut if this was the one. */
void lossfs_count(struct lossfs *fs);
/* One command line: "cut KIND AFTER" (after so many operations; 0: now) or "restart". Answers go
 * to standard output, one line each: "armed", "cut ...", "restarted", or "error ...". */
void lossfs_command(struct lossfs *fs, char *line);

#endif

/* lossfs_power.c: the power switch: when it is cut, when it is back, and the line that says so. */
#include "tests/power/lossfs.h"

#include <imlog/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[DISK_CRASH_KINDS] = {
    [DISK_KEEP_ALL] = "keep-all",   [DISK_DROP_ALL] = "drop-all",
    [DISK_PREFIX] = "prefix",       [DISK_TORN_512] = "torn-512",
    [DISK_TORN_4096] = "torn-4096", [DISK_REORDERED] = "reordered",
    [DISK_GARBLED] = "garbled",     [DISK_ANY] = "any",
};

static void say(const char *line)
{
    (void)puts(line);
    (void)fflush(stdout);
}

static void cut(struct lossfs *fs)
{
    char line[256];
    (void)snprintf(line, sizeof line,
                   "cut kind=%s writes=%" PRIu64 " durable=%" PRIu64 " syncs=%" PRIu64
                   " in_flight=%" PRIu32,
                   kind_names[fs->cut_kind], fs->write_count, fs->durable_write_count,
                   fs->sync_count, disk_in_flight(fs->disk, DISK_WRITE));
    disk_crash(fs->disk, fs->cut_kind);
    fs->cut_armed = false;
    fs->cut = true;
    say(line);
}

void lossfs_count(struct lossfs *fs)
{
    if (fs->cut_armed && disk_op_count(fs->disk, DISK_OP_KINDS) >= fs->cut_at)
        cut(fs);
}

static void arm(struct lossfs *fs, const char *kind_name, const char *after)
{
    for (int kind = DISK_KEEP_ALL; kind < DISK_CRASH_KINDS; kind++) {
        if (strcmp(kind_names[kind], kind_name) != 0)
            continue;
        fs->cut_kind = (enum disk_crash)kind;
        fs->cut_at = disk_op_count(fs->disk, DISK_OP_KINDS) + strtoull(after, NULL, 10);
        fs->cut_armed = true;
        say("armed");
        lossfs_count(fs);
        return;
    }
    say("error: no such kind of cut");
}

static void restart(struct lossfs *fs)
{
    while (disk_in_flight(fs->disk, DISK_OP_KINDS) > 0) {
        int ran = fs->io->ops->poll(fs->io, UINT64_MAX); /* each fails */
        IMLOG_ASSERT(ran >= 0);
    }
    disk_restart(fs->disk);
    lossfs_nodes_forget(fs);
    fs->generation++;
    fs->write_count = fs->durable_write_count = fs->sync_count = 0;
    fs->cut = false;
    say("restarted");
}

void lossfs_command(struct lossfs *fs, char *line)
{
    char *rest = NULL;
    const char *verb = strtok_r(line, " \n", &rest);
    const char *kind_name = strtok_r(NULL, " \n", &rest);
    const char *after = strtok_r(NULL, " \n", &rest);
    if (verb != NULL && strcmp(verb, "cut") == 0 && after != NULL && !fs->cut)
        arm(fs, kind_name, after);
    else if (verb != NULL && strcmp(verb, "restart") == 0 && fs->cut)
        restart(fs);
    else
        say("error: not understood, or not now");
}

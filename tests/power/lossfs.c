/* lossfs.c: mounts the disk in memory and serves it: the loop, and what starts and ends it.
 *
 * Commands come by standard input (lossfs_power.c). Its end unmounts and ends the program, so that
 * it does not outlive the test that started it. */
#define _GNU_SOURCE
#include "tests/power/lossfs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <imlog/assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_STARTING = 1, EXIT_USAGE = 2, EXIT_NO_FUSE = 77, DISK_TURN_NS = 50000 };

static const char usage_text[] =
    "usage: lossfs [--seed N] [--lie writes|syncs|names]... MOUNTPOINT\n"
    "\n"
    "Mounts an empty file system in memory that loses what was not synced when its power is cut.\n"
    "Says 'mounted', then obeys lines on standard input until that ends:\n"
    "\n"
    "  cut KIND AFTER   after so many more operations: keep-all, drop-all, prefix, torn-512,\n"
    "                   torn-4096, reordered, garbled or any; says 'armed', and 'cut ...' when it\n"
    "                   happens\n"
    "  restart          what was durable is there again; says 'restarted'\n"
    "\n"
    "  --lie WHAT       acknowledge durable writes, syncs of files or of directories without\n"
    "                   doing anything\n"
    "\n"
    "Exit: 0 at the end, 1 if it could not start, 2 for wrong usage, 77 if nothing can be mounted\n"
    "on this machine (no FUSE, or no permission).\n";

static void call_init(void *arg, struct fuse_conn_info *connection)
{
    (void)arg;
    connection->max_write = LOSSFS_WRITE_BYTES_MAX;
    connection->want |= FUSE_CAP_ATOMIC_O_TRUNC & connection->capable;
}

static const struct fuse_lowlevel_ops calls = {
    .init = call_init,
    .lookup = call_lookup,
    .getattr = call_getattr,
    .setattr = call_setattr,
    .statfs = call_statfs,
    .opendir = call_opendir,
    .readdir = call_readdir,
    .fsyncdir = call_fsyncdir,
    .releasedir = call_releasedir,
    .mkdir = call_mkdir,
    .unlink = call_unlink,
    .rename = call_rename,
    .open = call_open,
    .create = call_create,
    .read = call_read,
    .write = call_write,
    .fsync = call_fsync,
    .fallocate = call_fallocate,
    .release = call_release,
};

/* ---- the loop -------------------------------------------------------------------------------- */

struct input {
    char line[256];
    size_t line_bytes;
};

/* False at its end. */
static bool read_commands(struct lossfs *fs, struct input *input)
{
    char *end;
    ssize_t got = read(STDIN_FILENO, input->line + input->line_bytes,
                       sizeof input->line - 1 - input->line_bytes);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    input->line_bytes += (size_t)got;
    input->line[input->line_bytes] = '\0';
    while ((end = strchr(input->line, '\n')) != NULL) {
        *end = '\0';
        lossfs_command(fs, input->line);
        input->line_bytes -= (size_t)(end + 1 - input->line);
        memmove(input->line, end + 1, input->line_bytes + 1);
    }
    return true;
}

/* All requests that have come; false when the file system was unmounted. */
static bool take_requests(struct fuse_session *session, struct fuse_buf *buffer)
{
    int got;
    while ((got = fuse_session_receive_buf(session, buffer)) > 0)
        fuse_session_process_buf(session, buffer);
    return got == -EAGAIN || got == -EINTR;
}

static void serve(struct lossfs *fs, struct fuse_session *session)
{
    struct pollfd sources[] = {{.fd = fuse_session_fd(session), .events = POLLIN},
                               {.fd = STDIN_FILENO, .events = POLLIN}};
    const struct timespec turn = {.tv_nsec = DISK_TURN_NS};
    struct fuse_buf buffer = {0};
    struct input input = {.line_bytes = 0};
    bool more = true;
    while (more && !fuse_session_exited(session)) {
        bool busy = disk_in_flight(fs->disk, DISK_OP_KINDS) > 0;
        if (ppoll(sources, 2, busy ? &turn : NULL, NULL) < 0)
            continue; /* a signal; the session knows */
        if (sources[0].revents != 0)
            more = take_requests(session, &buffer);
        if (sources[1].revents != 0)
            more = read_commands(fs, &input) && more;
        int ran = busy ? fs->io->ops->poll(fs->io, 0) : 0;
        IMLOG_ASSERT(ran >= 0);
    }
    free(buffer.mem);
}

/* ---- start and end --------------------------------------------------------------------------- */

static void serve_mounted(struct lossfs *fs, struct fuse_session *session)
{
    int file = fuse_session_fd(session);
    int error = fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
    IMLOG_ASSERT(error == 0);
    (void)puts("mounted");
    (void)fflush(stdout);
    serve(fs, session);
    fuse_session_unmount(session);
    while (disk_in_flight(fs->disk, DISK_OP_KINDS) > 0)
        (void)fs->io->ops->poll(fs->io, UINT64_MAX); /* replies need the session */
}

static int mount_and_serve(struct lossfs *fs, const char *mountpoint)
{
    char *words[] = {(char *)"lossfs", (char *)"-ofsname=lossfs,noatime"};
    struct fuse_args args = FUSE_ARGS_INIT(2, words);
    struct fuse_session *session = fuse_session_new(&args, &calls, sizeof calls, fs);
    int code = EXIT_STARTING;
    if (session != NULL && fuse_set_signal_handlers(session) == 0) {
        code = fuse_session_mount(session, mountpoint) == 0 ? 0 : EXIT_NO_FUSE;
        if (code == 0)
            serve_mounted(fs, session);
        fuse_remove_signal_handlers(session);
    }
    if (session != NULL)
        fuse_session_destroy(session);
    fuse_opt_free_args(&args);
    return code;
}

static int run(uint64_t seed, uint32_t lies, const char *mountpoint)
{
    struct lossfs fs = {.disk = disk_create(seed), .lies = lies};
    fs.io = disk_io(fs.disk);
    (void)lossfs_node_of(&fs, "/");
    int code = mount_and_serve(&fs, mountpoint);
    disk_destroy(fs.disk);
    free(fs.nodes);
    return code;
}

static uint32_t lie_of(const char *name)
{
    if (strcmp(name, "writes") == 0)
        return LOSSFS_LIE_WRITES;
    if (strcmp(name, "syncs") == 0)
        return LOSSFS_LIE_SYNCS;
    return strcmp(name, "names") == 0 ? LOSSFS_LIE_NAMES : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"lie", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    uint64_t seed = 1;
    uint32_t lies = 0;
    bool usable = true;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'l' && lie_of(optarg) != 0)
            lies |= lie_of(optarg);
        else
            usable = false;
    }
    if (!usable || optind != argc - 1) {
        (void)fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    if (access(argv[optind], X_OK) != 0) {
        (void)fprintf(stderr, "lossfs: %s: %s\n", argv[optind], strerror(errno));
        return EXIT_STARTING;
    }
    return run(seed, lies, argv[optind]);
}

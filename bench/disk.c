/* disk.c: how many durable writes, and bytes, a second does the disk itself take?
 *
 * The limit of goals 3 and 4: --window threads, each with one O_DIRECT write of --bytes bytes
 * under RWF_DSYNC at a time, over blocks of a file that were written before, one after the other
 * and round again. This is what a log can do at best, with the kernel's plainest interface:
 * nothing of imlog is in it. The file lies in --data-dir and is gone afterwards. */
#define _GNU_SOURCE /* pwritev2(), O_DIRECT */

#include "bench/clock.h"
#include "bench/fail.h"
#include "bench/meter.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <imlog/limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DISK_PREPARE_BYTES = 1024 * 1024, DISK_THREADS_MAX = 256 };

struct disk {
    const struct options *options;
    int file;
    uint64_t write_count; /* that fit the file */
    uint64_t started_ns;
    _Atomic uint64_t next_write;
};

struct disk_writer {
    pthread_t thread;
    struct disk *disk;
    uint8_t *bytes;
    struct meter meter;
};

static int disk_write(struct disk *disk, uint8_t *bytes, uint64_t byte_count, uint64_t offset)
{
    struct iovec part = {.iov_base = bytes, .iov_len = byte_count};
    ssize_t written = pwritev2(disk->file, &part, 1, (off_t)offset, RWF_DSYNC);

    if (written < 0) {
        return -errno;
    }
    return (uint64_t)written == byte_count ? 0 : -EIO;
}

static void *disk_writer_main(void *arg)
{
    struct disk_writer *writer = arg;
    struct disk *disk = writer->disk;
    uint32_t write_bytes = disk->options->body_bytes;
    uint64_t now_ns = clock_now_ns();

    while (now_ns < writer->meter.end_ns) {
        uint64_t begin_ns = now_ns;
        uint64_t index = atomic_fetch_add(&disk->next_write, 1) % disk->write_count;
        int error = disk_write(disk, writer->bytes, write_bytes, index * write_bytes);
        now_ns = clock_now_ns();
        if (error < 0) {
            meter_error(&writer->meter, error, 1);
            break;
        }
        meter_answer(&writer->meter, now_ns, begin_ns, 1);
    }
    return NULL;
}

/* An unlinked file whose blocks were all written: nothing is allocated while we measure. */
static int disk_prepare(struct disk *disk, struct imlog_why *why)
{
    char path[4096];
    uint8_t *bytes = aligned_alloc(IMLOG_BLOCK_BYTES, DISK_PREPARE_BYTES);
    int error = bytes == NULL ? -ENOMEM : 0;

    (void)mkdir(disk->options->data_dir, 0750); /* if it fails, opening the file says why */
    (void)snprintf(path, sizeof(path), "%s/imlog-bench-disk", disk->options->data_dir);
    disk->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0640);
    if (disk->file < 0 || unlink(path) < 0) {
        error = -errno;
    }
    if (error == 0 && getrandom(bytes, IMLOG_BLOCK_BYTES, 0) < 0) {
        error = -errno;
    }
    uint64_t end = disk->options->file_bytes / DISK_PREPARE_BYTES * DISK_PREPARE_BYTES;
    for (uint64_t at = 0; error == 0 && at < end; at += DISK_PREPARE_BYTES) {
        error = disk_write(disk, bytes, DISK_PREPARE_BYTES, at);
    }
    free(bytes);
    return error < 0 ? fail(why, error, "preparing %s", path) : 0;
}

static int disk_start(struct disk *disk, struct disk_writer *writer)
{
    uint32_t write_bytes = disk->options->body_bytes;

    writer->disk = disk;
    meter_start(&writer->meter, disk->options, disk->started_ns);
    writer->bytes = aligned_alloc(IMLOG_BLOCK_BYTES, write_bytes);
    if (writer->bytes == NULL) {
        return -ENOMEM;
    }
    memset(writer->bytes, 0xa5, write_bytes);
    return -pthread_create(&writer->thread, NULL, disk_writer_main, writer);
}

/* All writers are joined, whatever happens. */
static int disk_measure(struct disk *disk, struct meter *meter, struct imlog_why *why)
{
    uint32_t writer_count = disk->options->window;
    struct disk_writer *writers = calloc(writer_count, sizeof(*writers));
    uint32_t started_count = 0;
    int error = writers == NULL ? -ENOMEM : 0;

    disk->started_ns = clock_now_ns();
    meter_start(meter, disk->options, disk->started_ns);
    while (error == 0 && started_count < writer_count) {
        error = disk_start(disk, &writers[started_count]);
        started_count += error == 0;
    }
    for (uint32_t at = 0; at < started_count; at++) {
        (void)pthread_join(writers[at].thread, NULL);
        meter_merge(meter, &writers[at].meter);
    }
    for (uint32_t at = 0; writers != NULL && at < writer_count; at++) {
        free(writers[at].bytes);
    }
    free(writers);
    if (error == 0 && meter->error_count > 0) {
        error = meter->first_error;
    }
    return error < 0 ? fail(why, error, "writing") : 0;
}

int disk_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct disk disk = {.options = options, .file = -1};
    struct meter *meter = malloc(sizeof(*meter));
    int error = meter == NULL ? fail(why, -ENOMEM, "the meter") : 0;

    disk.write_count = options->file_bytes / options->body_bytes;
    if (error == 0 && (options->body_bytes % IMLOG_BLOCK_BYTES != 0 || disk.write_count == 0 ||
                       options->window > DISK_THREADS_MAX)) {
        error = fail(why, IMLOG_EINVALID,
                     "--bytes must be a multiple of %d and fit --file-bytes, --window at most %d",
                     IMLOG_BLOCK_BYTES, DISK_THREADS_MAX);
    }
    if (error == 0) {
        error = disk_prepare(&disk, why);
    }
    if (error == 0) {
        error = disk_measure(&disk, meter, why);
    }
    if (error == 0) {
        report_meter(report, meter);
        report_figure(report, "written_bytes_per_s",
                      (double)meter->message_count * options->body_bytes / meter_seconds(meter));
    }
    if (disk.file >= 0) {
        (void)close(disk.file); /* unlinked: nothing is kept of it */
    }
    free(meter);
    return error;
}

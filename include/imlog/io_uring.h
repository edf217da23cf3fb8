/* io_uring.h: the production backend of the seam (io.h), on Linux io_uring.
 *
 * One ring a thread carries disk and sockets alike: whoever shares the ring submits entries
 * whose user_data points at a struct imlog_io_op, and imlog_io's poll() runs them all. */
#ifndef IMLOG_IO_URING_H
#define IMLOG_IO_URING_H

#include <imlog/error.h>
#include <imlog/io.h>
#include <stdbool.h>

struct io_uring;
struct io_uring_sqe;

struct imlog_uring_options {
    uint32_t entries; /* submission queue entries; 0: 1024 */
    bool plain_ring;  /* use no set-up flag newer than kernel 5.15, to test that path */
};

/* Create a ring for the calling thread. On failure returns IMLOG_EURING or -errno and `why`
 * names the cause and the fix (seccomp in a container, the io_uring_disabled sysctl, memlock). */
int imlog_uring_create(const struct imlog_uring_options *options, struct imlog_io **io,
                       struct imlog_why *why);

/* Nothing may be in flight. */
void imlog_uring_destroy(struct imlog_io *io);

/* The ring itself, borrowed, for the owner thread's socket operations. */
struct io_uring *imlog_uring_ring(struct imlog_io *io);

/* A submission entry whose completion will run op->done(); submits first when the queue is
 * full. NULL only if the kernel takes nothing at all. */
struct io_uring_sqe *imlog_uring_sqe(struct imlog_io *io, struct imlog_io_op *op);

#endif

/* uring.h: what of the io_uring backend its tests need besides <imlog/io_uring.h>. */
#ifndef ENGINE_IO_URING_H
#define ENGINE_IO_URING_H

#include <imlog/error.h>

/* Turn io_uring_setup's -errno into a text with cause and fix; returns the error to give. */
int uring_explain(int error, struct imlog_why *why);

#endif

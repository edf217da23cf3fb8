/* fail.h: one way to say what went wrong: fill in the caller's text and hand on the error. */
#ifndef BENCH_FAIL_H
#define BENCH_FAIL_H

#include <imlog/error.h>

/* Writes the text (and, for an error < 0, what the error means) into why. Returns error. */
__attribute__((format(printf, 3, 4))) int fail(struct imlog_why *why, int error, const char *format,
                                               ...);

#endif

/* append.h: appending over TCP, for the append workload and for others that need sessions with
 * messages in them. */
#ifndef BENCH_APPEND_H
#define BENCH_APPEND_H

#include "bench/generator.h"

int append_generate(struct generator *generator, const struct options *options,
                    struct imlog_why *why);

#endif

/* store.h: what the embedded key-value stores are given, so that both do the same work: key
 * (session, seq) in big-endian order, as a timeline store on top of them would have it, and the
 * body as value. The seq of a session is counted in RAM, which costs them nothing. */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include "bench/meter.h"
#include "bench/traffic.h"

#include <imlog/error.h>
#include <stdint.h>

enum { STORE_KEY_BYTES = 16 };

struct options;
struct report;

struct store {
    const struct options *options;
    struct meter meter;
    struct traffic traffic;
    uint64_t *session_seqs; /* by session index */
};

/* The peer's own: add to the open transaction; make it durable. Errors are said in why. */
struct store_ops {
    int (*begin)(void *peer, struct imlog_why *why);
    int (*put)(void *peer, const uint8_t key[STORE_KEY_BYTES], const uint8_t *body,
               uint32_t body_bytes, struct imlog_why *why);
    int (*commit)(void *peer, struct imlog_why *why);
};

/* Runs transactions of --batch messages, one after the other, and reports. */
int store_run(const struct store_ops *ops, void *peer, const struct options *options,
              struct report *report, struct imlog_why *why);

#endif

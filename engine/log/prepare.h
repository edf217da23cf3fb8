/* prepare.h: the next segment file, made ready ahead of use and off the hot path.
 *
 * A ready file has all its space allocated and zeros written over it, and its name is durable,
 * so that a batch written into it changes no metadata: one write, no journal commit.
 *
 *     IDLE -> OPENING -> ALLOCATING -> ZEROING -> SYNCING -> DIR_OPENING -> DIR_SYNCING -> READY
 *       ^________________________ any failure: wait, then again ________________________|
 *
 * ENOSPC here is the only place where a full disk meets the log. */
#ifndef ENGINE_LOG_PREPARE_H
#define ENGINE_LOG_PREPARE_H

#include "engine/log/media.h"

enum prepare_state {
    PREPARE_IDLE,
    PREPARE_OPENING,
    PREPARE_ALLOCATING,
    PREPARE_ZEROING,
    PREPARE_SYNCING,
    PREPARE_DIR_OPENING,
    PREPARE_DIR_SYNCING,
    PREPARE_READY,
    PREPARE_FAILED, /* waits for retry_ns */
};

#define PREPARE_RETRY_NS UINT64_C(250000000)

enum { PREPARE_ZERO_BYTES = 1024 * 1024 }; /* written at once */

struct prepare {
    struct imlog_io *io;
    struct media *media;
    struct imlog_io_op op;
    enum prepare_state state;
    char *path;
    uint32_t number;
    uint64_t segment_bytes;
    int file;           /* -1: none */
    int directory_file; /* -1: none */
    uint64_t zeroed_bytes;
    struct iovec zeros; /* PREPARE_ZERO_BYTES of them */
    bool under_way;     /* op is */
    int error;          /* why FAILED */
    uint64_t retry_ns;
    uint64_t zeroed_bytes_total;
};

/* 0 or -ENOMEM. */
int prepare_init(struct prepare *prepare, struct imlog_io *io, struct media *media,
                 uint64_t segment_bytes);
/* Waits for the operation under way (blocking), closes the file. */
void prepare_deinit(struct prepare *prepare);

/* Take the next step where one is due: begin with segment `number` when idle, retry after a
 * failure. Call it every turn. */
void prepare_turn(struct prepare *prepare, uint32_t number);

/* The ready file's handle, given to the caller; the next one can be begun. */
int prepare_take(struct prepare *prepare);

/* FAILED for want of something that may come back (space, handles, memory). Anything else is a
 * failing disk, and the log must not go on as if nothing had happened. */
bool prepare_may_retry(const struct prepare *prepare);

/* When the next turn is due: 0 now, UINT64_MAX never by itself. */
uint64_t prepare_wait_ns(const struct prepare *prepare, uint64_t now_ns);

#endif

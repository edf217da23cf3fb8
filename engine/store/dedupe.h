/* dedupe.h: the newest messages that carry a client_msg_id, to answer retries.
 *
 * The window is a count of messages, a plain FIFO: which messages are in it follows from the log
 * alone, so it is the same after a restart. An entry costs 40 bytes and about 13 of index. */
#ifndef ENGINE_STORE_DEDUPE_H
#define ENGINE_STORE_DEDUPE_H

#include "engine/base/assert.h"
#include "engine/base/hash_index.h"

struct dedupe_entry { /* also the checkpoint's form */
    uint64_t session_id;
    uint64_t sender_id;
    uint64_t client_msg_id;
    uint64_t seq;
    uint64_t msg_id;
};
static_assert(sizeof(struct dedupe_entry) == 40, "on-disk size");

struct dedupe {
    struct hash_index index;
    struct dedupe_entry *entries; /* a ring of `capacity`, mapped, touched as it fills */
    uint32_t capacity;
    uint64_t first;         /* number of the oldest entry kept; number % capacity is its place */
    uint64_t next;          /* number of the entry to come */
    uint64_t loaded_msg_id; /* newest one that came from a checkpoint; 0: none */
};

/* 0 or -ENOMEM. */
int dedupe_init(struct dedupe *dedupe, uint32_t capacity);
void dedupe_deinit(struct dedupe *dedupe);

/* The original of a retry, borrowed; NULL if it is none, or outside the window. */
const struct dedupe_entry *dedupe_find(const struct dedupe *dedupe, uint64_t session_id,
                                       uint64_t sender_id, uint64_t client_msg_id);

/* Make sure that dedupe_add() of this key cannot fail. 0 or -ENOMEM. */
int dedupe_reserve(struct dedupe *dedupe, uint64_t session_id, uint64_t sender_id,
                   uint64_t client_msg_id);

/* Add one that is not there; the oldest leaves a full window. Room must have been reserved. */
void dedupe_add(struct dedupe *dedupe, const struct dedupe_entry *entry);

uint64_t dedupe_ram_bytes(const struct dedupe *dedupe);

#endif

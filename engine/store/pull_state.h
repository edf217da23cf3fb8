/* pull_state.h: one pull under way, shared by the files that serve it: pull.c (life), locate.c
 * (which records), gather.c (their bytes), blocks.c (blocks they need). */
#ifndef ENGINE_STORE_PULL_STATE_H
#define ENGINE_STORE_PULL_STATE_H

#include "engine/store/cache.h"
#include "engine/store/pull.h"
#include "engine/store/roots.h"

enum {
    PULL_WANTS_MAX = 256, /* blocks asked for in one pass */
    PULL_MEMOS = 2,       /* the extent looked at, and the one its jump link names */
    PULL_READ_BLOCKS_MAX = 32,

    PULL_AHEAD_BYTES = 512, /* assumed of a record not yet seen, when reading ahead */
};

/* LOCATED -> COPYING (header verified, room in copies) -> COPIED (all verified) */
enum pull_item_state { ITEM_UNKNOWN, ITEM_LOCATED, ITEM_COPYING, ITEM_COPIED, ITEM_DAMAGED };

/* One seq of the range. */
struct pull_item {
    uint32_t segment;
    uint32_t offset;
    uint32_t copy_at; /* in copies */
    uint32_t record_bytes;
    uint32_t filled_bytes; /* of the copy, while COPYING */
    enum pull_item_state state;
};

/* An extent, wherever its entry came from. */
struct pull_extent {
    uint64_t first_seq;
    uint64_t end_seq;
    struct roots_links links;
    const uint32_t *offsets; /* in RAM, this pass only; or NULL: in the footer, from here on: */
    uint32_t offsets_index;
    struct segment *segment;
};

/* What a pull learned from a footer. Kept over passes, so that each pass needs only the block
 * that the one before asked for, and a busy cache cannot keep a pull from getting on. */
enum pull_memo_stage { MEMO_EMPTY, MEMO_BLOCK, MEMO_EXTENT, MEMO_ABSENT };

struct pull_memo {
    uint32_t segment;
    enum pull_memo_stage stage;
    uint32_t block_index;      /* BLOCK: the extents block that may hold the session */
    struct pull_extent extent; /* EXTENT */
};

struct pull_block {
    struct segment *segment;
    uint32_t block;
};

/* Neighbouring blocks read in one operation. */
struct pull_read {
    struct media_read read;
    struct pull_state *state;
    struct segment *segment;
    uint32_t first_block;
    uint32_t block_count;
    int32_t result;
    uint32_t frames[PULL_READ_BLOCKS_MAX];
    struct iovec parts[PULL_READ_BLOCKS_MAX];
};

struct pull_state {
    struct pull_state *next;
    struct store *store;
    struct imlog_pull *pull;
    uint32_t session_index;
    uint64_t latest_seq; /* durable, when the pull began */
    uint64_t first_seq;  /* the range asked for; what the budget leaves of it at the end */
    uint64_t end_seq;
    uint64_t base_seq;   /* of items[0] */
    uint64_t target_seq; /* locate: the highest seq not located yet */
    uint32_t at_segment; /* locate: look here for it */
    struct pull_memo memos[PULL_MEMOS];
    struct pull_item *items;
    uint32_t item_capacity;
    uint8_t *copies; /* records gathered from disk */
    uint32_t copies_bytes;
    uint32_t copies_capacity;
    struct pull_block wants[PULL_WANTS_MAX];
    uint32_t want_count;
    struct pull_block *bad; /* could not be read */
    uint32_t bad_count;
    uint32_t bad_capacity;
    bool read_singly;        /* a read of several blocks failed: find out which of them it was */
    struct pull_read *reads; /* PULL_WANTS_MAX of them, made on the first miss */
    uint32_t read_count;
    uint32_t reads_pending;
    bool wants_index; /* a damaged footer is being rebuilt */
    int error;        /* ends the pull */
};

/* ---- blocks.c --------------------------------------------------------------------------- */

enum block_answer { BLOCK_HERE, BLOCK_WANTED, BLOCK_BAD };

/* A block of a segment file: its bytes (borrowed until the pass ends), or noted as wanted, or
 * known to be unreadable. */
enum block_answer pull_block(struct pull_state *state, struct segment *segment, uint32_t block,
                             const uint8_t **bytes);

/* Start reading what is wanted, as far as there are free frames. */
void pull_read_wanted(struct pull_state *state);

/* Give back the frames of finished reads. */
void pull_release_reads(struct pull_state *state);

/* ---- locate.c, gather.c: 0, or -EAGAIN (wants blocks or an index), or an error ------------- */

int pull_locate(struct pull_state *state);
int pull_gather(struct pull_state *state);

/* ---- pull.c ----------------------------------------------------------------------------- */

/* All reads of the state are complete. */
void pull_resume(struct pull_state *state);

static inline struct pull_item *pull_item_of(struct pull_state *state, uint64_t seq)
{
    return &state->items[seq - state->base_seq];
}

#endif

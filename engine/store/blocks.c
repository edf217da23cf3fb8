/* blocks.c: the blocks a pull needs: from the cache, or read into it. */
#define _GNU_SOURCE
#include "engine/base/assert.h"
#include "engine/store/pull_state.h"
#include "engine/store/store.h"

#include <errno.h>
#include <stdlib.h>

/* -EAGAIN means "wait for blocks" among the passes; as the end of a pull it is another word. */
static int pull_error(int error)
{
    return error == -EAGAIN ? -EBUSY : error;
}

static bool block_is_bad(const struct pull_state *state, const struct segment *segment,
                         uint32_t block)
{
    for (uint32_t i = 0; i < state->bad_count; i++) {
        if (state->bad[i].segment == segment && state->bad[i].block == block)
            return true;
    }
    return false;
}

enum block_answer pull_block(struct pull_state *state, struct segment *segment, uint32_t block,
                             const uint8_t **bytes)
{
    *bytes = cache_get(&state->store->cache, segment->number, block);
    if (*bytes != NULL)
        return BLOCK_HERE;
    if (block >= segment->segment_bytes / IMLOG_BLOCK_BYTES || block_is_bad(state, segment, block))
        return BLOCK_BAD;
    if (state->want_count < PULL_WANTS_MAX)
        state->wants[state->want_count++] = (struct pull_block){segment, block};
    return BLOCK_WANTED;
}

/* ---- reading ------------------------------------------------------------------------------ */

static int compare_blocks(const void *left, const void *right)
{
    const struct pull_block *a = left;
    const struct pull_block *b = right;
    if (a->segment->number != b->segment->number)
        return a->segment->number < b->segment->number ? -1 : 1;
    return a->block < b->block ? -1 : a->block > b->block;
}

static void read_note_bad(struct pull_state *state, const struct pull_read *read, uint32_t i)
{
    if (state->bad_count == state->bad_capacity) {
        uint32_t capacity = state->bad_capacity == 0 ? 64 : state->bad_capacity * 2;
        struct pull_block *bigger = reallocarray(state->bad, capacity, sizeof(struct pull_block));
        if (bigger == NULL) {
            state->error = -ENOMEM;
            return;
        }
        state->bad = bigger;
        state->bad_capacity = capacity;
    }
    state->bad[state->bad_count++] = (struct pull_block){read->segment, read->first_block + i};
}

/* Whole blocks that arrived go into the cache. Of several that did not, each is asked for again
 * by itself; a single one is unreadable, for this pull. */
static void read_publish(struct pull_state *state, const struct pull_read *read)
{
    uint32_t arrived = read->result > 0 ? (uint32_t)read->result / IMLOG_BLOCK_BYTES : 0;
    for (uint32_t i = 0; i < read->block_count; i++) {
        int error = 0;
        if (i < arrived)
            error = cache_publish(&state->store->cache, read->frames[i], read->segment->number,
                                  read->first_block + i);
        else if (read->block_count > 1)
            state->read_singly = true;
        else
            read_note_bad(state, read, i);
        if (error < 0)
            state->error = error; /* to read it again would end the same way */
    }
}

static void handle_blocks_read(struct media_read *media_read, int32_t result)
{
    struct pull_read *read =
        (struct pull_read *)(void *)((char *)media_read - offsetof(struct pull_read, read));
    struct pull_state *state = read->state;
    read->result = result;
    if (result == -ENOMEM || result == -EAGAIN || result == -EMFILE || result == -ENFILE)
        state->error = pull_error(result); /* says nothing about the disk */
    else
        read_publish(state, read);
    if (--state->reads_pending == 0)
        pull_resume(state);
}

/* Frames for a run of blocks; as many as there are. */
static void read_take_frames(struct pull_read *read, uint32_t block_count)
{
    struct cache *cache = &read->state->store->cache;
    for (read->block_count = 0; read->block_count < block_count; read->block_count++) {
        uint32_t frame = cache_take(cache);
        if (frame == CACHE_NONE)
            return;
        read->frames[read->block_count] = frame;
        read->parts[read->block_count] =
            (struct iovec){.iov_base = cache_bytes(cache, frame), .iov_len = IMLOG_BLOCK_BYTES};
    }
}

/* Start one read of a run of neighbouring blocks. False if there was no frame for it. */
static bool read_start(struct pull_state *state, const struct pull_block *run, uint32_t block_count)
{
    struct pull_read *read = &state->reads[state->read_count];
    read->state = state;
    read->segment = run->segment;
    read->first_block = run->block;
    read_take_frames(read, block_count);
    if (read->block_count == 0)
        return false;
    state->read_count++;
    read->read.done = handle_blocks_read;
    read->read.parts = read->parts;
    read->read.part_count = read->block_count;
    read->read.offset = (uint64_t)read->first_block * IMLOG_BLOCK_BYTES;
    int error = media_read_start(read->segment, &read->read);
    if (error < 0) {
        state->error = pull_error(error);
        return true;
    }
    state->reads_pending++;
    state->store->pulls.reads++;
    state->store->pulls.read_bytes += (uint64_t)read->block_count * IMLOG_BLOCK_BYTES;
    return true;
}

static uint32_t run_of(const struct pull_block *wants, uint32_t want_count)
{
    uint32_t count = 1;
    while (count < want_count && count < PULL_READ_BLOCKS_MAX &&
           wants[count].segment == wants[0].segment && wants[count].block == wants[0].block + count)
        count++;
    return count;
}

static uint32_t wants_unique(struct pull_block *wants, uint32_t want_count)
{
    uint32_t kept = 0;
    qsort(wants, want_count, sizeof(wants[0]), compare_blocks);
    for (uint32_t i = 0; i < want_count; i++) {
        if (kept == 0 || compare_blocks(&wants[kept - 1], &wants[i]) != 0)
            wants[kept++] = wants[i];
    }
    return kept;
}

void pull_read_wanted(struct pull_state *state)
{
    if (state->reads == NULL)
        state->reads = malloc(PULL_WANTS_MAX * sizeof(struct pull_read));
    if (state->reads == NULL) {
        state->error = -ENOMEM;
        return;
    }
    state->want_count = wants_unique(state->wants, state->want_count);
    for (uint32_t at = 0; at < state->want_count && state->error == 0;) {
        uint32_t run = state->read_singly ? 1 : run_of(state->wants + at, state->want_count - at);
        if (!read_start(state, state->wants + at, run))
            break;
        at += run; /* blocks that got no frame are asked for again */
    }
    state->want_count = 0;
}

void pull_release_reads(struct pull_state *state)
{
    IMLOG_ASSERT(state->reads_pending == 0);
    for (uint32_t i = 0; i < state->read_count; i++) {
        for (uint32_t j = 0; j < state->reads[i].block_count; j++)
            cache_unpin(&state->store->cache, state->reads[i].frames[j]);
    }
    state->read_count = 0;
}

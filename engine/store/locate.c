/* locate.c: a pull's first half: in which segment, at which offset, each seq of its range lies.
 *
 * It starts at the session's newest extent and walks back. While an extent is newer than the
 * wanted seq it takes the jump link if that does not overshoot, else the one before: O(log n)
 * extents to any old seq. Then from extent to extent until the range is covered. Where a link is
 * lost (rebuilt footer), it tries segment by segment. */
#include "engine/base/assert.h"
#include "engine/store/footer.h"
#include "engine/store/pull_state.h"
#include "engine/store/store.h"

#include <errno.h>
#include <imlog/planted.h>

/* ---- footers on disk ----------------------------------------------------------------------- */

/* A footer is damaged: have its index rebuilt, and wait for it. */
static int footer_lost(struct pull_state *state, struct segment *segment)
{
    int error = rebuild_want(&state->store->rebuild, segment);
    if (error < 0)
        return error == -EAGAIN ? -EBUSY : error;
    state->wants_index = true;
    return -EAGAIN;
}

/* A checked footer block: its entry count, -EAGAIN, or IMLOG_ECORRUPT. */
static int footer_block(struct pull_state *state, struct segment *segment,
                        enum segment_block_kind kind, uint32_t index, const uint8_t **block)
{
    const struct segment_trailer *trailer = segment->trailer;
    uint32_t number = kind == SEGMENT_EXTENTS   ? segment_extents_block(trailer, index)
                      : kind == SEGMENT_OFFSETS ? segment_offsets_block(trailer, index)
                                                : segment_fences_block(trailer, index);
    switch (pull_block(state, segment, number, block)) {
    case BLOCK_HERE:
        return segment_block_check(*block, kind, segment->number, index, state->store->log.salt);
    case BLOCK_WANTED:
        return -EAGAIN;
    case BLOCK_BAD:
        break;
    }
    return IMLOG_ECORRUPT;
}

struct fence_lookup {
    struct pull_state *state;
    struct segment *segment;
    int error; /* why a fence was NULL */
};

static const uint8_t *handle_fence(void *arg, uint32_t index)
{
    struct fence_lookup *lookup = arg;
    const uint8_t *block;
    lookup->error = footer_block(lookup->state, lookup->segment, SEGMENT_FENCES, index, &block);
    return lookup->error < 0 ? NULL : block;
}

/* The memo of a segment; made if there is none, in place of one that is not at_segment's. */
static struct pull_memo *memo_of(struct pull_state *state, uint32_t segment)
{
    struct pull_memo *free_memo = NULL;
    for (uint32_t i = 0; i < PULL_MEMOS; i++) {
        if (state->memos[i].stage != MEMO_EMPTY && state->memos[i].segment == segment)
            return &state->memos[i];
        if (state->memos[i].stage == MEMO_EMPTY || state->memos[i].segment != state->at_segment)
            free_memo = &state->memos[i];
    }
    *free_memo = (struct pull_memo){.segment = segment};
    return free_memo;
}

/* The extents block that may hold the session: MEMO_BLOCK or MEMO_ABSENT. */
static int locate_footer_block(struct pull_state *state, struct segment *segment,
                               struct pull_memo *memo)
{
    struct fence_lookup lookup = {.state = state, .segment = segment};
    int64_t index = footer_locate(segment->trailer, state->pull->session_id, handle_fence, &lookup);
    if (index == -EAGAIN)
        return lookup.error == -EAGAIN ? -EAGAIN : footer_lost(state, segment);
    memo->stage = index < 0 ? MEMO_ABSENT : MEMO_BLOCK;
    memo->block_index = index < 0 ? 0 : (uint32_t)index;
    return 0;
}

/* The session's entry in that block: MEMO_EXTENT or MEMO_ABSENT. */
static int locate_footer_entry(struct pull_state *state, struct segment *segment,
                               struct pull_memo *memo)
{
    const uint8_t *block;
    int count = footer_block(state, segment, SEGMENT_EXTENTS, memo->block_index, &block);
    if (count < 0)
        return count == -EAGAIN ? -EAGAIN : footer_lost(state, segment);
    struct segment_extent entry;
    if (!footer_entry(block, (uint32_t)count, state->pull->session_id, &entry)) {
        memo->stage = MEMO_ABSENT;
        return 0;
    }
    if (!segment_extent_possible(&entry))
        return footer_lost(state, segment);
    memo->stage = MEMO_EXTENT;
    memo->extent = (struct pull_extent){
        .first_seq = entry.first_seq,
        .end_seq = entry.first_seq + entry.count,
        .links = {.prev_segment = entry.prev_segment, .jump_segment = entry.jump_segment},
        .offsets_index = entry.offsets_index,
        .segment = segment};
    return 0;
}

static int locate_in_footer(struct pull_state *state, struct segment *segment,
                            struct pull_extent *extent)
{
    struct pull_memo *memo = memo_of(state, segment->number);
    int error = 0;
    if (memo->stage == MEMO_EMPTY)
        error = locate_footer_block(state, segment, memo);
    if (error == 0 && memo->stage == MEMO_BLOCK)
        error = locate_footer_entry(state, segment, memo);
    if (error < 0)
        return error;
    *extent = memo->extent;
    return memo->stage == MEMO_EXTENT ? 0 : IMLOG_ENOSESSION;
}

/* ---- any extent ------------------------------------------------------------------------------ */

/* 0, IMLOG_ENOSESSION (no such extent), -EAGAIN. */
static int locate_extent(struct pull_state *state, uint32_t number, struct pull_extent *located)
{
    struct store *store = state->store;
    struct segment *segment = media_segment(&store->log.media, number);
    if (segment == NULL)
        return IMLOG_ENOSESSION;
    const struct extents *extents = store_extents(store, number);
    if (extents == NULL) {
        if (segment->trailer == NULL)
            return IMLOG_ENOSESSION; /* active, and nothing of it is indexed */
        return segment->footer_damaged ? footer_lost(state, segment)
                                       : locate_in_footer(state, segment, located);
    }
    const struct extent *extent = store_extent(store, extents, state->session_index);
    if (extent == NULL)
        return IMLOG_ENOSESSION;
    *located = (struct pull_extent){.first_seq = extent->first_seq,
                                    .end_seq = extent->first_seq + extent->count,
                                    .links = extent->links,
                                    .offsets = extent_offsets(extent),
                                    .segment = segment};
    return 0;
}

static uint32_t segment_before(const struct pull_state *state, uint32_t number)
{
    const struct media *media = &state->store->log.media;
    uint32_t newest = media->segments[media->segment_count - 1]->number;
    if (number > newest)
        return newest;
    return number > media->segments[0]->number ? number - 1 : SEGMENT_NONE;
}

/* Links are believed only as far as they lead to older segments, as all do that we write: so the
 * walk comes to an end whatever was read. SEGMENT_UNKNOWN is above all numbers. */
static uint32_t prev_of(const struct pull_state *state, const struct pull_extent *located)
{
    uint32_t number = located->segment->number;
    return located->links.prev_segment < number ? located->links.prev_segment
                                                : segment_before(state, number);
}

/* The extent is newer than the wanted seq: which to look at next. */
static int locate_older(struct pull_state *state, const struct pull_extent *located)
{
    uint32_t prev = prev_of(state, located);
    uint32_t jump = located->links.jump_segment;
    bool overshoots = true;
    if (jump != SEGMENT_NONE && jump < prev) {
        struct pull_extent far;
        int error = locate_extent(state, jump, &far);
        if (error == -EAGAIN)
            return error; /* decide again when it is there; at_segment's memo is kept meanwhile */
        overshoots =
            error != 0 || (state->target_seq >= far.end_seq && !IMLOG_PLANTED(jump_may_overshoot));
    }
    state->at_segment = overshoots ? prev : jump;
    return 0;
}

static void mark_damaged(struct pull_state *state, uint64_t first_seq, uint64_t last_seq)
{
    first_seq = first_seq > state->first_seq ? first_seq : state->first_seq;
    for (uint64_t seq = first_seq; seq <= last_seq; seq++)
        pull_item_of(state, seq)->state = ITEM_DAMAGED;
}

static int located_offset(struct pull_state *state, const struct pull_extent *located, uint64_t seq,
                          uint32_t *offset)
{
    uint64_t at = seq - located->first_seq;
    if (IMLOG_PLANTED(seek_is_off_by_one) && located->offsets == NULL && at > 0)
        at--;
    if (located->offsets != NULL) {
        *offset = located->offsets[at];
        return 0;
    }
    uint64_t index = located->offsets_index + at;
    const uint8_t *block;
    int count = footer_block(state, located->segment, SEGMENT_OFFSETS,
                             (uint32_t)(index / SEGMENT_OFFSETS_PER_BLOCK), &block);
    if (count < 0)
        return count == -EAGAIN ? -EAGAIN : footer_lost(state, located->segment);
    *offset = footer_offset(block, (uint32_t)(index % SEGMENT_OFFSETS_PER_BLOCK));
    return 0;
}

/* Take from the extent what the range needs of it, from its newest end. */
static int locate_take(struct pull_state *state, const struct pull_extent *located)
{
    uint64_t low_seq =
        located->first_seq > state->first_seq ? located->first_seq : state->first_seq;
    for (; state->target_seq >= low_seq; state->target_seq--) {
        uint32_t offset = 0; /* implausible, should it not be found */
        int error = located_offset(state, located, state->target_seq, &offset);
        if (error < 0)
            return error;
        struct pull_item *item = pull_item_of(state, state->target_seq);
        bool plausible = offset >= IMLOG_BLOCK_BYTES && offset < located->segment->segment_bytes &&
                         offset % 8 == 0;
        *item = (struct pull_item){.segment = located->segment->number,
                                   .offset = offset,
                                   .state = plausible ? ITEM_LOCATED : ITEM_DAMAGED};
    }
    state->at_segment = prev_of(state, located);
    return 0;
}

int pull_locate(struct pull_state *state)
{
    while (state->target_seq >= state->first_seq) {
        struct pull_extent located;
        if (state->at_segment == SEGMENT_NONE) {
            mark_damaged(state, state->first_seq, state->target_seq);
            state->target_seq = state->first_seq - 1;
            break;
        }
        int error = locate_extent(state, state->at_segment, &located);
        if (error == IMLOG_ENOSESSION) {
            state->at_segment = segment_before(state, state->at_segment);
            continue;
        }
        if (error < 0)
            return error;
        if (located.end_seq <= state->target_seq) { /* lost between this extent and the next */
            mark_damaged(state, located.end_seq, state->target_seq);
            state->target_seq = located.end_seq - 1;
            continue;
        }
        error = located.first_seq > state->target_seq ? locate_older(state, &located)
                                                      : locate_take(state, &located);
        if (error < 0)
            return error;
    }
    return 0;
}

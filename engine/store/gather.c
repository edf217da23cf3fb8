/* gather.c: a pull's second half: the bytes of its records, hot or from disk, each verified. */
#include "engine/base/assert.h"
#include "engine/format/record.h"
#include "engine/store/pull_state.h"
#include "engine/store/store.h"

#include <errno.h>
#include <stdlib.h>

enum { COPIES_CAPACITY_FIRST = 16 * 1024 };

static int copies_reserve(struct pull_state *state, uint32_t bytes)
{
    uint64_t needed = (uint64_t)state->copies_bytes + bytes;
    if (needed <= state->copies_capacity)
        return 0;
    uint64_t capacity =
        state->copies_capacity == 0 ? COPIES_CAPACITY_FIRST : state->copies_capacity;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *bigger = realloc(state->copies, capacity);
    if (bigger == NULL)
        return -ENOMEM;
    state->copies = bigger;
    state->copies_capacity = (uint32_t)capacity;
    return 0;
}

/* Copy file bytes from cached blocks. *filled_bytes: how many are there already, and then how
 * many without a hole. All missing blocks are asked for. */
static enum block_answer copy_range(struct pull_state *state, struct segment *segment,
                                    uint64_t offset, uint32_t byte_count, uint8_t *out,
                                    uint32_t *filled_bytes)
{
    enum block_answer answer = BLOCK_HERE;
    for (uint32_t done = *filled_bytes; done < byte_count;) {
        const uint8_t *block;
        uint32_t at = (uint32_t)((offset + done) % IMLOG_BLOCK_BYTES);
        uint32_t rest = byte_count - done;
        uint32_t part = IMLOG_BLOCK_BYTES - at < rest ? IMLOG_BLOCK_BYTES - at : rest;
        enum block_answer got =
            pull_block(state, segment, (uint32_t)((offset + done) / IMLOG_BLOCK_BYTES), &block);
        if (got == BLOCK_BAD)
            return BLOCK_BAD;
        if (got == BLOCK_WANTED)
            answer = BLOCK_WANTED;
        else
            memcpy(out + done, block + at, part);
        done += part;
        if (answer == BLOCK_HERE)
            *filled_bytes = done;
    }
    return answer;
}

/* Verify the item's header, and make room for its record. 0 (COPYING or DAMAGED), -EAGAIN,
 * -ENOMEM. */
static int gather_header(struct pull_state *state, struct pull_item *item, struct segment *segment,
                         uint64_t seq)
{
    struct record record;
    uint8_t header[sizeof(struct record_header)];
    uint32_t filled_bytes = 0;
    enum block_answer answer =
        copy_range(state, segment, item->offset, sizeof(header), header, &filled_bytes);
    if (answer == BLOCK_WANTED)
        return -EAGAIN;
    item->state = ITEM_DAMAGED;
    if (answer == BLOCK_BAD ||
        record_decode(header, sizeof(header), state->store->log.salt,
                      segment_lsn_of_offset(segment, item->offset), &record) != -EMSGSIZE ||
        record.header.kind != RECORD_MESSAGE ||
        record.header.subject_id != state->pull->session_id || record.header.seq != seq)
        return 0;
    if (copies_reserve(state, record.record_bytes) < 0)
        return -ENOMEM;
    item->state = ITEM_COPYING;
    item->copy_at = state->copies_bytes;
    item->record_bytes = record.record_bytes;
    item->filled_bytes = 0;
    state->copies_bytes += record.record_bytes;
    return 0;
}

/* Copy the record and verify all of it. 0 (COPIED or DAMAGED) or -EAGAIN. */
static int gather_record(struct pull_state *state, struct pull_item *item, struct segment *segment)
{
    struct record record;
    uint8_t *copy = state->copies + item->copy_at;
    enum block_answer answer =
        copy_range(state, segment, item->offset, item->record_bytes, copy, &item->filled_bytes);
    if (answer == BLOCK_WANTED)
        return -EAGAIN;
    bool valid = answer == BLOCK_HERE &&
                 record_decode(copy, item->record_bytes, state->store->log.salt,
                               segment_lsn_of_offset(segment, item->offset), &record) == 0;
    item->state = valid ? ITEM_COPIED : ITEM_DAMAGED;
    return 0;
}

static int gather_copy(struct pull_state *state, struct pull_item *item, struct segment *segment,
                       uint64_t seq)
{
    int error = 0;
    if (item->state == ITEM_LOCATED)
        error = gather_header(state, item, segment, seq);
    if (error == 0 && item->state == ITEM_COPYING)
        error = gather_record(state, item, segment);
    return error;
}

/* Body bytes of an item whose record is at hand; `bytes` its header. */
static uint32_t body_bytes_at(const uint8_t *bytes)
{
    struct record_header header;
    memcpy(&header, bytes, sizeof(header));
    return header.payload_bytes - (uint32_t)sizeof(struct message_head);
}

static bool record_is_of(const uint8_t *bytes, uint64_t session_id, uint64_t seq)
{
    struct record_header header;
    memcpy(&header, bytes, sizeof(header));
    return header.kind == RECORD_MESSAGE && header.subject_id == session_id && header.seq == seq;
}

/* Have one item's record at hand. *body_bytes: what it adds to the answer. */
static int gather_item(struct pull_state *state, uint64_t seq, uint32_t *body_bytes)
{
    struct log *log = &state->store->log;
    struct pull_item *item = pull_item_of(state, seq);
    *body_bytes = 0;
    if (item->state == ITEM_LOCATED || item->state == ITEM_COPYING) {
        struct segment *segment = media_segment(&log->media, item->segment);
        uint64_t lsn = segment_lsn_of_offset(segment, item->offset);
        if (item->state == ITEM_LOCATED && log_is_hot(log, lsn)) {
            const uint8_t *bytes = ring_at(&log->ring, lsn);
            if (record_is_of(bytes, state->pull->session_id, seq))
                *body_bytes = body_bytes_at(bytes);
            else
                item->state = ITEM_DAMAGED; /* an index that points elsewhere */
            return 0;
        }
        int error = gather_copy(state, item, segment, seq);
        if (error < 0) {
            *body_bytes = PULL_AHEAD_BYTES;
            return error;
        }
    }
    if (item->state == ITEM_COPIED)
        *body_bytes = body_bytes_at(state->copies + item->copy_at);
    return 0;
}

/* The budget ends before `seq`: the range keeps what came first in the asked direction. */
static void gather_cut(struct pull_state *state, uint64_t seq)
{
    if (state->pull->backward)
        state->first_seq = seq + 1;
    else
        state->end_seq = seq;
}

int pull_gather(struct pull_state *state)
{
    uint64_t bytes_max =
        state->pull->bytes_max == 0 ? IMLOG_PULL_BYTES_DEFAULT : state->pull->bytes_max;
    uint64_t count = state->end_seq - state->first_seq;
    uint64_t body_bytes_total = 0;
    uint64_t message_count = 0; /* at least one is answered, however large */
    int verdict = 0;
    for (uint64_t i = 0; i < count && state->want_count < PULL_WANTS_MAX; i++) {
        uint64_t seq = state->pull->backward ? state->end_seq - 1 - i : state->first_seq + i;
        uint32_t body_bytes;
        int error = gather_item(state, seq, &body_bytes);
        if (error == -EAGAIN)
            verdict = error;
        else if (error < 0)
            return error;
        body_bytes_total += body_bytes;
        message_count += pull_item_of(state, seq)->state != ITEM_DAMAGED;
        if (message_count > 1 && body_bytes_total > bytes_max) {
            if (verdict == 0)
                gather_cut(state, seq);
            return verdict;
        }
    }
    return state->want_count > 0 ? -EAGAIN : verdict;
}

/* pull.c: the life of a pull: begun, passes, waiting, delivered. */
#include "engine/store/pull.h"

#include "engine/base/assert.h"
#include "engine/format/record.h"
#include "engine/store/pull_state.h"
#include "engine/store/store.h"

#include <errno.h>
#include <stdlib.h>

int pulls_init(struct pulls *pulls, struct store *store)
{
    *pulls = (struct pulls){.store = store};
    pulls->messages = calloc(IMLOG_PULL_MESSAGES_MAX, sizeof(struct imlog_message));
    pulls->gaps = calloc(IMLOG_PULL_MESSAGES_MAX, sizeof(struct imlog_gap));
    if (pulls->messages == NULL || pulls->gaps == NULL) {
        pulls_deinit(pulls);
        return -ENOMEM;
    }
    return 0;
}

static void state_destroy(struct pull_state *state)
{
    free(state->items);
    free(state->copies);
    free(state->bad);
    free(state->reads);
    free(state);
}

void pulls_deinit(struct pulls *pulls)
{
    IMLOG_ASSERT(pulls->active_count == 0);
    while (pulls->spare != NULL) {
        struct pull_state *state = pulls->spare;
        pulls->spare = state->next;
        state_destroy(state);
    }
    free(pulls->messages);
    free(pulls->gaps);
    *pulls = (struct pulls){0};
}

bool pulls_runnable(const struct pulls *pulls)
{
    return pulls->runnable != NULL ||
           (pulls->waiting_first != NULL && pulls->active_count < PULLS_ACTIVE_MAX);
}

bool pulls_idle(const struct pulls *pulls)
{
    return pulls->waiting_first == NULL && pulls->active_count == 0;
}

int pull_start(struct pulls *pulls, struct imlog_pull *pull)
{
    if (pull->session_id == 0 || pull->count_max > IMLOG_PULL_MESSAGES_MAX)
        return IMLOG_EINVALID;
    pull->next = NULL;
    if (pulls->waiting_last != NULL)
        pulls->waiting_last->next = pull;
    else
        pulls->waiting_first = pull;
    pulls->waiting_last = pull;
    pulls->waiting_count++;
    return 0;
}

/* ---- states ------------------------------------------------------------------------------- */

static struct pull_state *state_take(struct pulls *pulls)
{
    struct pull_state *state = pulls->spare;
    if (state == NULL)
        return calloc(1, sizeof(*state));
    pulls->spare = state->next;
    return state;
}

/* Keep it for the next pull, without large buffers. */
static void state_give(struct pulls *pulls, struct pull_state *state)
{
    if (state->copies_capacity > IMLOG_PULL_BYTES_DEFAULT / 4) {
        free(state->copies);
        state->copies = NULL;
        state->copies_capacity = 0;
    }
    state->next = pulls->spare;
    pulls->spare = state;
}

static int state_items(struct pull_state *state)
{
    uint64_t count = state->end_seq - state->first_seq;
    IMLOG_ASSERT(count <= IMLOG_PULL_MESSAGES_MAX);
    if (count > state->item_capacity) {
        struct pull_item *items = reallocarray(state->items, count, sizeof(struct pull_item));
        if (items == NULL)
            return -ENOMEM;
        state->items = items;
        state->item_capacity = (uint32_t)count;
    }
    if (count > 0)
        memset(state->items, 0, count * sizeof(struct pull_item));
    return 0;
}

/* The range of seqs the pull asks for, as far as it exists. */
static void state_range(struct pull_state *state)
{
    const struct imlog_pull *pull = state->pull;
    uint64_t count = pull->count_max == 0 ? IMLOG_PULL_MESSAGES_MAX : pull->count_max;
    uint64_t latest = state->latest_seq;
    if (pull->backward) {
        uint64_t last =
            pull->before_seq == 0 || pull->before_seq > latest ? latest : pull->before_seq - 1;
        state->first_seq = last >= count ? last - count + 1 : 1;
        state->end_seq = last + 1;
    } else {
        state->first_seq = pull->after_seq >= latest ? latest + 1 : pull->after_seq + 1;
        uint64_t rest = latest + 1 - state->first_seq;
        state->end_seq = state->first_seq + (rest < count ? rest : count);
    }
    state->base_seq = state->first_seq;
    state->target_seq = state->end_seq - 1;
}

/* ---- delivery ----------------------------------------------------------------------------- */

static const uint8_t *item_record(const struct pull_state *state, const struct pull_item *item)
{
    const struct log *log = &state->store->log;
    if (item->state == ITEM_COPIED)
        return state->copies + item->copy_at;
    const struct segment *segment = media_segment(&log->media, item->segment);
    return ring_at(&log->ring, segment_lsn_of_offset(segment, item->offset));
}

static void page_add_gap(struct imlog_page *page, struct imlog_gap *gaps, uint64_t seq)
{
    if (page->gap_count > 0 && gaps[page->gap_count - 1].last_seq + 1 == seq)
        gaps[page->gap_count - 1].last_seq = seq;
    else
        gaps[page->gap_count++] = (struct imlog_gap){seq, seq, IMLOG_GAP_DAMAGED};
}

static void page_fill(struct pull_state *state, struct imlog_page *page)
{
    struct pulls *pulls = &state->store->pulls;
    *page = (struct imlog_page){.messages = pulls->messages,
                                .gaps = pulls->gaps,
                                .first_seq = state->first_seq,
                                .end_seq = state->end_seq,
                                .session_first_seq = 1,
                                .session_latest_seq = state->latest_seq};
    page->more = state->pull->backward ? state->first_seq > 1 : state->end_seq <= state->latest_seq;
    for (uint64_t seq = state->first_seq; seq < state->end_seq; seq++) {
        const struct pull_item *item = pull_item_of(state, seq);
        if (item->state == ITEM_DAMAGED) {
            page_add_gap(page, pulls->gaps, seq);
            continue;
        }
        struct record record;
        const uint8_t *bytes = item_record(state, item);
        memcpy(&record.header, bytes, sizeof(record.header));
        record.payload = bytes + sizeof(record.header);
        int error = record_message(&record, &pulls->messages[page->message_count++]);
        IMLOG_ASSERT(error == 0);
    }
    state->store->stats.damaged_messages += page->gap_count;
    state->store->stats.pull_messages += page->message_count;
}

static void state_deliver(struct pull_state *state, int status)
{
    struct store *store = state->store;
    struct pulls *pulls = &store->pulls;
    struct imlog_pull *pull = state->pull;
    struct imlog_page page;
    store->stats.pulls++;
    pulls->active_count--;
    if (status == 0) {
        page_fill(state, &page);
        store->log.pinned_lsn = log_hot_floor(&store->log);
    }
    pull->done(pull, status, status == 0 ? &page : NULL);
    store->log.pinned_lsn = UINT64_MAX;
    state_give(pulls, state);
}

/* ---- passes ------------------------------------------------------------------------------- */

static void state_push(struct pull_state **list, struct pull_state *state)
{
    state->next = *list;
    *list = state;
}

/* One pass. True if the pull was answered. */
static bool state_pass(struct pull_state *state)
{
    int error = state->error;
    state->want_count = 0;
    state->wants_index = false;
    if (error == 0)
        error = pull_locate(state);
    if (error == 0)
        error = pull_gather(state);
    pull_release_reads(state);
    if (error != -EAGAIN) {
        state_deliver(state, error);
        return true;
    }
    if (state->want_count > 0)
        pull_read_wanted(state);
    if (state->reads_pending > 0)
        state->store->pulls.reading_count++;
    else if (state->error < 0)
        state_push(&state->store->pulls.runnable, state); /* to be answered with it */
    else
        state_push(&state->store->pulls.starved, state);
    return false;
}

void pull_resume(struct pull_state *state)
{
    state->store->pulls.reading_count--;
    state_push(&state->store->pulls.runnable, state);
}

/* Begin a pull: which session, which seqs. */
static bool state_begin(struct pulls *pulls, struct imlog_pull *pull)
{
    struct store *store = pulls->store;
    struct pull_state *state = state_take(pulls);
    if (state == NULL) {
        store->stats.pulls++;
        pull->done(pull, -ENOMEM, NULL);
        return true;
    }
    pulls->active_count++;
    state->store = store;
    state->pull = pull;
    state->error = 0;
    state->bad_count = 0;
    state->read_singly = false;
    state->copies_bytes = 0;
    memset(state->memos, 0, sizeof(state->memos));
    state->session_index = sessions_find(&store->sessions, pull->session_id);
    uint64_t lsn;
    state->latest_seq = state->session_index == SESSION_NONE
                            ? 0
                            : store_durable_seq(store, state->session_index, &lsn);
    if (state->latest_seq == 0) {
        state_deliver(state, IMLOG_ENOSESSION);
        return true;
    }
    state->at_segment = sessions_at(&store->sessions, state->session_index)->roots[0];
    state_range(state);
    if (state_items(state) < 0) {
        state_deliver(state, -ENOMEM);
        return true;
    }
    return state_pass(state);
}

uint32_t pulls_turn(struct pulls *pulls)
{
    uint32_t answered = 0;
    struct pull_state *list = pulls->runnable;
    struct pull_state *starved = pulls->starved;
    pulls->runnable = NULL;
    pulls->starved = NULL;
    while (list != NULL || starved != NULL) {
        struct pull_state **from = list != NULL ? &list : &starved;
        struct pull_state *state = *from;
        *from = state->next;
        answered += state_pass(state);
    }
    /* Those that a done() adds meanwhile have to wait for the next turn. */
    for (uint32_t count = pulls->waiting_count; count > 0 && pulls->active_count < PULLS_ACTIVE_MAX;
         count--) {
        struct imlog_pull *pull = pulls->waiting_first;
        pulls->waiting_first = pull->next;
        if (pulls->waiting_first == NULL)
            pulls->waiting_last = NULL;
        pulls->waiting_count--;
        answered += state_begin(pulls, pull);
    }
    return answered;
}

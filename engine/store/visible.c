/* visible.c: what readers may see: nothing before it is durable (P2). */
#include "engine/store/store.h"

#include <imlog/planted.h>

static const struct extent *extent_in_order(const struct extents *extents, uint64_t session_id)
{
    if (extents->by_session != NULL)
        return extents_find(extents, session_id);
    for (uint32_t i = 0; i < extents->count; i++) { /* only until a rolled index is sorted */
        if (extents->array[i].session_id == session_id)
            return &extents->array[i];
    }
    return NULL;
}

const struct extent *store_extent(const struct store *store, const struct extents *extents,
                                  uint32_t session_index)
{
    const struct session *session = sessions_at(&store->sessions, session_index);
    if (extents->by_session == NULL && extents == store->newest &&
        session->roots[0] == extents->segment && session->open_extent != EXTENT_NONE)
        return &extents->array[session->open_extent];
    return extent_in_order(extents, session->session_id);
}

/* How many of an extent's messages are durable: their offsets ascend, so search. */
static uint32_t extent_durable_count(const struct extent *extent, const struct segment *segment,
                                     uint64_t durable_lsn)
{
    const uint32_t *offsets = extent_offsets(extent);
    uint32_t low = 0;
    for (uint32_t high = extent->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        /* What was lost to damage was durable once. */
        if (offsets[middle] == SEGMENT_OFFSET_LOST ||
            segment_lsn_of_offset(segment, offsets[middle]) < durable_lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t store_durable_seq(const struct store *store, uint32_t session_index, uint64_t *lsn)
{
    const struct session *session = sessions_at(&store->sessions, session_index);
    uint64_t durable_lsn = store->log.durable_lsn;
    *lsn = session->last_lsn;
    if (session->last_lsn < durable_lsn)
        return session->latest_seq;
    uint64_t seq = session->latest_seq;
    if (IMLOG_PLANTED(readers_see_the_unwritten))
        return seq;
    for (uint32_t number = session->roots[0]; number != SEGMENT_NONE;) {
        const struct segment *segment = media_segment(&store->log.media, number);
        if (segment == NULL)
            return seq; /* a link of a checkpoint to nowhere: it named what was durable then */
        const struct extents *extents = store_extents(store, number);
        if (segment->end_lsn <= durable_lsn && segment->state != SEGMENT_ACTIVE) {
            *lsn = segment->end_lsn - 1; /* somewhere in it; exact would cost a read */
            return seq;
        }
        const struct extent *extent = store_extent(store, extents, session_index);
        uint32_t count = extent_durable_count(extent, segment, durable_lsn);
        if (count > 0) {
            *lsn = segment_lsn_of_offset(segment, extent_offsets(extent)[count - 1]);
            return extent->first_seq + count - 1;
        }
        seq = extent->first_seq - 1;
        number = extent->links.prev_segment;
    }
    *lsn = 0;
    return 0;
}

int store_session_info(const struct store *store, uint32_t session_index,
                       struct imlog_session_info *info)
{
    const struct session *session = sessions_at(&store->sessions, session_index);
    uint64_t lsn;
    uint64_t latest_seq = store_durable_seq(store, session_index, &lsn);
    if (latest_seq == 0)
        return IMLOG_ENOSESSION; /* its first message is still on the way to disk */
    *info = (struct imlog_session_info){.session_id = session->session_id,
                                        .kind = (enum imlog_kind)session->kind,
                                        .first_seq = 1,
                                        .latest_seq = latest_seq,
                                        .latest_lsn = lsn,
                                        .message_count = latest_seq};
    return 0;
}

/* store.c: the life and the turns of a shard's state. */
#include "engine/store/store.h"

#include "engine/base/assert.h"
#include "engine/base/error.h"

#include <errno.h>
#include <stdlib.h>

/* How soon to try again for a pull or a footer that found no memory for what it waits for. */
#define STORE_STARVED_NS UINT64_C(10000000)

/* ---- indexes in RAM --------------------------------------------------------------------- */

struct extents *store_extents(const struct store *store, uint32_t segment)
{
    for (struct extents *extents = store->newest; extents != NULL; extents = extents->older) {
        if (extents->segment == segment)
            return extents;
    }
    return NULL;
}

void store_add_extents(struct store *store, struct extents *extents)
{
    struct extents *newer = NULL;
    struct extents *older = store->newest;
    while (older != NULL && older->segment > extents->segment) {
        newer = older;
        older = older->older;
    }
    extents->newer = newer;
    extents->older = older;
    *(newer != NULL ? &newer->older : &store->newest) = extents;
    *(older != NULL ? &older->newer : &store->oldest) = extents;
}

void store_remove_extents(struct store *store, struct extents *extents)
{
    *(extents->newer != NULL ? &extents->newer->older : &store->newest) = extents->older;
    *(extents->older != NULL ? &extents->older->newer : &store->oldest) = extents->newer;
}

/* Forget the indexes of sealed segments that are out of RAM themselves. */
static void store_trim_extents(struct store *store)
{
    uint64_t floor_lsn = log_hot_floor(&store->log);
    struct extents *extents = store->oldest;
    while (extents != NULL && extents != store->newest) {
        struct extents *newer = extents->newer;
        const struct segment *segment = media_segment(&store->log.media, extents->segment);
        if (segment->state != SEGMENT_SEALED || segment->end_lsn > floor_lsn)
            return;
        if (!extents->keep) {
            store_remove_extents(store, extents);
            extents_destroy(extents);
        }
        extents = newer;
    }
}

/* ---- life --------------------------------------------------------------------------------- */

static int store_init_parts(struct store *store, const struct store_options *options)
{
    struct log_options log_options = {.io = options->io,
                                      .directory = options->directory,
                                      .shard_index = options->shard_index,
                                      .uuid = options->uuid,
                                      .salt = options->salt,
                                      .segment_bytes = options->limits.segment_bytes,
                                      .hot_bytes = options->limits.hot_bytes,
                                      .report = options->limits.report,
                                      .report_arg = options->limits.report_arg};
    int error = log_init(&store->log, &log_options);
    if (error < 0)
        return error;
    store->io = options->io;
    store->body_bytes_max = options->limits.body_bytes_max;
    store->keys.shard_index = options->shard_index;
    store->seal.store = store;
    store->rebuild.store = store;
    clock_init(&store->clock, options->io, options->shard_index);
    error = dedupe_init(&store->dedupe, options->limits.dedupe_messages);
    if (error == 0)
        error = cache_init(&store->cache, options->limits.cache_bytes);
    if (error == 0)
        error = pulls_init(&store->pulls, store);
    if (error == 0)
        error = snapshot_init(&store->snapshot, store);
    return error;
}

static void store_free(struct store *store)
{
    if (store->io == NULL)
        return;
    if (store->snapshot.store != NULL)
        snapshot_deinit(&store->snapshot);
    rebuild_deinit(&store->rebuild);
    seal_deinit(&store->seal);
    pulls_deinit(&store->pulls);
    log_deinit(&store->log);
    cache_deinit(&store->cache);
    dedupe_deinit(&store->dedupe);
    keys_deinit(&store->keys);
    sessions_deinit(&store->sessions);
    while (store->newest != NULL) {
        struct extents *extents = store->newest;
        store_remove_extents(store, extents);
        extents_destroy(extents);
    }
    store->io = NULL;
}

/* Room to keep for the active segment's footer, once replay has made its index. One that had to be
 * rebuilt is in order, and takes no more: then all the room there is, and the log goes on in the
 * next segment. */
static uint64_t store_footer_bytes(const struct store *store)
{
    if (store->newest == NULL)
        return 3 * IMLOG_BLOCK_BYTES;
    return store->newest->by_session == NULL ? extents_footer_bytes(store->newest)
                                             : store->log.prepare.segment_bytes;
}

int store_init(struct store *store, const struct store_options *options, struct imlog_why *why)
{
    *store = (struct store){0};
    uint64_t begun_ns = options->io->ops->monotonic_ns(options->io);
    struct log_origin origin;
    (void)why_set(why, 0, "%s", "");
    int error = store_init_parts(store, options);
    if (error < 0)
        (void)why_set(why, error, "shard %u: no memory for its tables", options->shard_index);
    if (error == 0)
        error = snapshot_load(store, &origin, why);
    if (error == 0)
        error = store_replay(store, &origin, why);
    if (error < 0)
        (void)why_set_if_none(why, error, "shard %u: cannot read its log: %s", options->shard_index,
                              imlog_error_text(error));
    if (error == 0) {
        store->log.clock_ms = clock_turn(&store->clock);
        error = log_start(&store->log, store_footer_bytes(store));
        if (error < 0)
            (void)why_set(why, error, "shard %u: cannot write its log: %s", options->shard_index,
                          imlog_error_text(error));
    }
    if (error < 0) {
        store_free(store);
        return error;
    }
    store->stats.open_ns = options->io->ops->monotonic_ns(options->io) - begun_ns;
    return 0;
}

/* Let everything in the background come to an end. */
static int store_drain(struct store *store, bool checkpoint)
{
    bool begin = checkpoint;
    for (;;) {
        (void)store_turn(store);
        begin = begin && !store->log.degraded;
        if (store->snapshot.state == SNAPSHOT_IDLE && begin && store->seal.state == SEAL_IDLE) {
            snapshot_turn(&store->snapshot, true);
            begin = false;
        }
        bool busy = store->seal.state != SEAL_IDLE || store->snapshot.under_way ||
                    store->rebuild.under_way || !pulls_idle(&store->pulls) ||
                    store->log.in_flight > 0 ||
                    (!store->log.degraded && snapshot_has_work(&store->snapshot));
        if (!busy && !begin)
            return 0;
        uint64_t wait_ns = store_wait_ns(store);
        int rc = store->io->ops->poll(store->io, wait_ns);
        if (rc < 0)
            return rc;
    }
}

int store_deinit(struct store *store)
{
    bool changed = store->log.fill_lsn > store->snapshot.begun_lsn || store->log.fill_count > 0;
    int error = log_flush(&store->log);
    (void)store_ack(store);
    int drain_error = store_drain(store, error == 0 && changed && store->log.active != NULL);
    (void)store_ack(store);
    store_free(store);
    return error < 0 ? error : drain_error;
}

/* ---- turns -------------------------------------------------------------------------------- */

uint32_t store_turn(struct store *store)
{
    store->log.clock_ms = clock_turn(&store->clock);
    uint32_t ran = store_ack(store);
    rebuild_turn(&store->rebuild); /* before the pulls that wait for it */
    ran += pulls_turn(&store->pulls);
    log_turn(&store->log);
    seal_turn(&store->seal);
    snapshot_turn(&store->snapshot, false);
    store_trim_extents(store);
    if (store->log.degraded)
        ran += store_ack(store);
    return ran;
}

uint64_t store_wait_ns(const struct store *store)
{
    if (store_has_acks(store) || pulls_runnable(&store->pulls) || store->rebuild.finished)
        return 0;
    bool seals = store->seal.state == SEAL_IDLE && seal_has_work(&store->seal);
    if (seals && !store->seal.starved)
        return 0;
    if (!store->snapshot.under_way && snapshot_has_work(&store->snapshot))
        return 0;
    uint64_t wait_ns = log_wait_ns(&store->log, store->io->ops->monotonic_ns(store->io));
    bool stuck = seals || (store->pulls.starved != NULL && store->pulls.reading_count == 0);
    return stuck && wait_ns > STORE_STARVED_NS ? STORE_STARVED_NS : wait_ns;
}

void store_stats(const struct store *store, struct imlog_stats *stats)
{
    const struct log *log = &store->log;
    *stats = store->stats;
    stats->sessions = store->sessions.count;
    stats->keys = store->keys.count;
    stats->segments = log->media.segment_count;
    stats->durable_lsn = log->durable_lsn;
    stats->log_bytes = log_end_lsn(log);
    stats->epoch = log->epoch;
    stats->batches = log->stats.batches;
    stats->batch_bytes = log->stats.batch_bytes;
    stats->batch_write_ns = log->stats.batch_write_ns;
    stats->pull_reads = store->pulls.reads;
    stats->pull_read_bytes = store->pulls.read_bytes;
    stats->cache_hits = store->cache.hits;
    stats->cache_misses = store->cache.misses;
    stats->damaged_footers = store->rebuild.count;
    stats->checkpoint_lsn = store->snapshot.published_lsn;
    stats->checkpoints = store->snapshot.count;
    stats->checkpoint_bytes = store->snapshot.bytes_total;
    stats->footer_bytes = store->seal.footer_bytes_total;
    stats->zeroed_bytes = log->prepare.zeroed_bytes_total;
    stats->dedupe_messages = store->dedupe.next - store->dedupe.first;
    stats->unwritten_bytes = log_end_lsn(log) - log->durable_lsn;
    stats->hot_bytes = log->ring.ring_bytes;
    stats->cache_bytes = (uint64_t)store->cache.frame_count * IMLOG_BLOCK_BYTES;
    stats->index_bytes = sessions_ram_bytes(&store->sessions) + keys_ram_bytes(&store->keys) +
                         dedupe_ram_bytes(&store->dedupe);
    for (const struct extents *extents = store->newest; extents != NULL; extents = extents->older)
        stats->index_bytes += extents_ram_bytes(extents);
    stats->degraded = log->degraded;
    stats->disk_full = log->prepare.state == PREPARE_FAILED && prepare_may_retry(&log->prepare);
}

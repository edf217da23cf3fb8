/* shard.c: include/imlog/imlog.h for one shard, on top of the store. */
#include "engine/base/assert.h"
#include "engine/base/error.h"
#include "engine/dir.h"
#include "engine/store/store.h"

#include <errno.h>
#include <stdlib.h>

struct imlog_shard {
    struct store store;
    struct imlog_dir *dir;
    struct imlog_io *io;
};

const char *imlog_kind_name(enum imlog_kind kind)
{
    switch (kind) {
    case IMLOG_KIND_DIRECT:
        return "direct";
    case IMLOG_KIND_GROUP:
        return "group";
    case IMLOG_KIND_BROADCAST:
        return "broadcast";
    case IMLOG_KIND_ANY:
        break;
    }
    return "unknown";
}

/* ---- options ------------------------------------------------------------------------------ */

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

static uint64_t power_of_two_above(uint64_t value)
{
    uint64_t power = IMLOG_BLOCK_BYTES;
    while (power < value)
        power *= 2;
    return power;
}

static int options_check_range(const char *name, uint64_t value, uint64_t low, uint64_t high,
                               struct imlog_why *why)
{
    if (value >= low && value <= high)
        return 0;
    return why_set(why, IMLOG_EINVALID, "%s: %llu is not in the range %llu to %llu", name,
                   (unsigned long long)value, (unsigned long long)low, (unsigned long long)high);
}

static int options_complete(const struct imlog_shard_options *given,
                            struct imlog_shard_options *limits, struct imlog_why *why)
{
    *limits = *given;
    limits->segment_bytes = or_default(given->segment_bytes, IMLOG_SEGMENT_BYTES_DEFAULT) &
                            ~(uint64_t)(IMLOG_BLOCK_BYTES - 1);
    limits->hot_bytes = or_default(given->hot_bytes, IMLOG_HOT_BYTES_DEFAULT);
    limits->cache_bytes = or_default(given->cache_bytes, IMLOG_CACHE_BYTES_DEFAULT);
    limits->body_bytes_max = (uint32_t)or_default(given->body_bytes_max, IMLOG_BODY_BYTES_DEFAULT);
    limits->dedupe_messages =
        (uint32_t)or_default(given->dedupe_messages, IMLOG_DEDUPE_MESSAGES_DEFAULT);
    const uint64_t ram_bytes_max = UINT64_C(1) << 40;
    int error = options_check_range("segment_bytes", limits->segment_bytes, IMLOG_SEGMENT_BYTES_MIN,
                                    IMLOG_SEGMENT_BYTES_MAX, why);
    if (error == 0)
        error = options_check_range("hot_bytes", limits->hot_bytes, IMLOG_HOT_BYTES_MIN,
                                    ram_bytes_max, why);
    if (error == 0)
        error = options_check_range("cache_bytes", limits->cache_bytes, IMLOG_CACHE_BYTES_MIN,
                                    ram_bytes_max, why);
    if (error == 0)
        error = options_check_range("body_bytes_max", limits->body_bytes_max, 1,
                                    IMLOG_BODY_BYTES_MAX, why);
    if (error == 0)
        error = options_check_range("dedupe_messages", limits->dedupe_messages, 1,
                                    IMLOG_DEDUPE_MESSAGES_MAX, why);
    limits->hot_bytes = power_of_two_above(limits->hot_bytes);
    return error;
}

/* ---- life --------------------------------------------------------------------------------- */

int imlog_shard_open(struct imlog_io *io, struct imlog_dir *dir, uint32_t shard_index,
                     const struct imlog_shard_options *options, struct imlog_shard **out,
                     struct imlog_why *why)
{
    static const struct imlog_shard_options none = {0};
    const struct identity *identity = dir_identity(dir);
    char path[DIR_PATH_BYTES];
    if (shard_index >= identity->shard_count)
        return why_set(why, IMLOG_EINVALID, "there is no shard %u: the directory has %u",
                       shard_index, identity->shard_count);
    int error = dir_shard_path(dir_path(dir), shard_index, path);
    struct store_options store_options = {.io = io,
                                          .directory = path,
                                          .shard_index = shard_index,
                                          .uuid = identity->uuid,
                                          .salt = identity_shard_salt(identity, shard_index)};
    if (error == 0)
        error = options_complete(options != NULL ? options : &none, &store_options.limits, why);
    if (error < 0)
        return error;
    struct imlog_shard *shard = calloc(1, sizeof(*shard));
    if (shard == NULL)
        return why_set(why, -ENOMEM, "out of memory");
    shard->dir = dir;
    shard->io = io;
    error = io->ops->hold(io, dir_lock_file(dir));
    if (error < 0) {
        free(shard);
        return why_set(why, error, "cannot hold the directory's lock: %s", imlog_error_text(error));
    }
    error = store_init(&shard->store, &store_options, why);
    if (error < 0) {
        io->ops->release(io, dir_lock_file(dir));
        free(shard);
        return error;
    }
    *out = shard;
    return 0;
}

int imlog_shard_close(struct imlog_shard *shard)
{
    int error = store_deinit(&shard->store);
    shard->io->ops->release(shard->io, dir_lock_file(shard->dir));
    free(shard);
    return error;
}

uint32_t imlog_shard_turn(struct imlog_shard *shard)
{
    return store_turn(&shard->store);
}

uint64_t imlog_shard_wait_ns(const struct imlog_shard *shard)
{
    return store_wait_ns(&shard->store);
}

int imlog_poll(struct imlog_shard *shard, uint64_t wait_ns)
{
    struct imlog_io *io = shard->store.io;
    uint32_t ran = imlog_shard_turn(shard); /* start what was asked for since the last */
    uint64_t due_ns = ran > 0 ? 0 : imlog_shard_wait_ns(shard);
    int rc = io->ops->poll(io, due_ns < wait_ns ? due_ns : wait_ns);
    if (rc < 0)
        return rc;
    return (int)(ran + imlog_shard_turn(shard));
}

/* ---- requests ----------------------------------------------------------------------------- */

int imlog_append(struct imlog_shard *shard, struct imlog_append *append)
{
    return store_append(&shard->store, append);
}

int imlog_resolve(struct imlog_shard *shard, struct imlog_resolve *resolve)
{
    return store_resolve(&shard->store, resolve);
}

int imlog_pull(struct imlog_shard *shard, struct imlog_pull *pull)
{
    return pull_start(&shard->store.pulls, pull);
}

int imlog_key_lookup(const struct imlog_shard *shard, const void *key, uint32_t key_bytes,
                     uint64_t *id)
{
    const struct store *store = &shard->store;
    if (key_bytes < 1 || key_bytes > IMLOG_KEY_BYTES_MAX)
        return IMLOG_EINVALID;
    uint32_t number = keys_find(&store->keys, key, key_bytes);
    if (number == UINT32_MAX || number >= store->durable_keys)
        return IMLOG_ENOSESSION;
    *id = keys_id_of_number(&store->keys, number);
    return 0;
}

uint32_t imlog_shard_of_resolved_id(uint64_t id, uint32_t shard_count)
{
    if (id < IMLOG_RESOLVED_ID_MIN)
        return UINT32_MAX;
    uint32_t shard_index = (uint32_t)((id - IMLOG_RESOLVED_ID_MIN) % IMLOG_SHARDS_MAX);
    return shard_index < shard_count ? shard_index : UINT32_MAX;
}

uint32_t imlog_key_of_id(const struct imlog_shard *shard, uint64_t id, const void **key)
{
    const struct store *store = &shard->store;
    uint32_t number = keys_number_of_id(&store->keys, id);
    return number < store->durable_keys ? keys_name(&store->keys, number, key) : 0;
}

/* ---- sessions ----------------------------------------------------------------------------- */

int imlog_session_get(const struct imlog_shard *shard, uint64_t session_id,
                      struct imlog_session_info *info)
{
    const struct store *store = &shard->store;
    uint32_t index = sessions_find(&store->sessions, session_id);
    return index == SESSION_NONE ? IMLOG_ENOSESSION : store_session_info(store, index, info);
}

uint32_t imlog_sessions_list(const struct imlog_shard *shard, uint64_t *next,
                             struct imlog_session_info *infos, uint32_t count_max)
{
    const struct store *store = &shard->store;
    uint32_t count = 0;
    uint64_t index = *next;
    for (; index < store->sessions.count && count < count_max; index++)
        count += store_session_info(store, (uint32_t)index, &infos[count]) == 0;
    *next = index < store->sessions.count ? index : 0;
    return count;
}

void imlog_stats_get(const struct imlog_shard *shard, struct imlog_stats *stats)
{
    store_stats(&shard->store, stats);
}

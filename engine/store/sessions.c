/* sessions.c: see sessions.h. */
#include "engine/store/sessions.h"

#include "engine/base/checksum.h"

struct sessions_probe {
    const struct sessions *sessions;
    uint64_t session_id;
};

static inline bool slot_matches(const void *arg, uint32_t value)
{
    const struct sessions_probe *probe = arg;
    return sessions_at(probe->sessions, value)->session_id == probe->session_id;
}

static inline uint64_t slot_hash(const void *arg, uint32_t value)
{
    return mix64(sessions_at(arg, value)->session_id);
}

uint32_t sessions_find(const struct sessions *sessions, uint64_t session_id)
{
    struct sessions_probe probe = {.sessions = sessions, .session_id = session_id};
    return hash_index_find(&sessions->index, mix64(session_id), slot_matches, &probe);
}

static int sessions_add_chunk(struct sessions *sessions)
{
    if (sessions->chunk_count == sessions->chunk_capacity) {
        uint32_t capacity = sessions->chunk_capacity == 0 ? 16 : sessions->chunk_capacity * 2;
        struct session **bigger =
            reallocarray(sessions->chunks, capacity, sizeof(struct session *)); /* NOLINT */
        if (bigger == NULL)
            return -ENOMEM;
        sessions->chunks = bigger;
        sessions->chunk_capacity = capacity;
    }
    struct session *chunk = calloc(SESSIONS_PER_CHUNK, sizeof(struct session));
    if (chunk == NULL)
        return -ENOMEM;
    sessions->chunks[sessions->chunk_count++] = chunk;
    return 0;
}

int sessions_reserve(struct sessions *sessions, uint64_t session_id)
{
    if (sessions->count == SESSION_NONE - 1)
        return -ENOMEM;
    if (sessions->count == sessions->chunk_count * SESSIONS_PER_CHUNK) {
        int error = sessions_add_chunk(sessions);
        if (error < 0)
            return error;
    }
    return hash_index_reserve(&sessions->index, mix64(session_id), slot_hash, sessions);
}

uint32_t sessions_add(struct sessions *sessions, uint64_t session_id, enum imlog_kind kind)
{
    uint32_t index = sessions->count++;
    struct session *session = sessions_at(sessions, index);
    *session = (struct session){
        .session_id = session_id, .kind = (uint8_t)kind, .open_extent = HASH_INDEX_NONE};
    hash_index_insert(&sessions->index, mix64(session_id), index);
    return index;
}

struct roots_links sessions_link(struct sessions *sessions, uint32_t index, uint32_t segment)
{
    struct session *session = sessions_at(sessions, index);
    struct roots_links links =
        roots_push(&sessions->roots, index, session->depth, session->roots, segment);
    session->depth++;
    session->prev_segment = links.prev_segment;
    return links;
}

struct roots_links sessions_links(const struct sessions *sessions, uint32_t index)
{
    const struct session *session = sessions_at(sessions, index);
    return (struct roots_links){.prev_segment = session->prev_segment,
                                .jump_segment = roots_count(session->depth) > 1 ? session->roots[1]
                                                                                : SEGMENT_NONE};
}

uint64_t sessions_ram_bytes(const struct sessions *sessions)
{
    return hash_index_bytes(&sessions->index) + roots_ram_bytes(&sessions->roots) +
           (uint64_t)sessions->chunk_count * SESSIONS_PER_CHUNK * sizeof(struct session);
}

void sessions_deinit(struct sessions *sessions)
{
    for (uint32_t i = 0; i < sessions->chunk_count; i++)
        free(sessions->chunks[i]);
    free(sessions->chunks);
    hash_index_deinit(&sessions->index);
    roots_deinit(&sessions->roots);
    *sessions = (struct sessions){0};
}

/* extents.c: see extents.h. */
#define _GNU_SOURCE
#include "engine/store/extents.h"

#include "engine/base/assert.h"

#include <errno.h>
#include <stdlib.h>

struct extents *extents_create(uint32_t segment)
{
    struct extents *extents = calloc(1, sizeof(*extents));
    if (extents != NULL)
        extents->segment = segment;
    return extents;
}

void extents_destroy(struct extents *extents)
{
    if (extents == NULL)
        return;
    for (uint32_t i = 0; i < extents->count; i++) {
        if (extents->array[i].capacity > EXTENT_INLINE)
            free(extents->array[i].offsets.many);
    }
    free(extents->array);
    free(extents->by_session);
    free(extents);
}

static int extent_grow(struct extents *extents, struct extent *extent)
{
    uint32_t capacity = extent->capacity * 2;
    uint32_t *many;
    if (extent->capacity == EXTENT_INLINE) {
        many = malloc(capacity * sizeof(uint32_t));
        if (many != NULL)
            memcpy(many, extent->offsets.few, sizeof(extent->offsets.few));
    } else {
        many = reallocarray(extent->offsets.many, capacity, sizeof(uint32_t));
    }
    if (many == NULL)
        return -ENOMEM;
    extents->offsets_bytes += (uint64_t)(capacity - extent->capacity) * sizeof(uint32_t);
    extent->offsets.many = many;
    extent->capacity = capacity;
    return 0;
}

int extents_reserve(struct extents *extents, uint32_t index)
{
    if (index != EXTENT_NONE) {
        struct extent *extent = &extents->array[index];
        return extent->count < extent->capacity ? 0 : extent_grow(extents, extent);
    }
    if (extents->count < extents->capacity)
        return 0;
    uint32_t capacity = extents->capacity == 0 ? 256 : extents->capacity * 2;
    struct extent *bigger = reallocarray(extents->array, capacity, sizeof(struct extent));
    if (bigger == NULL)
        return -ENOMEM;
    extents->array = bigger;
    extents->capacity = capacity;
    return 0;
}

uint32_t extents_open(struct extents *extents, uint64_t session_id, uint64_t first_seq,
                      struct roots_links links)
{
    IMLOG_ASSERT(extents->count < extents->capacity);
    IMLOG_ASSERT(extents->by_session == NULL);
    extents->array[extents->count] = (struct extent){.session_id = session_id,
                                                     .first_seq = first_seq,
                                                     .capacity = EXTENT_INLINE,
                                                     .links = links};
    return extents->count++;
}

void extents_add(struct extents *extents, uint32_t index, uint32_t offset)
{
    struct extent *extent = &extents->array[index];
    IMLOG_ASSERT(extent->count < extent->capacity);
    if (extent->capacity > EXTENT_INLINE)
        extent->offsets.many[extent->count++] = offset;
    else
        extent->offsets.few[extent->count++] = offset;
    extents->message_count++;
}

void extents_saw_time(struct extents *extents, uint64_t server_ms)
{
    if (extents->min_server_ms == 0 || server_ms < extents->min_server_ms)
        extents->min_server_ms = server_ms;
    if (server_ms > extents->max_server_ms)
        extents->max_server_ms = server_ms;
}

static int compare_sessions(const void *left, const void *right, void *arg)
{
    const struct extent *array = arg;
    uint64_t left_id = array[*(const uint32_t *)left].session_id;
    uint64_t right_id = array[*(const uint32_t *)right].session_id;
    return left_id < right_id ? -1 : left_id > right_id;
}

int extents_sort(struct extents *extents)
{
    if (extents->by_session != NULL)
        return 0;
    uint32_t *order = calloc(extents->count + 1, sizeof(uint32_t));
    if (order == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < extents->count; i++)
        order[i] = i;
    qsort_r(order, extents->count, sizeof(uint32_t), compare_sessions, extents->array);
    extents->by_session = order;
    return 0;
}

const struct extent *extents_find(const struct extents *extents, uint64_t session_id)
{
    IMLOG_ASSERT(extents->by_session != NULL);
    uint32_t low = 0;
    for (uint32_t high = extents->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const struct extent *extent = &extents->array[extents->by_session[middle]];
        if (extent->session_id == session_id)
            return extent;
        if (extent->session_id < session_id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint64_t extents_footer_bytes(const struct extents *extents)
{
    uint32_t extents_blocks;
    uint32_t offsets_blocks;
    uint32_t fence_blocks;
    return (uint64_t)segment_footer_blocks(extents->count + 1, extents->message_count + 1,
                                           &extents_blocks, &offsets_blocks, &fence_blocks) *
           IMLOG_BLOCK_BYTES;
}

uint64_t extents_ram_bytes(const struct extents *extents)
{
    uint64_t order_bytes =
        extents->by_session != NULL ? (uint64_t)extents->count * sizeof(uint32_t) : 0;
    return sizeof(*extents) + (uint64_t)extents->capacity * sizeof(struct extent) +
           extents->offsets_bytes + order_bytes;
}

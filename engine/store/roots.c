/* roots.c: skew-binary lists of extents; see roots.h. */
#include "engine/store/roots.h"

#include "engine/base/assert.h"
#include "engine/base/checksum.h"

/* ---- skew binary ---------------------------------------------------------------------- */

struct skew {
    uint32_t count;
    bool lowest_equal; /* the two smallest trees have the same size */
};

static struct skew skew_of(uint32_t depth)
{
    struct skew skew = {0};
    uint64_t rest = depth;
    uint64_t last_tree = 0;
    for (uint64_t tree = (UINT64_C(1) << 32) - 1; tree > 0; tree >>= 1) {
        while (rest >= tree) {
            skew.lowest_equal = tree == last_tree;
            last_tree = tree;
            rest -= tree;
            skew.count++;
        }
    }
    return skew;
}

uint32_t roots_count(uint32_t depth)
{
    return skew_of(depth).count;
}

/* ---- spilled roots -------------------------------------------------------------------- */

struct roots_probe {
    const struct roots_entry *entries;
    uint64_t key;
};

static inline bool entry_matches(const void *arg, uint32_t value)
{
    const struct roots_probe *probe = arg;
    return probe->entries[value].key == probe->key;
}

static inline uint64_t entry_hash(const void *arg, uint32_t value)
{
    return mix64(((const struct roots *)arg)->entries[value].key);
}

/* Level: from the oldest root, 0, up. */
static uint64_t roots_key(uint32_t owner, uint32_t level)
{
    return (uint64_t)owner << 8 | level;
}

static uint32_t roots_find(const struct roots *roots, uint64_t key)
{
    struct roots_probe probe = {.entries = roots->entries, .key = key};
    return hash_index_find(&roots->index, mix64(key), entry_matches, &probe);
}

static uint32_t roots_spilled(const struct roots *roots, uint64_t key)
{
    uint32_t at = roots_find(roots, key);
    return at == HASH_INDEX_NONE ? SEGMENT_UNKNOWN : roots->entries[at].segment;
}

static void roots_forget(struct roots *roots, uint64_t key)
{
    uint32_t at = roots_find(roots, key);
    if (at == HASH_INDEX_NONE)
        return;
    hash_index_remove(&roots->index, mix64(key), at, entry_hash, roots);
    roots->entries[at].segment = roots->free_entry;
    roots->free_entry = at + 1;
}

static uint32_t roots_new_entry(struct roots *roots)
{
    if (roots->free_entry != 0) {
        uint32_t at = roots->free_entry - 1;
        roots->free_entry = roots->entries[at].segment;
        return at;
    }
    if (roots->entry_count == roots->entry_capacity) {
        uint32_t capacity = roots->entry_capacity == 0 ? 64 : roots->entry_capacity * 2;
        struct roots_entry *bigger =
            reallocarray(roots->entries, capacity, sizeof(struct roots_entry));
        if (bigger == NULL)
            return HASH_INDEX_NONE;
        roots->entries = bigger;
        roots->entry_capacity = capacity;
    }
    return roots->entry_count++;
}

static void roots_spill(struct roots *roots, uint64_t key, uint32_t segment)
{
    uint32_t at = roots_find(roots, key);
    if (at != HASH_INDEX_NONE) {
        roots->entries[at].segment = segment;
        return;
    }
    if (hash_index_reserve(&roots->index, mix64(key), entry_hash, roots) < 0 ||
        (at = roots_new_entry(roots)) == HASH_INDEX_NONE)
        return; /* reads as SEGMENT_UNKNOWN */
    roots->entries[at] = (struct roots_entry){.key = key, .segment = segment};
    hash_index_insert(&roots->index, mix64(key), at);
}

/* ---- lists ---------------------------------------------------------------------------- */

uint32_t roots_get(const struct roots *roots, uint32_t owner, uint32_t depth,
                   const uint32_t inline_roots[ROOTS_INLINE], uint32_t *all)
{
    uint32_t count = roots_count(depth);
    IMLOG_ASSERT(count <= ROOTS_MAX);
    for (uint32_t i = 0; i < count; i++)
        all[i] = i < ROOTS_INLINE ? inline_roots[i]
                                  : roots_spilled(roots, roots_key(owner, count - 1 - i));
    return count;
}

void roots_set(struct roots *roots, uint32_t owner, uint32_t depth,
               uint32_t inline_roots[ROOTS_INLINE], const uint32_t *all)
{
    uint32_t count = roots_count(depth);
    for (uint32_t i = 0; i < ROOTS_INLINE; i++)
        inline_roots[i] = i < count ? all[i] : SEGMENT_NONE;
    for (uint32_t i = ROOTS_INLINE; i < count; i++)
        roots_spill(roots, roots_key(owner, count - 1 - i), all[i]);
}

struct roots_links roots_push(struct roots *roots, uint32_t owner, uint32_t depth,
                              uint32_t inline_roots[ROOTS_INLINE], uint32_t segment)
{
    struct skew skew = skew_of(depth);
    struct roots_links links = {.prev_segment = depth > 0 ? inline_roots[0] : SEGMENT_NONE};
    if (!skew.lowest_equal) {
        /* A tree of its own: the window moves, its oldest root spills. */
        if (skew.count >= ROOTS_INLINE)
            roots_spill(roots, roots_key(owner, skew.count - ROOTS_INLINE),
                        inline_roots[ROOTS_INLINE - 1]);
        for (uint32_t i = ROOTS_INLINE - 1; i > 0; i--)
            inline_roots[i] = inline_roots[i - 1];
    } else {
        /* Two trees become one: the window moves the other way, a spilled root comes back. */
        uint32_t refill = SEGMENT_NONE;
        if (skew.count > ROOTS_INLINE) {
            uint64_t key = roots_key(owner, skew.count - 1 - ROOTS_INLINE);
            refill = roots_spilled(roots, key);
            roots_forget(roots, key);
        }
        for (uint32_t i = 1; i + 1 < ROOTS_INLINE; i++)
            inline_roots[i] = inline_roots[i + 1];
        inline_roots[ROOTS_INLINE - 1] = refill;
    }
    inline_roots[0] = segment;
    links.jump_segment = roots_count(depth + 1) > 1 ? inline_roots[1] : SEGMENT_NONE;
    return links;
}

uint64_t roots_ram_bytes(const struct roots *roots)
{
    return hash_index_bytes(&roots->index) +
           (uint64_t)roots->entry_capacity * sizeof(struct roots_entry);
}

void roots_deinit(struct roots *roots)
{
    hash_index_deinit(&roots->index);
    free(roots->entries);
    roots->entries = NULL;
    roots->entry_count = 0;
    roots->entry_capacity = 0;
    roots->free_entry = 0;
}

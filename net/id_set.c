/* id_set.c: open addressing, at most half full, made at the first add.
 *
 * Without memory the set answers "yes" to everything: an append refused too many is retried, one
 * stored out of order is not undone. */
#include "net/id_set.h"

#include <imlog/assert.h>
#include <stddef.h>
#include <string.h>

static uint32_t id_set_slot(const struct id_set *set, uint64_t id)
{
    uint32_t slot = (uint32_t)(id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & set->slot_mask;
    while (set->slots[slot] != 0 && set->slots[slot] != id)
        slot = (slot + 1) & set->slot_mask;
    return slot;
}

static bool id_set_make(struct id_set *set, struct pool *pool, uint32_t id_max)
{
    uint32_t slot_count = 4;
    while (slot_count < 2 * id_max)
        slot_count *= 2;
    set->slots = pool_take(pool, slot_count * sizeof *set->slots);
    if (set->slots == NULL)
        return false;
    memset(set->slots, 0, slot_count * sizeof *set->slots);
    set->slot_mask = slot_count - 1;
    return true;
}

void id_set_add(struct id_set *set, struct pool *pool, uint64_t id, uint32_t id_max)
{
    IMLOG_ASSERT(id != 0);
    if (set->slots == NULL && (set->full || !id_set_make(set, pool, id_max))) {
        set->full = true;
        return;
    }
    set->slots[id_set_slot(set, id)] = id;
}

bool id_set_has(const struct id_set *set, uint64_t id)
{
    if (set->slots == NULL)
        return set->full;
    return set->slots[id_set_slot(set, id)] == id && id != 0;
}

void id_set_deinit(struct id_set *set, struct pool *pool)
{
    pool_give(pool, set->slots);
    *set = (struct id_set){0};
}

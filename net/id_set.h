/* id_set.h: a set of ids, empty most of the time: the sessions of a request in which an append
 * failed. */
#ifndef NET_ID_SET_H
#define NET_ID_SET_H

#include "net/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct id_set {      /* all zero is an empty one */
    uint64_t *slots; /* 0: free */
    uint32_t slot_mask;
    bool full; /* there was no memory for it: it is taken to hold every id */
};

/* Add an id != 0; at most id_max in all, which must be the same in every call. */
void id_set_add(struct id_set *set, struct pool *pool, uint64_t id, uint32_t id_max);
bool id_set_has(const struct id_set *set, uint64_t id);
void id_set_deinit(struct id_set *set, struct pool *pool);

#endif

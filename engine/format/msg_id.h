/* msg_id.h: the bits of a msg_id (Snowflake style).
 *
 *     63            22 21        14 13       0
 *     [ms since 2020 ][shard index ][counter ]
 *
 * 41 bits of milliseconds last until 2089; 14 bits of counter are 16,384 ids a millisecond. */
#ifndef ENGINE_FORMAT_MSG_ID_H
#define ENGINE_FORMAT_MSG_ID_H

#include <stdint.h>

enum { MSG_ID_SHARD_SHIFT = 14, MSG_ID_MS_SHIFT = 22 };

#define MSG_ID_EPOCH_MS    UINT64_C(1577836800000) /* 2020-01-01T00:00:00Z */
#define MSG_ID_COUNTER_MAX ((UINT64_C(1) << MSG_ID_SHARD_SHIFT) - 1)
#define MSG_ID_MS_MAX      (MSG_ID_EPOCH_MS + (UINT64_C(1) << 41) - 1)

static inline uint64_t msg_id_make(uint64_t ms, uint32_t shard_index, uint64_t counter)
{
    return (ms - MSG_ID_EPOCH_MS) << MSG_ID_MS_SHIFT | (uint64_t)shard_index << MSG_ID_SHARD_SHIFT |
           counter;
}

static inline uint64_t msg_id_ms(uint64_t msg_id)
{
    return (msg_id >> MSG_ID_MS_SHIFT) + MSG_ID_EPOCH_MS;
}

static inline uint64_t msg_id_counter(uint64_t msg_id)
{
    return msg_id & MSG_ID_COUNTER_MAX;
}

#endif

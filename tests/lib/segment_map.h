/* segment_map.h: what lies where in a segment file of the disk in memory: found by walking its
 * batches, independently of recovery. The file must be intact. */
#ifndef TESTS_LIB_SEGMENT_MAP_H
#define TESTS_LIB_SEGMENT_MAP_H

#include "engine/format/segment.h"
#include "tests/lib/disk.h"

struct mapped_record {
    uint64_t session_id; /* messages only; else 0 */
    uint64_t seq;
    uint64_t offset;
    uint64_t end_offset; /* of what its checksums cover: padding not included */
};

struct mapped_batch {
    uint64_t offset;
    uint64_t end_offset;
    uint32_t record_count;
};

struct segment_map {
    struct mapped_record *records;
    uint32_t record_count;
    struct mapped_batch *batches;
    uint32_t batch_count;
    uint64_t end_offset; /* of the last batch */
    struct segment_head head;
};

void segment_map_read(struct segment_map *map, const struct disk *disk, const char *path);
void segment_map_deinit(struct segment_map *map);
/* The message whose checksummed bytes hold this one, or NULL. */
const struct mapped_record *segment_map_message_at(const struct segment_map *map, uint64_t offset);

#endif

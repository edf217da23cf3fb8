/* segment_map.c: see segment_map.h. */
#include "tests/lib/segment_map.h"

#include "engine/format/batch.h"
#include "engine/format/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void map_record(struct segment_map *map, const struct record *record, uint64_t offset)
{
    bool message = record->header.kind == RECORD_MESSAGE;
    if ((map->record_count & (map->record_count - 1)) == 0) {
        uint32_t capacity = map->record_count == 0 ? 1 : map->record_count * 2;
        map->records = reallocarray(map->records, capacity, sizeof(struct mapped_record));
        assert_non_null(map->records);
    }
    map->records[map->record_count++] = (struct mapped_record){
        .session_id = message ? record->header.subject_id : 0,
        .seq = record->header.seq,
        .offset = offset,
        .end_offset = offset + sizeof(struct record_header) + record->header.payload_bytes};
}

static void map_batch(struct segment_map *map, const uint8_t *file, uint64_t at,
                      const struct batch_header *header)
{
    if ((map->batch_count & (map->batch_count - 1)) == 0) {
        uint32_t capacity = map->batch_count == 0 ? 1 : map->batch_count * 2;
        map->batches = reallocarray(map->batches, capacity, sizeof(struct mapped_batch));
        assert_non_null(map->batches);
    }
    map->batches[map->batch_count++] =
        (struct mapped_batch){at, at + header->batch_bytes, header->record_count};
    uint64_t offset = at + sizeof(*header);
    uint64_t end_offset = offset + header->records_bytes;
    while (offset < end_offset) {
        struct record record;
        uint64_t lsn = map->head.base_lsn + offset - IMLOG_BLOCK_BYTES;
        assert_int_equal(
            record_decode(file + offset, end_offset - offset, map->head.salt, lsn, &record), 0);
        map_record(map, &record, offset);
        offset += record.record_bytes;
    }
}

void segment_map_read(struct segment_map *map, const struct disk *disk, const char *path)
{
    *map = (struct segment_map){.record_count = 0};
    uint64_t file_bytes = disk_file_bytes(disk, path);
    uint8_t *file = malloc(file_bytes);
    assert_non_null(file);
    disk_peek(disk, path, 0, file, file_bytes);
    assert_int_equal(segment_head_decode(file, &map->head), 0);
    uint64_t at = IMLOG_BLOCK_BYTES;
    for (struct batch_header header; at + sizeof(header) <= file_bytes; at += header.batch_bytes) {
        memcpy(&header, file + at, sizeof(header));
        if (header.magic != BATCH_MAGIC || header.offset != at ||
            header.lsn != map->head.base_lsn + at - IMLOG_BLOCK_BYTES)
            break;
        map_batch(map, file, at, &header);
    }
    map->end_offset = at;
    free(file);
}

void segment_map_deinit(struct segment_map *map)
{
    free(map->records);
    free(map->batches);
}

const struct mapped_record *segment_map_message_at(const struct segment_map *map, uint64_t offset)
{
    for (uint32_t i = 0; i < map->record_count; i++) {
        const struct mapped_record *record = &map->records[i];
        if (record->session_id != 0 && offset >= record->offset && offset < record->end_offset)
            return record;
    }
    return NULL;
}

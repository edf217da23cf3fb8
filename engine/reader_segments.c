/* reader_segments.c: what each segment file of a data directory is and holds. */
#include "engine/reader_state.h"

#include <errno.h>
#include <stdio.h>

struct segment_count {
    uint64_t batches;
    uint64_t records;
    uint64_t messages;
    uint64_t epoch;
    bool damaged;
};

static int segments_count(struct walk *walk, struct segment_count *count)
{
    int more;
    while ((more = walk_next_item(walk)) > 0) {
        count->batches += walk->item.header_valid;
        count->records += walk->record_count;
        count->damaged = count->damaged || walk->verdict == SCAN_DAMAGE;
        if (walk->item.header_valid)
            count->epoch = walk->item.header.epoch;
        for (uint32_t i = 0; i < walk->record_count; i++) {
            struct record record;
            walk_record_at(walk, i, &record);
            count->messages += record.header.kind == RECORD_MESSAGE;
        }
    }
    return more;
}

static void segments_tell_used(const struct walk *walk, const struct segment_count *count,
                               struct imlog_segment_info *info)
{
    info->base_lsn = walk->scan.base_lsn;
    info->end_lsn = walk->end_lsn;
    info->file_bytes = walk->image.byte_count;
    info->batch_count = count->batches;
    info->record_count = count->records;
    info->message_count = count->messages;
    info->epoch = count->epoch;
    info->state = count->damaged ? "damaged" : walk->sealed ? "sealed" : "open";
    if (walk->sealed) {
        info->session_count = walk->trailer.extent_count;
        info->footer_bytes = ((uint64_t)walk->trailer.extents_blocks +
                              walk->trailer.offsets_blocks + walk->trailer.fence_blocks + 1) *
                             IMLOG_BLOCK_BYTES;
    }
}

static int segments_of_shard(struct walk *walk, uint32_t shard_index,
                             void (*each)(void *arg, const struct imlog_segment_info *info),
                             void *arg)
{
    char file[64];
    uint32_t told = 0; /* of walk->numbers */
    int more;
    walk_rewind(walk);
    do {
        struct segment_count count = {0};
        more = walk_next_segment(walk);
        int error = more > 0 ? segments_count(walk, &count) : more;
        if (error < 0)
            return error;
        uint32_t until = more > 0 ? walk->at + 1 : walk->number_count;
        for (; told < until; told++) {
            struct imlog_segment_info info = {.shard_index = shard_index,
                                              .number = walk->numbers[told],
                                              .file = file,
                                              .state = "prepared"};
            (void)snprintf(file, sizeof(file), SEGMENT_FILE, shard_index, walk->numbers[told]);
            if (more > 0 && told == walk->at)
                segments_tell_used(walk, &count, &info);
            each(arg, &info);
        }
    } while (more > 0);
    walk_rewind(walk);
    return 0;
}

int imlog_reader_segments(struct imlog_reader *reader,
                          void (*each)(void *arg, const struct imlog_segment_info *info), void *arg)
{
    for (uint32_t i = 0; i < reader->identity.shard_count; i++) {
        int error = segments_of_shard(&reader->shards[i].walk, i, each, arg);
        if (error < 0)
            return error;
    }
    return 0;
}

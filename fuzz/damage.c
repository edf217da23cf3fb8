/* damage.c: see damage.h. */
#include "fuzz/damage.h"

#include "engine/format/checkpoint.h"
#include "engine/format/segment.h"
#include "fuzz/repair.h"

enum { STEPS_MAX = 16 };

static uint8_t *writable(struct damage *damage, uint32_t file)
{
    if (!damage->changed[file]) {
        damage->files[file].bytes =
            fuzz_copy(damage->files[file].bytes, damage->files[file].byte_count);
        damage->changed[file] = true;
    }
    return damage->files[file].bytes;
}

/* ---- steps ------------------------------------------------------------------------------- */

struct steps {
    struct damage *damage;
    struct fuzz_input *input;
    uint32_t spots[BASE_SPOTS_MAX]; /* those that may be hit */
    uint32_t spot_count;
    bool may_cut; /* files, too */
};

static const struct base_spot *take_spot(struct steps *steps)
{
    uint64_t pick = fuzz_take(steps->input, 2);
    return &steps->damage->base->spots[steps->spots[pick % steps->spot_count]];
}

/* So many bytes of a spot; *room: how many there are, 0 where the file was cut before. */
static uint8_t *take_place(struct steps *steps, uint32_t align, uint32_t *room)
{
    const struct base_spot *spot = take_spot(steps);
    uint32_t at = (uint32_t)fuzz_take(steps->input, 2) % spot->byte_count / align * align;
    uint32_t end = spot->offset + spot->byte_count;
    uint32_t file_end = steps->damage->files[spot->file].byte_count;
    end = end < file_end ? end : file_end;
    *room = spot->offset + at < end ? end - spot->offset - at : 0;
    return *room == 0 ? NULL : writable(steps->damage, spot->file) + spot->offset + at;
}

static void step_write(struct steps *steps)
{
    uint32_t room;
    uint8_t *at = take_place(steps, 1, &room);
    size_t count = 1 + fuzz_take(steps->input, 1) % 32;
    const uint8_t *bytes = fuzz_take_bytes(steps->input, count < room ? count : room, &count);
    if (count > 0)
        memcpy(at, bytes, count);
}

static void step_flip(struct steps *steps)
{
    uint32_t room;
    uint8_t *at = take_place(steps, 1, &room);
    uint8_t bits = (uint8_t)fuzz_take(steps->input, 1);
    if (room > 0)
        *at ^= bits;
}

static void step_field(struct steps *steps)
{
    static const uint64_t values[16] = {0,
                                        1,
                                        2,
                                        UINT64_MAX,
                                        UINT64_MAX - 1,
                                        UINT32_MAX,
                                        UINT32_MAX - 1,
                                        INT32_MAX,
                                        INT64_MAX,
                                        UINT64_C(1) << 47,
                                        UINT64_C(1) << 48,
                                        UINT64_C(1) << 20,
                                        4096,
                                        IMLOG_SEGMENT_BYTES_MAX,
                                        IMLOG_BATCH_BYTES_MAX,
                                        3};
    uint32_t room;
    uint8_t *at = take_place(steps, 4, &room);
    uint64_t pick = fuzz_take(steps->input, 1);
    uint32_t bytes = (pick & 0x80) != 0 ? 8 : 4;
    if (room > 0)
        memcpy(at, &values[pick % 16], bytes < room ? bytes : room);
}

/* One structure's bytes over another's. */
static void step_copy(struct steps *steps)
{
    const struct base_spot *from = take_spot(steps);
    uint32_t room;
    uint8_t *at = take_place(steps, 8, &room);
    uint32_t count = from->byte_count < room ? from->byte_count : room;
    if (count > 0 && from->offset + count <= steps->damage->files[from->file].byte_count)
        memmove(at, steps->damage->files[from->file].bytes + from->offset, count);
}

/* The block that holds a spot; NULL where the file was cut before. */
static uint8_t *take_block(struct steps *steps)
{
    const struct base_spot *spot = take_spot(steps);
    uint32_t at = spot->offset / IMLOG_BLOCK_BYTES * IMLOG_BLOCK_BYTES;
    return at + IMLOG_BLOCK_BYTES > steps->damage->files[spot->file].byte_count
               ? NULL
               : writable(steps->damage, spot->file) + at;
}

/* A block written to another place, or lost. */
static void step_block(struct steps *steps)
{
    uint8_t *to = take_block(steps);
    uint64_t lost = fuzz_take(steps->input, 1) & 1;
    const uint8_t *from = lost != 0 ? NULL : take_block(steps);
    if (to != NULL && from != NULL)
        memmove(to, from, IMLOG_BLOCK_BYTES);
    else if (to != NULL)
        memset(to, 0, IMLOG_BLOCK_BYTES);
}

static void step_cut(struct steps *steps)
{
    const struct base_spot *spot = take_spot(steps);
    uint64_t how = fuzz_take(steps->input, 1);
    struct base_file *file = &steps->damage->files[spot->file];
    uint32_t kept_bytes = (spot->offset + (uint32_t)how * 64) / 512 * 512;
    if (!steps->may_cut)
        return;
    (void)writable(steps->damage, spot->file);
    steps->damage->cut = true;
    if (how >= 0xf0)
        steps->damage->gone[spot->file] = true;
    else if (kept_bytes < file->byte_count)
        file->byte_count = kept_bytes;
}

/* Any byte of a block, those included that mean nothing. */
static void step_anywhere(struct steps *steps)
{
    uint8_t *block = take_block(steps);
    uint64_t at = fuzz_take(steps->input, 2) % IMLOG_BLOCK_BYTES;
    uint8_t bits = (uint8_t)fuzz_take(steps->input, 1);
    if (block != NULL)
        block[at] ^= bits;
}

/* ---- repair ------------------------------------------------------------------------------ */

static void repair_segment(struct damage *damage, uint32_t file, uint64_t *chain)
{
    uint8_t *bytes = writable(damage, file);
    uint32_t byte_count = damage->files[file].byte_count & ~(uint32_t)(IMLOG_BLOCK_BYTES - 1);
    struct segment_head head;
    struct batch_header header;
    struct segment_block_header block;
    struct segment_trailer trailer;
    if (byte_count < 2 * IMLOG_BLOCK_BYTES)
        return;
    memcpy(&head, bytes, sizeof(head));
    if (head.magic == SEGMENT_HEAD_MAGIC) {
        memcpy(bytes + offsetof(struct segment_head, prev_checksum), chain, sizeof(*chain));
        repair_front(bytes, IMLOG_BLOCK_BYTES, 0);
    }
    uint32_t at = IMLOG_BLOCK_BYTES;
    while (at < byte_count) {
        memcpy(&header, bytes + at, sizeof(header));
        if (header.magic != BATCH_MAGIC)
            break;
        memcpy(bytes + at + offsetof(struct batch_header, prev_checksum), chain, sizeof(*chain));
        uint32_t batch_bytes = repair_batch(bytes + at, byte_count - at, damage->base->salt,
                                            head.base_lsn + at - IMLOG_BLOCK_BYTES);
        memcpy(chain, bytes + at, sizeof(*chain));
        at += batch_bytes;
    }
    for (; at < byte_count; at += IMLOG_BLOCK_BYTES) {
        memcpy(&block, bytes + at, sizeof(block));
        if (block.magic == SEGMENT_BLOCK_MAGIC)
            repair_front(bytes + at, IMLOG_BLOCK_BYTES, damage->base->salt);
    }
    at = byte_count - IMLOG_BLOCK_BYTES;
    memcpy(&trailer, bytes + at, sizeof(trailer));
    if (trailer.magic == SEGMENT_TRAILER_MAGIC) {
        memcpy(bytes + at + offsetof(struct segment_trailer, last_checksum), chain, sizeof(*chain));
        repair_front(bytes + at, IMLOG_BLOCK_BYTES, damage->base->salt);
    }
}

/* Key numbers index an array: no gigabytes, which a machine of many keys has and this has not. */
static void tame_keys(uint8_t *chunk)
{
    struct checkpoint_chunk header;
    memcpy(&header, chunk, sizeof(header));
    if (header.kind != CHECKPOINT_END)
        return;
    uint8_t *at = chunk + sizeof(header) + offsetof(struct checkpoint_end, next_key);
    uint32_t next_key;
    memcpy(&next_key, at, sizeof(next_key));
    next_key &= 0xfffff;
    memcpy(at, &next_key, sizeof(next_key));
}

static void repair_checkpoint(struct damage *damage, uint32_t file)
{
    uint8_t *bytes = writable(damage, file);
    uint32_t byte_count = damage->files[file].byte_count;
    if (byte_count < IMLOG_BLOCK_BYTES)
        return;
    repair_front(bytes, IMLOG_BLOCK_BYTES, damage->base->salt);
    for (uint32_t at = IMLOG_BLOCK_BYTES; at + CHECKPOINT_CHUNK_BYTES <= byte_count;
         at += CHECKPOINT_CHUNK_BYTES) {
        tame_keys(bytes + at);
        repair_front(bytes + at, CHECKPOINT_CHUNK_BYTES, damage->base->salt);
    }
}

/* Segments hang together by the chain: where one was changed, all from there on follow. */
static void repair_files(struct damage *damage)
{
    uint64_t chain = 0;
    bool any_segment = false;
    for (uint32_t i = 0; i < damage->base->file_count; i++) {
        if (damage->files[i].kind == BASE_CHECKPOINT && damage->changed[i])
            repair_checkpoint(damage, i);
        any_segment = any_segment || (damage->files[i].kind == BASE_SEGMENT && damage->changed[i]);
    }
    for (uint32_t i = 0; i < damage->base->file_count && any_segment; i++)
        if (damage->files[i].kind == BASE_SEGMENT && i <= damage->base->active_file)
            repair_segment(damage, i, &chain);
}

/* ---- all --------------------------------------------------------------------------------- */

static void take_step(struct steps *steps)
{
    static void (*const kinds[8])(struct steps *) = {step_write, step_flip,    step_field,
                                                     step_copy,  step_block,   step_cut,
                                                     step_field, step_anywhere};
    kinds[fuzz_take(steps->input, 1) % 8](steps);
    steps->damage->step_count++;
}

void damage_make(struct damage *damage, const struct base *base, uint32_t spot_kinds, bool repair,
                 struct fuzz_input *input)
{
    struct steps steps = {
        .damage = damage, .input = input, .may_cut = (spot_kinds & DAMAGE_CUTS) != 0};
    *damage = (struct damage){.base = base, .repaired = repair};
    memcpy(damage->files, base->files, sizeof(damage->files));
    for (uint32_t i = 0; i < base->spot_count; i++)
        if (((uint32_t)base->spots[i].kind & spot_kinds) != 0)
            steps.spots[steps.spot_count++] = i;
    FUZZ_CHECK(steps.spot_count > 0);
    while (fuzz_left(input) > 0 && damage->step_count < STEPS_MAX)
        take_step(&steps);
    if (repair)
        repair_files(damage);
}

void damage_free(struct damage *damage)
{
    for (uint32_t i = 0; i < damage->base->file_count; i++)
        if (damage->changed[i])
            free(damage->files[i].bytes);
}

bool damage_spares(const struct damage *damage, const struct base_message *message)
{
    const struct base_file *file = &damage->files[message->file];
    const struct base_file *before = &damage->base->files[message->file];
    uint32_t read_bytes = file->byte_count & ~(uint32_t)(IMLOG_BLOCK_BYTES - 1); /* whole blocks */
    return message->stored && !damage->gone[message->file] && read_bytes >= message->end_offset &&
           memcmp(file->bytes + message->offset, before->bytes + message->offset,
                  message->end_offset - message->offset) == 0;
}

/* damage.c: bytes at rest change: bits flip, sectors hold what was there before or what was meant
 * for another place, ranges cannot be read any more. Each costs exactly the messages whose bytes
 * it changed; everything else is served, and nothing wrong is (P4, P5).
 *
 * One damage a segment: anywhere in sealed ones, contents in the one that is written to; and
 * anything in checkpoints. What more at once can cost is said in docs/FORMAT.md. */
#include "engine/format/checkpoint.h"
#include "engine/format/record.h"
#include "tests/lib/segment_map.h"
#include "tests/sim/counts.h"
#include "tests/sim/life.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

#include <imlog/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAMAGE_LIVES = 2, DAMAGE_STEPS = 300, SECTORS_MAX = 12, NAMES_MAX = 64 };

struct place {
    char path[64];
    uint64_t offset;
    uint64_t byte_count;
};

/* ---- ways to go wrong ----------------------------------------------------------------------- */

static void flip_bit(struct life *life, const struct place *place)
{
    uint64_t bit = prng_below(&life->world->prng, place->byte_count * 8);
    disk_flip_bit(life->world->disk, place->path, place->offset * 8 + bit);
}

/* Sectors of the place: whole ones, as a device loses them. */
static struct place some_sectors(struct prng *prng, const struct place *place)
{
    uint64_t sector_bytes = prng_one_in(prng, 2) ? 512 : 4096;
    uint64_t first = place->offset / sector_bytes;
    uint64_t end = (place->offset + place->byte_count + sector_bytes - 1) / sector_bytes;
    struct place sectors = *place;
    uint64_t at = first + prng_below(prng, end - first);
    uint64_t most = end - at < SECTORS_MAX ? end - at : SECTORS_MAX;
    sectors.offset = at * sector_bytes;
    sectors.byte_count = (1 + prng_below(prng, most)) * sector_bytes;
    if (sectors.offset < place->offset || /* keep to the structure that was chosen */
        sectors.offset + sectors.byte_count > place->offset + place->byte_count) {
        sectors.offset = place->offset;
        sectors.byte_count = place->byte_count < 512 ? place->byte_count : 512;
    }
    return sectors;
}

/* The device never wrote them: the segment was zeroed before. */
static void stale_sectors(struct life *life, const struct place *place)
{
    struct place sectors = some_sectors(&life->world->prng, place);
    uint8_t *zeros = calloc(1, sectors.byte_count);
    IMLOG_ASSERT(zeros != NULL);
    disk_poke(life->world->disk, sectors.path, sectors.offset, zeros, sectors.byte_count);
    free(zeros);
}

/* The device put there what was meant for another place of this or another file. */
static void misdirected_write(struct life *life, const struct place *place,
                              const char *const *paths, uint32_t path_count)
{
    struct prng *prng = &life->world->prng;
    struct disk *disk = life->world->disk;
    struct place sectors = some_sectors(prng, place);
    const char *from = paths[prng_below(prng, path_count)];
    uint64_t from_bytes = disk_file_bytes(disk, from);
    if (from_bytes < sectors.byte_count)
        return;
    uint64_t from_offset = prng_one_in(prng, 2) ? sectors.offset : prng_next(prng) & ~511U;
    from_offset %= from_bytes - sectors.byte_count + 1;
    uint8_t *bytes = malloc(sectors.byte_count);
    IMLOG_ASSERT(bytes != NULL);
    disk_peek(disk, from, from_offset, bytes, sectors.byte_count);
    disk_poke(disk, sectors.path, sectors.offset, bytes, sectors.byte_count);
    free(bytes);
}

static void garble(struct life *life, const struct place *place)
{
    struct prng *prng = &life->world->prng;
    struct place sectors = some_sectors(prng, place);
    uint8_t *bytes = malloc(sectors.byte_count);
    IMLOG_ASSERT(bytes != NULL);
    for (uint64_t i = 0; i < sectors.byte_count; i++)
        bytes[i] = (uint8_t)prng_next(prng);
    disk_poke(life->world->disk, sectors.path, sectors.offset, bytes, sectors.byte_count);
    free(bytes);
}

static void some_damage(struct life *life, const struct place *place, const char *const *paths,
                        uint32_t path_count)
{
    uint64_t how = prng_below(&life->world->prng, 4);
    sim_trace("damage %d of %s at %llu, %llu bytes", (int)how, place->path,
              (unsigned long long)place->offset, (unsigned long long)place->byte_count);
    SIM_COUNT(damages, 1);
    switch (how) {
    case 0:
        flip_bit(life, place);
        break;
    case 1:
        stale_sectors(life, place);
        break;
    case 2:
        misdirected_write(life, place, paths, path_count);
        break;
    default:
        garble(life, place);
    }
}

/* ---- segments ------------------------------------------------------------------------------- */

/* The part of a sealed segment that gets it: its batches, or all that stands behind them, or one
 * of its small structures. */
static void choose_place(struct prng *prng, const struct segment_map *map, uint64_t file_bytes,
                         struct place *place)
{
    const struct mapped_batch *batch = &map->batches[prng_below(prng, map->batch_count)];
    const struct mapped_record *record = &map->records[prng_below(prng, map->record_count)];
    switch (prng_below(prng, 7)) {
    case 0:
        place->offset = 0;
        place->byte_count = IMLOG_BLOCK_BYTES;
        break;
    case 1: /* the footer: mostly its first blocks, where there is most of it */
        place->offset = map->end_offset;
        place->byte_count = file_bytes - map->end_offset;
        if (place->byte_count > 2 * IMLOG_BLOCK_BYTES && prng_one_in(prng, 2)) {
            place->offset += prng_below(prng, 2) * IMLOG_BLOCK_BYTES;
            place->byte_count = 1024;
        }
        break;
    case 2:
        place->offset = file_bytes - IMLOG_BLOCK_BYTES;
        place->byte_count = IMLOG_BLOCK_BYTES;
        break;
    case 3:
        place->offset = batch->offset;
        place->byte_count = 96;
        break;
    case 4:
        place->offset = record->offset;
        place->byte_count = record->end_offset - record->offset;
        break;
    case 5: /* where a checksum of the wrong length would look no more */
        place->offset = record->end_offset - 8;
        place->byte_count = 8;
        break;
    default:
        place->offset = IMLOG_BLOCK_BYTES;
        place->byte_count = map->end_offset - IMLOG_BLOCK_BYTES;
    }
}

/* Messages whose bytes are not what they were. */
static void expect_lost(struct life *life, const struct segment_map *map, const uint8_t *before,
                        const uint8_t *after)
{
    for (uint32_t i = 0; i < map->record_count; i++) {
        const struct mapped_record *record = &map->records[i];
        if (memcmp(before + record->offset, after + record->offset,
                   record->end_offset - record->offset) == 0)
            continue;
        if (record->session_id == 0) { /* a key, perhaps; checkpoints may still have it */
            life->world->model->keys_damaged = true;
            continue;
        }
        sim_trace("costs session %llu seq %llu", (unsigned long long)record->session_id,
                  (unsigned long long)record->seq);
        model_damage(life->world->model, record->session_id, record->seq);
        SIM_COUNT(damaged_messages, 1);
    }
}

/* In the segment that is still written to: the contents of one message. Its header tells whose
 * it was; without a footer nothing else does. */
static bool choose_contents(struct prng *prng, const struct segment_map *map, struct place *place)
{
    if (map->record_count == 0)
        return false;
    const struct mapped_record *record = &map->records[prng_below(prng, map->record_count)];
    place->offset = record->offset + sizeof(struct record_header);
    place->byte_count = record->end_offset - place->offset;
    return record->session_id != 0;
}

static void damage_segment(struct life *life, uint32_t number, bool sealed,
                           const char *const *paths, uint32_t path_count)
{
    struct disk *disk = life->world->disk;
    struct segment_map map;
    struct place place;
    world_segment_path(number, place.path);
    uint64_t file_bytes = disk_file_bytes(disk, place.path);
    uint8_t *before = malloc(2 * file_bytes);
    IMLOG_ASSERT(before != NULL);
    disk_peek(disk, place.path, 0, before, file_bytes);
    segment_map_read(&map, disk, place.path);
    if (sealed)
        choose_place(&life->world->prng, &map, file_bytes, &place);
    if (sealed || choose_contents(&life->world->prng, &map, &place))
        some_damage(life, &place, paths, path_count);
    disk_peek(disk, place.path, 0, before + file_bytes, file_bytes);
    expect_lost(life, &map, before, before + file_bytes);
    segment_map_deinit(&map);
    free(before);
}

/* ---- checkpoints ------------------------------------------------------------------------------
 */

struct names {
    char paths[NAMES_MAX][64];
    const char *all[NAMES_MAX];
    uint32_t count;
};

static void handle_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (names->count == NAMES_MAX)
        return;
    (void)snprintf(names->paths[names->count], 64, WORLD_SHARD_DIR "/%s", name);
    names->all[names->count] = names->paths[names->count];
    names->count++;
}

/* Anywhere, or where its chunks hold something as a rule: they are mostly empty. */
static void choose_checkpoint_place(struct prng *prng, struct place *place)
{
    uint64_t chunks = (place->byte_count - IMLOG_BLOCK_BYTES) / CHECKPOINT_CHUNK_BYTES;
    if (chunks == 0 || prng_one_in(prng, 3))
        return;
    place->offset = IMLOG_BLOCK_BYTES + prng_below(prng, chunks) * CHECKPOINT_CHUNK_BYTES;
    place->byte_count = 1024;
}

static void damage_checkpoints(struct life *life, const struct names *names)
{
    struct disk *disk = life->world->disk;
    struct prng *prng = &life->world->prng;
    for (uint32_t i = 0; i < names->count; i++) {
        struct place place = {.byte_count = disk_file_bytes(disk, names->all[i])};
        (void)snprintf(place.path, sizeof(place.path), "%s", names->all[i]);
        if (strstr(place.path, ".ckpt") == NULL || place.byte_count == 0 || prng_one_in(prng, 3))
            continue;
        choose_checkpoint_place(prng, &place);
        if (prng_one_in(prng, 4))
            disk_remove(disk, place.path);
        else
            some_damage(life, &place, names->all, names->count);
    }
}

/* ---- runs -------------------------------------------------------------------------------------
 */

static void live(struct life *life)
{
    struct world *world = life->world;
    life_open(life);
    life_steps(life, DAMAGE_STEPS + prng_below(&world->prng, DAMAGE_STEPS));
    disk_let_go(world->disk);
    world_settle(world);
    world_close(world);
}

void damage_run(uint64_t seed)
{
    struct life life;
    life_create(&life, seed);
    struct world *world = life.world;
    for (uint32_t i = 0; i < DAMAGE_LIVES; i++)
        live(&life);
    life_open(&life);
    uint32_t segment_count = (uint32_t)world_stats(world).segments;
    world_close(world);
    struct names names = {.count = 0};
    struct imlog_io *io = disk_io(world->disk);
    IMLOG_ASSERT(io->ops->list(io, WORLD_SHARD_DIR, handle_name, &names) == 0);
    for (uint32_t number = 1; number < segment_count; number++) {
        if (prng_one_in(&world->prng, 3))
            damage_segment(&life, number, true, names.all, names.count);
    }
    if (prng_one_in(&world->prng, 2))
        damage_checkpoints(&life, &names);
    else /* the checkpoint knows how far the log was durable */
        damage_segment(&life, segment_count, false, names.all, names.count);
    world->may_report = true;
    life_judge(&life);
    life_judge(&life);
    if (model_damaged_count(world->model) == 0)
        IMLOG_ASSERT(world->gap_count == 0);
    life_destroy(&life);
}

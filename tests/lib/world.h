/* world.h: a disk in memory, a shard on it, and the model that watches both: what whole-shard
 * tests are made of. Every answer is checked as it comes; a failed check names the seed. */
#ifndef TESTS_LIB_WORLD_H
#define TESTS_LIB_WORLD_H

#include "tests/lib/disk.h"
#include "tests/lib/model.h"
#include "tests/lib/prng.h"

#define WORLD_DIR       "/data"
#define WORLD_SHARD_DIR "/data/shard-000"

struct world {
    struct disk *disk;
    struct imlog_dir *dir;
    struct imlog_shard *shard; /* NULL: closed */
    struct imlog_shard_options options;
    struct model *model;
    struct prng prng;
    struct imlog_why why;
    bool crashing;   /* answers say nothing now */
    bool disturbed;  /* operations or allocations were made to fail since it was opened: requests
                        may be refused, outcomes unknown, and pulls fail; contents must be right */
    bool may_report; /* damage was done to it: opening may tell of errors */
    bool strict;     /* nothing fails unless crashing or disturbed */
    uint64_t sender_draw;
    uint32_t pending_appends;
    uint32_t pending_pulls;
    uint32_t pending_resolves;
    uint32_t unknown_count; /* appends answered with IMLOG_EUNKNOWN */
    uint32_t gap_count;     /* in pages, so far */
    uint32_t error_reports;
    uint32_t warning_reports;
    char last_report[512];
};

/* For cmocka_unit_test_teardown(): names the seed of a world that a failed check left behind. */
int world_name_seed(void **state);
/* How many seeds to run: IMLOG_TEST_SEEDS, or `count`; *first: IMLOG_TEST_SEED, or 1. A single
 * seed is run with IMLOG_TEST_SEED=n IMLOG_TEST_SEEDS=1. */
uint64_t world_seeds(uint64_t count, uint64_t *first);

/* Small segments, minimal memory; options may be changed before world_open(). */
struct world *world_create(uint64_t seed);
void world_destroy(struct world *world); /* closes what is open */

int world_try_open(struct world *world);
void world_open(struct world *world); /* must succeed, and agree with the model */
void world_close(struct world *world);
/* Crash, and be ready to open again. */
void world_crash(struct world *world, enum disk_crash kind);
/* The same from anywhere inside the shard, which is left as it is and never runs again. */
void world_cut(struct world *world, enum disk_crash kind);

/* Returns what imlog_append() did; the rest happens in done(). client_msg_id 0: none. */
/* Who sends what is appended next. */
uint64_t world_next_sender(const struct world *world);
int world_append(struct world *world, uint64_t session_id, uint32_t body_bytes,
                 uint64_t client_msg_id);
/* Append, and let the shard work as long as it is busy: must be taken in the end. */
void world_append_busy(struct world *world, uint64_t session_id, uint32_t body_bytes,
                       uint64_t client_msg_id);
/* Retry a message of the model; must get its seq and msg_id. */
int world_retry(struct world *world, uint32_t index);
int world_pull(struct world *world, const struct imlog_pull *pull);
int world_resolve(struct world *world, const char *key);

void world_poll(struct world *world, uint64_t wait_ns); /* once */
void world_settle(struct world *world);                 /* until nothing is pending */
/* Let time pass, with the shard working. */
void world_rest(struct world *world, uint64_t ns);
/* Pull all of every session, forward or backward, and compare. */
void world_check_all(struct world *world);

/* Path of a segment file. */
const char *world_segment_path(uint32_t number, char path[64]);
struct imlog_stats world_stats(const struct world *world);

#endif

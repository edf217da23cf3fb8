/* verify.c: every stored byte of a data directory, checked, and what is wrong named: findings,
 * and what lies around segments. One segment is verify_segment.c's. */
#define _GNU_SOURCE
#include "engine/base/assert.h"
#include "engine/checkpoint_file.h"
#include "engine/io/blocking.h"
#include "engine/store/snapshot.h"
#include "engine/verify_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- findings -----------------------------------------------------------------------------------
 */

void *verify_grow(struct verify *verify, void *array, uint32_t count, uint32_t *capacity,
                  size_t item_bytes)
{
    if (count < *capacity)
        return array;
    uint32_t bigger_capacity = *capacity == 0 ? 256 : *capacity * 2;
    void *bigger = reallocarray(array, bigger_capacity, item_bytes);
    if (bigger == NULL) {
        verify->error = -ENOMEM;
        return array;
    }
    *capacity = bigger_capacity;
    return bigger;
}

static void verify_keep(struct verify *verify, struct imlog_finding finding, const char *what)
{
    verify->kept = verify_grow(verify, verify->kept, verify->kept_count, &verify->kept_capacity,
                               sizeof(struct kept));
    if (verify->error < 0)
        return;
    finding.shard_index = verify->shard_index;
    verify->kept[verify->kept_count++] = (struct kept){.finding = finding, .what = what};
}

void verify_structure(struct verify *verify, uint64_t offset, uint32_t lost_records,
                      const char *what)
{
    struct imlog_finding finding = {.offset = offset, .lost_records = lost_records};
    verify_keep(verify, finding, what);
}

/* More seqs of a session are affected: extends the range before where they follow it. */
void verify_affected_range(struct verify *verify, uint64_t session_id, uint64_t first_seq,
                           uint64_t last_seq, uint64_t offset, const char *what)
{
    if (verify->kept_count > 0) {
        struct kept *last = &verify->kept[verify->kept_count - 1];
        if (last->finding.session_id == session_id && last->finding.last_seq + 1 == first_seq &&
            last->what == what) {
            last->finding.last_seq = last_seq;
            return;
        }
    }
    struct imlog_finding finding = {
        .offset = offset, .session_id = session_id, .first_seq = first_seq, .last_seq = last_seq};
    verify_keep(verify, finding, what);
}

void verify_affected(struct verify *verify, uint64_t session_id, uint64_t seq, uint64_t offset,
                     const char *what)
{
    verify_affected_range(verify, session_id, seq, seq, offset, what);
}

void verify_tell(struct verify *verify)
{
    for (uint32_t i = 0; i < verify->kept_count; i++) {
        struct imlog_finding finding = verify->kept[i].finding;
        finding.file = verify->file;
        finding.what = verify->kept[i].what;
        verify->found(verify->arg, &finding);
    }
    verify->finding_count += verify->kept_count;
    verify->kept_count = 0;
}

/* ---- files ------------------------------------------------------------------------------------
 */

/* Files the walk passed over between two segments of the log are missing or unreadable. */
static void verify_missing(struct verify *verify, uint32_t expected)
{
    const struct walk *walk = &verify->shard->walk;
    for (uint32_t number = expected; number < walk->numbers[walk->at]; number++) {
        (void)snprintf(verify->file, sizeof(verify->file), SEGMENT_FILE, verify->shard_index,
                       number);
        verify_structure(verify, 0, 0,
                         "the segment file is missing or wiped; the messages it held are lost");
        verify_tell(verify);
    }
}

/* A file behind the log's end that reads as never used, as far as it can be read. */
static void verify_blind(struct verify *verify, uint32_t number)
{
    (void)snprintf(verify->file, sizeof(verify->file), SEGMENT_FILE, verify->shard_index, number);
    verify_structure(verify, 0, 0,
                     "the disk cannot read the segment file; what it held cannot be told");
    verify_tell(verify);
}

/* The log ends before `number`, and a checkpoint knows better. */
static void verify_end(struct verify *verify, uint32_t number)
{
    (void)snprintf(verify->file, sizeof(verify->file), SEGMENT_FILE, verify->shard_index, number);
    verify_structure(verify, 0, 0,
                     "the log ends before what a checkpoint knows to have been durable: this file "
                     "or the end of the one before it is missing, wiped or cut; the messages it "
                     "held are lost");
    verify_tell(verify);
}

/* ---- checkpoints and identity
 * ------------------------------------------------------------------------- */

static void handle_checkpoint_name(void *arg, const char *name)
{
    struct verify *verify = arg;
    uint64_t number = snapshot_number(name);
    char path[DIR_PATH_BYTES + 32];
    if (number == 0)
        return;
    (void)snprintf(path, sizeof(path), "%s/%s", verify->shard->walk.directory, name);
    struct checkpoint_end end;
    int valid =
        checkpoint_file_check(verify->reader->io, path, number, verify->shard->walk.salt, &end);
    if (valid < 0 && valid != -ENOENT) /* that: replaced by a newer one meanwhile */
        verify->error = valid;
    if (valid != 0)
        return;
    (void)snprintf(verify->file, sizeof(verify->file), "shard-%03u/%s", verify->shard_index, name);
    verify_structure(verify, 0, 0,
                     "the checkpoint is damaged; opening uses an older one or the log, no message "
                     "is affected");
    verify_tell(verify);
}

static int verify_identity(struct verify *verify)
{
    char path[DIR_PATH_BYTES + 32];
    uint8_t *bytes = calloc(1, IDENTITY_FILE_BYTES);
    if (bytes == NULL)
        return -ENOMEM;
    (void)snprintf(path, sizeof(path), "%s/%s", verify->reader->path, IDENTITY_FILE);
    int file = blocking_open(verify->reader->io, path, O_RDONLY);
    int64_t got = file < 0 ? file : dir_read_copies(verify->reader->io, file, bytes);
    if (file >= 0)
        (void)blocking_close(verify->reader->io, file);
    (void)snprintf(verify->file, sizeof(verify->file), "%s", IDENTITY_FILE);
    for (uint64_t copy = 0; got >= 0 && copy < IDENTITY_COPIES; copy++) {
        struct identity identity;
        if (identity_decode(bytes + copy * sizeof(identity), sizeof(identity), &identity) < 0)
            verify_structure(verify, copy * sizeof(identity), 0,
                             "one copy of the identity is damaged; the other one is used");
    }
    free(bytes);
    verify_tell(verify);
    return got < 0 ? (int)got : 0;
}

/* ---- all
 * --------------------------------------------------------------------------------------------- */

static int verify_segments(struct verify *verify)
{
    struct walk *walk = &verify->shard->walk;
    uint32_t expected = 1; /* no segment was ever removed */
    int more;
    while ((more = walk_next_segment(walk)) > 0) {
        verify_missing(verify, expected);
        expected = walk->numbers[walk->at] + 1;
        int error = verify_segment(verify);
        if (error < 0)
            return error;
    }
    if (more == 0 && walk->blind_number >= expected)
        verify_blind(verify, walk->blind_number);
    else if (more == 0 && (walk->placed ? walk->end_lsn : 0) < walk->known_lsn)
        verify_end(verify, expected);
    return more;
}

static int verify_shard(struct verify *verify, uint32_t shard_index)
{
    verify->shard_index = shard_index;
    verify->shard = &verify->reader->shards[shard_index];
    struct walk *walk = &verify->shard->walk;
    walk_rewind(walk);
    walk->until_lsn = verify->shard->until_lsn;
    int error = verify_segments(verify);
    walk_rewind(walk);
    walk->until_lsn = UINT64_MAX;
    sessions_deinit(&verify->latest);
    if (error < 0)
        return error;
    error = verify->reader->io->ops->list(verify->reader->io, walk->directory,
                                          handle_checkpoint_name, verify);
    return error < 0 ? error : verify->error;
}

int64_t imlog_reader_verify(struct imlog_reader *reader,
                            void (*found)(void *arg, const struct imlog_finding *finding),
                            void *arg)
{
    struct verify verify = {.reader = reader, .found = found, .arg = arg};
    int error = verify_identity(&verify);
    for (uint32_t i = 0; i < reader->identity.shard_count && error == 0; i++)
        error = verify_shard(&verify, i);
    sessions_deinit(&verify.latest);
    free(verify.seen);
    free(verify.kept);
    return error < 0 ? error : verify.finding_count;
}

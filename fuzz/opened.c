/* opened.c: see opened.h. */
#include "fuzz/opened.h"

#include "engine/base/checksum.h"
#include "engine/format/segment.h"
#include "fuzz/outside.h"
#include "tests/lib/disk_state.h"

enum {
    SERVED_MAX = 2048,
    SESSIONS_LISTED_MAX = 64,
    PAGES_MAX = 8, /* of a session that may claim to be endless */
    ROUNDS_MAX = 20000,
    APPEND_SESSIONS = 3, /* two that exist, and one that does not */
    NEW_SESSION = 4242,
    OWN_SENDER = 77, /* of the appends made here */
    OWN_BODY_BYTES = 32,
};

struct opened {
    const struct damage *damage;
    const struct opened_habits *habits;
    struct disk *disk;
    struct imlog_dir *dir;
    struct imlog_shard *shard;
    const struct outside *outside; /* NULL: not asked */
    bool appended;                 /* messages of OWN_SENDER are to be expected */
    struct said served[SERVED_MAX];
    uint32_t served_count;
    uint32_t gap_count;
    bool served_some; /* there was more than was pulled and noted */
};

/* ---- the disk ---------------------------------------------------------------------------- */

static void put_file(struct disk *disk, const char *path, const uint8_t *bytes, uint32_t byte_count,
                     bool is_directory)
{
    int file = disk_new_file(disk, is_directory);
    disk_tree_move(&disk->tree, NULL, path, file);
    if (!is_directory)
        disk_file_resize(&disk->files[file], byte_count);
    if (byte_count > 0)
        disk_file_write(&disk->files[file], 0, bytes, byte_count, true);
}

static struct disk *fill_disk(const struct damage *damage)
{
    struct disk *disk = disk_create(1);
    put_file(disk, BASE_DIR, NULL, 0, true);
    put_file(disk, BASE_SHARD_DIR, NULL, 0, true);
    for (uint32_t i = 0; i < damage->base->file_count; i++)
        if (!damage->gone[i])
            put_file(disk, damage->files[i].path, damage->files[i].bytes,
                     damage->files[i].byte_count, false);
    disk_tree_sync(&disk->tree, "/");
    disk_tree_sync(&disk->tree, BASE_DIR);
    disk_tree_sync(&disk->tree, BASE_SHARD_DIR);
    return disk;
}

/* ---- opening ----------------------------------------------------------------------------- */

static int open_shard(struct opened *opened)
{
    const struct imlog_dir_options options = {.shard_count = 1};
    struct imlog_io *io = disk_io(opened->disk);
    struct imlog_why why = {.text = ""};
    FUZZ_CHECK(imlog_dir_open(io, BASE_DIR, &options, &opened->dir, &why) == 0);
    int error = imlog_shard_open(io, opened->dir, 0, &base_options, &opened->shard, &why);
    if (error == 0)
        return 0;
    FUZZ_CHECK(error == IMLOG_ECORRUPT || error == IMLOG_EVERSION);
    FUZZ_CHECK(why.text[0] != '\0');
    imlog_dir_close(opened->dir);
    return error;
}

/* A power cut: nothing more is written, so that closing is quick. */
static void crash_shard(struct opened *opened)
{
    disk_crash(opened->disk, DISK_DROP_ALL);
    (void)imlog_shard_close(opened->shard);
    imlog_dir_close(opened->dir);
    disk_restart(opened->disk);
}

/* A segment that is neither gone nor cut, but nothing in it says it was ever used. */
static bool may_be_wiped(const struct damage *damage)
{
    for (uint32_t i = 0; i <= damage->base->active_file; i++) {
        struct segment_head head;
        if (damage->files[i].kind == BASE_SEGMENT && damage->changed[i] &&
            (segment_head_decode(damage->files[i].bytes, &head) < 0 ||
             head.number != damage->base->files[i].number))
            return true;
    }
    return false;
}

/* ---- pulling ----------------------------------------------------------------------------- */

struct pulling {
    struct imlog_pull pull; /* first */
    struct opened *opened;
    bool done;
    uint64_t first_seq;
    uint64_t end_seq;
};

/* Just as it was appended. */
static bool is_as_appended(const struct base_message *base, const struct imlog_message *message)
{
    const struct imlog_append *append = &base->append;
    return message->msg_id == append->msg_id && message->sender_id == append->sender_id &&
           message->client_msg_id == append->client_msg_id &&
           message->client_ms == append->client_ms && message->type == append->type &&
           message->body_bytes == append->body_bytes &&
           memcmp(message->body, append->body, append->body_bytes) == 0;
}

static void check_own(const struct imlog_message *message)
{
    FUZZ_CHECK(message->body_bytes == OWN_BODY_BYTES);
    for (uint32_t i = 0; i < OWN_BODY_BYTES; i++)
        FUZZ_CHECK(((const uint8_t *)message->body)[i] == (uint8_t)message->session_id);
}

static void check_message(struct opened *opened, const struct imlog_message *message)
{
    struct said said = said_of(message);
    const struct base_message *base =
        base_message(opened->damage->base, message->session_id, message->seq);
    if (opened->appended && message->sender_id == OWN_SENDER)
        check_own(message);
    else if (base == NULL || !is_as_appended(base, message))
        FUZZ_CHECK(opened->damage->repaired && outside_proves(opened->damage, &said));
    if (opened->outside != NULL && !opened->damage->repaired) /* nothing is left out in silence */
        FUZZ_CHECK(outside_has(opened->outside, &said) ||
                   outside_finds(opened->outside, said.session_id, said.seq) ||
                   opened->outside->structure_count > 0);
    if (opened->served_count == SERVED_MAX)
        opened->served_some = true;
    else
        opened->served[opened->served_count++] = said;
}

static void check_gap(struct opened *opened, uint64_t session_id, const struct imlog_gap *gap)
{
    FUZZ_CHECK(gap->reason == IMLOG_GAP_DAMAGED && gap->first_seq <= gap->last_seq);
    opened->gap_count++;
    if (opened->damage->repaired)
        return;
    for (uint64_t seq = gap->first_seq; seq <= gap->last_seq; seq++) {
        const struct base_message *message = base_message(opened->damage->base, session_id, seq);
        FUZZ_CHECK(message == NULL || !damage_spares(opened->damage, message));
        if (opened->outside != NULL)
            FUZZ_CHECK(outside_finds(opened->outside, session_id, seq) ||
                       opened->outside->structure_count > 0);
    }
}

/* Messages and gaps account for every seq, in order. */
static void check_page(struct opened *opened, const struct imlog_pull *pull,
                       const struct imlog_page *page)
{
    uint64_t seq = page->first_seq;
    uint32_t gap = 0;
    for (uint32_t i = 0; i < page->message_count; i++, seq++) {
        if (gap < page->gap_count && page->gaps[gap].first_seq == seq)
            seq = page->gaps[gap++].last_seq + 1;
        FUZZ_CHECK(page->messages[i].seq == seq);
        FUZZ_CHECK(page->messages[i].session_id == pull->session_id);
        check_message(opened, &page->messages[i]);
    }
    if (gap < page->gap_count && page->gaps[gap].first_seq == seq)
        seq = page->gaps[gap++].last_seq + 1;
    FUZZ_CHECK(gap == page->gap_count && seq == page->end_seq);
    FUZZ_CHECK(page->end_seq <= page->session_latest_seq + 1);
    FUZZ_CHECK(page->message_count + page->gap_count <= pull->count_max);
    for (uint32_t i = 0; i < page->gap_count; i++)
        check_gap(opened, pull->session_id, &page->gaps[i]);
}

static void handle_pulled(struct imlog_pull *pull, int status, const struct imlog_page *page)
{
    struct pulling *pulling = (struct pulling *)(void *)pull;
    FUZZ_CHECK(status == 0);
    check_page(pulling->opened, pull, page);
    pulling->first_seq = page->first_seq;
    pulling->end_seq = page->end_seq;
    pulling->done = true;
}

static void poll_until(struct opened *opened, const bool *done)
{
    for (uint32_t round = 0; !*done; round++) {
        FUZZ_CHECK(round < ROUNDS_MAX);
        FUZZ_CHECK(imlog_poll(opened->shard, UINT64_MAX) >= 0);
    }
}

static void pull_session(struct opened *opened, const struct imlog_session_info *info)
{
    bool backward = opened->habits->backward;
    uint64_t after_seq = 0;
    uint64_t before_seq = 0;
    uint32_t pages_max = opened->damage->repaired ? PAGES_MAX : BASE_MESSAGES_MAX;
    for (uint32_t page = 0; page < pages_max; page++) {
        struct pulling pulling = {.pull = {.session_id = info->session_id,
                                           .after_seq = after_seq,
                                           .before_seq = before_seq,
                                           .backward = backward,
                                           .count_max = opened->habits->page_count,
                                           .done = handle_pulled},
                                  .opened = opened};
        FUZZ_CHECK(imlog_pull(opened->shard, &pulling.pull) == 0);
        poll_until(opened, &pulling.done);
        FUZZ_CHECK(pulling.end_seq > pulling.first_seq);
        after_seq = pulling.end_seq - 1;
        before_seq = pulling.first_seq;
        if (backward ? pulling.first_seq <= 1 : pulling.end_seq > info->latest_seq)
            return;
    }
    opened->served_some = true;
}

/* ---- what it knows ----------------------------------------------------------------------- */

static uint32_t list_sessions(const struct opened *opened, struct imlog_session_info *infos)
{
    uint64_t next = 0;
    uint32_t count = imlog_sessions_list(opened->shard, &next, infos, SESSIONS_LISTED_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct imlog_session_info again;
        FUZZ_CHECK(infos[i].latest_seq > 0 && infos[i].session_id != 0);
        FUZZ_CHECK(imlog_session_get(opened->shard, infos[i].session_id, &again) == 0);
        FUZZ_CHECK(again.latest_seq == infos[i].latest_seq);
    }
    return count;
}

static void pull_all(struct opened *opened)
{
    struct imlog_session_info infos[SESSIONS_LISTED_MAX];
    uint32_t count = list_sessions(opened, infos);
    opened->served_count = 0;
    opened->gap_count = 0;
    opened->served_some = false;
    for (uint32_t i = 0; i < count; i++)
        pull_session(opened, &infos[i]);
}

static bool serves(const struct opened *opened, const struct said *said)
{
    for (uint32_t i = 0; i < opened->served_count; i++)
        if (memcmp(&opened->served[i], said, sizeof(*said)) == 0)
            return true;
    return false;
}

/* What is intact, and before the segment that may have had a torn tail, is served. */
static void check_nothing_hidden(const struct opened *opened)
{
    const struct base *base = opened->damage->base;
    if (opened->damage->repaired || opened->damage->cut || opened->served_some ||
        opened->damage->changed[base->active_file])
        return;
    for (uint32_t i = 0; i < base->message_count; i++) {
        const struct base_message *message = &base->messages[i];
        if (message->file == base->active_file || !damage_spares(opened->damage, message))
            continue;
        bool found = false;
        for (uint32_t j = 0; j < opened->served_count && !found; j++)
            found = opened->served[j].session_id == message->append.session_id &&
                    opened->served[j].seq == message->append.seq;
        FUZZ_CHECK(found);
    }
}

/* A checkpoint that is whole knows how far every session got. */
static void check_latest(const struct opened *opened)
{
    const struct base *base = opened->damage->base;
    if (opened->damage->repaired || opened->damage->cut || base->kind != BASE_CLOSED)
        return;
    for (uint32_t i = 0; i < base->file_count; i++)
        if (base->files[i].kind == BASE_CHECKPOINT && opened->damage->changed[i])
            return;
    for (uint64_t id = 1; id <= BASE_SESSIONS; id++) {
        struct imlog_session_info info;
        FUZZ_CHECK(imlog_session_get(opened->shard, id, &info) == 0);
        FUZZ_CHECK(info.latest_seq == base->latest[id]);
    }
}

/* ---- going on ---------------------------------------------------------------------------- */

struct appending {
    struct imlog_append append; /* first */
    uint8_t body[OWN_BODY_BYTES];
    bool done;
};

static void handle_appended(struct imlog_append *append, int status)
{
    FUZZ_CHECK(status == 0 && !append->duplicate);
    ((struct appending *)(void *)append)->done = true;
}

/* Returns whether the shard took it: a session may be at the last seq there is. */
static bool append_one(struct opened *opened, struct appending *appending, uint64_t session_id)
{
    struct imlog_session_info info = {.latest_seq = 0};
    (void)imlog_session_get(opened->shard, session_id, &info);
    *appending = (struct appending){.append = {.session_id = session_id,
                                               .sender_id = OWN_SENDER,
                                               .body = appending->body,
                                               .body_bytes = sizeof(appending->body),
                                               .done = handle_appended}};
    memset(appending->body, (int)session_id, sizeof(appending->body));
    if (imlog_append(opened->shard, &appending->append) < 0)
        return false;
    poll_until(opened, &appending->done);
    FUZZ_CHECK(appending->append.seq == info.latest_seq + 1);
    return true;
}

static void append_and_reopen(struct opened *opened)
{
    static const uint64_t session_ids[APPEND_SESSIONS] = {1, 2, NEW_SESSION};
    struct appending appends[APPEND_SESSIONS];
    bool taken[APPEND_SESSIONS];
    static struct opened before;
    for (uint32_t i = 0; i < APPEND_SESSIONS; i++)
        taken[i] = append_one(opened, &appends[i], session_ids[i]);
    before = *opened;
    crash_shard(opened);
    FUZZ_CHECK(open_shard(opened) == 0);
    for (uint32_t i = 0; i < APPEND_SESSIONS; i++) {
        struct imlog_session_info info;
        if (!taken[i])
            continue;
        FUZZ_CHECK(imlog_session_get(opened->shard, session_ids[i], &info) == 0);
        FUZZ_CHECK(info.latest_seq == appends[i].append.seq);
    }
    opened->appended = true;
    opened->outside = NULL; /* it was asked before these appends */
    pull_all(opened);
    for (uint32_t i = 0; i < before.served_count && !opened->served_some; i++)
        FUZZ_CHECK(serves(opened, &before.served[i]));
}

/* ---- one run ----------------------------------------------------------------------------- */

void opened_check(const struct damage *damage, const struct opened_habits *habits)
{
    static struct opened opened;
    static struct outside outside;
    opened.damage = damage;
    opened.habits = habits;
    opened.outside = NULL;
    opened.appended = false;
    opened.disk = fill_disk(damage);
    if (habits->reads) {
        outside_read(&outside, disk_io(opened.disk));
        opened.outside = &outside;
    }
    if (open_shard(&opened) < 0) {
        FUZZ_CHECK(damage->repaired || damage->cut || may_be_wiped(damage));
    } else {
        pull_all(&opened);
        check_nothing_hidden(&opened);
        check_latest(&opened);
        if (opened.outside != NULL && outside.finding_count == 0 && !damage->repaired)
            FUZZ_CHECK(opened.gap_count == 0);
        if (habits->reopens)
            append_and_reopen(&opened);
        crash_shard(&opened);
    }
    disk_destroy(opened.disk);
}

struct opened_habits opened_habits(struct fuzz_input *input)
{
    static const uint32_t page_counts[4] = {IMLOG_PULL_MESSAGES_MAX, 7, 1, 25};
    uint64_t habits = fuzz_take(input, 1);
    return (struct opened_habits){.page_count = page_counts[habits & 3],
                                  .backward = (habits & 4) != 0,
                                  .reads = (habits & 8) != 0,
                                  .reopens = (habits & 16) != 0};
}

void opened_run(const uint8_t *data, size_t byte_count, uint32_t spot_kinds, uint32_t base_kinds)
{
    struct fuzz_input input = fuzz_input_of(data, byte_count);
    uint64_t form = fuzz_take(&input, 1);
    struct opened_habits habits = opened_habits(&input);
    enum base_kind kind = (enum base_kind)((form >> 1) % BASE_KINDS);
    if ((base_kinds & 1U << kind) == 0)
        kind = BASE_CLOSED;
    static struct damage damage;
    damage_make(&damage, base_of(kind), spot_kinds, (form & 1) != 0, &input);
    opened_check(&damage, &habits);
    damage_free(&damage);
}

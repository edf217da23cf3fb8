/* world.c: see world.h. */
#define _GNU_SOURCE
#include "tests/lib/world.h"

#include <errno.h>
#include <imlog/assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct pending_append {
    struct imlog_append append;
    struct world *world;
    uint32_t index; /* in the model */
};

struct pending_pull {
    struct imlog_pull pull;
    struct world *world;
    uint32_t acked_count; /* messages of the session that were acked when it began */
};

struct pending_resolve {
    struct imlog_resolve resolve;
    struct world *world;
    uint32_t key;
};

/* ---- life ----------------------------------------------------------------------------------- */

static uint64_t newest_seed;
static bool running; /* a world of that seed */

int world_name_seed(void **state)
{
    (void)state;
    if (running)
        print_error("it was seed %llu\n", (unsigned long long)newest_seed);
    running = false;
    return 0;
}

uint64_t world_seeds(uint64_t count, uint64_t *first)
{
    const char *first_text = getenv("IMLOG_TEST_SEED");
    const char *count_text = getenv("IMLOG_TEST_SEEDS");
    *first = first_text != NULL ? strtoull(first_text, NULL, 10) : 1;
    return count_text != NULL ? strtoull(count_text, NULL, 10) : count;
}

static void handle_abort(int signal_number)
{
    char line[64];
    int bytes =
        snprintf(line, sizeof(line), "aborted with seed %llu\n", (unsigned long long)newest_seed);
    (void)!write(STDERR_FILENO, line, (size_t)bytes);
    (void)signal(signal_number, SIG_DFL);
}

static void handle_report(void *arg, enum imlog_severity severity, const char *line)
{
    struct world *world = arg;
    world->error_reports += severity == IMLOG_ERROR;
    world->warning_reports += severity == IMLOG_WARNING;
    (void)snprintf(world->last_report, sizeof(world->last_report), "%s", line);
    if (getenv("IMLOG_TEST_VERBOSE") != NULL)
        (void)fprintf(stderr, "report: %s\n", line);
}

struct world *world_create(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    newest_seed = seed;
    running = true;
    struct sigaction present;
    if (sigaction(SIGABRT, NULL, &present) == 0 && present.sa_handler == SIG_DFL)
        (void)signal(SIGABRT, handle_abort); /* the simulator has a better one */
    world->disk = disk_create(seed);
    world->model = model_create();
    world->prng.state = seed * 31 + 7;
    world->options = (struct imlog_shard_options){.segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                                  .hot_bytes = IMLOG_HOT_BYTES_MIN,
                                                  .cache_bytes = IMLOG_CACHE_BYTES_MIN,
                                                  .body_bytes_max = IMLOG_BODY_BYTES_MAX,
                                                  .dedupe_messages = 1000,
                                                  .report = handle_report,
                                                  .report_arg = world};
    return world;
}

int world_try_open(struct world *world)
{
    const struct imlog_dir_options options = {.shard_count = 1, .create = true};
    struct imlog_io *io = disk_io(world->disk);
    assert_null(world->shard);
    int error = imlog_dir_open(io, WORLD_DIR, &options, &world->dir, &world->why);
    if (error < 0)
        return error;
    error = imlog_shard_open(io, world->dir, 0, &world->options, &world->shard, &world->why);
    if (error < 0) {
        world->shard = NULL;
        imlog_dir_close(world->dir);
    }
    return error;
}

void world_open(struct world *world)
{
    int error = world_try_open(world);
    if (error < 0)
        fail_msg("open: %s: %s", imlog_error_name(error), world->why.text);
    world->crashing = false;
    model_reopen(world->model, world->shard);
}

void world_close(struct world *world)
{
    int error = imlog_shard_close(world->shard);
    imlog_dir_close(world->dir);
    world->shard = NULL;
    assert_int_equal(world->pending_appends, 0);
    assert_int_equal(world->pending_pulls, 0);
    assert_int_equal(world->pending_resolves, 0);
    if (!world->crashing && !world->disturbed && world->unknown_count == 0)
        assert_int_equal(error, 0);
}

void world_crash(struct world *world, enum disk_crash kind)
{
    world->crashing = true;
    disk_crash(world->disk, kind);
    if (world->shard != NULL)
        world_close(world);
    disk_restart(world->disk);
    world->unknown_count = 0;
    world->error_reports = 0; /* the crash itself */
}

void world_cut(struct world *world, enum disk_crash kind)
{
    disk_crash(world->disk, kind);
    disk_abandon(world->disk);
    world->shard = NULL;
    world->dir = NULL;
    world->pending_appends = 0;
    world->pending_pulls = 0;
    world->pending_resolves = 0;
    disk_restart(world->disk);
    world->unknown_count = 0;
    world->error_reports = 0;
}

void world_destroy(struct world *world)
{
    if (world->shard != NULL)
        world_close(world);
    model_destroy(world->model);
    disk_destroy(world->disk);
    free(world);
    running = false;
}

/* ---- appends -------------------------------------------------------------------------------- */

/* Only what was made to fail may fail. Tests without that flag look at single faults, and know. */
static void world_allow_failure(const struct world *world)
{
    if (world->strict)
        assert_true(world->crashing || world->disturbed);
}

static void handle_append_done(struct imlog_append *append, int status)
{
    struct pending_append *pending = (struct pending_append *)(void *)append;
    struct world *world = pending->world;
    world->pending_appends--;
    if (status == 0) {
        assert_int_equal(append->ack, IMLOG_ACK_DURABLE);
        if (!append->duplicate)
            model_ack(world->model, pending->index);
        assert_true(pending->index < world->model->acked_count);
    } else {
        assert_int_equal(status, IMLOG_EUNKNOWN);
        world_allow_failure(world);
        world->unknown_count++;
    }
    free(pending);
}

static struct pending_append *append_new(struct world *world)
{
    struct pending_append *pending = calloc(1, sizeof(*pending));
    assert_non_null(pending);
    pending->world = world;
    pending->append.done = handle_append_done;
    return pending;
}

uint64_t world_next_sender(const struct world *world)
{
    struct prng prng = {.state = world->sender_draw};
    return 1 + prng_below(&prng, 5);
}

int world_append(struct world *world, uint64_t session_id, uint32_t body_bytes,
                 uint64_t client_msg_id)
{
    struct pending_append *pending = append_new(world);
    uint64_t body_seed = prng_next(&world->prng);
    uint8_t *body = malloc(body_bytes + 1); /* freed after the call: the shard may not keep it */
    assert_non_null(body);
    model_body(body_seed, body, body_bytes);
    pending->append.session_id = session_id;
    pending->append.sender_id = world_next_sender(world);
    world->sender_draw++;
    pending->append.client_msg_id = client_msg_id;
    pending->append.client_ms = prng_next(&world->prng);
    pending->append.type = (uint16_t)prng_next(&world->prng);
    pending->append.body = body;
    pending->append.body_bytes = body_bytes;
    int error = imlog_append(world->shard, &pending->append);
    free(body);
    if (error < 0) {
        free(pending);
        return error;
    }
    pending->index = model_take(world->model, &pending->append, body_seed);
    world->pending_appends++;
    return 0;
}

void world_append_busy(struct world *world, uint64_t session_id, uint32_t body_bytes,
                       uint64_t client_msg_id)
{
    int error;
    while ((error = world_append(world, session_id, body_bytes, client_msg_id)) == IMLOG_EBUSY)
        world_poll(world, 1000000000);
    if (error < 0)
        fail_msg("append: %s", imlog_error_name(error));
}

int world_retry(struct world *world, uint32_t index)
{
    const struct model_message *message = &world->model->all[index];
    struct pending_append *pending = append_new(world);
    pending->index = index;
    pending->append.session_id = message->session_id;
    pending->append.sender_id = message->sender_id;
    pending->append.client_msg_id = message->client_msg_id;
    pending->append.body = "";
    int error = imlog_append(world->shard, &pending->append);
    if (error < 0) {
        free(pending);
        return error;
    }
    assert_true(pending->append.duplicate);
    assert_int_equal(pending->append.seq, message->seq);
    assert_int_equal(pending->append.msg_id, message->msg_id);
    assert_int_equal(pending->append.server_ms, message->server_ms);
    world->pending_appends++;
    return 0;
}

/* ---- pulls ---------------------------------------------------------------------------------- */

/* Reads may have failed: fewer messages are in order, wrong ones are not. */
static void check_disturbed_page(const struct world *world, int status,
                                 const struct imlog_page *page)
{
    if (status < 0) {
        if (status != -EIO && status != -ENOSPC && status != -ENOMEM && status != -EBUSY &&
            status != -EMFILE)
            fail_msg("a pull: %s", imlog_error_name(status));
        return;
    }
    for (uint32_t i = 0; i < page->message_count; i++)
        model_check_message(world->model, &page->messages[i]);
}

static void handle_pull_done(struct imlog_pull *pull, int status, const struct imlog_page *page)
{
    struct pending_pull *pending = (struct pending_pull *)(void *)pull;
    struct world *world = pending->world;
    world->pending_pulls--;
    if (!world->crashing) {
        if (status == IMLOG_ENOSESSION) {
            assert_int_equal(pending->acked_count, 0);
        } else if (world->disturbed) {
            check_disturbed_page(world, status, page);
        } else {
            assert_int_equal(status, 0);
            assert_true(page->session_latest_seq >= pending->acked_count);
            model_check_page(world->model, pull, page);
            world->gap_count += page->gap_count;
        }
    }
    free(pending);
}

static uint32_t acked_of(const struct model *model, uint64_t session_id)
{
    const struct model_session *session = &model->sessions[session_id];
    uint32_t count = session->count;
    while (count > 0 && session->messages[count - 1] >= model->acked_count)
        count--;
    return count;
}

int world_pull(struct world *world, const struct imlog_pull *pull)
{
    struct pending_pull *pending = calloc(1, sizeof(*pending));
    assert_non_null(pending);
    pending->pull = *pull;
    pending->pull.done = handle_pull_done;
    pending->world = world;
    pending->acked_count = acked_of(world->model, pull->session_id);
    int error = imlog_pull(world->shard, &pending->pull);
    if (error < 0)
        free(pending);
    else
        world->pending_pulls++;
    return error;
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void handle_resolve_done(struct imlog_resolve *resolve, int status)
{
    struct pending_resolve *pending = (struct pending_resolve *)(void *)resolve;
    struct world *world = pending->world;
    world->pending_resolves--;
    if (status == 0)
        model_resolved(world->model, pending->key, resolve->id, resolve->created, true);
    else
        assert_int_equal(status, IMLOG_EUNKNOWN);
    if (status < 0)
        world_allow_failure(world);
    free(pending);
}

int world_resolve(struct world *world, const char *key)
{
    struct pending_resolve *pending = calloc(1, sizeof(*pending));
    assert_non_null(pending);
    pending->world = world;
    pending->key = model_key(world->model, key);
    char copy[32]; /* the shard may not keep it */
    (void)snprintf(copy, sizeof(copy), "%s", key);
    pending->resolve.key = copy;
    pending->resolve.key_bytes = (uint32_t)strlen(copy);
    pending->resolve.done = handle_resolve_done;
    int error = imlog_resolve(world->shard, &pending->resolve);
    memset(copy, 0xee, sizeof(copy));
    if (error < 0) {
        free(pending);
        return error;
    }
    model_resolved(world->model, pending->key, pending->resolve.id, pending->resolve.created,
                   false);
    world->pending_resolves++;
    return 0;
}

/* ---- turns ---------------------------------------------------------------------------------- */

void world_poll(struct world *world, uint64_t wait_ns)
{
    int rc = imlog_poll(world->shard, wait_ns);
    assert_true(rc >= 0);
}

void world_settle(struct world *world)
{
    while (world->pending_appends + world->pending_pulls + world->pending_resolves > 0)
        world_poll(world, UINT64_MAX);
}

static uint64_t now_ns(const struct world *world)
{
    struct imlog_io *io = disk_io(world->disk);
    return io->ops->monotonic_ns(io);
}

void world_rest(struct world *world, uint64_t ns)
{
    uint64_t end_ns = now_ns(world) + ns;
    while (now_ns(world) < end_ns)
        world_poll(world, end_ns - now_ns(world));
}

void world_check_all(struct world *world)
{
    world_settle(world);
    for (uint32_t id = 1; id <= world->model->session_id_max; id++) {
        uint32_t count = world->model->sessions[id].count;
        bool backward = prng_one_in(&world->prng, 2);
        uint32_t page = 1 + (uint32_t)prng_below(&world->prng, IMLOG_PULL_MESSAGES_MAX);
        for (uint32_t at = 0; at < count; at += page) {
            struct imlog_pull pull = {.session_id = id,
                                      .after_seq = at,
                                      .before_seq = count - at + 1,
                                      .backward = backward,
                                      .bytes_max = UINT32_MAX,
                                      .count_max = page};
            assert_int_equal(world_pull(world, &pull), 0);
        }
        world_settle(world);
    }
}

const char *world_segment_path(uint32_t number, char path[64])
{
    (void)snprintf(path, 64, WORLD_SHARD_DIR "/%010u.seg", number);
    return path;
}

struct imlog_stats world_stats(const struct world *world)
{
    struct imlog_stats stats;
    imlog_stats_get(world->shard, &stats);
    return stats;
}

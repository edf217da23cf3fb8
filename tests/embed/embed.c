/* embed.c: the smallest program that embeds imlog: open a directory and a shard, append three
 * messages, pull them back. Compiled and run as a test, so that it stays true. */
#include <imlog/imlog.h>
#include <imlog/io_uring.h>
#include <stdio.h>
#include <string.h>

static int pending; /* requests whose done() has not run */

static void handle_append_done(struct imlog_append *append, int status)
{
    printf("append: %s, seq %llu\n", imlog_error_text(status), (unsigned long long)append->seq);
    pending--;
}

static void handle_pull_done(struct imlog_pull *pull, int status, const struct imlog_page *page)
{
    printf("pull of session %llu: %s\n", (unsigned long long)pull->session_id,
           imlog_error_text(status));
    for (uint32_t i = 0; page != NULL && i < page->message_count; i++)
        printf("  %llu: %.*s\n", (unsigned long long)page->messages[i].seq,
               (int)page->messages[i].body_bytes, (const char *)page->messages[i].body);
    pending--;
}

static int fail(const char *what, const struct imlog_why *why)
{
    fprintf(stderr, "embed: %s: %s\n", what, why->text);
    return 1;
}

int main(int argc, char **argv)
{
    static const char *const texts[] = {"hello", "from", "an embedded imlog"};
    const struct imlog_dir_options dir_options = {.shard_count = 1, .create = true};
    const struct imlog_shard_options options = {.segment_bytes = IMLOG_SEGMENT_BYTES_MIN};
    struct imlog_why why = {""};
    struct imlog_io *io;
    struct imlog_dir *dir;
    struct imlog_shard *shard;
    if (imlog_uring_create(NULL, &io, &why) < 0)
        return fail("io_uring", &why);
    if (imlog_dir_open(io, argc > 1 ? argv[1] : "embed-data", &dir_options, &dir, &why) < 0)
        return fail("data directory", &why);
    if (imlog_shard_open(io, dir, 0, &options, &shard, &why) < 0)
        return fail("shard", &why);

    struct imlog_append appends[3];
    for (int i = 0; i < 3; i++) {
        appends[i] = (struct imlog_append){.session_id = 7,
                                           .sender_id = 1,
                                           .body = texts[i],
                                           .body_bytes = (uint32_t)strlen(texts[i]),
                                           .done = handle_append_done};
        pending += imlog_append(shard, &appends[i]) == 0;
    }
    while (pending > 0 && imlog_poll(shard, UINT64_MAX) >= 0)
        continue;
    struct imlog_pull pull = {.session_id = 7, .done = handle_pull_done};
    pending += imlog_pull(shard, &pull) == 0;
    while (pending > 0 && imlog_poll(shard, UINT64_MAX) >= 0)
        continue;

    int error = imlog_shard_close(shard);
    imlog_dir_close(dir);
    imlog_uring_destroy(io);
    return error < 0;
}

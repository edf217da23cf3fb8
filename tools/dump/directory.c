/* directory.c: the data directory a command reads, and how far it is with it.
 *
 * Reading is a few long calls into the engine, all of which poll the io they are given. So the
 * progress line is drawn there: the io's table of functions is replaced by one whose poll() looks
 * how far the reader is and then polls. */
#include "tools/dump/directory.h"

#include "tools/lib/command.h"

#include <imlog/io_uring.h>
#include <inttypes.h>
#include <stdio.h>

static struct directory *watched; /* its io polls through poll_and_show() */
static struct imlog_io_ops watched_ops;

static int poll_and_show(struct imlog_io *io, uint64_t wait_ns)
{
    uint64_t done_bytes = 0;
    uint64_t total_bytes = 0;
    if (watched->reader != NULL)
        imlog_reader_progress(watched->reader, &done_bytes, &total_bytes);
    progress_show(&watched->progress, done_bytes, total_bytes, watched->message_count);
    return watched->io_ops->poll(io, wait_ns);
}

static void progress_watch(struct directory *directory)
{
    directory->io_ops = directory->io->ops;
    watched = directory;
    watched_ops = *directory->io_ops;
    watched_ops.poll = poll_and_show;
    directory->io->ops = &watched_ops;
}

void directory_quiet(struct directory *directory)
{
    progress_clear(&directory->progress);
}

int directory_open(struct directory *directory, const char *path, struct answer *answer)
{
    struct imlog_why why = {.text = ""};
    *directory = (struct directory){.path = path};
    if (path == NULL)
        return command_misused("--data-dir DIR is missing");
    progress_init(&directory->progress);
    int error = imlog_uring_create(&(struct imlog_uring_options){0}, &directory->io, &why);
    if (error == 0)
        progress_watch(directory);
    if (error == 0)
        error = imlog_reader_open(directory->io, path, &directory->reader, &why);
    if (error == 0)
        return TOOL_OK;
    directory_quiet(directory);
    return answer_refuse(answer, error, "%s",
                         why.text[0] != '\0' ? why.text : imlog_error_text(error));
}

void directory_close(struct directory *directory)
{
    directory_quiet(directory);
    if (directory->io_ops != NULL)
        directory->io->ops = directory->io_ops;
    if (directory->reader != NULL)
        imlog_reader_close(directory->reader);
    if (directory->io != NULL)
        imlog_uring_destroy(directory->io);
}

const char *directory_name(const struct directory *directory, uint64_t id,
                           char text[DIRECTORY_NAME_BYTES])
{
    const void *key = NULL;
    const uint32_t key_bytes = imlog_reader_key(directory->reader, id, &key);
    if (key_bytes == 0)
        (void)snprintf(text, DIRECTORY_NAME_BYTES, "%" PRIu64, id);
    else
        (void)snprintf(text, DIRECTORY_NAME_BYTES, "%.*s (%" PRIu64 ")", (int)key_bytes,
                       (const char *)key, id);
    return text;
}

void directory_name_doc(const struct directory *directory, struct doc_writer *writer,
                        const char *member, uint64_t id)
{
    const void *key = NULL;
    const uint32_t key_bytes = imlog_reader_key(directory->reader, id, &key);
    if (key_bytes == 0)
        doc_number(writer, member, id);
    else
        doc_bytes(writer, member, NULL, key, key_bytes);
}

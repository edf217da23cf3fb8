/* replay_input.c: the lines of a history that is replayed.
 *
 * The input may be a pipe, and may have grown since an earlier replay; all that was there must
 * still be. A last line without its newline is a line; when the newline comes later, it belongs
 * to that line and counts no new one. */
#include "tools/lib/replay_input.h"

#include "net/why.h"
#include "tools/lib/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read once into the buffer, making room. Returns 0 or -errno; at_end when there is no more. */
static int input_fill(struct replay_input *input, struct imlog_why *why)
{
    if (input->start_index > 0) {
        memmove(input->buffer, input->buffer + input->start_index,
                input->end_index - input->start_index);
        input->end_index -= input->start_index;
        input->start_index = 0;
    }
    if (input->end_index == input->capacity_bytes) {
        const size_t capacity_bytes = input->capacity_bytes * 2;
        uint8_t *buffer = realloc(input->buffer, capacity_bytes);
        if (buffer == NULL)
            return why_fill(why, -ENOMEM, "out of memory");
        input->buffer = buffer;
        input->capacity_bytes = capacity_bytes;
    }
    ssize_t got;
    do
        got = read(input->file, input->buffer + input->end_index,
                   input->capacity_bytes - input->end_index);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return why_fill(why, -errno, "cannot read %s: %s", input->name, strerror(errno));
    input->at_end = got == 0;
    input->end_index += (size_t)got;
    return 0;
}

static int head_read(struct replay_input *input, struct imlog_why *why)
{
    int error = 0;
    while (error == 0 && !input->at_end && input->end_index < REPLAY_HEAD_BYTES_MAX)
        error = input_fill(input, why);
    if (error < 0)
        return error;
    input->head_bytes = input->end_index < REPLAY_HEAD_BYTES_MAX ? (uint32_t)input->end_index
                                                                 : REPLAY_HEAD_BYTES_MAX;
    const uint8_t *newline = memchr(input->buffer, '\n', input->head_bytes);
    const size_t first_line_bytes =
        newline == NULL ? input->head_bytes : (size_t)(newline - input->buffer);
    input->first_line_hash = map_hash(0, input->buffer, first_line_bytes);
    return 0;
}

int replay_input_open(struct replay_input *input, const char *path, struct imlog_why *why)
{
    struct stat about;
    *input = (struct replay_input){.name = path, .file = STDIN_FILENO};
    if (strcmp(path, "-") == 0) {
        input->name = "standard input";
    } else {
        input->file = open(path, O_RDONLY | O_CLOEXEC);
        if (input->file < 0)
            return why_fill(why, -errno, "cannot open %s: %s", path, strerror(errno));
        input->owned = true;
    }
    if (fstat(input->file, &about) == 0 && S_ISREG(about.st_mode))
        input->total_bytes = (uint64_t)about.st_size;
    input->capacity_bytes = (size_t)4 * REPLAY_HEAD_BYTES_MAX;
    input->buffer = malloc(input->capacity_bytes);
    if (input->buffer == NULL)
        return why_fill(why, -ENOMEM, "out of memory");
    return head_read(input, why);
}

void replay_input_close(struct replay_input *input)
{
    if (input->owned)
        (void)close(input->file); /* only read */
    free(input->buffer);
    *input = (struct replay_input){.file = -1};
}

bool replay_input_head_hash(const struct replay_input *input, uint32_t byte_count, uint64_t *hash)
{
    if (byte_count > input->head_bytes)
        return false;
    *hash = map_hash(0, input->buffer, byte_count);
    return true;
}

static int too_short(const struct replay_input *input, struct imlog_why *why)
{
    return why_fill(why, IMLOG_EINVALID, "%s is shorter than when it was replayed before",
                    input->name);
}

/* Drop bytes up to one before `offset_bytes`: that one tells how the line ended. */
static int input_drop(struct replay_input *input, uint64_t offset_bytes, struct imlog_why *why)
{
    while (input->offset_bytes < offset_bytes) {
        const size_t held_bytes = input->end_index - input->start_index;
        const uint64_t left_bytes = offset_bytes - input->offset_bytes;
        const size_t drop_bytes = left_bytes < held_bytes ? (size_t)left_bytes : held_bytes;
        input->start_index += drop_bytes;
        input->offset_bytes += drop_bytes;
        if (input->offset_bytes == offset_bytes)
            break;
        if (input->at_end)
            return too_short(input, why);
        const int error = input_fill(input, why);
        if (error < 0)
            return error;
    }
    return 0;
}

/* As input_drop(), without reading what lies between, if the input is a file. */
static int input_seek(struct replay_input *input, uint64_t offset_bytes, struct imlog_why *why)
{
    const uint64_t held_bytes = input->end_index - input->start_index;
    if (input->total_bytes == 0 || offset_bytes <= input->offset_bytes + held_bytes)
        return input_drop(input, offset_bytes, why);
    if (offset_bytes > input->total_bytes)
        return too_short(input, why);
    if (lseek(input->file, (off_t)offset_bytes, SEEK_SET) < 0)
        return why_fill(why, -errno, "cannot go to byte %llu of %s: %s",
                        (unsigned long long)offset_bytes, input->name, strerror(errno));
    input->start_index = 0;
    input->end_index = 0;
    input->at_end = false;
    input->offset_bytes = offset_bytes;
    return 0;
}

/* The next byte, taken; -1 at the end; < -1 an error. */
static int byte_take(struct replay_input *input, struct imlog_why *why)
{
    while (input->start_index == input->end_index && !input->at_end)
        if (input_fill(input, why) < 0)
            return -2;
    if (input->start_index == input->end_index)
        return -1;
    input->offset_bytes++;
    return input->buffer[input->start_index++];
}

int replay_input_skip(struct replay_input *input, uint64_t offset_bytes, uint64_t line,
                      struct imlog_why *why)
{
    if (offset_bytes == 0)
        return 0;
    const int error = input_seek(input, offset_bytes - 1, why);
    if (error < 0)
        return error;
    const int last = byte_take(input, why);
    if (last == -1)
        return too_short(input, why);
    int next = '\n';
    if (last >= 0 && last != '\n')
        next = byte_take(input, why); /* the newline that was missing then */
    if (last < -1 || next < -1)
        return -EIO;
    if (next != '\n' && next != -1)
        return why_fill(why, IMLOG_EINVALID,
                        "line %llu of %s has become longer since it was replayed",
                        (unsigned long long)line, input->name);
    input->line = line;
    return 0;
}

int replay_input_next(struct replay_input *input, const char **bytes, size_t *byte_count,
                      struct imlog_why *why)
{
    size_t searched_bytes = 0;
    for (;;) {
        const uint8_t *start = input->buffer + input->start_index;
        const size_t held_bytes = input->end_index - input->start_index;
        const uint8_t *newline = memchr(start + searched_bytes, '\n', held_bytes - searched_bytes);
        if (newline != NULL || (input->at_end && held_bytes > 0)) {
            *bytes = (const char *)start;
            *byte_count = newline != NULL ? (size_t)(newline - start) : held_bytes;
            const size_t taken_bytes = *byte_count + (newline != NULL);
            input->start_index += taken_bytes;
            input->offset_bytes += taken_bytes;
            input->line++;
            return 1;
        }
        if (input->at_end)
            return 0;
        searched_bytes = held_bytes;
        if (held_bytes > REPLAY_LINE_BYTES_MAX)
            return why_fill(why, IMLOG_EINVALID,
                            "%s: line %llu has more than %d bytes; no history "
                            "has such lines",
                            input->name, (unsigned long long)input->line + 1,
                            REPLAY_LINE_BYTES_MAX);
        const int error = input_fill(input, why);
        if (error < 0)
            return error;
    }
}

uint64_t replay_input_msg_id(const struct replay_input *input, const void *bytes, size_t byte_count)
{
    uint64_t hash = map_hash(input->first_line_hash, &input->line, sizeof input->line);
    hash = map_hash(hash, bytes, byte_count) & ((UINT64_C(1) << 53) - 1); /* JSON keeps it exact */
    return hash == 0 ? 1 : hash;
}

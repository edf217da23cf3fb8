/* checkpoint_file.c: see checkpoint_file.h. */
#define _GNU_SOURCE
#include "engine/checkpoint_file.h"

#include "engine/dir.h"
#include "engine/io/blocking.h"
#include "engine/store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_chunks(struct imlog_io *io, int file, uint64_t number, uint64_t salt,
                        uint8_t *buffer, struct checkpoint_end *end)
{
    struct checkpoint_head head;
    struct checkpoint_chunk chunk = {.kind = 0};
    int64_t got = blocking_read(io, file, buffer, IMLOG_BLOCK_BYTES, 0);
    if (got < 0 && !says_unreadable(got))
        return (int)got;
    if (got != IMLOG_BLOCK_BYTES || checkpoint_head_decode(buffer, salt, &head) < 0 ||
        head.number != number)
        return 0;
    uint64_t offset = IMLOG_BLOCK_BYTES;
    for (uint32_t index = 0; chunk.kind != CHECKPOINT_END; index++) {
        got = blocking_read(io, file, buffer, CHECKPOINT_CHUNK_BYTES, offset);
        if (got < 0 && !says_unreadable(got))
            return (int)got;
        if (got != CHECKPOINT_CHUNK_BYTES ||
            checkpoint_chunk_decode(buffer, number, index, salt, &chunk) < 0)
            return 0;
        offset += CHECKPOINT_CHUNK_BYTES;
    }
    if (chunk.payload_bytes != sizeof(*end))
        return 0;
    memcpy(end, buffer + sizeof(chunk), sizeof(*end));
    return 1;
}

int checkpoint_file_check(struct imlog_io *io, const char *path, uint64_t number, uint64_t salt,
                          struct checkpoint_end *end)
{
    int file = blocking_open(io, path, O_RDONLY | O_DIRECT);
    if (file < 0)
        return says_unreadable(file) ? 0 : file;
    uint8_t *buffer = aligned_alloc(IMLOG_BLOCK_BYTES, CHECKPOINT_CHUNK_BYTES);
    int valid = buffer == NULL ? -ENOMEM : check_chunks(io, file, number, salt, buffer, end);
    free(buffer);
    (void)blocking_close(io, file);
    return valid;
}

/* The newest checkpoint below a number. */
struct newest {
    uint64_t below;
    uint64_t number;
};

static void handle_name(void *arg, const char *name)
{
    struct newest *newest = arg;
    uint64_t number = snapshot_number(name);
    if (number < newest->below && number > newest->number)
        newest->number = number;
}

int checkpoint_file_durable(struct imlog_io *io, const char *directory, uint64_t salt,
                            uint64_t *durable_lsn)
{
    struct newest newest = {.below = UINT64_MAX};
    struct checkpoint_end end;
    *durable_lsn = 0;
    for (;; newest = (struct newest){.below = newest.number}) {
        char name[32];
        char path[DIR_PATH_BYTES + 32];
        int error = io->ops->list(io, directory, handle_name, &newest);
        if (error < 0 || newest.number == 0)
            return error;
        snapshot_name(newest.number, name);
        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        int valid = checkpoint_file_check(io, path, newest.number, salt, &end);
        if (valid < 0 && valid != -ENOENT)
            return valid;
        if (valid > 0) {
            *durable_lsn = end.durable_lsn;
            return 0;
        }
    }
}

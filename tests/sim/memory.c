/* memory.c: see memory.h. CMakeLists.txt has the code under test call these instead. */
#define _GNU_SOURCE
#include "tests/sim/memory.h"

#include <errno.h>
#include <imlog/assert.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SPOILED_BYTES_MAX = 4096 };

void *sim_malloc(size_t byte_count);
void *sim_calloc(size_t count, size_t byte_count);
void *sim_realloc(void *bytes, size_t byte_count);
void *sim_reallocarray(void *bytes, size_t count, size_t byte_count);
void *sim_aligned_alloc(size_t align_bytes, size_t byte_count);
char *sim_strdup(const char *text);
int sim_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_free(void *bytes);
void *sim_mmap(void *at, size_t byte_count, int protection, int flags, int file, off_t offset);
int sim_munmap(void *at, size_t byte_count);
int sim_memfd_create(const char *name, unsigned int flags);

static void (*watcher)(void *arg);
static void *watcher_arg;
static enum memory_failing failing;
static int64_t held_count;

/* A file mapped twice, back to back. */
struct twin {
    uint8_t *at;         /* NULL: none */
    uint64_t byte_count; /* of one half */
};

enum { TWINS_MAX = 64 };

static struct twin twins[TWINS_MAX];

void memory_watch(void (*watch)(void *arg), void *arg)
{
    watcher = watch;
    watcher_arg = arg;
}

void memory_fail(enum memory_failing how)
{
    failing = how;
}

static bool refuse(void)
{
    if (watcher != NULL)
        watcher(watcher_arg);
    if (failing == MEMORY_FINE)
        return false;
    if (failing == MEMORY_FAIL_ONCE)
        failing = MEMORY_FINE;
    errno = ENOMEM;
    return true;
}

int64_t memory_held_count(void)
{
    return held_count;
}

static void *held(void *bytes)
{
    held_count += bytes != NULL;
    return bytes;
}

void *sim_malloc(size_t byte_count)
{
    return refuse() ? NULL : held(malloc(byte_count));
}

void *sim_calloc(size_t count, size_t byte_count)
{
    return refuse() ? NULL : held(calloc(count, byte_count));
}

void *sim_realloc(void *bytes, size_t byte_count)
{
    return sim_reallocarray(bytes, 1, byte_count);
}

void *sim_reallocarray(void *bytes, size_t count, size_t byte_count)
{
    if (refuse())
        return NULL;
    void *bigger = reallocarray(bytes, count, byte_count);
    return bytes == NULL ? held(bigger) : bigger;
}

void *sim_aligned_alloc(size_t align_bytes, size_t byte_count)
{
    return refuse() ? NULL : held(aligned_alloc(align_bytes, byte_count));
}

char *sim_strdup(const char *text)
{
    return refuse() ? NULL : held(strdup(text));
}

int sim_asprintf(char **text, const char *format, ...)
{
    *text = NULL;
    if (refuse())
        return -1;
    va_list args;
    va_start(args, format);
    int byte_count = vasprintf(text, format, args);
    va_end(args);
    held_count += byte_count >= 0;
    return byte_count;
}

/* What is given back is spoiled, so that whoever still reads it is found out without a sanitizer.
 */
void sim_free(void *bytes)
{
    size_t byte_count = malloc_usable_size(bytes);
    if (bytes != NULL)
        memset(bytes, 0xdb, byte_count < SPOILED_BYTES_MAX ? byte_count : SPOILED_BYTES_MAX);
    held_count -= bytes != NULL;
    free(bytes);
}

/* ---- maps ----------------------------------------------------------------------------------- */

static struct twin *twin_at(const uint8_t *at)
{
    for (uint32_t i = 0; i < TWINS_MAX; i++) {
        if (twins[i].at == at)
            return &twins[i];
    }
    return NULL;
}

/* Shared maps come in pairs: the second half follows the first. */
static void note_shared(uint8_t *at, uint64_t byte_count)
{
    if (twin_at(at - byte_count) != NULL)
        return;
    struct twin *free_twin = twin_at(NULL);
    IMLOG_ASSERT(free_twin != NULL);
    *free_twin = (struct twin){.at = at, .byte_count = byte_count};
}

/* A map laid over a part of another one goes with that. */
void *sim_mmap(void *at, size_t byte_count, int protection, int flags, int file, off_t offset)
{
    if (refuse())
        return MAP_FAILED;
    void *bytes = mmap(at, byte_count, protection, flags, file, offset);
    if (bytes == MAP_FAILED)
        return MAP_FAILED;
    held_count += (flags & MAP_FIXED) == 0;
    if ((flags & MAP_SHARED) != 0)
        note_shared(bytes, byte_count);
    return bytes;
}

int sim_munmap(void *at, size_t byte_count)
{
    held_count--;
    struct twin *twin = twin_at(at);
    if (twin != NULL)
        twin->at = NULL;
    return munmap(at, byte_count);
}

static void unshare(const struct twin *twin)
{
    int file = memfd_create("imlog-sim", MFD_CLOEXEC);
    IMLOG_ASSERT(file >= 0);
    for (uint64_t done = 0; done < twin->byte_count;) {
        ssize_t wrote = write(file, twin->at + done, twin->byte_count - done);
        IMLOG_ASSERT(wrote > 0);
        done += (uint64_t)wrote;
    }
    for (uint64_t half = 0; half < 2; half++) {
        void *at = twin->at + half * twin->byte_count;
        IMLOG_ASSERT(mmap(at, twin->byte_count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                          file, 0) == at);
    }
    (void)close(file);
}

void memory_unshare(void)
{
    for (uint32_t i = 0; i < TWINS_MAX; i++) {
        if (twins[i].at != NULL)
            unshare(&twins[i]);
    }
}

int sim_memfd_create(const char *name, unsigned int flags)
{
    return refuse() ? -1 : memfd_create(name, flags);
}

/* memory.c: see memory.h. CMakeLists.txt has the code under test call these instead. */
#define _GNU_SOURCE
#include "tests/sim/memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *sim_malloc(size_t byte_count);
void *sim_calloc(size_t count, size_t byte_count);
void *sim_realloc(void *bytes, size_t byte_count);
void *sim_aligned_alloc(size_t align_bytes, size_t byte_count);
char *sim_strdup(const char *text);
void *sim_mmap(void *at, size_t byte_count, int protection, int flags, int file, off_t offset);
int sim_memfd_create(const char *name, unsigned int flags);

static void (*watcher)(void *arg);
static void *watcher_arg;
static enum memory_failing failing;

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

void *sim_malloc(size_t byte_count)
{
    return refuse() ? NULL : malloc(byte_count);
}

void *sim_calloc(size_t count, size_t byte_count)
{
    return refuse() ? NULL : calloc(count, byte_count);
}

void *sim_realloc(void *bytes, size_t byte_count)
{
    return refuse() ? NULL : realloc(bytes, byte_count);
}

void *sim_aligned_alloc(size_t align_bytes, size_t byte_count)
{
    return refuse() ? NULL : aligned_alloc(align_bytes, byte_count);
}

char *sim_strdup(const char *text)
{
    return refuse() ? NULL : strdup(text);
}

void *sim_mmap(void *at, size_t byte_count, int protection, int flags, int file, off_t offset)
{
    return refuse() ? MAP_FAILED : mmap(at, byte_count, protection, flags, file, offset);
}

int sim_memfd_create(const char *name, unsigned int flags)
{
    return refuse() ? -1 : memfd_create(name, flags);
}

/* disk_faults.c: which operation meets which fault, and damage done from outside. */
#include "tests/lib/disk_state.h"

#include <imlog/assert.h>
#include <string.h>

void disk_fail(struct disk *disk, const struct disk_fault *fault)
{
    for (uint32_t i = 0; i < DISK_FAULTS_MAX; i++) {
        if (disk->faults[i].armed)
            continue;
        disk->faults[i] = (struct disk_armed){.fault = *fault, .armed = true};
        return;
    }
    imlog_assert_failed("room for one more fault", __FILE__, __LINE__);
}

void disk_heal(struct disk *disk)
{
    for (uint32_t i = 0; i < DISK_FAULTS_MAX; i++)
        disk->faults[i].armed = false;
}

const struct disk_fault *disk_fault_of(struct disk *disk, enum disk_op_kind kind, const char *path)
{
    for (uint32_t i = 0; i < DISK_FAULTS_MAX; i++) {
        struct disk_armed *armed = &disk->faults[i];
        struct disk_fault *fault = &armed->fault;
        if (!armed->armed || (fault->kind != DISK_OP_KINDS && fault->kind != kind) ||
            (fault->path_part != NULL && strstr(path, fault->path_part) == NULL))
            continue;
        if (fault->skip_count > 0) {
            fault->skip_count--;
            continue;
        }
        armed->armed = fault->for_ever;
        return fault;
    }
    return NULL;
}

static struct disk_file *file_of(const struct disk *disk, const char *path)
{
    int file = disk_tree_find(&disk->tree, path);
    return file == DISK_NO_FILE ? NULL : &disk->files[file];
}

void disk_set_unreadable(struct disk *disk, const char *path, uint64_t offset, uint64_t byte_count)
{
    struct disk_file *file = file_of(disk, path);
    IMLOG_ASSERT(file != NULL);
    file->bad_offset = offset;
    file->bad_bytes = byte_count;
}

bool disk_has(const struct disk *disk, const char *path)
{
    return file_of(disk, path) != NULL;
}

bool disk_is_directory(const struct disk *disk, const char *path)
{
    const struct disk_file *file = file_of(disk, path);
    return file != NULL && file->is_directory;
}

uint64_t disk_file_bytes(const struct disk *disk, const char *path)
{
    const struct disk_file *file = file_of(disk, path);
    return file == NULL ? 0 : file->seen.byte_count;
}

void disk_peek(const struct disk *disk, const char *path, uint64_t offset, void *bytes,
               uint64_t byte_count)
{
    const struct disk_file *file = file_of(disk, path);
    IMLOG_ASSERT(file != NULL);
    disk_image_read(&file->seen, offset, bytes, byte_count);
}

void disk_poke(struct disk *disk, const char *path, uint64_t offset, const void *bytes,
               uint64_t byte_count)
{
    struct disk_file *file = file_of(disk, path);
    IMLOG_ASSERT(file != NULL);
    IMLOG_ASSERT(offset + byte_count <= file->seen.byte_count);
    disk_image_write(&file->seen, offset, bytes, byte_count);
    disk_image_write(&file->durable, offset, bytes, byte_count);
}

void disk_flip_bit(struct disk *disk, const char *path, uint64_t bit_index)
{
    uint8_t byte;
    disk_peek(disk, path, bit_index / 8, &byte, 1);
    byte ^= (uint8_t)(1U << bit_index % 8);
    disk_poke(disk, path, bit_index / 8, &byte, 1);
}

void disk_remove(struct disk *disk, const char *path)
{
    char directory[DISK_PATH_BYTES];
    const char *name;
    strcpy(directory, path); /* NOLINT: as long */
    *strrchr(directory, '/') = '\0';
    IMLOG_ASSERT(disk_has(disk, path));
    IMLOG_ASSERT(disk_path_in(path, directory, &name));
    disk_tree_move(&disk->tree, NULL, path, DISK_NO_FILE);
    disk_tree_sync(&disk->tree, directory);
}

void disk_truncate(struct disk *disk, const char *path, uint64_t byte_count)
{
    struct disk_file *file = file_of(disk, path);
    IMLOG_ASSERT(file != NULL);
    disk_file_resize(file, byte_count);
    disk_file_sync(file, UINT64_MAX);
}

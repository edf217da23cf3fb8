/* lossfs_nodes.c: the kernel's inode numbers and the disk's paths. */
#include "tests/power/lossfs.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

fuse_ino_t lossfs_node_of(struct lossfs *fs, const char *path)
{
    for (uint64_t i = 0; i < fs->node_count; i++) {
        if (strcmp(fs->nodes[i].path, path) == 0)
            return i + 1;
    }
    if (fs->node_count == fs->node_capacity) {
        fs->node_capacity = fs->node_capacity == 0 ? 64 : fs->node_capacity * 2;
        fs->nodes = reallocarray(fs->nodes, fs->node_capacity, sizeof(struct lossfs_node));
        IMLOG_ASSERT(fs->nodes != NULL);
    }
    (void)snprintf(fs->nodes[fs->node_count].path, LOSSFS_PATH_BYTES, "%s", path);
    return ++fs->node_count;
}

const char *lossfs_path(const struct lossfs *fs, fuse_ino_t node)
{
    IMLOG_ASSERT(node >= FUSE_ROOT_ID && node <= fs->node_count);
    const char *path = fs->nodes[node - 1].path;
    return path[0] == '\0' ? NULL : path;
}

int lossfs_join(const struct lossfs *fs, fuse_ino_t directory, const char *name,
                char path[LOSSFS_PATH_BYTES])
{
    const char *parent = lossfs_path(fs, directory);
    if (parent == NULL)
        return -ESTALE;
    int path_bytes =
        snprintf(path, LOSSFS_PATH_BYTES, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
    return path_bytes < LOSSFS_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

void lossfs_nodes_move(struct lossfs *fs, const char *from, const char *to)
{
    for (uint64_t i = 0; i < fs->node_count; i++) {
        char *path = fs->nodes[i].path;
        if (strcmp(path, to) == 0)
            path[0] = '\0';
        else if (from != NULL && strcmp(path, from) == 0)
            (void)snprintf(path, LOSSFS_PATH_BYTES, "%s", to);
    }
}

void lossfs_nodes_forget(struct lossfs *fs)
{
    for (uint64_t i = 1; i < fs->node_count; i++)
        fs->nodes[i].path[0] = '\0';
}

/* disk_tree.h: the names of the disk in memory: which directory holds which file under which
 * name, now and after a crash. */
#ifndef TESTS_LIB_DISK_TREE_H
#define TESTS_LIB_DISK_TREE_H

#include "tests/lib/disk.h"
#include "tests/lib/prng.h"

enum { DISK_PATH_BYTES = 256, DISK_NO_FILE = -1 };

/* One name. A change that is not durable yet is a step: durable names follow step by step. */
struct disk_name {
    char path[DISK_PATH_BYTES];
    int file;
};

struct disk_names {
    struct disk_name *all;
    uint32_t count;
    uint32_t capacity;
};

/* One directory operation, not durable: `to` names file now, `from` (may be "") nothing. */
struct disk_step {
    char from[DISK_PATH_BYTES];
    char to[DISK_PATH_BYTES];
    int file;
};

struct disk_tree {
    struct disk_names seen;
    struct disk_names durable;
    struct disk_step *steps; /* oldest first */
    uint32_t step_count;
    uint32_t step_capacity;
};

/* "/" names this file, durably. */
void disk_tree_init(struct disk_tree *tree, int root_file);
/* Without ".." and trailing slashes, into clean. -ENAMETOOLONG. */
int disk_path_clean(const char *path, char clean[DISK_PATH_BYTES]);
/* The file under a clean path, or DISK_NO_FILE. */
int disk_tree_find(const struct disk_tree *tree, const char *path);
/* `to` names file (DISK_NO_FILE: nothing) from now on, and `from` nothing. */
void disk_tree_move(struct disk_tree *tree, const char *from, const char *to, int file);
/* Make the names in a directory durable. */
void disk_tree_sync(struct disk_tree *tree, const char *directory);
/* Each directory keeps all, none or a prefix of its steps. */
void disk_tree_crash(struct disk_tree *tree, enum disk_crash kind, struct prng *prng);
void disk_tree_restart(struct disk_tree *tree);
/* Is it in `directory` itself? *name: the last part of its path. */
bool disk_path_in(const char *path, const char *directory, const char **name);
void disk_tree_clear(struct disk_tree *tree);

#endif

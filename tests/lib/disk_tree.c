/* disk_tree.c: see disk_tree.h. Names that lose their directory in a crash go with it. */
#include "tests/lib/disk_tree.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int disk_path_clean(const char *path, char clean[DISK_PATH_BYTES])
{
    if (strlen(path) >= DISK_PATH_BYTES || path[0] != '/')
        return path[0] == '/' ? -ENAMETOOLONG : -ENOENT;
    char copy[DISK_PATH_BYTES];
    (void)snprintf(copy, sizeof(copy), "%s", path);
    clean[0] = '\0';
    char *rest = NULL;
    for (char *part = strtok_r(copy, "/", &rest); part != NULL; part = strtok_r(NULL, "/", &rest)) {
        if (strcmp(part, "..") == 0) {
            char *slash = strrchr(clean, '/');
            if (slash != NULL)
                *slash = '\0';
        } else if (strcmp(part, ".") != 0) {
            strcat(clean, "/");  /* NOLINT: no longer than path */
            strcat(clean, part); /* NOLINT */
        }
    }
    if (clean[0] == '\0')
        strcpy(clean, "/"); /* NOLINT */
    return 0;
}

static int names_find(const struct disk_names *names, const char *path)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->all[i].path, path) == 0)
            return (int)i;
    }
    return -1;
}

int disk_tree_find(const struct disk_tree *tree, const char *path)
{
    int at = names_find(&tree->seen, path);
    return at < 0 ? DISK_NO_FILE : tree->seen.all[at].file;
}

static void names_set(struct disk_names *names, const char *path, int file)
{
    int at = names_find(names, path);
    if (file == DISK_NO_FILE) {
        if (at >= 0)
            names->all[at] = names->all[--names->count];
        return;
    }
    if (at < 0) {
        if (names->count == names->capacity) {
            names->capacity = names->capacity == 0 ? 16 : names->capacity * 2;
            names->all = reallocarray(names->all, names->capacity, sizeof(struct disk_name));
            IMLOG_ASSERT(names->all != NULL);
        }
        at = (int)names->count++;
        (void)snprintf(names->all[at].path, DISK_PATH_BYTES, "%s", path);
    }
    names->all[at].file = file;
}

void disk_tree_init(struct disk_tree *tree, int root_file)
{
    names_set(&tree->seen, "/", root_file);
    names_set(&tree->durable, "/", root_file);
}

static void names_step(struct disk_names *names, const struct disk_step *step)
{
    if (step->from[0] != '\0')
        names_set(names, step->from, DISK_NO_FILE);
    names_set(names, step->to, step->file);
}

void disk_tree_move(struct disk_tree *tree, const char *from, const char *to, int file)
{
    if (tree->step_count == tree->step_capacity) {
        tree->step_capacity = tree->step_capacity == 0 ? 16 : tree->step_capacity * 2;
        tree->steps = reallocarray(tree->steps, tree->step_capacity, sizeof(struct disk_step));
        IMLOG_ASSERT(tree->steps != NULL);
    }
    struct disk_step *step = &tree->steps[tree->step_count++];
    *step = (struct disk_step){.file = file};
    (void)snprintf(step->from, DISK_PATH_BYTES, "%s", from == NULL ? "" : from);
    (void)snprintf(step->to, DISK_PATH_BYTES, "%s", to);
    names_step(&tree->seen, step);
}

bool disk_path_in(const char *path, const char *directory, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t directory_bytes = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    *name = slash + 1;
    return (size_t)(slash - path) == directory_bytes && slash[1] != '\0' &&
           strncmp(path, directory, directory_bytes) == 0;
}

/* Apply the first step_count steps of one directory to the durable names; forget all its steps. */
static void tree_settle(struct disk_tree *tree, const char *directory, uint32_t step_count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < tree->step_count; i++) {
        const char *name;
        if (!disk_path_in(tree->steps[i].to, directory, &name)) {
            tree->steps[kept++] = tree->steps[i];
            continue;
        }
        if (step_count > 0) {
            names_step(&tree->durable, &tree->steps[i]);
            step_count--;
        }
    }
    tree->step_count = kept;
}

void disk_tree_sync(struct disk_tree *tree, const char *directory)
{
    tree_settle(tree, directory, UINT32_MAX);
}

static void tree_directory_of(const char *path, char directory[DISK_PATH_BYTES])
{
    (void)snprintf(directory, DISK_PATH_BYTES, "%s", path);
    char *slash = strrchr(directory, '/');
    slash[slash == directory ? 1 : 0] = '\0';
}

/* A name whose directory is not there is not there. */
static void tree_drop_orphans(struct disk_names *names)
{
    for (uint32_t i = 0; i < names->count;) {
        char directory[DISK_PATH_BYTES];
        tree_directory_of(names->all[i].path, directory);
        if (names_find(names, directory) >= 0) {
            i++;
        } else {
            names->all[i] = names->all[--names->count];
            i = 0; /* may have been somebody's directory */
        }
    }
}

void disk_tree_crash(struct disk_tree *tree, enum disk_crash kind, struct prng *prng)
{
    while (tree->step_count > 0) {
        char directory[DISK_PATH_BYTES];
        uint32_t kept = UINT32_MAX;
        tree_directory_of(tree->steps[0].to, directory);
        if (kind == DISK_DROP_ALL)
            kept = 0;
        else if (kind != DISK_KEEP_ALL)
            kept = (uint32_t)prng_below(prng, tree->step_count + 1);
        tree_settle(tree, directory, kept);
    }
    tree_drop_orphans(&tree->durable);
}

void disk_tree_restart(struct disk_tree *tree)
{
    tree->seen.count = 0;
    for (uint32_t i = 0; i < tree->durable.count; i++)
        names_set(&tree->seen, tree->durable.all[i].path, tree->durable.all[i].file);
}

void disk_tree_clear(struct disk_tree *tree)
{
    free(tree->seen.all);
    free(tree->durable.all);
    free(tree->steps);
    *tree = (struct disk_tree){0};
}

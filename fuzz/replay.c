/* replay.c: main() of a fuzz target as a test: runs it on every file of the folders given, and on
 * every file given. Fails where there is none, so that no test passes for want of a corpus. */
#define _GNU_SOURCE
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

/* The file that is running, for whoever reads the end of a failed run. */
static void announce(const char *path)
{
    (void)printf("%s\n", path);
    (void)fflush(stdout);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) < 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    size_t byte_count = (size_t)status.st_size;
    uint8_t *bytes = malloc(byte_count > 0 ? byte_count : 1);
    FUZZ_CHECK(bytes != NULL);
    FUZZ_CHECK(fread(bytes, 1, byte_count, file) == byte_count);
    (void)fclose(file);
    announce(path);
    (void)LLVMFuzzerTestOneInput(bytes, byte_count);
    free(bytes);
}

static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static unsigned run_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_file, compare_names);
    if (count < 0) {
        perror(folder);
        exit(EXIT_FAILURE);
    }
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        FUZZ_CHECK(snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < PATH_MAX);
        run_file(path);
        free(entries[i]);
    }
    free(entries);
    return (unsigned)count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        struct stat status;
        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode)) {
            count += run_folder(argv[i]);
        } else {
            run_file(argv[i]);
            count++;
        }
    }
    if (count == 0) {
        (void)fprintf(stderr, "usage: %s FOLDER|FILE...\nThere was no file to run.\n", argv[0]);
        return EXIT_FAILURE;
    }
    (void)printf("%u inputs\n", count);
    return EXIT_SUCCESS;
}

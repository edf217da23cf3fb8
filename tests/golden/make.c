/* make.c: write the golden files into a folder: golden-make tests/golden/vN.
 *
 * For a new version of the format only. It refuses to replace a file: those of a version that
 * was released never change. */
#include "tests/lib/golden.h"

#include <stdio.h>
#include <stdlib.h>

static int write_file(const char *folder, const struct golden *golden)
{
    static uint8_t bytes[GOLDEN_BYTES_MAX];
    char path[4096];
    for (uint32_t i = 0; i < GOLDEN_BYTES_MAX; i++)
        bytes[i] = 0;
    uint32_t byte_count = golden->make(bytes);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, golden->name);
    FILE *file = fopen(path, "wbx");
    if (file == NULL) {
        perror(path);
        return EXIT_FAILURE;
    }
    size_t written = fwrite(bytes, 1, byte_count, file);
    if (fclose(file) != 0 || written != byte_count) {
        perror(path);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: golden-make FOLDER\n");
        return 2;
    }
    for (const struct golden *golden = golden_all; golden->name != NULL; golden++) {
        if (write_file(argv[1], golden) != EXIT_SUCCESS)
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

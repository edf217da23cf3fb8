/* machine.h: the machine a figure was taken on, without which it says nothing. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdint.h>

struct machine {
    char cpu[128];
    uint32_t core_count; /* that this process may use */
    char kernel[160];
    char file_system[256]; /* "ext4 on /dev/vda"; "" when no directory was named */
};

/* data_dir, or the nearest directory above it that exists; NULL: none. What cannot be found
 * out is "unknown". */
void machine_describe(struct machine *machine, const char *data_dir);

#endif

/* golden.h: what the golden files of version 1 hold: one of each structure of the on-disk format,
 * made by the encoders from fixed inputs.
 *
 * tests/golden/make.c writes them, tests/unit/format/test_golden.c compares. A file in
 * tests/golden/v1 never changes: a change of the format gets a new version and a new folder. */
#ifndef TESTS_LIB_GOLDEN_H
#define TESTS_LIB_GOLDEN_H

#include <stdint.h>

enum { GOLDEN_BYTES_MAX = 64 * 1024 };

#define GOLDEN_SALT UINT64_C(0x0123456789abcdef)
#define GOLDEN_LSN  UINT64_C(81920)
enum { GOLDEN_SEGMENT = 3, GOLDEN_SHARD = 1, GOLDEN_OFFSET = 12288, GOLDEN_CHECKPOINT = 6 };

struct golden {
    const char *name; /* of the file */
    /* Into bytes (GOLDEN_BYTES_MAX, zeroed); returns how many. */
    uint32_t (*make)(uint8_t *bytes);
};

/* Ends with a NULL name. */
extern const struct golden golden_all[];

#endif

/* fuzz.h: what all fuzz targets share: how they read their input, and how they complain.
 *
 * A target is one function of any bytes. It aborts when a law is broken, and otherwise says
 * nothing. The same source is a libFuzzer program (fuzz/run) and, with replay.c, a test that
 * runs the corpus. It must do the same for the same bytes, whatever ran before. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count);

static inline _Noreturn void fuzz_failed(const char *law, const char *file, int line)
{
    (void)fprintf(stderr, "broken: %s (%s:%d)\n", law, file, line);
    abort();
}

#define FUZZ_CHECK(law) ((law) ? (void)0 : fuzz_failed(#law, __FILE__, __LINE__))

/* An input, taken from its front. Past its end there are zeros, so every input is complete. */
struct fuzz_input {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct fuzz_input fuzz_input_of(const uint8_t *data, size_t byte_count)
{
    return (struct fuzz_input){.at = data, .end = data + byte_count};
}

static inline size_t fuzz_left(const struct fuzz_input *input)
{
    return (size_t)(input->end - input->at);
}

/* The next byte_count bytes (up to 8), little-endian. */
static inline uint64_t fuzz_take(struct fuzz_input *input, size_t byte_count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < byte_count && input->at < input->end; i++)
        value |= (uint64_t)*input->at++ << (8 * i);
    return value;
}

/* At most byte_count of the bytes that are left: where they are; *taken: how many. */
static inline const uint8_t *fuzz_take_bytes(struct fuzz_input *input, size_t byte_count,
                                             size_t *taken)
{
    const uint8_t *bytes = input->at;
    *taken = byte_count < fuzz_left(input) ? byte_count : fuzz_left(input);
    input->at += *taken;
    return bytes;
}

/* A copy that ends where the memory does, so that a read behind it is seen. */
static inline uint8_t *fuzz_copy(const uint8_t *bytes, size_t byte_count)
{
    uint8_t *copy = malloc(byte_count > 0 ? byte_count : 1);
    FUZZ_CHECK(copy != NULL);
    if (byte_count > 0)
        memcpy(copy, bytes, byte_count);
    return copy;
}

#endif

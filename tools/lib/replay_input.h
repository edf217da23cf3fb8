/* replay_input.h: the lines of a history that is replayed, each with where it ends. */
#ifndef TOOLS_LIB_REPLAY_INPUT_H
#define TOOLS_LIB_REPLAY_INPUT_H

#include <imlog/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REPLAY_HEAD_BYTES_MAX = 64 * 1024,
    REPLAY_LINE_BYTES_MAX = 16 * 1024 * 1024, /* a maximal body, every byte of it escaped, fits */
};

struct replay_input {
    const char *name; /* for messages */
    int file;
    bool owned;
    uint8_t *buffer;
    size_t start_index;
    size_t end_index;
    size_t capacity_bytes;
    bool at_end;
    uint64_t offset_bytes; /* of buffer[start_index] in the input */
    uint64_t line;         /* lines taken so far */
    uint64_t total_bytes;  /* 0: not known (a pipe) */
    uint32_t head_bytes;   /* buffered by open: the first bytes, all of them if there are fewer */
    uint64_t first_line_hash;
};

/* "-" is standard input. Reads the head. 0 or < 0; deinit in any case. */
int replay_input_open(struct replay_input *input, const char *path, struct imlog_why *why);
void replay_input_close(struct replay_input *input);

/* map_hash() of the first byte_count bytes; only before the first line is taken. false: the
 * input has fewer. */
bool replay_input_head_hash(const struct replay_input *input, uint32_t byte_count, uint64_t *hash);

/* Go on behind offset_bytes, where line lines have been taken; only before the first is. */
int replay_input_skip(struct replay_input *input, uint64_t offset_bytes, uint64_t line,
                      struct imlog_why *why);

/* The next line without its newline, borrowed until the next call: 1, 0 at the end, < 0. */
int replay_input_next(struct replay_input *input, const char **bytes, size_t *byte_count,
                      struct imlog_why *why);

/* A client_msg_id for the line taken last, of line_bytes: the same in every replay of a history
 * that starts with the same first line, even when more lines have been added to it since. */
uint64_t replay_input_msg_id(const struct replay_input *input, const void *bytes,
                             size_t byte_count);

#endif

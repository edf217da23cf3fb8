/* replay_state.h: how far a replay has come, in a small file beside its input. */
#ifndef TOOLS_LIB_REPLAY_STATE_H
#define TOOLS_LIB_REPLAY_STATE_H

#include <imlog/error.h>
#include <stdint.h>

struct replay_state {
    uint8_t node_uuid[16];
    uint32_t head_bytes;   /* the input's first bytes, */
    uint64_t head_hash;    /* and their map_hash(): is it the same input? It may have grown. */
    uint64_t offset_bytes; /* everything before is acked or skipped */
    uint64_t line;         /* lines before that */
};

/* 1 and the state, 0 if there is no such file, < 0: it cannot be read, or is no state. */
int replay_state_load(const char *path, struct replay_state *state, struct imlog_why *why);

/* Atomic and durable: after a crash the file is the old state or the new one. */
int replay_state_save(const char *path, const struct replay_state *state, struct imlog_why *why);

#endif

/* connection.h: one client's connection to a node without sockets, threads or disk: the fixture
 * of the unit tests (tests/unit/net/world.h), driven by an input. */
#ifndef FUZZ_CONNECTION_H
#define FUZZ_CONNECTION_H

#include "fuzz/fuzz.h"
#include "net/frame.h"

#include <stdbool.h>

struct reply {
    struct frame_header header;
    uint8_t *body; /* the connection's */
};

/* A new connection. Three bytes of the input say to how many threads and shards, how much those
 * take at once, and in which pieces bytes arrive. One at a time. */
void connection_begin(struct fuzz_input *setup);

/* Bytes from the client, in pieces, with turns of the node between; as many as it takes. */
void connection_send(const uint8_t *bytes, size_t byte_count);

/* All that has come back, when the node has nothing left to do. */
const struct reply *connection_replies(uint32_t *reply_count);

/* Does the node still read from it? */
bool connection_is_open(void);

/* Closed, whatever is under way; the node must hold nothing of it any more. */
void connection_end(void);

#endif

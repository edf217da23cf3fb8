/* client_codec.h: the two requests and replies that a busy client lives on, append and pull,
 * as protobuf bytes. Pure.
 *
 * Packed and read by hand, not by protobuf-c: that would allocate for every message and copy
 * every body. All other messages are rare, and protobuf-c's (client_ask.c). The field numbers
 * are those of net/imlog.proto; tests hold both against each other. */
#ifndef NET_CLIENT_CODEC_H
#define NET_CLIENT_CODEC_H

#include "net/wire.h"

#include <imlog/client.h>

/* The bodies of an AppendRequest and a PullRequest; a writer without `at` measures. */
void client_codec_append_put(struct wire_writer *writer,
                             const struct imlog_client_message *messages, uint32_t count);
void client_codec_pull_put(struct wire_writer *writer, const struct imlog_client_pull *pulls,
                           uint32_t count);

/* An item's own error text, the newest of a reply; points into the reply. */
struct client_codec_text {
    const uint8_t *bytes; /* NULL: none */
    uint32_t byte_count;
    int code;
};

/* AppendReply -> acks[0, count), each at the index of its item. 0, or IMLOG_EPROTO: not a
 * protobuf, an item without an answer, or one with two. */
int client_codec_appended(const uint8_t *body, uint32_t body_bytes, struct imlog_client_ack *acks,
                          uint32_t count, struct client_codec_text *text);

/* How much room a PullReply's results need. 0 or IMLOG_EPROTO. */
struct client_codec_room {
    uint32_t message_count;
    uint32_t gap_count;
};
int client_codec_pulled_room(const uint8_t *body, uint32_t body_bytes,
                             struct client_codec_room *room);

/* PullReply -> pulled[0, count), their pages in `messages` and `gaps`, which have that room.
 * Message bodies point into `body`. Errors as client_codec_appended(). */
int client_codec_pulled(const uint8_t *body, uint32_t body_bytes,
                        struct imlog_client_pulled *pulled, uint32_t count,
                        struct imlog_message *messages, struct imlog_gap *gaps,
                        struct client_codec_text *text);

#endif

/* sender.h: a node that is appended to with patience: lost connections and passing refusals are
 * waited out, up to a bound, and every message ends stored once or refused for good. */
#ifndef TOOLS_DUMP_SENDER_H
#define TOOLS_DUMP_SENDER_H

#include <imlog/client.h>

struct sender {
    struct imlog_client *client;
    struct imlog_client_info info;
    uint64_t give_up_ns; /* this long without any success is too long */
    uint64_t failing_ns; /* since when; 0: the last attempt succeeded */
    uint32_t back_off_ms;
    uint64_t reconnect_count;
};

/* The first connection is not waited for. 0 or < 0 and why. */
int sender_open(struct sender *sender, const char *server, uint64_t give_up_s,
                struct imlog_why *why);
void sender_close(struct sender *sender);

/* Keys to ids, created if new. 0, or < 0: given up. */
int sender_resolve(struct sender *sender, const struct imlog_client_key *keys, uint32_t key_count,
                   uint64_t *ids, struct imlog_why *why);

struct sender_outcome {
    int code; /* 0: stored; else why it never will be */
    bool duplicate;
};

/* Append all, in order, until each has its outcome, or with stop_at_refusal until one is refused
 * for good: then nothing behind it in its session is stored. Every message needs a client_msg_id.
 * 0, or < 0: given up. An outcome with code IMLOG_EUNKNOWN is not known. refusal is the node's
 * text of the newest refusal for good. */
int sender_append(struct sender *sender, const struct imlog_client_message *messages,
                  uint32_t message_count, bool stop_at_refusal, struct sender_outcome *outcomes,
                  struct imlog_why *refusal, struct imlog_why *why);

/* Let wait_ms pass, and the connection live. */
void sender_wait(struct sender *sender, uint32_t wait_ms);

#endif

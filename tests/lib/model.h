/* model.h: the obvious store: every message in an array, in the order it was given a seq. What a
 * shard says is compared with it.
 *
 * After a crash the messages whose append was not acked may be there or not; but what is there
 * is a prefix of the order in which the shard took them, over all sessions. */
#ifndef TESTS_LIB_MODEL_H
#define TESTS_LIB_MODEL_H

#include <imlog/imlog.h>

enum { MODEL_SESSIONS_MAX = 4096, MODEL_KEYS_MAX = 4096 };

struct model_message {
    uint64_t session_id;
    uint64_t seq;
    uint64_t msg_id;
    uint64_t sender_id;
    uint64_t client_msg_id;
    uint64_t client_ms;
    uint64_t server_ms;
    uint64_t body_seed; /* the body is made from it, see model_body() */
    uint32_t body_bytes;
    uint16_t type;
    bool damaged; /* by the test: must be a gap from now on */
};

struct model_session {
    uint32_t *messages; /* by seq - 1: index into all */
    uint32_t count;
    uint32_t capacity;
    enum imlog_kind kind;
};

struct model_key {
    char text[32];
    uint64_t id;
    uint64_t lost_id; /* taken back by damage: may never be anybody's again */
    bool acked;
};

struct model {
    struct model_message *all; /* in the shard's order */
    uint32_t count;
    uint32_t capacity;
    uint32_t acked_count; /* a prefix of all */
    uint32_t seen_count;  /* the same, of what pulls returned: may never be taken back */
    uint64_t newest_msg_id;
    uint64_t session_id_max;                           /* of those ever appended to */
    struct model_session sessions[MODEL_SESSIONS_MAX]; /* by session id */
    struct model_key keys[MODEL_KEYS_MAX];
    uint32_t key_count;
    bool keys_damaged; /* by the test: keys may be lost */
};

struct model *model_create(void);
void model_destroy(struct model *model);

/* The body made from a seed. */
void model_body(uint64_t body_seed, void *body, uint32_t body_bytes);

/* The shard took an append (and it is no duplicate): checks its seq and msg_id; its index. */
uint32_t model_take(struct model *model, const struct imlog_append *append, uint64_t body_seed);
/* It was acked: acks come in order. */
void model_ack(struct model *model, uint32_t index);

/* A shard was opened again: which messages survived, by its own word; checked to be a prefix
 * that holds every acked one, and from now on they are all acked. Keys likewise. */
void model_reopen(struct model *model, const struct imlog_shard *shard);

/* Its bytes were spoiled. */
void model_damage(struct model *model, uint64_t session_id, uint64_t seq);
uint32_t model_damaged_count(const struct model *model);

/* The page answers the pull, exactly: range, contents, chain, budget, direction. Gaps just where
 * the model was told of damage. */
void model_check_page(struct model *model, const struct imlog_pull *pull,
                      const struct imlog_page *page);
/* One message is what was appended. */
void model_check_message(const struct model *model, const struct imlog_message *message);

/* Did this sender use this client_msg_id in this session? */
bool model_has_retry(const struct model *model, uint64_t session_id, uint64_t sender_id,
                     uint64_t client_msg_id);
/* Whether a retry of this message must be recognized, with a window of dedupe_messages. */
bool model_in_window(const struct model *model, uint32_t index, uint32_t dedupe_messages);
/* The oldest message that must be: count if there is none. */
uint32_t model_window_edge(const struct model *model, uint32_t dedupe_messages);

/* The index of the key, made if it is not there. */
uint32_t model_key(struct model *model, const char *text);
void model_resolved(struct model *model, uint32_t key, uint64_t id, bool created, bool acked);

#endif

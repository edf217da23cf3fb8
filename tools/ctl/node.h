/* node.h: the node a command talks to, and how its answer is given. */
#ifndef TOOLS_CTL_NODE_H
#define TOOLS_CTL_NODE_H

#include "tools/ctl/ctl.h"
#include "tools/lib/answer.h"
#include "tools/lib/map.h"
#include "tools/lib/name.h"

#include <imlog/client.h>

struct node {
    struct imlog_client *client;
    const char *server;
    struct answer answer;
    struct map names; /* id -> struct node_key * */
};

/* Connect. TOOL_OK, or TOOL_NO or TOOL_USAGE after a complaint; node_close() in any case. */
int node_open(struct node *node, const struct command_call *call);

/* Give the answer. Returns the command's exit. */
int node_close(struct node *node, int code);

/* A call of the client failed, or an item of it: refuse in the node's own words. Returns
 * TOOL_NO. */
int node_refused(struct node *node, int error);

/* name->id becomes the id of name->key, if it is one. Created if it is new and may be. TOOL_OK, or
 * TOOL_NO after a complaint. */
int node_resolve(struct node *node, const char *what, struct name *name, bool may_create);

/* Learn the string keys of ids that have one. 0 or the client's error. */
int node_names_learn(struct node *node, const uint64_t *ids, uint32_t id_count);

/* A learned key; byte_count 0 if there is none. */
struct imlog_client_key node_name(const struct node *node, uint64_t id);

/* "MEMBER": the key, or the id if it has none. */
void node_name_doc(struct node *node, const char *member, uint64_t id);

#endif

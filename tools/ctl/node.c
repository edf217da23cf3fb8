/* node.c: the node a command talks to, and how its answer is given. */
#include "tools/ctl/node.h"

#include "tools/lib/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int node_open(struct node *node, const struct command_call *call)
{
    const struct ctl_common *common = call->common;
    struct imlog_why why = {.text = "out of memory"};
    *node = (struct node){0};
    if (server_choose(common->server, &node->server, &why) < 0)
        return command_misused("%s", why.text);
    if (answer_begin(&node->answer, common->json) != TOOL_OK)
        return TOOL_NO;
    const int error = imlog_client_connect(node->server, NULL, &node->client, &why);
    return error < 0 ? answer_refuse(&node->answer, error, "%s", why.text) : TOOL_OK;
}

static void names_forget(struct node *node);

int node_close(struct node *node, int code)
{
    imlog_client_close(node->client);
    names_forget(node);
    return answer_end(&node->answer, code);
}

int node_refused(struct node *node, int error)
{
    return answer_refuse(&node->answer, error, "%s",
                         error == -ENOMEM ? "out of memory" : imlog_client_error(node->client));
}

/* ---- keys ------------------------------------------------------------------------------- */

int node_resolve(struct node *node, const char *what, struct name *name, bool may_create)
{
    if (name->key == NULL)
        return TOOL_OK;
    const struct imlog_client_key key = {name->key, name->key_bytes};
    struct imlog_client_resolved resolved = {0};
    const int error = may_create ? imlog_client_resolve(node->client, &key, 1, &resolved)
                                 : imlog_client_lookup(node->client, &key, 1, &resolved);
    if (error < 0)
        return node_refused(node, error);
    if (resolved.code == IMLOG_ENOSESSION)
        return answer_refuse(&node->answer, resolved.code,
                             "no %s \"%s\": the node does not know this key", what, name->key);
    if (resolved.code < 0)
        return answer_refuse(&node->answer, resolved.code, "%s \"%s\": %s", what, name->key,
                             imlog_client_error(node->client));
    name->id = resolved.id;
    return TOOL_OK;
}

struct node_key {
    uint32_t byte_count;
    char bytes[IMLOG_KEY_BYTES_MAX];
};

static void names_forget(struct node *node)
{
    for (size_t at = 0; at < node->names.capacity; at++) {
        const uint64_t *value = map_value_at(&node->names, at);
        if (value != NULL)
            free((struct node_key *)(uintptr_t)*value);
    }
    map_deinit(&node->names);
}

static int name_keep(struct node *node, uint64_t id, const struct imlog_client_key *key)
{
    uint64_t *value = map_get(&node->names, &id, sizeof id);
    struct node_key *kept = value == NULL ? NULL : malloc(sizeof *kept);
    if (kept == NULL)
        return -ENOMEM;
    kept->byte_count = key->byte_count;
    if (key->byte_count > 0)
        memcpy(kept->bytes, key->bytes, key->byte_count);
    *value = (uint64_t)(uintptr_t)kept;
    return 0;
}

/* One request: ids not asked before. */
static int names_ask(struct node *node, const uint64_t *ids, uint32_t id_count)
{
    struct imlog_client_key *keys = calloc((size_t)id_count + 1, sizeof *keys);
    if (keys == NULL)
        return -ENOMEM;
    int error = id_count == 0 ? 0 : imlog_client_names(node->client, ids, id_count, keys);
    for (uint32_t i = 0; i < id_count && error == 0; i++)
        error = name_keep(node, ids[i], &keys[i]);
    free(keys);
    return error;
}

int node_names_learn(struct node *node, const uint64_t *ids, uint32_t id_count)
{
    uint64_t *asked = calloc(IMLOG_REQUEST_ITEMS_MAX, sizeof *asked);
    struct map wanted = {0}; /* asked once, however often it occurs */
    uint32_t asked_count = 0;
    int error = asked == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; i < id_count && error == 0; i++) {
        if (ids[i] < IMLOG_RESOLVED_ID_MIN ||
            map_find(&node->names, &ids[i], sizeof *ids) != NULL ||
            map_find(&wanted, &ids[i], sizeof *ids) != NULL)
            continue;
        asked[asked_count++] = ids[i];
        if (map_get(&wanted, &ids[i], sizeof *ids) == NULL)
            error = -ENOMEM;
        if (error == 0 && asked_count == IMLOG_REQUEST_ITEMS_MAX) {
            error = names_ask(node, asked, asked_count);
            asked_count = 0;
        }
    }
    if (error == 0)
        error = names_ask(node, asked, asked_count);
    map_deinit(&wanted);
    free(asked);
    return error;
}

struct imlog_client_key node_name(const struct node *node, uint64_t id)
{
    const uint64_t *value = map_find(&node->names, &id, sizeof id);
    if (value == NULL)
        return (struct imlog_client_key){0};
    const struct node_key *key = (const struct node_key *)(uintptr_t)*value;
    return (struct imlog_client_key){key->bytes, key->byte_count};
}

void node_name_doc(struct node *node, const char *member, uint64_t id)
{
    const struct imlog_client_key key = node_name(node, id);
    if (key.byte_count > 0)
        doc_bytes(&node->answer.doc, member, NULL, key.bytes, key.byte_count);
    else
        doc_number(&node->answer.doc, member, id);
}

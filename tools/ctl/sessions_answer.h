/* sessions_answer.h: states of sessions, shown the same way by `session` and `sessions`. */
#ifndef TOOLS_CTL_SESSIONS_ANSWER_H
#define TOOLS_CTL_SESSIONS_ANSWER_H

#include "tools/ctl/node.h"
#include "tools/lib/table.h"

/* A table with the right titles; NULL: no memory. */
struct table *sessions_answer_table(void);

/* Add them to the table, or with --json to the document's open array; names are learned first.
 * asked: how the user named each, for those the node does not know; NULL if nobody did. */
int sessions_answer_add(struct node *node, struct table *table,
                        const struct imlog_client_session *sessions, uint32_t session_count,
                        const struct name *asked);

#endif

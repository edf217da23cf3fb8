/* answer.h: what a command answers on standard output: text as it comes, or with --json exactly
 * one document, which is held back until it is whole; a refusal takes its place. */
#ifndef TOOLS_LIB_ANSWER_H
#define TOOLS_LIB_ANSWER_H

#include "tools/lib/complain.h"
#include "tools/lib/doc.h"

struct answer {
    bool json;
    bool refused;
    struct doc_writer doc; /* with --json */
    char *bytes;
    size_t byte_count;
};

/* TOOL_OK, or TOOL_NO after a complaint; answer_end() in any case. */
int answer_begin(struct answer *answer, bool json);

/* Complain; with --json, {"error": {"code", "name", "text"}} becomes the answer. Returns
 * TOOL_NO. */
__attribute__((format(printf, 3, 4))) int answer_refuse(struct answer *answer, int error,
                                                        const char *format, ...);

/* Print the document, if there is one. Returns code, or TOOL_NO after a refusal. */
int answer_end(struct answer *answer, int code);

#endif

/* doc.h: JSON out and in, for the tools. The home of jansson.
 *
 * Out: a writer that prints as it goes, so that no document has to fit the memory. Numbers are
 * written exactly, all 64 bits. In: one JSON object a line. */
#ifndef TOOLS_LIB_DOC_H
#define TOOLS_LIB_DOC_H

#include <imlog/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- out -------------------------------------------------------------------------------- */

struct doc_writer {
    FILE *out;  /* borrowed; write errors stay in its ferror() */
    bool comma; /* the next value needs one before it */
};

/* name is NULL for a value in an array, and for the document itself. */
void doc_object_begin(struct doc_writer *writer, const char *name);
void doc_object_end(struct doc_writer *writer);
void doc_array_begin(struct doc_writer *writer, const char *name);
void doc_array_end(struct doc_writer *writer);
void doc_number(struct doc_writer *writer, const char *name, uint64_t value);
void doc_signed(struct doc_writer *writer, const char *name, int64_t value);
void doc_real(struct doc_writer *writer, const char *name, double value);
void doc_bool(struct doc_writer *writer, const char *name, bool value);
void doc_null(struct doc_writer *writer, const char *name);
/* Text of our own; what is no UTF-8 in it is shown escaped. */
void doc_text(struct doc_writer *writer, const char *name, const char *text);
/* Bytes of somebody else: as "NAME": "..." if they are UTF-8, else as "NAME_base64", or under
 * base64_name if that is not NULL. */
void doc_bytes(struct doc_writer *writer, const char *name, const char *base64_name,
               const void *bytes, size_t byte_count);

/* ---- in --------------------------------------------------------------------------------- */

struct doc;

/* One object, and nothing behind it. NULL: `why` says what is wrong and at which column. Numbers
 * up to UINT64_MAX are read exactly. */
struct doc *doc_parse(const char *bytes, size_t byte_count, struct imlog_why *why);
void doc_destroy(struct doc *object);

bool doc_has(const struct doc *object, const char *name);

/* The member as bytes (borrowed, UTF-8, may contain NUL); NULL if it is no string. */
const char *doc_get_text(const struct doc *object, const char *name, size_t *byte_count);

/* The member as a number from 0; false if it is none. */
bool doc_get_number(const struct doc *object, const char *name, uint64_t *value);

#endif

/* text.h: bytes that strangers wrote, made fit to be shown, and base64. Pure. */
#ifndef TOOLS_LIB_TEXT_H
#define TOOLS_LIB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes as one line of UTF-8 that does nothing to a terminal: control characters, bytes that
 * are no UTF-8, and characters that turn the writing direction become \n, \t, \xNN or \u{N}, a
 * backslash becomes \\. The caller frees it; NULL: no memory. */
char *text_printable(const void *bytes, size_t byte_count);

/* Terminal columns of UTF-8 text (after setlocale; one a character otherwise). */
uint32_t text_columns(const char *text);

/* Both allocate what they return, NULL: no memory. Decoding gives NULL with *byte_count SIZE_MAX
 * for what is no base64 (RFC 4648, padded). */
char *text_base64_encode(const void *bytes, size_t byte_count);
uint8_t *text_base64_decode(const char *text, size_t text_bytes, size_t *byte_count);

enum { TEXT_UUID_BYTES = 37 };

/* 16 bytes as 8-4-4-4-12 hex digits; returns text. */
const char *text_uuid(const uint8_t uuid[16], char text[TEXT_UUID_BYTES]);

#endif

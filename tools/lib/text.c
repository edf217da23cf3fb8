/* text.c: bytes made fit to be shown, and base64.
 *
 * Duty: nothing that a message, a key or a node's error text contains may reach a terminal as a
 * command to it. */
#define _XOPEN_SOURCE 700 /* wcwidth */
#include "tools/lib/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* ---- UTF-8 ------------------------------------------------------------------------------ */

/* Bytes of the character at `at` (1 to 4), or 0 if it is no well-formed UTF-8. */
static uint32_t utf8_take(const uint8_t *at, size_t left_bytes, uint32_t *character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t byte_count;
    if (at[0] < 0x80)
        byte_count = 1;
    else if (at[0] >= 0xC2 && at[0] < 0xE0)
        byte_count = 2;
    else if (at[0] >= 0xE0 && at[0] < 0xF0)
        byte_count = 3;
    else if (at[0] >= 0xF0 && at[0] < 0xF5)
        byte_count = 4;
    else
        return 0;
    if (byte_count > left_bytes)
        return 0;
    *character = byte_count == 1 ? at[0] : at[0] & (0xFFU >> (byte_count + 1));
    for (uint32_t i = 1; i < byte_count; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        *character = *character << 6 | (at[i] & 0x3F);
    }
    const bool surrogate = *character >= 0xD800 && *character < 0xE000;
    return *character < smallest[byte_count] || *character > 0x10FFFF || surrogate ? 0 : byte_count;
}

/* Controls, line and paragraph separators, and what changes the writing direction. */
static bool is_command(uint32_t character)
{
    return character < 0x20 || (character >= 0x7F && character < 0xA0) || character == 0x061C ||
           (character >= 0x200E && character <= 0x200F) ||
           (character >= 0x2028 && character <= 0x202E) ||
           (character >= 0x2066 && character <= 0x2069) || character == 0xFEFF;
}

enum { ESCAPED_BYTES_MAX = 10 }; /* "\u{10FFFF}" */

/* Writes the shown form of one character, not terminated; returns its bytes. */
static size_t character_show(char *to, const uint8_t *from, uint32_t byte_count, uint32_t character)
{
    char escaped[ESCAPED_BYTES_MAX + 1];
    if (byte_count == 0)
        (void)snprintf(escaped, sizeof escaped, "\\x%02x", from[0]);
    else if (character == '\\')
        (void)snprintf(escaped, sizeof escaped, "\\\\");
    else if (character == '\n')
        (void)snprintf(escaped, sizeof escaped, "\\n");
    else if (character == '\t')
        (void)snprintf(escaped, sizeof escaped, "\\t");
    else if (is_command(character) && character < 0x80)
        (void)snprintf(escaped, sizeof escaped, "\\x%02x", character);
    else if (is_command(character))
        (void)snprintf(escaped, sizeof escaped, "\\u{%x}", character);
    else {
        memcpy(to, from, byte_count);
        return byte_count;
    }
    const size_t escaped_bytes = strlen(escaped);
    memcpy(to, escaped, escaped_bytes);
    return escaped_bytes;
}

char *text_printable(const void *bytes, size_t byte_count)
{
    const uint8_t *from = bytes;
    char *text = malloc(byte_count * ESCAPED_BYTES_MAX + 1);
    char *to = text;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < byte_count;) {
        uint32_t character = 0;
        const uint32_t taken_bytes = utf8_take(from + i, byte_count - i, &character);
        to += character_show(to, from + i, taken_bytes, character);
        i += taken_bytes == 0 ? 1 : taken_bytes;
    }
    *to++ = '\0';
    char *fitted = realloc(text, (size_t)(to - text));
    return fitted != NULL ? fitted : text;
}

uint32_t text_columns(const char *text)
{
    uint32_t column_count = 0;
    for (size_t left_bytes = strlen(text); left_bytes > 0;) {
        uint32_t character = 0;
        const uint32_t taken_bytes = utf8_take((const uint8_t *)text, left_bytes, &character);
        const int columns = taken_bytes == 0 ? 1 : wcwidth((wchar_t)character);
        column_count += columns < 0 ? 1 : (uint32_t)columns;
        text += taken_bytes == 0 ? 1 : taken_bytes;
        left_bytes -= taken_bytes == 0 ? 1 : taken_bytes;
    }
    return column_count;
}

/* ---- base64 ----------------------------------------------------------------------------- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *text_base64_encode(const void *bytes, size_t byte_count)
{
    const uint8_t *from = bytes;
    char *text = malloc((byte_count + 2) / 3 * 4 + 1);
    char *to = text;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < byte_count; i += 3) {
        const size_t group_bytes = byte_count - i < 3 ? byte_count - i : 3;
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (j < group_bytes ? from[i + j] : 0U);
        for (size_t j = 0; j < 4; j++)
            *to++ = j <= group_bytes ? base64_digits[group >> (18 - 6 * j) & 63] : '=';
    }
    *to = '\0';
    return text;
}

/* 0 to 63, or -1. */
static int base64_value(char digit)
{
    const char *found = digit == '\0' ? NULL : strchr(base64_digits, digit);
    return found == NULL ? -1 : (int)(found - base64_digits);
}

/* Four digits to up to three bytes; how many, or -1. Unused low bits must be 0, so that bytes
 * have one spelling. */
static int base64_group_decode(const char *text, bool last, uint8_t *to)
{
    const int padding = !last || text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
    uint32_t group = 0;
    for (int i = 0; i < 4; i++) {
        const int value = i >= 4 - padding ? 0 : base64_value(text[i]);
        if (value < 0)
            return -1;
        group = group << 6 | (uint32_t)value;
    }
    if ((group & ((1U << (8 * padding)) - 1)) != 0)
        return -1;
    for (int i = 0; i < 3 - padding; i++)
        to[i] = (uint8_t)(group >> (16 - 8 * i));
    return 3 - padding;
}

uint8_t *text_base64_decode(const char *text, size_t text_bytes, size_t *byte_count)
{
    uint8_t *bytes = malloc(text_bytes / 4 * 3 + 1);
    *byte_count = 0;
    if (bytes == NULL)
        return NULL;
    for (size_t i = 0; i + 4 <= text_bytes; i += 4) {
        const int decoded = base64_group_decode(text + i, i + 4 == text_bytes, bytes + *byte_count);
        if (decoded < 0) {
            text_bytes = 1; /* not a multiple of four: refused below */
            break;
        }
        *byte_count += (size_t)decoded;
    }
    if (text_bytes % 4 != 0) {
        free(bytes);
        *byte_count = SIZE_MAX;
        return NULL;
    }
    return bytes;
}

const char *text_uuid(const uint8_t uuid[16], char text[TEXT_UUID_BYTES])
{
    char *at = text;
    for (int i = 0; i < 16; i++) {
        const bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        at += snprintf(at, (size_t)(text + TEXT_UUID_BYTES - at), dash ? "-%02x" : "%02x", uuid[i]);
    }
    return text;
}

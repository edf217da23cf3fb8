/* doc.c: JSON out and in.
 *
 * jansson has signed integers only, while ids and client_msg_ids are unsigned 64-bit. So numbers
 * are printed here, and a line with a number that jansson finds too big is read once more with
 * every such number 18446744073709551615 as ["18446744073709551615"], which doc_get_number()
 * takes and which is no string. */
#include "tools/lib/doc.h"

#include "net/why.h"
#include "tools/lib/number.h"
#include "tools/lib/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- out -------------------------------------------------------------------------------- */

/* Characters that some readers take for the end of a line, though JSON allows them in a string:
 * next line, line separator, paragraph separator. */
static const struct line_end {
    const char *bytes;
    size_t byte_count;
    const char *escaped;
} line_ends[] = {
    {"\xc2\x85", 2, "\\u0085"}, {"\xe2\x80\xa8", 3, "\\u2028"}, {"\xe2\x80\xa9", 3, "\\u2029"}};

static const struct line_end *line_end_at(const char *at, const char *end)
{
    for (size_t i = 0; i < sizeof line_ends / sizeof line_ends[0]; i++)
        if ((size_t)(end - at) >= line_ends[i].byte_count &&
            memcmp(at, line_ends[i].bytes, line_ends[i].byte_count) == 0)
            return &line_ends[i];
    return NULL;
}

/* jansson gives whole characters, as it escapes some and not others. */
static int chunk_put(const char *bytes, size_t byte_count, void *arg)
{
    FILE *out = arg;
    const char *end = bytes + byte_count;
    const char *from = bytes;
    for (const char *at = bytes; at < end; at++) {
        const bool suspect = *at == '\xc2' || *at == '\xe2';
        const struct line_end *line_end = suspect ? line_end_at(at, end) : NULL;
        if (line_end == NULL)
            continue;
        (void)fwrite(from, 1, (size_t)(at - from), out);
        (void)fputs(line_end->escaped, out);
        from = at + line_end->byte_count;
        at = from - 1;
    }
    (void)fwrite(from, 1, (size_t)(end - from), out);
    return 0; /* an error stays in ferror() */
}

/* Takes the string. */
static void string_put(FILE *out, json_t *string)
{
    (void)json_dump_callback(string, chunk_put, out, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(string);
}

static void value_begin(struct doc_writer *writer, const char *name)
{
    if (writer->comma)
        (void)fputc(',', writer->out);
    writer->comma = true;
    if (name != NULL)
        (void)fprintf(writer->out, "\"%s\":", name); /* names are literals of ours */
}

void doc_object_begin(struct doc_writer *writer, const char *name)
{
    value_begin(writer, name);
    (void)fputc('{', writer->out);
    writer->comma = false;
}

void doc_object_end(struct doc_writer *writer)
{
    (void)fputc('}', writer->out);
    writer->comma = true;
}

void doc_array_begin(struct doc_writer *writer, const char *name)
{
    value_begin(writer, name);
    (void)fputc('[', writer->out);
    writer->comma = false;
}

void doc_array_end(struct doc_writer *writer)
{
    (void)fputc(']', writer->out);
    writer->comma = true;
}

void doc_number(struct doc_writer *writer, const char *name, uint64_t value)
{
    value_begin(writer, name);
    (void)fprintf(writer->out, "%" PRIu64, value);
}

void doc_signed(struct doc_writer *writer, const char *name, int64_t value)
{
    value_begin(writer, name);
    (void)fprintf(writer->out, "%" PRId64, value);
}

void doc_real(struct doc_writer *writer, const char *name, double value)
{
    value_begin(writer, name);
    (void)fprintf(writer->out, "%.6g", isfinite(value) ? value : 0.0);
}

void doc_bool(struct doc_writer *writer, const char *name, bool value)
{
    value_begin(writer, name);
    (void)fputs(value ? "true" : "false", writer->out);
}

void doc_null(struct doc_writer *writer, const char *name)
{
    value_begin(writer, name);
    (void)fputs("null", writer->out);
}

void doc_text(struct doc_writer *writer, const char *name, const char *text)
{
    json_t *string = json_string(text); /* NULL if it is no UTF-8 */
    if (string == NULL) {
        char *printable = text_printable(text, strlen(text));
        string = json_string(printable == NULL ? "" : printable);
        free(printable);
    }
    value_begin(writer, name);
    string_put(writer->out, string);
}

void doc_bytes(struct doc_writer *writer, const char *name, const char *base64_name,
               const void *bytes, size_t byte_count)
{
    json_t *string = json_stringn(bytes, byte_count); /* NULL if it is no UTF-8 */
    if (string != NULL) {
        value_begin(writer, name);
        string_put(writer->out, string);
        return;
    }
    char built_name[64];
    (void)snprintf(built_name, sizeof built_name, "%s_base64", name);
    char *base64 = text_base64_encode(bytes, byte_count);
    value_begin(writer, base64_name != NULL ? base64_name : built_name);
    (void)fprintf(writer->out, "\"%s\"", base64 == NULL ? "" : base64);
    free(base64);
}

/* ---- in --------------------------------------------------------------------------------- */

enum { PARSE_FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL };

/* INT64_MAX has 19 digits; a number of fewer fits. */
enum { SMALL_DIGITS = 18 };

/* Bytes of the string, or of the number, that starts at `at`; 1 for anything else. */
static size_t token_bytes(const char *at, const char *end)
{
    const char *from = at;
    if (*at == '"') {
        for (at++; at < end && *at != '"'; at++)
            if (*at == '\\' && at + 1 < end)
                at++;
        return (size_t)(at - from) + (at < end);
    }
    while (at < end && *at != '\0' && strchr("0123456789+-.eE", *at) != NULL)
        at++;
    return at == from ? 1 : (size_t)(at - from);
}

static bool token_is_big(const char *at, size_t byte_count)
{
    if (byte_count <= SMALL_DIGITS)
        return false;
    for (size_t i = 0; i < byte_count; i++)
        if (at[i] < '0' || at[i] > '9')
            return false;
    return true;
}

static char *put(char *to, const char *bytes, size_t byte_count)
{
    memcpy(to, bytes, byte_count);
    return to + byte_count;
}

/* The same line with its big integers as ["DIGITS"]. The caller frees it. */
static char *big_numbers_quote(const char *bytes, size_t byte_count, size_t *quoted_bytes)
{
    char *quoted = malloc(byte_count * 2 + 1); /* 19 digits or more become 4 longer */
    char *to = quoted;
    const char *end = bytes + byte_count;
    if (quoted == NULL)
        return NULL;
    while (bytes < end) {
        const size_t taken_bytes = token_bytes(bytes, end);
        const bool big = token_is_big(bytes, taken_bytes);
        to = big ? put(to, "[\"", 2) : to;
        to = put(to, bytes, taken_bytes);
        to = big ? put(to, "\"]", 2) : to;
        bytes += taken_bytes;
    }
    *quoted_bytes = (size_t)(to - quoted);
    return quoted;
}

static json_t *line_load(const char *bytes, size_t byte_count, json_error_t *error)
{
    json_t *value = json_loadb(bytes, byte_count, PARSE_FLAGS, error);
    if (value != NULL || json_error_code(error) != json_error_numeric_overflow)
        return value;
    size_t quoted_bytes = 0;
    char *quoted = big_numbers_quote(bytes, byte_count, &quoted_bytes);
    if (quoted == NULL)
        return NULL;
    value = json_loadb(quoted, quoted_bytes, PARSE_FLAGS, error);
    free(quoted);
    return value;
}

struct doc *doc_parse(const char *bytes, size_t byte_count, struct imlog_why *why)
{
    json_error_t error = {0};
    json_t *value = line_load(bytes, byte_count, &error);
    if (value == NULL) {
        (void)why_fill(why, 0, "no valid JSON at column %d: %s", error.column, error.text);
        return NULL;
    }
    if (!json_is_object(value)) {
        json_decref(value);
        (void)why_fill(why, 0, "not a JSON object");
        return NULL;
    }
    return (struct doc *)value;
}

void doc_destroy(struct doc *object)
{
    json_decref((json_t *)object);
}

static json_t *member(const struct doc *object, const char *name)
{
    return json_object_get((const json_t *)object, name);
}

bool doc_has(const struct doc *object, const char *name)
{
    return member(object, name) != NULL;
}

const char *doc_get_text(const struct doc *object, const char *name, size_t *byte_count)
{
    const json_t *value = member(object, name);
    if (!json_is_string(value))
        return NULL;
    *byte_count = json_string_length(value);
    return json_string_value(value);
}

bool doc_get_number(const struct doc *object, const char *name, uint64_t *value)
{
    const json_t *found = member(object, name);
    const json_t *big = json_array_get(found, 0); /* NULL if it is no array */
    if (json_is_string(big) && json_array_size(found) == 1)
        return number_parse(json_string_value(big), 0, UINT64_MAX, value);
    if (!json_is_integer(found) || json_integer_value(found) < 0)
        return false;
    *value = (uint64_t)json_integer_value(found);
    return true;
}

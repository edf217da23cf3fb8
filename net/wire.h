/* wire.h: protobuf's encoding, fields one by one, straight from and into buffers. Pure.
 *
 * The node decodes requests and encodes replies with this and not with generated code: what is
 * decoded points into the frame, so nothing is copied and no input can make it allocate; and a
 * reply is written once, where it will be sent from. tests/unit/net/test_wire.c holds it against
 * protobuf-c, which tools and tests use. */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ---- reading --------------------------------------------------------------------------- */

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct wire_field {
    uint32_t number; /* 1 or above */
    enum wire_type type;
    uint64_t value;       /* varint, fixed; for bytes: how many */
    const uint8_t *bytes; /* WIRE_BYTES: borrowed from what is read */
};

static inline struct wire_reader wire_reader_of(const uint8_t *bytes, uint64_t byte_count)
{
    return (struct wire_reader){.at = bytes, .end = bytes + byte_count};
}

int wire_long_varint(struct wire_reader *reader, uint64_t *value);

/* Take one varint. 1, or IMLOG_EPROTO: cut short or longer than ten bytes. */
static inline int wire_varint(struct wire_reader *reader, uint64_t *value)
{
    if (reader->at == reader->end || *reader->at >= 0x80)
        return wire_long_varint(reader, value);
    *value = *reader->at++;
    return 1;
}

/* Take the next field. 1 if there was one, 0 at the end, IMLOG_EPROTO. */
int wire_next(struct wire_reader *reader, struct wire_field *field);

/* The field as what the schema says it is; IMLOG_EPROTO if it was sent as something else. */
int wire_get_uint64(const struct wire_field *field, uint64_t *value);
int wire_get_uint32(const struct wire_field *field, uint32_t *value); /* too big: UINT32_MAX */
int wire_get_bool(const struct wire_field *field, bool *value);
int wire_get_bytes(const struct wire_field *field, const uint8_t **bytes, uint32_t *byte_count);

/* How many values a field of `repeated uint64` adds: 1, or those of a packed run.
 * IMLOG_EPROTO if it is neither. */
int64_t wire_count_uint64(const struct wire_field *field);

/* ---- writing --------------------------------------------------------------------------- */

/* Writes if `at` is set; only counts if it is NULL. So one function that puts the fields of a
 * message both measures and writes it. Zero values are not put: that is proto3. */
struct wire_writer {
    uint8_t *at;
    uint64_t byte_count;
};

static inline void wire_put_varint(struct wire_writer *writer, uint64_t value)
{
    if (writer->at == NULL) {
        unsigned bits = 64U - (unsigned)__builtin_clzll(value | 1);
        writer->byte_count += (bits + 6) / 7;
        return;
    }
    uint8_t *at = writer->at;
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    writer->byte_count += (uint64_t)(at - writer->at);
    writer->at = at;
}

static inline void wire_put_raw(struct wire_writer *writer, const void *bytes, uint64_t byte_count)
{
    writer->byte_count += byte_count;
    if (writer->at == NULL || byte_count == 0)
        return;
    memcpy(writer->at, bytes, byte_count);
    writer->at += byte_count;
}

static inline void wire_put_tag(struct wire_writer *writer, uint32_t number, enum wire_type type)
{
    wire_put_varint(writer, (uint64_t)number << 3 | (uint64_t)type);
}

static inline void wire_put_uint(struct wire_writer *writer, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    wire_put_tag(writer, number, WIRE_VARINT);
    wire_put_varint(writer, value);
}

/* sint32: small negatives stay small. */
static inline void wire_put_sint(struct wire_writer *writer, uint32_t number, int32_t value)
{
    wire_put_uint(writer, number, (uint32_t)value << 1 ^ (uint32_t)(value >> 31));
}

static inline void wire_put_fixed64(struct wire_writer *writer, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    uint64_t raw = htole64(value);
    wire_put_tag(writer, number, WIRE_FIXED64);
    wire_put_raw(writer, &raw, sizeof raw);
}

static inline void wire_put_bytes(struct wire_writer *writer, uint32_t number, const void *bytes,
                                  uint64_t byte_count)
{
    if (byte_count == 0)
        return;
    wire_put_tag(writer, number, WIRE_BYTES);
    wire_put_varint(writer, byte_count);
    wire_put_raw(writer, bytes, byte_count);
}

static inline void wire_put_text(struct wire_writer *writer, uint32_t number, const char *text)
{
    wire_put_bytes(writer, number, text, strlen(text));
}

/* The head of a message field whose fields, byte_count bytes of them, are put next. */
static inline void wire_put_message(struct wire_writer *writer, uint32_t number,
                                    uint64_t byte_count)
{
    wire_put_tag(writer, number, WIRE_BYTES);
    wire_put_varint(writer, byte_count);
}

#endif

/* wire.c: reading protobuf fields from bytes that a stranger sent.
 *
 * Duty: never read past the end, whatever the bytes say; every malformation is IMLOG_EPROTO. */
#include "net/wire.h"

#include <endian.h>
#include <imlog/error.h>

enum {
    WIRE_VARINT_BYTES_MAX = 10,
    WIRE_FIELD_NUMBER_MAX = (1 << 29) - 1,
};

int wire_long_varint(struct wire_reader *reader, uint64_t *value)
{
    const uint8_t *at = reader->at;
    uint64_t sum = 0;
    for (unsigned i = 0; i < WIRE_VARINT_BYTES_MAX && at < reader->end; i++) {
        uint8_t byte = *at++;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            reader->at = at;
            *value = sum;
            return 1;
        }
    }
    return IMLOG_EPROTO;
}

static int wire_fixed(struct wire_reader *reader, unsigned byte_count, uint64_t *value)
{
    if ((uint64_t)(reader->end - reader->at) < byte_count)
        return IMLOG_EPROTO;
    uint64_t raw = 0;
    memcpy(&raw, reader->at, byte_count);
    *value = le64toh(raw);
    reader->at += byte_count;
    return 1;
}

static int wire_bytes(struct wire_reader *reader, struct wire_field *field)
{
    if (wire_varint(reader, &field->value) < 0)
        return IMLOG_EPROTO;
    if (field->value > (uint64_t)(reader->end - reader->at))
        return IMLOG_EPROTO;
    field->bytes = reader->at;
    reader->at += field->value;
    return 1;
}

int wire_next(struct wire_reader *reader, struct wire_field *field)
{
    if (reader->at == reader->end)
        return 0;
    uint64_t tag;
    if (wire_varint(reader, &tag) < 0)
        return IMLOG_EPROTO;
    if (tag >> 3 == 0 || tag >> 3 > WIRE_FIELD_NUMBER_MAX)
        return IMLOG_EPROTO;
    field->number = (uint32_t)(tag >> 3);
    field->bytes = NULL;
    switch (tag & 7) {
    case WIRE_VARINT:
        field->type = WIRE_VARINT;
        return wire_varint(reader, &field->value);
    case WIRE_FIXED64:
        field->type = WIRE_FIXED64;
        return wire_fixed(reader, 8, &field->value);
    case WIRE_BYTES:
        field->type = WIRE_BYTES;
        return wire_bytes(reader, field);
    case WIRE_FIXED32:
        field->type = WIRE_FIXED32;
        return wire_fixed(reader, 4, &field->value);
    default: /* groups: proto3 has none */
        return IMLOG_EPROTO;
    }
}

int wire_get_uint64(const struct wire_field *field, uint64_t *value)
{
    if (field->type != WIRE_VARINT)
        return IMLOG_EPROTO;
    *value = field->value;
    return 0;
}

int wire_get_uint32(const struct wire_field *field, uint32_t *value)
{
    if (field->type != WIRE_VARINT)
        return IMLOG_EPROTO;
    *value = field->value > UINT32_MAX ? UINT32_MAX : (uint32_t)field->value;
    return 0;
}

int wire_get_bool(const struct wire_field *field, bool *value)
{
    if (field->type != WIRE_VARINT)
        return IMLOG_EPROTO;
    *value = field->value != 0;
    return 0;
}

int wire_get_bytes(const struct wire_field *field, const uint8_t **bytes, uint32_t *byte_count)
{
    if (field->type != WIRE_BYTES || field->value > UINT32_MAX)
        return IMLOG_EPROTO;
    *bytes = field->bytes;
    *byte_count = (uint32_t)field->value;
    return 0;
}

int64_t wire_count_uint64(const struct wire_field *field)
{
    if (field->type == WIRE_VARINT)
        return 1;
    if (field->type != WIRE_BYTES)
        return IMLOG_EPROTO;
    struct wire_reader reader = wire_reader_of(field->bytes, field->value);
    int64_t count = 0;
    for (uint64_t value; reader.at < reader.end; count++)
        if (wire_varint(&reader, &value) < 0)
            return IMLOG_EPROTO;
    return count;
}

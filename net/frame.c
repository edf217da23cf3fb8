/* frame.c: frame headers, bytes <-> struct, and the checks a header must pass.
 *
 * Duty: nothing but the header is looked at; what the body must be is its handler's matter. */
#include "net/frame.h"

#include "net/why.h"

#include <endian.h>
#include <imlog/limits.h>
#include <string.h>

void frame_encode(uint8_t bytes[FRAME_HEADER_BYTES], const struct frame_header *header)
{
    uint32_t body_bytes = htole32(header->body_bytes);
    uint16_t type = htole16(header->type);
    uint64_t request_id = htole64(header->request_id);
    memcpy(bytes, &body_bytes, 4);
    bytes[4] = header->version;
    bytes[5] = header->flags;
    memcpy(bytes + 6, &type, 2);
    memcpy(bytes + 8, &request_id, 8);
}

void frame_decode(const uint8_t bytes[FRAME_HEADER_BYTES], struct frame_header *header)
{
    uint32_t body_bytes;
    uint16_t type;
    uint64_t request_id;
    memcpy(&body_bytes, bytes, 4);
    memcpy(&type, bytes + 6, 2);
    memcpy(&request_id, bytes + 8, 8);
    *header = (struct frame_header){
        .body_bytes = le32toh(body_bytes),
        .version = bytes[4],
        .flags = bytes[5],
        .type = le16toh(type),
        .request_id = le64toh(request_id),
    };
}

int frame_check(const struct frame_header *header, struct imlog_why *why)
{
    if (header->version != FRAME_VERSION)
        return why_fill(why, IMLOG_EUNSUPPORTED,
                        "frame version %u is not known here; this node speaks version %d",
                        header->version, FRAME_VERSION);
    if (header->flags != 0)
        return why_fill(why, IMLOG_EUNSUPPORTED, "frame flags 0x%02x are not known here; send 0",
                        header->flags);
    if (header->body_bytes > IMLOG_FRAME_BYTES_MAX)
        return why_fill(why, IMLOG_EPROTO, "a frame body of %u bytes is over the limit of %d",
                        header->body_bytes, IMLOG_FRAME_BYTES_MAX);
    return 0;
}

/* frame.h: the 16 bytes before every body on the wire (docs/PROTOCOL.md section 1). Pure. */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include <imlog/error.h>
#include <stdint.h>

enum {
    FRAME_HEADER_BYTES = 16,
    FRAME_VERSION = 1,
};

enum frame_type {
    FRAME_PING = 0x0001,
    FRAME_INFO = 0x0002,
    FRAME_HEARTBEAT = 0x0003,
    FRAME_STATS = 0x0004,
    FRAME_RESOLVE = 0x0010,
    FRAME_NAMES = 0x0011,
    FRAME_APPEND = 0x0020,
    FRAME_PULL = 0x0021,
    FRAME_SESSION = 0x0022,
    FRAME_SESSIONS = 0x0023,
    FRAME_REPLY = 0x8000, /* a reply's type is its request's with this bit */
    FRAME_ERROR = 0xFFFF,
};

struct frame_header {    /* at  on the wire, little-endian              */
    uint32_t body_bytes; /*  0  after the header                        */
    uint8_t version;     /*  4  FRAME_VERSION                           */
    uint8_t flags;       /*  5  0                                       */
    uint16_t type;       /*  6  enum frame_type                         */
    uint64_t request_id; /*  8  the client's choice, echoed in its reply */
};

void frame_encode(uint8_t bytes[FRAME_HEADER_BYTES], const struct frame_header *header);
void frame_decode(const uint8_t bytes[FRAME_HEADER_BYTES], struct frame_header *header);

/* Can the body be skipped safely? 0, or the error after which the connection must end:
 * IMLOG_EUNSUPPORTED (version, flags) or IMLOG_EPROTO (body_bytes over the limit). */
int frame_check(const struct frame_header *header, struct imlog_why *why);

#endif

/* Frame headers: docs/PROTOCOL.md sections 1 and 4. */
#include "net/frame.h"

#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void decode_gives_back_what_encode_took(void **state)
{
    (void)state;
    const struct frame_header header = {.body_bytes = 0x01020304,
                                        .version = 1,
                                        .flags = 0x5a,
                                        .type = 0xfffe,
                                        .request_id = UINT64_C(0x1122334455667788)};
    uint8_t bytes[FRAME_HEADER_BYTES];
    struct frame_header back;
    frame_encode(bytes, &header);
    frame_decode(bytes, &back);
    assert_int_equal(back.body_bytes, header.body_bytes);
    assert_int_equal(back.version, header.version);
    assert_int_equal(back.flags, header.flags);
    assert_int_equal(back.type, header.type);
    assert_true(back.request_id == header.request_id);
}

static void the_documented_ping_is_these_bytes(void **state)
{
    (void)state;
    static const uint8_t documented[FRAME_HEADER_BYTES] = {0, 0, 0, 0, 1, 0, 1, 0, 7};
    const struct frame_header ping = {
        .version = FRAME_VERSION, .type = FRAME_PING, .request_id = 7};
    uint8_t bytes[FRAME_HEADER_BYTES];
    frame_encode(bytes, &ping);
    assert_memory_equal(bytes, documented, sizeof documented);
}

static void check_refuses_what_cannot_be_skipped(void **state)
{
    (void)state;
    struct imlog_why why;
    struct frame_header header = {.version = 1, .body_bytes = IMLOG_FRAME_BYTES_MAX};
    assert_int_equal(frame_check(&header, &why), 0);
    header.body_bytes++;
    assert_int_equal(frame_check(&header, &why), IMLOG_EPROTO);
    assert_non_null(strstr(why.text, "4194305"));
    header = (struct frame_header){.version = 2};
    assert_int_equal(frame_check(&header, &why), IMLOG_EUNSUPPORTED);
    assert_non_null(strstr(why.text, "version 2"));
    header = (struct frame_header){.version = 1, .flags = 1};
    assert_int_equal(frame_check(&header, NULL), IMLOG_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_gives_back_what_encode_took),
        cmocka_unit_test(the_documented_ping_is_these_bytes),
        cmocka_unit_test(check_refuses_what_cannot_be_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

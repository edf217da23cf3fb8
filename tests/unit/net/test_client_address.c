/* test_client_address.c: "HOST:PORT" taken apart. */
#include "net/client_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void parses_to(const char *text, const char *host, const char *port)
{
    struct client_address address;
    struct imlog_why why = {.text = ""};
    assert_int_equal(client_address_parse(text, &address, &why), 0);
    assert_string_equal(address.host, host);
    assert_string_equal(address.port, port);
}

static void every_form_of_host_is_taken(void **state)
{
    (void)state;
    parses_to("127.0.0.1:7700", "127.0.0.1", "7700");
    parses_to("[::1]:1", "::1", "1");
    parses_to("[fe80::1%eth0]:65535", "fe80::1%eth0", "65535");
    parses_to("node-7.example:007", "node-7.example", "7");
}

static void what_is_no_address_is_named_with_an_example(void **state)
{
    static const char *const wrong[] = {
        "",         "host",       "host:", ":7700",    "host:0",    "host:65536",
        "host:77x", "::1:7700",   "[::1",  "[::1]",    "[::1]7700", "[]:7700",
        "host:-1",  "host: 7700", "a:b:c", "host:000", "[::1]:",    "host:99999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct client_address address;
        struct imlog_why why = {.text = ""};
        assert_int_equal(client_address_parse(wrong[i], &address, &why), IMLOG_EINVALID);
        assert_non_null(strstr(why.text, wrong[i]));
        assert_non_null(strstr(why.text, "127.0.0.1:7700"));
        assert_int_equal(client_address_parse(wrong[i], &address, NULL), IMLOG_EINVALID);
    }
}

static void a_host_is_bounded(void **state)
{
    char text[CLIENT_HOST_BYTES_MAX + 16];
    struct client_address address;
    (void)state;
    memset(text, 'h', sizeof text);
    strcpy(text + CLIENT_HOST_BYTES_MAX, ":1");
    assert_int_equal(client_address_parse(text, &address, NULL), 0);
    memset(text, 'h', sizeof text);
    strcpy(text + CLIENT_HOST_BYTES_MAX + 1, ":1");
    assert_int_equal(client_address_parse(text, &address, NULL), IMLOG_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_host_is_taken),
        cmocka_unit_test(what_is_no_address_is_named_with_an_example),
        cmocka_unit_test(a_host_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

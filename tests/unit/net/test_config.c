/* Settings: what is allowed is taken, and everything else is refused by name, place and cure. */
#include "net/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int read_text(struct config *config, const char *text, struct imlog_why *why)
{
    char path[] = "/tmp/imlog-config-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    assert_int_equal(close(file), 0);
    int status = config_read(config, path, why);
    assert_int_equal(unlink(path), 0);
    return status;
}

static void a_file_sets_what_it_says(void **state)
{
    (void)state;
    struct config config;
    struct server_options options;
    struct imlog_why why;
    config_init(&config);
    assert_int_equal(read_text(&config,
                               "# a node\n"
                               "data_dir = /var/lib/imlog\n"
                               "listen = [::1]:0\n"
                               "segment_bytes = 8m\n"
                               "body_bytes_max=1M\n"
                               "; another comment\n"
                               "\n"
                               "shards = 3\n"
                               "plain_ring = yes\n",
                               &why),
                     0);
    assert_int_equal(config_apply(&config, &options, &why), 0);
    assert_string_equal(options.data_dir, "/var/lib/imlog");
    assert_string_equal(options.listen.host, "::1");
    assert_string_equal(options.listen.port, "0");
    assert_int_equal(options.shard.segment_bytes, 8 << 20);
    assert_int_equal(options.shard.body_bytes_max, 1 << 20);
    assert_int_equal(options.shard_count, 3);
    assert_true(options.plain_ring);
    assert_int_equal(options.idle_timeout_ms, 60000);
}

static void mistakes_are_named_with_file_line_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *line;
        const char *named;
    } cases[] = {
        {"shards = 2\n\nbogus = 1\n", ":3:", "bogus"},
        {"# x\nshards = two\n", ":2:", "shards = 'two'"},
        {"shards = 0\n", ":1:", "1 to 256"},
        {"shards = 257\n", ":1:", "257"},
        {"shards = 1k\n", ":1:", "1k"},
        {"hot_bytes = 4mb\n", ":1:", "4mb"},
        {"hot_bytes = -1\n", ":1:", "-1"},
        {"hot_bytes = 99999999999999999999\n", ":1:", "hot_bytes"},
        {"hot_bytes = 18014398509481985k\n", ":1:", "hot_bytes"},
        {"plain_ring = maybe\n", ":1:", "yes or no"},
        {"shards = 1\nshards = 2\n", ":2:", "line 1"},
        {"[node]\nshards = 1\n", ":2:", "[node]"},
        {"shards = 1\nnonsense\n", ":2:", "KEY = VALUE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config config;
        struct imlog_why why = {.text = ""};
        config_init(&config);
        assert_int_equal(read_text(&config, cases[i].text, &why), IMLOG_EINVALID);
        if (strstr(why.text, cases[i].line) == NULL || strstr(why.text, cases[i].named) == NULL)
            fail_msg("case %zu: '%s'", i, why.text);
    }
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    struct config config;
    struct imlog_why why;
    config_init(&config);
    assert_int_equal(config_read(&config, "/nonexistent/imlog.conf", &why), -ENOENT);
    assert_non_null(strstr(why.text, "/nonexistent/imlog.conf"));
    assert_true(config_read(&config, "/tmp", &why) < 0);
}

static void pairs_are_taken_and_refused_alike(void **state)
{
    (void)state;
    struct config config;
    struct imlog_why why;
    config_init(&config);
    assert_int_equal(config_set_pair(&config, "cache_bytes=16m", "--set", &why), 0);
    assert_int_equal(config.cache_bytes, 16 << 20);
    assert_int_equal(config_set_pair(&config, "cache_bytes", "--set", &why), IMLOG_EINVALID);
    assert_non_null(strstr(why.text, "KEY=VALUE"));
    assert_int_equal(config_set_pair(&config, "=1", "--set", &why), IMLOG_EINVALID);
    assert_int_equal(config_set_pair(&config, "nope=1", "--set", &why), IMLOG_EINVALID);
    assert_non_null(strstr(why.text, "nope"));
    assert_int_equal(config_set(&config, "data_dir", "", "--data-dir", &why), IMLOG_EINVALID);
}

static void addresses_are_parsed_or_explained(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        const char *port;
    } good[] = {{"127.0.0.1:7700", "127.0.0.1", "7700"},
                {"localhost:0", "localhost", "0"},
                {"[::1]:65535", "::1", "65535"},
                {":80", "", "80"}};
    static const char *const bad[] = {"",           "7700",    "host",     "host:",    "host:x",
                                      "host:65536", "host:-1", "::1:7700", "host: 80", "host:80x"};
    struct listen_address address;
    struct imlog_why why;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(listen_parse(good[i].text, &address, &why), 0);
        assert_string_equal(address.host, good[i].host);
        assert_string_equal(address.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(listen_parse(bad[i], &address, &why), IMLOG_EINVALID);
        assert_true(strlen(why.text) > 0);
    }
}

static void a_port_has_one_node(void **state)
{
    (void)state;
    struct listen_address address;
    struct imlog_why why;
    int first[3];
    int second[3];
    char text[LISTEN_TEXT_BYTES];
    char again[LISTEN_TEXT_BYTES];
    assert_int_equal(listen_parse("127.0.0.1:0", &address, &why), 0);
    assert_int_equal(listen_bind(&address, first, 3, text, &why), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(listen_start(first[i]), 0);
    assert_int_equal(listen_parse(text, &address, &why), 0);
    assert_int_equal(listen_bind(&address, second, 3, again, &why), -EADDRINUSE);
    assert_non_null(strstr(why.text, address.port));
    for (int i = 0; i < 3; i++)
        assert_int_equal(close(first[i]), 0);
    assert_int_equal(listen_bind(&address, second, 3, again, &why), 0);
    assert_string_equal(text, again);
    for (int i = 0; i < 3; i++)
        assert_int_equal(close(second[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_sets_what_it_says),
        cmocka_unit_test(mistakes_are_named_with_file_line_and_key),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
        cmocka_unit_test(pairs_are_taken_and_refused_alike),
        cmocka_unit_test(addresses_are_parsed_or_explained),
        cmocka_unit_test(a_port_has_one_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

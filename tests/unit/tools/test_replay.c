/* test_replay.c: the lines of a replayed history, and the file that says how far it is. */
#include "tools/lib/map.h"
#include "tools/lib/replay_input.h"
#include "tools/lib/replay_state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct files {
    char directory[64];
    char input[96];
    char state[96];
};

static int files_make(void **state)
{
    struct files *files = calloc(1, sizeof *files);
    const char *base = getenv("TMPDIR");
    (void)snprintf(files->directory, sizeof files->directory, "%.40s/imlog-XXXXXX",
                   base == NULL ? "/tmp" : base);
    if (mkdtemp(files->directory) == NULL)
        return -1;
    (void)snprintf(files->input, sizeof files->input, "%s/input", files->directory);
    (void)snprintf(files->state, sizeof files->state, "%s/state", files->directory);
    *state = files;
    return 0;
}

static int files_remove(void **state)
{
    struct files *files = *state;
    (void)unlink(files->input);
    (void)unlink(files->state);
    const int error = rmdir(files->directory); /* nothing else may be left */
    free(files);
    return error;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void next_is(struct replay_input *input, const char *text)
{
    const char *bytes;
    size_t byte_count;
    if (text == NULL) {
        assert_int_equal(replay_input_next(input, &bytes, &byte_count, NULL), 0);
        return;
    }
    assert_int_equal(replay_input_next(input, &bytes, &byte_count, NULL), 1);
    assert_int_equal(byte_count, strlen(text));
    assert_memory_equal(bytes, text, byte_count);
}

static void lines_come_with_where_they_end(void **state)
{
    const struct files *files = *state;
    struct replay_input input;
    put(files->input, "one\n\nthree");
    assert_int_equal(replay_input_open(&input, files->input, NULL), 0);
    assert_int_equal(input.total_bytes, 10);
    next_is(&input, "one");
    assert_int_equal(input.offset_bytes, 4);
    next_is(&input, "");
    next_is(&input, "three");
    assert_int_equal(input.line, 3);
    assert_int_equal(input.offset_bytes, 10);
    next_is(&input, NULL);
    replay_input_close(&input);
}

static void long_lines_come_whole(void **state)
{
    const struct files *files = *state;
    struct replay_input input;
    enum { LONG = 700000 };
    char *text = malloc(LONG + 8);
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\nend\n", 6);
    put(files->input, text);
    text[LONG] = '\0';
    assert_int_equal(replay_input_open(&input, files->input, NULL), 0);
    next_is(&input, text);
    next_is(&input, "end");
    next_is(&input, NULL);
    replay_input_close(&input);
    free(text);
}

/* Go on at every line end, from a file and from a pipe. */
static void a_skip_goes_on_where_it_was(void **state)
{
    const struct files *files = *state;
    char text[400000] = "";
    char *at = text;
    for (int i = 1; i <= 30000; i++)
        at += sprintf(at, "line %d\n", i);
    put(files->input, text);
    static const int lines[] = {1, 2, 5000, 29999, 30000};
    for (size_t i = 0; i < 5; i++) {
        char last[32];
        char next[32];
        (void)snprintf(last, sizeof last, "line %d\n", lines[i]);
        (void)snprintf(next, sizeof next, "line %d", lines[i] + 1);
        const uint64_t offset_bytes = (uint64_t)(strstr(text, last) - text) + strlen(last);
        for (int pipe_too = 0; pipe_too < 2; pipe_too++) {
            struct replay_input input;
            assert_int_equal(replay_input_open(&input, files->input, NULL), 0);
            if (pipe_too)
                input.total_bytes = 0; /* as if it could not seek */
            assert_int_equal(replay_input_skip(&input, offset_bytes, (uint64_t)lines[i], NULL), 0);
            next_is(&input, lines[i] == 30000 ? NULL : next);
            replay_input_close(&input);
        }
    }
}

static void a_late_newline_counts_no_line(void **state)
{
    const struct files *files = *state;
    struct replay_input input;
    struct imlog_why why = {.text = ""};
    put(files->input, "one\ntwo\nthree\n");
    assert_int_equal(replay_input_open(&input, files->input, NULL), 0);
    assert_int_equal(replay_input_skip(&input, 7, 2, NULL), 0); /* "two" had no newline then */
    next_is(&input, "three");
    assert_int_equal(input.line, 3);
    replay_input_close(&input);

    put(files->input, "one\ntwosome\n");
    assert_int_equal(replay_input_open(&input, files->input, NULL), 0);
    assert_true(replay_input_skip(&input, 7, 2, &why) < 0);
    assert_non_null(strstr(why.text, "longer"));
    replay_input_close(&input);

    put(files->input, "one\n");
    assert_int_equal(replay_input_open(&input, files->input, NULL), 0);
    assert_true(replay_input_skip(&input, 7, 2, &why) < 0);
    assert_non_null(strstr(why.text, "shorter"));
    replay_input_close(&input);
}

static uint64_t second_id(const char *path)
{
    struct replay_input input;
    const char *bytes;
    size_t byte_count;
    assert_int_equal(replay_input_open(&input, path, NULL), 0);
    next_is(&input, "one");
    assert_int_equal(replay_input_next(&input, &bytes, &byte_count, NULL), 1);
    const uint64_t id = replay_input_msg_id(&input, bytes, byte_count);
    replay_input_close(&input);
    return id;
}

static void ids_last_over_growth_and_tell_lines_apart(void **state)
{
    const struct files *files = *state;
    put(files->input, "one\nsame\n");
    const uint64_t id = second_id(files->input);
    assert_true(id != 0 && id < UINT64_C(1) << 53);
    put(files->input, "one\nsame\nmore\n");
    assert_true(second_id(files->input) == id);
    put(files->input, "one\nother\n");
    assert_true(second_id(files->input) != id);
}

static void a_state_is_saved_and_loaded(void **state)
{
    const struct files *files = *state;
    struct replay_state saved = {
        .head_bytes = 65536, .head_hash = UINT64_MAX, .offset_bytes = UINT64_MAX - 1, .line = 12};
    struct replay_state loaded;
    memset(saved.node_uuid, 0xa5, sizeof saved.node_uuid);
    assert_int_equal(replay_state_load(files->state, &loaded, NULL), 0);
    for (int i = 0; i < 2; i++, saved.line++) {
        assert_int_equal(replay_state_save(files->state, &saved, NULL), 0);
        memset(&loaded, 0, sizeof loaded);
        assert_int_equal(replay_state_load(files->state, &loaded, NULL), 1);
        assert_memory_equal(loaded.node_uuid, saved.node_uuid, 16);
        assert_int_equal(loaded.head_bytes, saved.head_bytes);
        assert_true(loaded.head_hash == saved.head_hash);
        assert_true(loaded.offset_bytes == saved.offset_bytes);
        assert_true(loaded.line == saved.line);
    }
}

static void a_file_that_is_no_state_is_refused(void **state)
{
    const struct files *files = *state;
    static const char *const wrong[] = {
        "",
        "{}",
        "hello",
        "{\"imlog_replay_state\":2,\"node_uuid\":\"00000000000000000000000000000000\","
        "\"head_bytes\":1,\"head_hash\":1,\"offset_bytes\":1,\"line\":1}",
        "{\"imlog_replay_state\":1,\"node_uuid\":\"0000\","
        "\"head_bytes\":1,\"head_hash\":1,\"offset_bytes\":1,\"line\":1}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct replay_state loaded;
        struct imlog_why why = {.text = ""};
        put(files->state, wrong[i]);
        assert_true(replay_state_load(files->state, &loaded, &why) < 0);
        assert_non_null(strstr(why.text, files->state));
    }
}

static void a_state_that_cannot_be_written_says_where(void **state)
{
    const struct replay_state saved = {0};
    struct imlog_why why = {.text = ""};
    (void)state;
    assert_true(replay_state_save("/proc/nowhere/state", &saved, &why) < 0);
    assert_non_null(strstr(why.text, "/proc/nowhere/state"));
}

static void a_map_keeps_what_is_put_in(void **state)
{
    struct map map = {0};
    (void)state;
    assert_null(map_find(&map, "none", 4));
    for (uint64_t i = 0; i < 10000; i++)
        *map_get(&map, &i, sizeof i) = i * 3;
    for (uint64_t i = 0; i < 10000; i++) {
        assert_true(*map_find(&map, &i, sizeof i) == i * 3);
        assert_true(*map_get(&map, &i, sizeof i) == i * 3);
    }
    assert_int_equal(map.count, 10000);
    assert_null(map_find(&map, "none", 4));
    map_deinit(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_come_with_where_they_end, files_make, files_remove),
        cmocka_unit_test_setup_teardown(long_lines_come_whole, files_make, files_remove),
        cmocka_unit_test_setup_teardown(a_skip_goes_on_where_it_was, files_make, files_remove),
        cmocka_unit_test_setup_teardown(a_late_newline_counts_no_line, files_make, files_remove),
        cmocka_unit_test_setup_teardown(ids_last_over_growth_and_tell_lines_apart, files_make,
                                        files_remove),
        cmocka_unit_test_setup_teardown(a_state_is_saved_and_loaded, files_make, files_remove),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_state_is_refused, files_make,
                                        files_remove),
        cmocka_unit_test(a_state_that_cannot_be_written_says_where),
        cmocka_unit_test(a_map_keeps_what_is_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

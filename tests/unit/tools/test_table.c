/* test_table.c: rows with aligned columns. */
#include "tools/lib/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* What is printed on standard output while it is turned aside. */
static char shown[1024];

static void table_shows(struct table *table, const char *text)
{
    const int kept_fd = dup(STDOUT_FILENO);
    FILE *aside = tmpfile();
    assert_int_equal(fflush(stdout), 0);
    assert_true(dup2(fileno(aside), STDOUT_FILENO) >= 0);
    const int error = table_print(table);
    (void)fflush(stdout);
    (void)dup2(kept_fd, STDOUT_FILENO);
    (void)close(kept_fd);
    rewind(aside);
    const size_t byte_count = fread(shown, 1, sizeof shown - 1, aside);
    shown[byte_count] = '\0';
    (void)fclose(aside);
    assert_int_equal(error, 0);
    assert_string_equal(shown, text);
}

static void columns_are_aligned_and_titles_come_once(void **state)
{
    static const char *const titles[] = {"NAME", ">N", "TEXT"};
    struct table *table = table_create(3, titles);
    (void)state;
    table_bytes(table, "a\n", 2);
    table_cell(table, "%d", 12345);
    table_cell(table, "x");
    table_bytes(table, "longer", 6);
    table_cell(table, "1");
    table_cell(table, "y y");
    table_shows(table, "NAME        N  TEXT\n"
                       "a\\n     12345  x\n"
                       "longer      1  y y\n");
    table_cell(table, "b");
    table_cell(table, "2");
    table_cell(table, "z");
    table_shows(table, "b           2  z\n");
    table_destroy(table);
    table_cell(NULL, "nothing happens");
    assert_true(table_print(NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_and_titles_come_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

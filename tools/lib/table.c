/* table.c: rows with aligned columns on standard output. The last column is never padded. */
#define _GNU_SOURCE /* vasprintf */
#include "tools/lib/table.h"

#include "tools/lib/text.h"

#include <errno.h>
#include <imlog/assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table_column {
    const char *title;
    uint32_t columns; /* terminal columns of its widest cell */
    bool right;
};

struct table {
    bool titles_printed;
    bool lost; /* memory ran out: a cell is missing */
    char **cells;
    size_t cell_count;
    size_t cell_capacity;
    uint32_t column_count;
    struct table_column columns[];
};

struct table *table_create(uint32_t column_count, const char *const *titles)
{
    struct table *table = calloc(1, sizeof *table + column_count * sizeof(struct table_column));
    if (table == NULL)
        return NULL;
    table->column_count = column_count;
    for (uint32_t i = 0; i < column_count; i++) {
        const bool right = titles[i][0] == '>';
        const char *title = titles[i] + right;
        table->columns[i] =
            (struct table_column){.title = title, .columns = text_columns(title), .right = right};
    }
    return table;
}

static void cells_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    table->cell_count = 0;
}

void table_destroy(struct table *table)
{
    if (table == NULL)
        return;
    cells_free(table);
    free(table->cells);
    free(table);
}

/* Takes the text. */
static void cell_take(struct table *table, char *text)
{
    if (table->cell_count == table->cell_capacity) {
        const size_t capacity = table->cell_capacity == 0 ? 64 : table->cell_capacity * 2;
        char **cells = realloc(table->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            free(text);
            table->lost = true;
            return;
        }
        table->cells = cells;
        table->cell_capacity = capacity;
    }
    struct table_column *column = &table->columns[table->cell_count % table->column_count];
    const uint32_t columns = text_columns(text);
    if (columns > column->columns)
        column->columns = columns;
    table->cells[table->cell_count++] = text;
}

void table_bytes(struct table *table, const void *bytes, size_t byte_count)
{
    if (table == NULL || table->lost)
        return;
    char *text = text_printable(bytes, byte_count);
    if (text == NULL)
        table->lost = true;
    else
        cell_take(table, text);
}

void table_cell(struct table *table, const char *format, ...)
{
    char *text = NULL;
    if (table == NULL || table->lost)
        return;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        table->lost = true;
    else
        cell_take(table, text);
    va_end(args);
}

static void cell_print(const struct table_column *column, bool last, const char *text)
{
    const uint32_t columns = text_columns(text);
    const int padding = columns < column->columns ? (int)(column->columns - columns) : 0;
    if (column->right)
        (void)printf("%*s%s", padding, "", text);
    else
        (void)printf("%s%*s", text, last ? 0 : padding, "");
    (void)fputs(last ? "\n" : "  ", stdout);
}

int table_print(struct table *table)
{
    if (table == NULL || table->lost)
        return -ENOMEM;
    IMLOG_ASSERT(table->cell_count % table->column_count == 0);
    for (uint32_t i = 0; i < table->column_count && !table->titles_printed; i++)
        cell_print(&table->columns[i], i + 1 == table->column_count, table->columns[i].title);
    table->titles_printed = true;
    for (size_t i = 0; i < table->cell_count; i++) {
        const uint32_t column = (uint32_t)(i % table->column_count);
        cell_print(&table->columns[column], column + 1 == table->column_count, table->cells[i]);
    }
    cells_free(table);
    return 0;
}

/* table.h: rows with aligned columns on standard output. */
#ifndef TOOLS_LIB_TABLE_H
#define TOOLS_LIB_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table;

/* A title that starts with ">" (left out when shown) is a column of numbers, aligned right. NULL:
 * no memory; the other functions take a NULL table and do nothing. */
struct table *table_create(uint32_t column_count, const char *const *titles);
void table_destroy(struct table *table);

/* The next cell, row by row; bytes of strangers are made printable. */
void table_bytes(struct table *table, const void *bytes, size_t byte_count);
__attribute__((format(printf, 2, 3))) void table_cell(struct table *table, const char *format, ...);

/* Print the rows so far and forget them; the titles come before the first ones. Columns keep
 * their widths, or grow. Returns 0, or -ENOMEM if a row was lost for lack of memory. */
int table_print(struct table *table);

#endif

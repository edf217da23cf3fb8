/* number.h: numbers as people write them. Pure. */
#ifndef TOOLS_LIB_NUMBER_H
#define TOOLS_LIB_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits and nothing else, within [min, max]. */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* A factor above 0: "2", "0.5". */
bool number_parse_factor(const char *text, double *value);

enum { NUMBER_GROUPED_BYTES = 32 };

/* 1234567 as "1,234,567", for sentences; returns text. */
const char *number_grouped(uint64_t value, char text[NUMBER_GROUPED_BYTES]);

#endif

/* assert.h: the engine's way to <imlog/assert.h>, plus what every file asserts about the machine.
 */
#ifndef ENGINE_BASE_ASSERT_H
#define ENGINE_BASE_ASSERT_H

#include <assert.h>
#include <imlog/assert.h>

/* Disk structs are copied as they lie in memory. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

#endif

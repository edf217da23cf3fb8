/* net_check.h: how the network simulation judges: a condition, and what it was about. */
#ifndef TESTS_SIM_NET_CHECK_H
#define TESTS_SIM_NET_CHECK_H

#include <stdbool.h>

/* Says what was violated and ends the process by abort(). */
__attribute__((format(printf, 4, 5))) _Noreturn void
net_violated(const char *condition, const char *file, int line, const char *format, ...);

#define NET_CHECK(condition, ...)                                                                  \
    ((condition) ? (void)0 : net_violated(#condition, __FILE__, __LINE__, __VA_ARGS__))

#endif

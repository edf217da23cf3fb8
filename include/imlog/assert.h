/* assert.h: checks on ourselves, on in every build. Never used on bytes from disk or network:
 * those get an error. One condition each, so that the message names the one that failed. */
#ifndef IMLOG_ASSERT_H
#define IMLOG_ASSERT_H

_Noreturn void imlog_assert_failed(const char *condition, const char *file, int line);

#define IMLOG_ASSERT(condition)                                                                    \
    ((condition) ? (void)0 : imlog_assert_failed(#condition, __FILE__, __LINE__))

#endif

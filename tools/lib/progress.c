/* progress.c: one line on the terminal, drawn at most five times a second. */
#include "tools/lib/progress.h"

#include "tools/lib/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

enum { FIRST_SHOW_MS = 1000, EVERY_MS = 200 };

uint64_t progress_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void progress_init(struct progress *progress)
{
    *progress =
        (struct progress){.terminal = isatty(STDERR_FILENO) == 1, .start_ns = progress_clock_ns()};
}

static void part_show(const struct progress *progress, uint64_t done, uint64_t total,
                      double seconds)
{
    if (total == 0 || done > total)
        return;
    (void)fprintf(stderr, "%5.1f %%  ", 100.0 * (double)done / (double)total);
    const double rate = (double)(done - progress->start_done) / seconds;
    if (rate > 0)
        (void)fprintf(stderr, "%.0f s left  ", (double)(total - done) / rate);
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total, uint64_t message_count)
{
    if (!progress->started) {
        progress->started = true;
        progress->start_done = done;
    }
    if (!progress->terminal)
        return;
    const uint64_t now_ns = progress_clock_ns();
    if (now_ns - progress->start_ns < FIRST_SHOW_MS * (NS_PER_S / 1000) ||
        now_ns - progress->shown_ns < EVERY_MS * (NS_PER_S / 1000))
        return;
    progress->shown_ns = now_ns;
    progress->shown = true;
    const double seconds = (double)(now_ns - progress->start_ns) / (double)NS_PER_S;
    char count[NUMBER_GROUPED_BYTES];
    char rate[NUMBER_GROUPED_BYTES];
    (void)fputs("\r\033[K", stderr);
    part_show(progress, done, total, seconds);
    if (message_count > 0)
        (void)fprintf(stderr, "%s messages  %s/s", number_grouped(message_count, count),
                      number_grouped((uint64_t)((double)message_count / seconds), rate));
    (void)fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        (void)fputs("\r\033[K", stderr);
    progress->shown = false;
}

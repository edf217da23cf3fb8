/* progress.h: one line on the terminal that says how far something is, when it takes longer than
 * a second. Nothing at all if standard error is no terminal. */
#ifndef TOOLS_LIB_PROGRESS_H
#define TOOLS_LIB_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal;
    bool shown; /* a line stands there now */
    uint64_t start_ns;
    uint64_t shown_ns;
    uint64_t start_done; /* what was done before we started */
    bool started;
};

uint64_t progress_clock_ns(void);

void progress_init(struct progress *progress);

/* done of total, in any unit (total 0: not known), and how many messages went by; call it as
 * often as you like. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total,
                   uint64_t message_count);

/* Take the line away: before anything else is printed, and at the end. */
void progress_clear(struct progress *progress);

#endif

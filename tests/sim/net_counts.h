/* net_counts.h: how often runs of the request path met what they are there to meet; part of
 * counts.h. A count that stays 0 over many runs says that something is not tested any more. */
#ifndef TESTS_SIM_NET_COUNTS_H
#define TESTS_SIM_NET_COUNTS_H

#include <stdint.h>

/* clang-format off */
#define SIM_NET_COUNTS(X) \
    X(net_turns)                /* turns of threads */ \
    X(net_connects)             /* connections made */ \
    X(net_cuts)                 /* connections cut, by the client or between */ \
    X(net_half_frames)          /* of those, in the middle of a request's frame */ \
    X(net_half_closes)          /* clients that sent no more and got all answers */ \
    X(net_silent_peers)         /* clients that were gone without a word */ \
    X(net_requests)             /* requests sent */ \
    X(net_replies)              /* replies checked */ \
    X(net_heartbeats)           /* heartbeats from the node */ \
    X(net_requests_lost)        /* requests whose connection ended before the reply */ \
    X(net_appends_acked)        /* appends acked as stored */ \
    X(net_appends_duplicate)    /* appends acked as stored before */ \
    X(net_appends_busy)         /* appends refused with IMLOG_EBUSY */ \
    X(net_appends_unknown)      /* appends answered with IMLOG_EUNKNOWN */ \
    X(net_appends_degraded)     /* appends refused with IMLOG_EDEGRADED */ \
    X(net_appends_disk_full)    /* appends refused with IMLOG_EDISKFULL */ \
    X(net_appends_aborted)      /* appends aborted behind a failed one */ \
    X(net_appends_draining)     /* appends refused by a node that shuts down */ \
    X(net_retries)              /* appends sent again */ \
    X(net_messages_pulled)      /* messages in pulls' answers, each compared */ \
    X(net_gaps)                 /* messages in blocks that could not be read */ \
    X(net_pulls_full)           /* pulls that found their reply full */ \
    X(net_pulls_failed)         /* pulls that a failed read ended */ \
    X(net_keys_resolved)        /* keys resolved */ \
    X(net_session_pages)        /* pages of all sessions */ \
    X(net_bad_frames)           /* frames that cost their connection */ \
    X(net_bad_requests)         /* requests refused as malformed */ \
    X(net_parts_across)         /* parts handed to another thread */ \
    X(net_parts_held)           /* parts that waited at a desk for a busy engine */ \
    X(net_parts_refused)        /* parts refused because too many waited */ \
    X(net_replies_dropped)      /* replies whose connection was gone */ \
    X(net_timeouts_idle)        /* connections closed as idle */ \
    X(net_timeouts_frame)       /* connections closed over an unfinished frame */ \
    X(net_timeouts_slow)        /* connections closed as slow readers */ \
    X(net_waits_requests)       /* connections not read: too many requests under way */ \
    X(net_waits_unsent)         /* connections not read: too much unsent */ \
    X(net_waits_weight)         /* connections not read: requests hold too much */ \
    X(net_waits_thread)         /* connections not read: their thread holds too much */ \
    X(net_spaces_lent)          /* times a connection was received into in place */ \
    X(net_mails_delayed)        /* turns in which mail to the thread was still on its way */ \
    X(net_crashes)              /* power losses and killed processes */ \
    X(net_crashes_opening)      /* power losses while the shards are being opened */ \
    X(net_restarts)             /* orderly shutdowns */ \
    X(net_write_faults)         /* writes made to fail */ \
    X(net_read_faults)          /* reads made to fail */ \
    X(net_allocation_faults)    /* allocations made to fail */ \
    X(net_full_disks)           /* times the disk ran full */ \
    X(net_clock_jumps)          /* jumps of the wall clock */
/* clang-format on */

/* Those of one process, which adds them to the campaign's after each run. */
struct sim_net_counts {
#define SIM_NET_COUNTS_FIELD(name) uint64_t name;
    SIM_NET_COUNTS(SIM_NET_COUNTS_FIELD)
#undef SIM_NET_COUNTS_FIELD
};

#endif

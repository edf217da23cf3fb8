/* figures.h: what a thread of the node counts about itself.
 *
 * Each thread adds to its own figures only; anyone may read them at any time and sum them up
 * (StatsReply.node). So adding needs no lock and no locked instruction. docs/OPERATIONS.md
 * explains each. */
#ifndef NET_FIGURES_H
#define NET_FIGURES_H

#include <stdatomic.h>
#include <stdint.h>

#define FIGURES(X)                                                                                 \
    X(connections, "connections open now")                                                         \
    X(connections_accepted, "connections taken")                                                   \
    X(connections_refused, "connections refused because connections_max were open")                \
    X(accept_errors, "times accepting failed, such as for lack of file descriptors")               \
    X(requests_ping, "ping requests")                                                              \
    X(requests_info, "info requests")                                                              \
    X(requests_stats, "stats requests")                                                            \
    X(requests_resolve, "resolve requests")                                                        \
    X(requests_names, "names requests")                                                            \
    X(requests_append, "append requests")                                                          \
    X(requests_pull, "pull requests")                                                              \
    X(requests_session, "session requests")                                                        \
    X(requests_sessions, "sessions requests")                                                      \
    X(requests_under_way, "requests taken and not yet answered now")                               \
    X(request_weight_bytes, "memory those and their answers may take")                             \
    X(items, "items in requests")                                                                  \
    X(items_failed, "items answered with an error code")                                           \
    X(heartbeats, "heartbeats received")                                                           \
    X(replies, "replies queued, error replies included")                                           \
    X(replies_error, "error replies")                                                              \
    X(replies_dropped, "replies whose connection was gone")                                        \
    X(frames_bad, "frames that cost their connection: version, flags, size")                       \
    X(requests_bad, "requests refused as malformed or out of range")                               \
    X(received_bytes, "bytes received")                                                            \
    X(sent_bytes, "bytes sent")                                                                    \
    X(parts, "parts of requests given to shards")                                                  \
    X(parts_across, "of those, to another thread")                                                 \
    X(parts_held, "times an append had to wait because the engine had too much unwritten")         \
    X(parts_refused, "parts refused with IMLOG_EBUSY because too many waited")                     \
    X(timeouts_idle, "connections closed because nothing came")                                    \
    X(timeouts_frame, "connections closed because a frame was not completed")                      \
    X(timeouts_slow, "connections closed because they took no replies")                            \
    X(receive_buffers_short, "times all receive buffers were in use")                              \
    X(turns, "turns of the event loops")

struct figures {
#define FIGURES_FIELD(name, meaning) _Atomic uint64_t name;
    FIGURES(FIGURES_FIELD)
#undef FIGURES_FIELD
};

/* The owning thread only. Negative differences are added as their two's complement. */
static inline void figure_add(_Atomic uint64_t *figure, uint64_t difference)
{
    uint64_t value = atomic_load_explicit(figure, memory_order_relaxed);
    atomic_store_explicit(figure, value + difference, memory_order_relaxed);
}

static inline void figure_sub(_Atomic uint64_t *figure, uint64_t difference)
{
    figure_add(figure, 0 - difference);
}

static inline uint64_t figure_get(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

#endif

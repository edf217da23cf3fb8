/* error.h: every error imlog returns, once.
 *
 * Calls return 0 (or a count) on success and a negative int on failure: -errno for what the
 * system said, one of the codes below for what imlog itself found. The same numbers travel on
 * the wire (docs/PROTOCOL.md), so they are never reused or renumbered. */
#ifndef IMLOG_ERROR_H
#define IMLOG_ERROR_H

#define IMLOG_ERRORS(X)                                                                            \
    X(IMLOG_ECORRUPT, -5001, "stored data failed its checksum")                                    \
    X(IMLOG_ETOOBIG, -5002, "message exceeds the size limit")                                      \
    X(IMLOG_EDEGRADED, -5003, "a disk write failed; the shard takes no appends until reopened")    \
    X(IMLOG_EDISKFULL, -5004, "no disk space for the next segment; appends resume once there is")  \
    X(IMLOG_EFOREIGN, -5005, "not an imlog data directory of this format")                         \
    X(IMLOG_ELOCKED, -5006, "the data directory is in use by another process")                     \
    X(IMLOG_EKIND, -5007, "the session exists with another kind")                                  \
    X(IMLOG_ENOSESSION, -5008, "no such session")                                                  \
    X(IMLOG_EPROTO, -5009, "malformed frame or request")                                           \
    X(IMLOG_EDRAINING, -5010, "the node is shutting down")                                         \
    X(IMLOG_EUNKNOWN, -5011, "outcome unknown; retry with the same client_msg_id")                 \
    X(IMLOG_EVERSION, -5012, "written by a newer version of imlog")                                \
    X(IMLOG_EURING, -5013, "io_uring is not available")                                            \
    X(IMLOG_EABORTED, -5014, "an earlier append to this session in the same request failed")       \
    X(IMLOG_EMISMATCH, -5015, "setting differs from the one the data directory was made with")     \
    X(IMLOG_EBUSY, -5016, "too much is queued; slow down and retry")                               \
    X(IMLOG_EINVALID, -5017, "an argument is out of range")                                        \
    X(IMLOG_ECONNLOST, -5018, "the connection to the node was lost")                               \
    X(IMLOG_EUNSUPPORTED, -5019, "the node does not know this request type or protocol version")

enum imlog_error {
#define IMLOG_ERROR_ENUM(name, code, text) name = code,
    IMLOG_ERRORS(IMLOG_ERROR_ENUM)
#undef IMLOG_ERROR_ENUM
};

/* Text for people; never NULL, also for an unknown code. Borrowed, static (for -errno: valid
 * until the thread's next call). */
const char *imlog_error_text(int error);

/* The symbol, such as "IMLOG_ECORRUPT" or "ENOSPC"; "unknown error" for an unknown code. */
const char *imlog_error_name(int error);

/* A caller's buffer for context on cold paths (open, recovery, tools): what, where, what to do.
 * Any function taking one accepts NULL. */
struct imlog_why {
    char text[512];
};

#endif

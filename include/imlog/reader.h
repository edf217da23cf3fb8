/* reader.h: a data directory read from outside, without its lock: beside a running node, on a
 * stopped one, and on a damaged one. Nothing is ever written.
 *
 * Blocking calls; each polls the given io until it is done. One thread. */
#ifndef IMLOG_READER_H
#define IMLOG_READER_H

#include <imlog/imlog.h>

struct imlog_reader;

/* Read identity and the position of every shard's durable end. Messages that arrive later are
 * not seen. IMLOG_EFOREIGN if it is no data directory. */
int imlog_reader_open(struct imlog_io *io, const char *path, struct imlog_reader **reader,
                      struct imlog_why *why);
void imlog_reader_close(struct imlog_reader *reader);

uint32_t imlog_reader_shard_count(const struct imlog_reader *reader);
const uint8_t *imlog_reader_uuid(const struct imlog_reader *reader);

/* Log bytes to be read in all, and read so far: for progress. */
void imlog_reader_progress(const struct imlog_reader *reader, uint64_t *done_bytes,
                           uint64_t *total_bytes);

/* The next intact message in the order the node took them (msg_id order over all shards, log
 * order within one), with its session's kind. The first call reads the whole log once for keys
 * and kinds. Returns 1 and the message (borrowed until the next call), 0 at the end, < 0, and then
 * the same ever after. */
int imlog_reader_next(struct imlog_reader *reader, struct imlog_message *message);

/* The string key of a resolved id: borrowed until close, not terminated. Byte count, or 0. */
uint32_t imlog_reader_key(const struct imlog_reader *reader, uint64_t id, const void **key);

/* One thing verify found wrong. Session ranges follow one by one, each its own finding; a
 * finding about a structure (head, batch header, footer, checkpoint) that costs no message has
 * session_id 0. All strings borrowed for the call. */
struct imlog_finding {
    uint32_t shard_index;
    const char *file;    /* below the data directory */
    uint64_t offset;     /* in the file */
    uint64_t session_id; /* 0: no message is affected, or it cannot be told which (see lost) */
    uint64_t first_seq;  /* of the affected range, inclusive */
    uint64_t last_seq;
    uint32_t lost_records; /* records whose session cannot be told any more */
    const char *what;      /* one sentence */
};

/* Read and check every stored byte. found() runs once a finding. Returns the number of
 * findings, or < 0 if the check itself could not be done. A torn tail is no finding: it was
 * never acked. */
int64_t imlog_reader_verify(struct imlog_reader *reader,
                            void (*found)(void *arg, const struct imlog_finding *finding),
                            void *arg);

/* One segment file, for `imlog-dump segments`. */
struct imlog_segment_info {
    uint32_t shard_index;
    uint32_t number;
    const char *file;  /* below the data directory */
    const char *state; /* "open", "sealed", "prepared", "damaged" */
    uint64_t base_lsn;
    uint64_t end_lsn;
    uint64_t file_bytes;
    uint64_t batch_count;
    uint64_t record_count;
    uint64_t message_count;
    uint64_t session_count; /* extents, when sealed */
    uint64_t footer_bytes;
    uint64_t epoch; /* of its newest batch */
};

int imlog_reader_segments(struct imlog_reader *reader,
                          void (*each)(void *arg, const struct imlog_segment_info *info),
                          void *arg);

#endif

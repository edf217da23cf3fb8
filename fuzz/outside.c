/* outside.c: see outside.h. */
#include "fuzz/outside.h"

#include "engine/base/checksum.h"
#include "engine/format/batch.h"
#include "engine/format/record.h"
#include "engine/format/segment.h"

enum { BASES_MAX = 64 };

struct said said_of(const struct imlog_message *message)
{
    const uint64_t rest[] = {message->sender_id, message->client_msg_id, message->client_ms,
                             message->server_ms, message->type,          message->body_bytes};
    return (struct said){.session_id = message->session_id,
                         .seq = message->seq,
                         .msg_id = message->msg_id,
                         .sum = checksum(rest, sizeof(rest), 0) ^
                                checksum(message->body, message->body_bytes, 1)};
}

static bool same(const struct said *left, const struct said *right)
{
    return left->session_id == right->session_id && left->seq == right->seq &&
           left->msg_id == right->msg_id && left->sum == right->sum;
}

/* ---- the reader -------------------------------------------------------------------------- */

static void handle_found(void *arg, const struct imlog_finding *finding)
{
    struct outside *outside = arg;
    FUZZ_CHECK(finding->what != NULL && finding->file != NULL);
    if (finding->session_id == 0)
        outside->structure_count++;
    else
        FUZZ_CHECK(finding->first_seq <= finding->last_seq);
    if (outside->finding_count < OUTSIDE_FINDINGS_MAX)
        outside->findings[outside->finding_count++] = *finding;
}

void outside_read(struct outside *outside, struct imlog_io *io)
{
    struct imlog_reader *reader;
    struct imlog_message message;
    int more;
    outside->message_count = 0;
    outside->finding_count = 0;
    outside->structure_count = 0;
    outside->told = imlog_reader_open(io, BASE_DIR, &reader, NULL) == 0;
    if (!outside->told)
        return;
    while ((more = imlog_reader_next(reader, &message)) > 0) {
        FUZZ_CHECK(outside->message_count < OUTSIDE_MESSAGES_MAX);
        outside->messages[outside->message_count++] = said_of(&message);
    }
    FUZZ_CHECK(more == 0);
    FUZZ_CHECK(imlog_reader_verify(reader, handle_found, outside) >= 0);
    imlog_reader_close(reader);
}

bool outside_has(const struct outside *outside, const struct said *said)
{
    for (uint32_t i = 0; i < outside->message_count; i++)
        if (same(&outside->messages[i], said))
            return true;
    return false;
}

bool outside_finds(const struct outside *outside, uint64_t session_id, uint64_t seq)
{
    for (uint32_t i = 0; i < outside->finding_count; i++)
        if (outside->findings[i].session_id == session_id &&
            outside->findings[i].first_seq <= seq && seq <= outside->findings[i].last_seq)
            return true;
    return false;
}

/* ---- the bytes --------------------------------------------------------------------------- */

/* Every log position at which anything in the file says the file begins. */
static uint32_t find_bases(const struct base_file *file, uint64_t *bases)
{
    uint32_t count = 0;
    struct segment_head head;
    struct segment_trailer trailer;
    struct batch_header header;
    memcpy(&head, file->bytes, sizeof(head));
    bases[count++] = head.base_lsn;
    memcpy(&trailer, file->bytes + file->byte_count - sizeof(trailer), sizeof(trailer));
    bases[count++] = trailer.base_lsn;
    for (uint32_t at = IMLOG_BLOCK_BYTES; at < file->byte_count && count < BASES_MAX;
         at += IMLOG_BLOCK_BYTES) {
        memcpy(&header, file->bytes + at, sizeof(header));
        if (header.magic == BATCH_MAGIC)
            bases[count++] = header.lsn - header.offset + IMLOG_BLOCK_BYTES;
    }
    return count;
}

static bool proved_at(const struct damage *damage, const struct base_file *file, uint32_t at,
                      uint64_t base_lsn, const struct said *said)
{
    struct record record;
    struct imlog_message message;
    if (record_decode(file->bytes + at, file->byte_count - at, damage->base->salt,
                      base_lsn + at - IMLOG_BLOCK_BYTES, &record) != 0 ||
        record_message(&record, &message) < 0)
        return false;
    struct said here = said_of(&message);
    return same(&here, said);
}

bool outside_proves(const struct damage *damage, const struct said *said)
{
    uint64_t bases[BASES_MAX + 2];
    for (uint32_t i = 0; i < damage->base->file_count; i++) {
        const struct base_file *file = &damage->files[i];
        if (file->kind != BASE_SEGMENT || damage->gone[i] ||
            file->byte_count < 2 * IMLOG_BLOCK_BYTES)
            continue;
        uint32_t base_count = find_bases(file, bases);
        for (uint32_t at = IMLOG_BLOCK_BYTES; at + sizeof(struct record_header) < file->byte_count;
             at += RECORD_ALIGN_BYTES) {
            struct record_header header;
            memcpy(&header, file->bytes + at, sizeof(header));
            if (header.subject_id != said->session_id || header.seq != said->seq)
                continue;
            for (uint32_t j = 0; j < base_count; j++)
                if (proved_at(damage, file, at, bases[j], said))
                    return true;
        }
    }
    return false;
}

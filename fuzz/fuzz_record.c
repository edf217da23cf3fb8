/* fuzz_record.c: any bytes as one record.
 *
 *     [form: 1 byte][lsn / 8: 2 bytes][bit to flip: 2 bytes][the record]
 *
 * Laws: what decodes has the checksums of its bytes and encodes back to them; it is valid at its
 * own place only; no flipped bit goes unnoticed. */
#include "engine/base/checksum.h"
#include "engine/format/msg_id.h"
#include "fuzz/fuzz.h"
#include "fuzz/repair.h"
#include "tests/lib/golden.h"

#include <errno.h>

#define SALT GOLDEN_SALT

enum { FORM_REPAIR = 1, FORM_SPOIL_PAYLOAD = 2 };

/* The bytes say the same after decoding and encoding. */
static void check_round_trip(const uint8_t *bytes, const struct record *record, uint64_t lsn)
{
    uint8_t *again = malloc(record->record_bytes);
    FUZZ_CHECK(again != NULL);
    uint32_t first_bytes = record->header.payload_bytes / 2; /* in two parts, as messages come */
    FUZZ_CHECK(record_encode(again, record->header, SALT, lsn, record->payload, first_bytes,
                             record->payload + first_bytes,
                             record->header.payload_bytes - first_bytes) == record->record_bytes);
    FUZZ_CHECK(memcmp(again, bytes, sizeof(record->header) + record->header.payload_bytes) == 0);
    free(again);
}

static void check_message(const struct record *record)
{
    struct imlog_message message;
    int error = record_message(record, &message);
    FUZZ_CHECK((error == 0) == (record->header.kind == RECORD_MESSAGE));
    if (error < 0)
        return;
    struct message_head head = {.msg_id = message.msg_id,
                                .prev_msg_id = message.prev_msg_id,
                                .sender_id = message.sender_id,
                                .client_msg_id = message.client_msg_id,
                                .client_ms = message.client_ms};
    FUZZ_CHECK(memcmp(&head, record->payload, sizeof(head)) == 0);
    FUZZ_CHECK(message.session_id == record->header.subject_id && message.session_id != 0);
    FUZZ_CHECK(message.seq == record->header.seq && message.seq != 0);
    FUZZ_CHECK(message.type == record->header.type);
    FUZZ_CHECK(message.server_ms == msg_id_ms(message.msg_id));
    FUZZ_CHECK((const uint8_t *)message.body == record->payload + sizeof(head));
    FUZZ_CHECK(message.body_bytes + sizeof(head) == record->header.payload_bytes);
}

/* One wrong bit in what the checksums cover. */
static void check_flip(uint8_t *bytes, uint64_t byte_count, const struct record *valid,
                       uint64_t lsn, uint64_t bit)
{
    struct record record;
    uint64_t covered_bits = 8 * (sizeof(valid->header) + (uint64_t)valid->header.payload_bytes);
    bit %= covered_bits;
    bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    int verdict = record_decode(bytes, byte_count, SALT, lsn, &record);
    FUZZ_CHECK(verdict == (bit < 8 * sizeof(valid->header) ? (int)IMLOG_ECORRUPT : -(int)EBADMSG));
    bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
}

static void check_record(uint8_t *bytes, uint64_t byte_count, uint64_t lsn, uint64_t bit)
{
    struct record record;
    struct record elsewhere;
    int verdict = record_decode(bytes, byte_count, SALT, lsn, &record);
    if (verdict == IMLOG_ECORRUPT)
        return;
    FUZZ_CHECK(verdict == 0 || verdict == -EBADMSG || verdict == -EMSGSIZE);
    FUZZ_CHECK(memcmp(&record.header, bytes, sizeof(record.header)) == 0);
    FUZZ_CHECK(record.record_bytes == record_bytes(record.header.payload_bytes));
    FUZZ_CHECK((verdict == -EMSGSIZE) == (record.record_bytes > byte_count));
    FUZZ_CHECK(record_decode(bytes, byte_count, SALT, lsn + 8, &elsewhere) == IMLOG_ECORRUPT);
    FUZZ_CHECK(record_decode(bytes, byte_count, SALT + 1, lsn, &elsewhere) == IMLOG_ECORRUPT);
    if (verdict == -EMSGSIZE)
        return;
    bool payload_valid =
        checksum(record.payload, record.header.payload_bytes, 0) == record.header.payload_checksum;
    FUZZ_CHECK(payload_valid == (verdict == 0));
    if (verdict < 0)
        return;
    check_round_trip(bytes, &record, lsn);
    check_message(&record);
    check_flip(bytes, byte_count, &record, lsn, bit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    struct fuzz_input input = fuzz_input_of(data, byte_count);
    uint64_t form = fuzz_take(&input, 1);
    uint64_t lsn = fuzz_take(&input, 2) * RECORD_ALIGN_BYTES;
    uint64_t bit = fuzz_take(&input, 2);
    size_t bytes_left = fuzz_left(&input);
    uint8_t *bytes = fuzz_copy(input.at, bytes_left);
    if ((form & FORM_REPAIR) != 0) {
        uint32_t repaired_bytes = repair_record(bytes, bytes_left, SALT, lsn);
        if ((form & FORM_SPOIL_PAYLOAD) != 0 && repaired_bytes > sizeof(struct record_header))
            bytes[sizeof(struct record_header)] ^= 1;
    }
    check_record(bytes, bytes_left, lsn, bit);
    free(bytes);
    return 0;
}

/* fuzz_identity.c: any bytes as imlog.id.
 *
 *     [form: 1 byte][file size: 2 bytes][the first 64 bytes of copy 0][of copy 1]
 *     [then up to 8 times: offset: 2 bytes, value: 1 byte]
 *
 * Laws: what is believed is one of the copies, byte for byte, with its checksum; one good copy is
 * enough; what decodes encodes back to itself. */
#include "engine/base/checksum.h"
#include "engine/format/identity.h"
#include "fuzz/fuzz.h"
#include "fuzz/repair.h"

#include <imlog/error.h>

enum { FORM_REPAIR_FIRST = 1, FORM_REPAIR_SECOND = 2, FORM_MAGIC = 4, FRONT_BYTES = 64 };

static bool copy_is_sound(const uint8_t *copy)
{
    struct identity identity;
    memcpy(&identity, copy, sizeof(identity));
    return identity.magic == IDENTITY_MAGIC && identity.version == IDENTITY_VERSION &&
           checksum(copy + 8, sizeof(identity) - 8, 0) == identity.identity_checksum &&
           identity.shard_count >= 1 && identity.shard_count <= IMLOG_SHARDS_MAX;
}

static void make_file(struct fuzz_input *input, uint64_t form, uint8_t *file)
{
    memset(file, 0, IDENTITY_FILE_BYTES);
    for (int copy = 0; copy < IDENTITY_COPIES; copy++) {
        size_t taken;
        const uint8_t *bytes = fuzz_take_bytes(input, FRONT_BYTES, &taken);
        if (taken > 0)
            memcpy(file + copy * IMLOG_BLOCK_BYTES, bytes, taken);
    }
    for (int i = 0; i < 8 && fuzz_left(input) > 0; i++) {
        uint64_t offset = fuzz_take(input, 2) % IDENTITY_FILE_BYTES;
        file[offset] = (uint8_t)fuzz_take(input, 1);
    }
    for (int copy = 0; copy < IDENTITY_COPIES; copy++) {
        uint8_t *block = file + copy * IMLOG_BLOCK_BYTES;
        const uint32_t magic = IDENTITY_MAGIC;
        if ((form & FORM_MAGIC) != 0)
            memcpy(block + offsetof(struct identity, magic), &magic, sizeof(magic));
        if ((form & (uint64_t)(FORM_REPAIR_FIRST << copy)) != 0)
            repair_front(block, IMLOG_BLOCK_BYTES, 0);
    }
}

static void check_round_trip(struct identity identity)
{
    struct identity again;
    struct identity before = identity;
    uint8_t *file = malloc(IDENTITY_FILE_BYTES);
    FUZZ_CHECK(file != NULL);
    identity_encode(file, &identity);
    FUZZ_CHECK(identity_decode(file, IDENTITY_FILE_BYTES, &again) == 0);
    FUZZ_CHECK(memcmp(&again, &before, sizeof(again)) == 0);
    FUZZ_CHECK(memcmp(file, file + sizeof(again), sizeof(again)) == 0);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    static uint8_t made[IDENTITY_FILE_BYTES];
    struct fuzz_input input = fuzz_input_of(data, byte_count);
    struct identity identity;
    uint64_t form = fuzz_take(&input, 1);
    size_t file_bytes = IDENTITY_FILE_BYTES - fuzz_take(&input, 2) % (IDENTITY_FILE_BYTES + 1);
    make_file(&input, form, made);
    uint8_t *file = fuzz_copy(made, file_bytes);
    int verdict = identity_decode(file, file_bytes, &identity);
    bool first = file_bytes >= IMLOG_BLOCK_BYTES && copy_is_sound(file);
    bool second = file_bytes == IDENTITY_FILE_BYTES && copy_is_sound(file + IMLOG_BLOCK_BYTES);
    FUZZ_CHECK((verdict == 0) == (first || second));
    if (verdict == 0) {
        const uint8_t *copy = first ? file : file + IMLOG_BLOCK_BYTES;
        FUZZ_CHECK(memcmp(&identity, copy, sizeof(identity)) == 0);
        check_round_trip(identity);
    } else {
        FUZZ_CHECK(verdict == IMLOG_EVERSION || verdict == IMLOG_ECORRUPT ||
                   verdict == IMLOG_EFOREIGN);
    }
    free(file);
    return 0;
}

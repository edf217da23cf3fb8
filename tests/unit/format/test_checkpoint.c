/* Checkpoint heads and chunks are valid as written and where they belong; entries never reach
 * beyond their chunk. */
#include "engine/format/checkpoint.h"
#include "tests/lib/prng.h"

#include "engine/base/checksum.h"

#include <imlog/imlog.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SALT = 17, NUMBER = 4 };

static void heads_come_back_and_reject_any_bit_flip(void **state)
{
    (void)state;
    uint8_t *block = calloc(1, IMLOG_BLOCK_BYTES);
    struct checkpoint_head head = {
        .shard_index = 2, .number = NUMBER, .origin_lsn = 4096, .epoch = 3, .origin_segment = 9};
    struct checkpoint_head decoded;
    assert_non_null(block);
    checkpoint_head_encode(block, &head, SALT);
    assert_int_equal(checkpoint_head_decode(block, SALT, &decoded), 0);
    assert_memory_equal(&decoded, &head, sizeof(head));
    assert_int_equal(checkpoint_head_decode(block, SALT + 1, &decoded), IMLOG_ECORRUPT);
    for (uint32_t bit = 0; bit < IMLOG_BLOCK_BYTES * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(checkpoint_head_decode(block, SALT, &decoded), IMLOG_ECORRUPT);
        block[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    uint16_t newer = CHECKPOINT_VERSION + 1;
    memcpy(block + offsetof(struct checkpoint_head, version), &newer, sizeof(newer));
    uint64_t sum = checksum(block + 8, IMLOG_BLOCK_BYTES - 8, SALT);
    memcpy(block, &sum, sizeof(sum));
    assert_int_equal(checkpoint_head_decode(block, SALT, &decoded), IMLOG_EVERSION);
    uint16_t none = 0; /* no version of ours ever was */
    memcpy(block + offsetof(struct checkpoint_head, version), &none, sizeof(none));
    sum = checksum(block + 8, IMLOG_BLOCK_BYTES - 8, SALT);
    memcpy(block, &sum, sizeof(sum));
    assert_int_equal(checkpoint_head_decode(block, SALT, &decoded), IMLOG_ECORRUPT);
    free(block);
}

static void chunks_are_valid_at_their_own_place_only(void **state)
{
    (void)state;
    uint8_t *chunk = malloc(CHECKPOINT_CHUNK_BYTES);
    struct checkpoint_chunk header;
    struct prng prng = {.state = 1};
    assert_non_null(chunk);
    memset(chunk, 0x44, CHECKPOINT_CHUNK_BYTES);
    checkpoint_chunk_seal(chunk, CHECKPOINT_KEYS, NUMBER, 7, 11, 1000, SALT);
    assert_int_equal(checkpoint_chunk_decode(chunk, NUMBER, 7, SALT, &header), 0);
    assert_int_equal(header.kind, CHECKPOINT_KEYS);
    assert_int_equal(header.entry_count, 11);
    assert_int_equal(header.payload_bytes, 1000);
    assert_int_equal(chunk[sizeof(header) + 999], 0x44);
    for (uint32_t at = sizeof(header) + 1000; at < CHECKPOINT_CHUNK_BYTES; at++)
        assert_int_equal(chunk[at], 0);
    assert_int_equal(checkpoint_chunk_decode(chunk, NUMBER + 1, 7, SALT, &header), IMLOG_ECORRUPT);
    assert_int_equal(checkpoint_chunk_decode(chunk, NUMBER, 8, SALT, &header), IMLOG_ECORRUPT);
    assert_int_equal(checkpoint_chunk_decode(chunk, NUMBER, 7, SALT + 1, &header), IMLOG_ECORRUPT);
    for (uint32_t i = 0; i < 6000; i++) { /* every bit of the header, then others by chance */
        uint64_t bit = i < sizeof(header) * 8 ? i : prng_below(&prng, CHECKPOINT_CHUNK_BYTES * 8);
        chunk[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(checkpoint_chunk_decode(chunk, NUMBER, 7, SALT, &header), IMLOG_ECORRUPT);
        chunk[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free(chunk);
}

/* Valid checksums around nonsense. */
static void chunks_of_unknown_kinds_are_rejected(void **state)
{
    (void)state;
    uint8_t *chunk = calloc(1, CHECKPOINT_CHUNK_BYTES);
    struct checkpoint_chunk header;
    assert_non_null(chunk);
    checkpoint_chunk_seal(chunk, (enum checkpoint_kind)0, NUMBER, 0, 0, 0, SALT);
    assert_int_equal(checkpoint_chunk_decode(chunk, NUMBER, 0, SALT, &header), IMLOG_ECORRUPT);
    checkpoint_chunk_seal(chunk, (enum checkpoint_kind)(CHECKPOINT_END + 1), NUMBER, 0, 0, 0, SALT);
    assert_int_equal(checkpoint_chunk_decode(chunk, NUMBER, 0, SALT, &header), IMLOG_ECORRUPT);
    free(chunk);
}

static struct checkpoint_session some_session(void)
{
    return (struct checkpoint_session){
        .session_id = 8, .latest_seq = 9, .kind = IMLOG_KIND_GROUP, .depth = 20, .root_count = 3};
}

static void sessions_are_read_one_by_one_to_the_end(void **state)
{
    (void)state;
    const uint32_t entry_bytes = sizeof(struct checkpoint_session) + 3 * sizeof(uint32_t);
    uint8_t *payload = malloc(5 * entry_bytes);
    assert_non_null(payload);
    for (uint32_t i = 0; i < 5; i++) {
        struct checkpoint_session session = some_session();
        uint32_t roots[3] = {i, i + 1, i + 2};
        session.session_id += i;
        memcpy(payload + i * entry_bytes, &session, sizeof(session));
        memcpy(payload + i * entry_bytes + sizeof(session), roots, sizeof(roots));
    }
    struct checkpoint_session session;
    uint32_t roots[4];
    uint32_t at = 0;
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(checkpoint_session_next(payload, 5 * entry_bytes, &at, &session, roots, 4),
                         0);
        assert_int_equal(session.session_id, 8 + i);
        assert_int_equal(roots[2], i + 2);
    }
    assert_int_equal(at, 5 * entry_bytes);
    assert_int_equal(checkpoint_session_next(payload, 5 * entry_bytes, &at, &session, roots, 4),
                     IMLOG_ECORRUPT);
    free(payload);
}

static void sessions_that_are_cut_or_nonsense_are_rejected(void **state)
{
    (void)state;
    const uint32_t entry_bytes = sizeof(struct checkpoint_session) + 3 * sizeof(uint32_t);
    struct checkpoint_session decoded;
    uint32_t roots[3];
    for (uint32_t cut = 0; cut < entry_bytes; cut++) {
        struct checkpoint_session session = some_session();
        uint8_t whole[sizeof(session) + 12] = {0};
        uint32_t at = 0;
        memcpy(whole, &session, sizeof(session));
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, whole, cut);
        assert_int_equal(checkpoint_session_next(exact, cut, &at, &decoded, roots, 3),
                         IMLOG_ECORRUPT);
        assert_int_equal(at, 0);
        free(exact);
    }
    for (int what = 0; what < 4; what++) {
        struct checkpoint_session session = some_session();
        uint8_t payload[sizeof(session) + 1020] = {0};
        uint32_t at = 0;
        if (what == 0)
            session.session_id = 0;
        if (what == 1)
            session.kind = 0;
        if (what == 2)
            session.kind = 4;
        if (what == 3)
            session.root_count = 4; /* more than there is room for */
        memcpy(payload, &session, sizeof(session));
        assert_int_equal(checkpoint_session_next(payload, sizeof(payload), &at, &decoded, roots, 3),
                         IMLOG_ECORRUPT);
    }
}

static void keys_are_read_one_by_one_and_never_beyond(void **state)
{
    (void)state;
    uint8_t payload[64];
    uint32_t used_bytes = 0;
    uint32_t number;
    const uint8_t *key;
    uint32_t key_bytes;
    for (uint32_t i = 1; i <= 5; i++) {
        memcpy(payload + used_bytes, &i, sizeof(i));
        payload[used_bytes + 4] = (uint8_t)i;
        memset(payload + used_bytes + 5, (int)('a' + i), i);
        used_bytes += 5 + i;
    }
    uint32_t at = 0;
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(checkpoint_key_next(payload, used_bytes, &at, &number, &key, &key_bytes),
                         0);
        assert_int_equal(number, i);
        assert_int_equal(key_bytes, i);
        assert_int_equal(key[i - 1], 'a' + i);
    }
    for (uint32_t cut = 0; cut < 6; cut++) { /* the first entry has six bytes */
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, payload, cut);
        at = 0;
        assert_int_equal(checkpoint_key_next(exact, cut, &at, &number, &key, &key_bytes),
                         IMLOG_ECORRUPT);
        free(exact);
    }
    payload[4] = 0; /* an empty key */
    at = 0;
    assert_int_equal(checkpoint_key_next(payload, used_bytes, &at, &number, &key, &key_bytes),
                     IMLOG_ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_come_back_and_reject_any_bit_flip),
        cmocka_unit_test(chunks_are_valid_at_their_own_place_only),
        cmocka_unit_test(chunks_of_unknown_kinds_are_rejected),
        cmocka_unit_test(sessions_are_read_one_by_one_to_the_end),
        cmocka_unit_test(sessions_that_are_cut_or_nonsense_are_rejected),
        cmocka_unit_test(keys_are_read_one_by_one_and_never_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

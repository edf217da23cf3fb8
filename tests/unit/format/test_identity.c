/* imlog.id survives damage to either of its copies, and nothing else passes for it. */
#include "engine/format/identity.h"

#include "engine/base/checksum.h"

#include <imlog/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t *make_file(struct identity *identity)
{
    uint8_t *file = calloc(1, IDENTITY_FILE_BYTES);
    assert_non_null(file);
    *identity =
        (struct identity){.shard_count = 5, .uuid = {9, 8, 7}, .salt = 6, .created_ms = 12345};
    identity_encode(file, identity);
    return file;
}

static void it_comes_back_as_it_was(void **state)
{
    (void)state;
    struct identity identity;
    struct identity decoded;
    uint8_t *file = make_file(&identity);
    assert_int_equal(identity_decode(file, IDENTITY_FILE_BYTES, &decoded), 0);
    assert_memory_equal(&decoded, &identity, sizeof(identity));
    assert_int_equal(decoded.version, IDENTITY_VERSION);
    free(file);
}

static void any_bit_flip_in_one_copy_is_survived_and_in_both_is_damage(void **state)
{
    (void)state;
    struct identity identity;
    struct identity decoded;
    uint8_t *file = make_file(&identity);
    for (uint32_t bit = 0; bit < sizeof(identity) * 8; bit++) {
        uint8_t mask = (uint8_t)(1U << bit % 8);
        for (uint32_t copy = 0; copy < 2; copy++) {
            file[copy * sizeof(identity) + bit / 8] ^= mask;
            int error = identity_decode(file, IDENTITY_FILE_BYTES, &decoded);
            if (copy == 0) {
                assert_int_equal(error, 0);
                assert_memory_equal(&decoded, &identity, sizeof(identity));
            } else if (bit / 8 >= 8 && bit / 8 < 12) {
                assert_int_equal(error, IMLOG_EFOREIGN); /* no magic in either */
            } else {
                assert_int_equal(error, IMLOG_ECORRUPT);
            }
        }
        file[bit / 8] ^= mask;
        assert_int_equal(identity_decode(file, IDENTITY_FILE_BYTES, &decoded), 0);
        file[sizeof(identity) + bit / 8] ^= mask;
    }
    free(file);
}

static void other_and_short_files_are_foreign(void **state)
{
    (void)state;
    struct identity identity;
    struct identity decoded;
    uint8_t *file = make_file(&identity);
    assert_int_equal(identity_decode(file, sizeof(identity), &decoded), 0); /* one whole copy */
    uint8_t *shorter = malloc(sizeof(identity) - 1);
    assert_non_null(shorter);
    memcpy(shorter, file, sizeof(identity) - 1);
    assert_int_equal(identity_decode(shorter, sizeof(identity) - 1, &decoded), IMLOG_EFOREIGN);
    assert_int_equal(identity_decode(shorter, 0, &decoded), IMLOG_EFOREIGN);
    memset(file, 0, IDENTITY_FILE_BYTES);
    assert_int_equal(identity_decode(file, IDENTITY_FILE_BYTES, &decoded), IMLOG_EFOREIGN);
    memset(file, 'x', IDENTITY_FILE_BYTES);
    assert_int_equal(identity_decode(file, IDENTITY_FILE_BYTES, &decoded), IMLOG_EFOREIGN);
    free(shorter);
    free(file);
}

/* Change a field and make both checksums right again. */
static void restamp(uint8_t *file, uint32_t at, uint16_t value)
{
    for (uint32_t copy = 0; copy < 2; copy++) {
        uint8_t *block = file + copy * IMLOG_BLOCK_BYTES;
        memcpy(block + at, &value, sizeof(value));
        uint64_t sum = checksum(block + 8, IMLOG_BLOCK_BYTES - 8, 0);
        memcpy(block, &sum, sizeof(sum));
    }
}

static void a_newer_version_and_nonsense_are_told_apart(void **state)
{
    (void)state;
    struct identity identity;
    struct identity decoded;
    uint8_t *file = make_file(&identity);
    restamp(file, offsetof(struct identity, version), IDENTITY_VERSION + 1);
    assert_int_equal(identity_decode(file, IDENTITY_FILE_BYTES, &decoded), IMLOG_EVERSION);
    assert_int_equal(decoded.version, IDENTITY_VERSION + 1); /* named in the message */
    restamp(file, offsetof(struct identity, version), 0);
    assert_int_equal(identity_decode(file, IDENTITY_FILE_BYTES, &decoded), IMLOG_ECORRUPT);
    restamp(file, offsetof(struct identity, version), IDENTITY_VERSION);
    restamp(file, offsetof(struct identity, shard_count), 0);
    assert_int_equal(identity_decode(file, IDENTITY_FILE_BYTES, &decoded), IMLOG_ECORRUPT);
    restamp(file, offsetof(struct identity, shard_count), IMLOG_SHARDS_MAX + 1);
    assert_int_equal(identity_decode(file, IDENTITY_FILE_BYTES, &decoded), IMLOG_ECORRUPT);
    free(file);
}

static void every_shard_has_a_salt_of_its_own(void **state)
{
    (void)state;
    struct identity identity;
    uint64_t salts[IMLOG_SHARDS_MAX];
    free(make_file(&identity));
    for (uint32_t i = 0; i < IMLOG_SHARDS_MAX; i++) {
        salts[i] = identity_shard_salt(&identity, i);
        for (uint32_t j = 0; j < i; j++)
            assert_true(salts[i] != salts[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back_as_it_was),
        cmocka_unit_test(any_bit_flip_in_one_copy_is_survived_and_in_both_is_damage),
        cmocka_unit_test(other_and_short_files_are_foreign),
        cmocka_unit_test(a_newer_version_and_nonsense_are_told_apart),
        cmocka_unit_test(every_shard_has_a_salt_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

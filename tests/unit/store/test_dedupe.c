/* The retry window is a FIFO of the newest messages with a client_msg_id; nothing else. */
#include "engine/store/dedupe.h"
#include "tests/lib/prng.h"

#include "engine/base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 64, ADDS = 20000 };

/* Which add was the newest of each key; 0: none. */
static uint64_t newest[KEYS][4][KEYS];

static struct dedupe_entry entry_of(uint32_t session, uint32_t sender, uint32_t id, uint64_t seq)
{
    return (struct dedupe_entry){.session_id = session + 1,
                                 .sender_id = sender + 1,
                                 .client_msg_id = id + 1,
                                 .seq = seq,
                                 .msg_id = seq * 3};
}

static void run_window(uint32_t capacity)
{
    struct dedupe dedupe;
    struct prng prng = {.state = capacity};
    uint64_t added = 0;
    assert_int_equal(dedupe_init(&dedupe, capacity), 0);
    memset(newest, 0, sizeof(newest));
    for (uint32_t i = 0; i < ADDS; i++) {
        uint32_t session = (uint32_t)prng_below(&prng, KEYS);
        uint32_t sender = (uint32_t)prng_below(&prng, 4);
        uint32_t id = (uint32_t)prng_below(&prng, KEYS);
        uint64_t at = newest[session][sender][id];
        bool expected = at != 0 && added - at < capacity;
        const struct dedupe_entry *found = dedupe_find(&dedupe, session + 1, sender + 1, id + 1);
        assert_int_equal(found != NULL, expected);
        if (found != NULL) {
            assert_int_equal(found->seq, at);
            assert_int_equal(found->msg_id, at * 3);
            continue;
        }
        struct dedupe_entry entry = entry_of(session, sender, id, ++added);
        assert_int_equal(dedupe_reserve(&dedupe, session + 1, sender + 1, id + 1), 0);
        dedupe_add(&dedupe, &entry);
        newest[session][sender][id] = added;
        assert_int_equal(dedupe.next - dedupe.first, added < capacity ? added : capacity);
    }
    dedupe_deinit(&dedupe);
}

static void the_window_is_a_fifo(void **state)
{
    (void)state;
    static const uint32_t capacities[] = {1, 2, 7, 100, 5000, 100000};
    for (uint32_t i = 0; i < 6; i++)
        run_window(capacities[i]);
}

static void all_three_parts_of_the_key_count(void **state)
{
    (void)state;
    struct dedupe dedupe;
    struct dedupe_entry entry = {.session_id = 1, .sender_id = 2, .client_msg_id = 3, .seq = 4};
    assert_int_equal(dedupe_init(&dedupe, 10), 0);
    assert_int_equal(dedupe_reserve(&dedupe, 1, 2, 3), 0);
    dedupe_add(&dedupe, &entry);
    assert_non_null(dedupe_find(&dedupe, 1, 2, 3));
    assert_null(dedupe_find(&dedupe, 2, 2, 3));
    assert_null(dedupe_find(&dedupe, 1, 3, 3));
    assert_null(dedupe_find(&dedupe, 1, 2, 4));
    assert_null(dedupe_find(&dedupe, 2, 1, 3));
    assert_null(dedupe_find(&dedupe, 3, 2, 1));
    dedupe_deinit(&dedupe);
}

/* The mixer backwards, so that keys with the same hash can be made. */
static uint64_t unmix64(uint64_t value)
{
    value ^= value >> 31 ^ value >> 62;
    value *= UINT64_C(0x319642b2d24d8ec3); /* inverse modulo 2^64 */
    value ^= value >> 27 ^ value >> 54;
    value *= UINT64_C(0x96de1b173f119089);
    return value ^ value >> 30 ^ value >> 60;
}

/* The client_msg_id that gives (session, sender) this hash. */
static uint64_t client_msg_id_of(uint64_t session_id, uint64_t sender_id, uint64_t hash)
{
    return unmix64(hash) - mix64(mix64(session_id) + sender_id);
}

static void keys_of_the_same_hash_are_told_apart(void **state)
{
    (void)state;
    static const uint64_t hash = UINT64_C(0x1234567890abcdef);
    /* The index compares some bits of the hash only: the third key has those, and others. */
    const struct dedupe_entry entries[] = {
        {.session_id = 1, .sender_id = 1, .client_msg_id = client_msg_id_of(1, 1, hash), .seq = 1},
        {.session_id = 1, .sender_id = 2, .client_msg_id = client_msg_id_of(1, 2, hash), .seq = 2},
        {.session_id = 1,
         .sender_id = 1,
         .client_msg_id = client_msg_id_of(1, 1, hash ^ UINT64_C(1) << 40),
         .seq = 3},
        {.session_id = 2, .sender_id = 1, .client_msg_id = client_msg_id_of(2, 1, hash), .seq = 4},
    };
    struct dedupe dedupe;
    assert_int_equal(mix64(unmix64(hash)), hash);
    assert_int_equal(dedupe_init(&dedupe, 10), 0);
    for (uint32_t i = 0; i < 4; i++) {
        const struct dedupe_entry *entry = &entries[i];
        assert_null(
            dedupe_find(&dedupe, entry->session_id, entry->sender_id, entry->client_msg_id));
        assert_int_equal(
            dedupe_reserve(&dedupe, entry->session_id, entry->sender_id, entry->client_msg_id), 0);
        dedupe_add(&dedupe, entry);
    }
    for (uint32_t i = 0; i < 4; i++) {
        const struct dedupe_entry *found = dedupe_find(
            &dedupe, entries[i].session_id, entries[i].sender_id, entries[i].client_msg_id);
        assert_non_null(found);
        assert_int_equal(found->seq, i + 1);
    }
    dedupe_deinit(&dedupe);
}

static void deinit_of_a_window_that_is_not_there_does_nothing(void **state)
{
    (void)state;
    struct dedupe dedupe = {.capacity = 10};
    dedupe_deinit(&dedupe);
    assert_null(dedupe.entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_is_a_fifo),
        cmocka_unit_test(all_three_parts_of_the_key_count),
        cmocka_unit_test(keys_of_the_same_hash_are_told_apart),
        cmocka_unit_test(deinit_of_a_window_that_is_not_there_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

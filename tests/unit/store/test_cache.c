/* Blocks come back as they were put; pinned ones are never given away; used ones stay longer. */
#include "engine/store/cache.h"
#include "tests/lib/prng.h"

#include <imlog/limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { FRAMES = 64 };

static void put(struct cache *cache, uint32_t segment, uint32_t block)
{
    uint32_t frame = cache_take(cache);
    assert_int_not_equal(frame, CACHE_NONE);
    memset(cache_bytes(cache, frame), (int)((segment * 31 + block) & 0xff), IMLOG_BLOCK_BYTES);
    assert_int_equal(cache_publish(cache, frame, segment, block), 0);
    cache_unpin(cache, frame);
}

static void a_block_that_is_there_is_the_one_asked_for(void **state)
{
    (void)state;
    struct cache cache;
    struct prng prng = {.state = 1};
    uint32_t hits = 0;
    assert_int_equal(cache_init(&cache, (uint64_t)FRAMES * IMLOG_BLOCK_BYTES), 0);
    for (uint32_t i = 0; i < 50000; i++) {
        uint32_t segment = 1 + (uint32_t)prng_below(&prng, 10);
        uint32_t block = (uint32_t)prng_below(&prng, 20);
        const uint8_t *bytes = cache_get(&cache, segment, block);
        if (bytes == NULL) {
            put(&cache, segment, block);
            bytes = cache_get(&cache, segment, block);
            assert_non_null(bytes);
        } else {
            hits++;
        }
        assert_int_equal(bytes[0], (segment * 31 + block) & 0xff);
        assert_int_equal(bytes[IMLOG_BLOCK_BYTES - 1], (segment * 31 + block) & 0xff);
    }
    assert_true(hits > 10000); /* 64 of 200 fit */
    cache_deinit(&cache);
}

static void pinned_frames_are_never_given_away(void **state)
{
    (void)state;
    struct cache cache;
    uint32_t frames[FRAMES];
    assert_int_equal(cache_init(&cache, (uint64_t)FRAMES * IMLOG_BLOCK_BYTES), 0);
    for (uint32_t i = 0; i < FRAMES; i++) {
        frames[i] = cache_take(&cache);
        assert_int_not_equal(frames[i], CACHE_NONE);
        for (uint32_t j = 0; j < i; j++)
            assert_int_not_equal(frames[i], frames[j]);
    }
    assert_int_equal(cache_take(&cache), CACHE_NONE);
    cache_unpin(&cache, frames[17]);
    assert_int_equal(cache_take(&cache), frames[17]);
    for (uint32_t i = 0; i < FRAMES; i++)
        assert_int_equal(cache_publish(&cache, frames[i], 1, i), 0);
    assert_int_equal(cache_take(&cache), CACHE_NONE); /* published, still pinned */
    for (uint32_t i = 0; i < FRAMES; i++)
        cache_unpin(&cache, frames[i]);
    for (uint32_t i = 0; i < FRAMES; i++)
        assert_non_null(cache_get(&cache, 1, i));
    assert_int_not_equal(cache_take(&cache), CACHE_NONE);
    cache_deinit(&cache);
}

static void what_is_used_stays_longer(void **state)
{
    (void)state;
    struct cache cache;
    assert_int_equal(cache_init(&cache, (uint64_t)FRAMES * IMLOG_BLOCK_BYTES), 0);
    for (uint32_t i = 0; i < FRAMES; i++)
        put(&cache, 1, i);
    for (uint32_t i = 0; i < 20 * FRAMES; i++) {
        assert_non_null(cache_get(&cache, 1, 5)); /* asked for all the time */
        put(&cache, 2, i);
    }
    assert_null(cache_get(&cache, 1, 6));
    cache_deinit(&cache);
}

static void the_second_copy_of_a_block_is_dropped(void **state)
{
    (void)state;
    struct cache cache;
    assert_int_equal(cache_init(&cache, 4 * IMLOG_BLOCK_BYTES), 0);
    put(&cache, 1, 1);
    uint32_t frame = cache_take(&cache);
    assert_int_equal(cache_publish(&cache, frame, 1, 1), 0);
    cache_unpin(&cache, frame);
    for (uint32_t i = 0; i < 3; i++)
        put(&cache, 2, i);
    put(&cache, 1, 1);
    assert_int_equal(cache_get(&cache, 1, 1)[0], 32);
    cache_deinit(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_is_there_is_the_one_asked_for),
        cmocka_unit_test(pinned_frames_are_never_given_away),
        cmocka_unit_test(what_is_used_stays_longer),
        cmocka_unit_test(the_second_copy_of_a_block_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

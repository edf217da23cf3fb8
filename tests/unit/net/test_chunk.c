/* Blocks and chunks: bytes come out as they went in, and nothing moves while it may be sent. */
#include "net/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void blocks_hold_what_was_asked_for(void **state)
{
    (void)state;
    struct pool pool = {0};
    for (uint64_t byte_count = 1; byte_count < 200000; byte_count += byte_count / 7 + 1) {
        void *bytes = pool_take(&pool, byte_count);
        assert_non_null(bytes);
        assert_true(pool_capacity(bytes) >= byte_count);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        memset(bytes, 0xa5, pool_capacity(bytes));
        pool_give(&pool, bytes);
    }
    pool_give(&pool, NULL);
    pool_deinit(&pool);
}

static void blocks_keep_a_bounded_number(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static void *taken[COUNT];
    struct pool pool = {0};
    for (int i = 0; i < COUNT; i++)
        taken[i] = pool_take(&pool, 200);
    for (int i = 0; i < COUNT; i++)
        pool_give(&pool, taken[i]);
    assert_true(pool.kept_count[0] * POOL_BYTES_MIN <= POOL_KEPT_BYTES);
    pool_deinit(&pool);
}

static void fill(struct chunk_queue *queue, struct pool *pool, uint32_t byte_count, uint8_t *next)
{
    uint8_t *at = chunk_queue_extend(queue, pool, byte_count, byte_count);
    for (uint32_t i = 0; i < byte_count; i++)
        at[i] = (*next)++;
}

static void joined_queues_give_their_bytes_in_order(void **state)
{
    (void)state;
    struct pool pool = {0};
    struct chunk_queue output = {0};
    static const uint32_t reply_bytes[] = {10, 3000, 60, 1024, 1025, 1, 20000, 5};
    uint8_t next = 0;
    uint64_t total_bytes = 0;
    for (size_t i = 0; i < sizeof reply_bytes / sizeof reply_bytes[0]; i++) {
        struct chunk_queue body = {0};
        fill(&body, &pool, reply_bytes[i], &next);
        if (i % 2 == 0)
            fill(&body, &pool, 77, &next);
        total_bytes += reply_bytes[i] + (i % 2 == 0 ? 77 : 0);
        chunk_queue_join(&output, &pool, &body);
        assert_null(body.first);
    }
    assert_int_equal(output.byte_count, total_bytes);
    uint8_t expected = 0;
    while (output.byte_count > 0) {
        struct iovec parts[3];
        uint32_t part_count = chunk_queue_peek(&output, parts, 3);
        assert_true(part_count > 0);
        for (size_t i = 0; i < parts[0].iov_len; i++)
            assert_int_equal(((uint8_t *)parts[0].iov_base)[i], expected++);
        chunk_queue_take(&output, &pool, parts[0].iov_len);
    }
    assert_null(output.first);
    pool_deinit(&pool);
}

static void taking_byte_by_byte_gives_the_same(void **state)
{
    (void)state;
    struct pool pool = {0};
    struct chunk_queue queue = {0};
    uint8_t next = 0;
    fill(&queue, &pool, 50, &next);
    fill(&queue, &pool, 500, &next);
    for (uint32_t i = 0; i < 550; i++) {
        struct iovec part;
        assert_int_equal(chunk_queue_peek(&queue, &part, 1), 1);
        assert_int_equal(*(uint8_t *)part.iov_base, (uint8_t)i);
        chunk_queue_take(&queue, &pool, 1);
    }
    assert_int_equal(queue.byte_count, 0);
    pool_deinit(&pool);
}

static void bytes_being_sent_do_not_move_when_more_come(void **state)
{
    (void)state;
    struct pool pool = {0};
    struct chunk_queue output = {0};
    uint8_t next = 0;
    struct chunk_queue body = {0};
    fill(&body, &pool, 40, &next);
    chunk_queue_join(&output, &pool, &body);
    struct iovec before;
    assert_int_equal(chunk_queue_peek(&output, &before, 1), 1);
    for (int i = 0; i < 300; i++) {
        fill(&body, &pool, 40, &next);
        chunk_queue_join(&output, &pool, &body);
    }
    struct iovec after;
    assert_int_equal(chunk_queue_peek(&output, &after, 1), 1);
    assert_ptr_equal(after.iov_base, before.iov_base);
    assert_int_equal(((uint8_t *)before.iov_base)[39], 39);
    chunk_queue_clear(&output, &pool);
    pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_hold_what_was_asked_for),
        cmocka_unit_test(blocks_keep_a_bounded_number),
        cmocka_unit_test(joined_queues_give_their_bytes_in_order),
        cmocka_unit_test(taking_byte_by_byte_gives_the_same),
        cmocka_unit_test(bytes_being_sent_do_not_move_when_more_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

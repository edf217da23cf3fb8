/* conn.c: frames out of a stream of bytes, in bounds; replies into one.
 *
 * Bounds: a connection is not read from while a whole frame of it waits, and a frame waits while
 * too many requests are under way, they and their replies hold too much, or too much is unsent
 * (limits.h). An idle connection holds no buffers at all.
 *
 * Input that came with an incomplete frame is kept in a block that grows with what really came,
 * never with what a header promises. */
#include "net/conn.h"

#include "net/limits.h"

#include <errno.h>
#include <imlog/assert.h>
#include <imlog/planted.h>
#include <stddef.h>
#include <string.h>

enum {
    CONN_SPACE_BYTES_MIN = 4096,      /* less is not worth receiving in place */
    CONN_OWN_BLOCK_BYTES_MIN = 16384, /* a frame this large is handed over, not copied */
};

void conn_init(struct conn *conn, struct dispatch *dispatch, void (*changed)(struct conn *conn))
{
    *conn = (struct conn){.dispatch = dispatch,
                          .changed = changed,
                          .state = CONN_OPEN,
                          .heard_ms = dispatch->now_ms,
                          .spoke_ms = dispatch->now_ms};
}

static void conn_drop_input(struct conn *conn)
{
    if (conn->lent == NULL ||
        IMLOG_PLANTED(lent_block_given_back)) /* else somebody may be writing into it */
        pool_give(&conn->dispatch->pool, conn->input);
    conn->input = NULL;
    conn->input_bytes = 0;
    conn->frame_ms = 0;
    conn->stalled = false;
}

void conn_deinit(struct conn *conn)
{
    IMLOG_ASSERT(!conn_is_held(conn));
    IMLOG_ASSERT(conn->lent == NULL);
    conn_drop_input(conn);
    chunk_queue_clear(&conn->output, &conn->dispatch->pool);
}

static void conn_move(struct conn *conn, enum conn_state to)
{
    static const bool allowed[3][3] = {
        [CONN_OPEN] = {[CONN_ENDING] = true, [CONN_LOST] = true},
        [CONN_ENDING] = {[CONN_LOST] = true},
    };
    IMLOG_ASSERT(allowed[conn->state][to]);
    conn->state = to;
    conn_drop_input(conn);
    conn->changed(conn);
}

void conn_end(struct conn *conn)
{
    if (conn->state == CONN_OPEN)
        conn_move(conn, CONN_ENDING);
}

void conn_lose(struct conn *conn)
{
    if (conn->state != CONN_LOST)
        conn_move(conn, CONN_LOST);
}

bool conn_is_done(const struct conn *conn)
{
    if (conn->state == CONN_ENDING)
        return (conn->request_count == 0 || IMLOG_PLANTED(ending_conn_not_awaited)) &&
               conn->output.byte_count == 0;
    return conn->state == CONN_LOST;
}

bool conn_is_held(const struct conn *conn)
{
    return (conn->request_count > 0 && !IMLOG_PLANTED(lost_conn_freed_at_once)) || conn->is_ready;
}

bool conn_wants_bytes(const struct conn *conn)
{
    return conn->state == CONN_OPEN && !conn->stalled;
}

/* ---- bytes in -------------------------------------------------------------------------- */

bool conn_has_room(const struct conn *conn, uint64_t weight_bytes)
{
    uint64_t held_bytes = conn->weight_bytes + conn->output.byte_count;
    return conn->request_count == 0 || held_bytes + weight_bytes <= CONN_WEIGHT_BYTES_MAX;
}

static bool conn_is_in_bounds(const struct conn *conn)
{
    return conn->output.byte_count < CONN_UNSENT_BYTES_MAX &&
           conn->request_count < CONN_REQUESTS_MAX;
}

static bool conn_may_take(const struct conn *conn)
{
    return conn_is_in_bounds(conn) && dispatch_has_room(conn->dispatch);
}

/* A whole frame must wait: until the next turn, or until something of this connection ends. */
static void conn_stall(struct conn *conn, bool budget_used)
{
    conn->stalled = true;
    if (budget_used || !dispatch_has_room(conn->dispatch))
        dispatch_ready(conn->dispatch, conn);
}

/* Also while the thread has no room: this may be the last event of the connection, and only
 * among the ready ones is it found when there is room. */
static void conn_resume(struct conn *conn)
{
    if (conn->stalled && conn_is_in_bounds(conn) && !IMLOG_PLANTED(stalled_conn_forgotten))
        dispatch_ready(conn->dispatch, conn);
}

static void conn_refuse(struct conn *conn, const struct frame_header *header, int status,
                        const char *text)
{
    figure_add(&conn->dispatch->figures.frames_bad, 1);
    conn_error(conn, header->request_id, status, text, 0);
    conn_end(conn);
}

/* Is there a whole frame at the start of bytes, and may it be handled now? taken_count: how many
 * were this turn. */
static bool conn_next(struct conn *conn, const uint8_t *bytes, uint32_t byte_count,
                      uint32_t taken_count, struct frame *frame)
{
    if (conn->state != CONN_OPEN || byte_count < FRAME_HEADER_BYTES)
        return false;
    struct imlog_why why;
    *frame = (struct frame){.body = bytes + FRAME_HEADER_BYTES};
    frame_decode(bytes, &frame->header);
    int status = frame_check(&frame->header, &why);
    if (status < 0) {
        conn_refuse(conn, &frame->header, status, why.text);
        return false;
    }
    if (byte_count - FRAME_HEADER_BYTES < frame->header.body_bytes)
        return false;
    if (taken_count == CONN_FRAMES_A_TURN || !conn_may_take(conn)) {
        conn_stall(conn, taken_count == CONN_FRAMES_A_TURN);
        return false;
    }
    return true;
}

/* Handle the frames at the start of bytes; returns how many bytes they had. */
static uint32_t conn_take(struct conn *conn, const uint8_t *bytes, uint32_t byte_count)
{
    uint32_t at = 0;
    struct frame frame;
    for (uint32_t taken_count = 0;
         conn_next(conn, bytes + at, byte_count - at, taken_count, &frame); taken_count++) {
        if (!dispatch_frame(conn->dispatch, conn, &frame)) {
            conn_stall(conn, false);
            if (!IMLOG_PLANTED(frame_that_waits_is_lost))
                return at;
        }
        at += FRAME_HEADER_BYTES + frame.header.body_bytes;
    }
    return at;
}

/* Room for byte_total bytes of input. */
static int conn_reserve(struct conn *conn, uint64_t byte_total)
{
    struct pool *pool = &conn->dispatch->pool;
    if (conn->input != NULL && pool_capacity(conn->input) >= byte_total)
        return 0;
    uint8_t *input = pool_take(pool, byte_total);
    if (input == NULL)
        return -ENOMEM;
    if (conn->input != NULL)
        memcpy(input, conn->input, conn->input_bytes);
    pool_give(pool, conn->input);
    conn->input = input;
    return 0;
}

static void conn_keep(struct conn *conn, const uint8_t *bytes, uint32_t byte_count)
{
    uint64_t byte_total = (uint64_t)conn->input_bytes + byte_count;
    if (conn_reserve(conn, byte_total) < 0) {
        conn_error(conn, 0, -ENOMEM, "no memory for what was received", DESK_RETRY_AFTER_MS);
        conn_end(conn);
        return;
    }
    memcpy(conn->input + conn->input_bytes, bytes, byte_count);
    conn->input_bytes += byte_count;
}

/* The clock of the incomplete frame runs while it is read for, from its first byte. */
static void conn_note_frame(struct conn *conn, bool is_new)
{
    if (conn->stalled || conn->input == NULL)
        conn->frame_ms = 0;
    else if (is_new || conn->frame_ms == 0)
        conn->frame_ms = conn->dispatch->now_ms;
}

/* Is the input one large frame and nothing else? */
static bool conn_input_is_frame(const struct conn *conn)
{
    if (conn->input_bytes < CONN_OWN_BLOCK_BYTES_MIN)
        return false;
    struct frame_header header;
    frame_decode(conn->input, &header);
    return conn->input_bytes - FRAME_HEADER_BYTES == header.body_bytes;
}

/* Such a frame is handed over in its block. */
static void conn_hand_over(struct conn *conn)
{
    struct frame frame;
    if (!conn_next(conn, conn->input, conn->input_bytes, 0, &frame))
        return;
    uint32_t input_bytes = conn->input_bytes;
    frame.block = conn->input;
    conn->input = NULL;
    conn_drop_input(conn);
    if (dispatch_frame(conn->dispatch, conn, &frame)) {
        pool_give(&conn->dispatch->pool, frame.block); /* NULL if the request kept it */
        return;
    }
    conn->input = frame.block;
    conn->input_bytes = input_bytes;
    conn_stall(conn, false);
}

static void conn_take_input(struct conn *conn)
{
    if (conn->input == NULL)
        return;
    if (conn_input_is_frame(conn)) {
        conn_hand_over(conn);
        return;
    }
    uint32_t taken_bytes = conn_take(conn, conn->input, conn->input_bytes);
    if (conn->state != CONN_OPEN)
        return; /* and the input is gone */
    if (taken_bytes == conn->input_bytes) {
        conn_drop_input(conn);
        return;
    }
    conn->input_bytes -= taken_bytes;
    if (taken_bytes > 0)
        memmove(conn->input, conn->input + taken_bytes, conn->input_bytes);
    conn_note_frame(conn, taken_bytes > 0);
}

static void conn_heard(struct conn *conn, uint32_t byte_count)
{
    conn->heard_ms = conn->dispatch->now_ms;
    figure_add(&conn->dispatch->figures.received_bytes, byte_count);
}

void conn_receive(struct conn *conn, const uint8_t *bytes, uint32_t byte_count)
{
    conn_heard(conn, byte_count);
    if (conn->state != CONN_OPEN)
        return;
    IMLOG_ASSERT(!conn->stalled);
    if (conn->input != NULL) {
        conn_keep(conn, bytes, byte_count);
        conn_take_input(conn);
        return;
    }
    uint32_t taken_bytes = conn_take(conn, bytes, byte_count);
    if (conn->state != CONN_OPEN || taken_bytes == byte_count)
        return;
    conn_keep(conn, bytes + taken_bytes, byte_count - taken_bytes);
    conn_note_frame(conn, true);
}

uint32_t conn_space(struct conn *conn, uint8_t **space)
{
    if (conn->state != CONN_OPEN || conn->input_bytes < FRAME_HEADER_BYTES)
        return 0;
    struct frame_header header;
    frame_decode(conn->input, &header);
    uint32_t frame_bytes = FRAME_HEADER_BYTES + header.body_bytes;
    if (frame_bytes < conn->input_bytes + CONN_SPACE_BYTES_MIN)
        return 0;
    uint64_t capacity_bytes = pool_capacity(conn->input);
    if (capacity_bytes - conn->input_bytes < CONN_SPACE_BYTES_MIN) {
        uint64_t more_bytes = capacity_bytes * 4 < frame_bytes ? capacity_bytes * 4 : frame_bytes;
        if (conn_reserve(conn, more_bytes) < 0)
            return 0;
        capacity_bytes = pool_capacity(conn->input);
    }
    uint64_t end = capacity_bytes < frame_bytes ? capacity_bytes : frame_bytes;
    conn->lent = conn->input;
    *space = conn->input + conn->input_bytes;
    return (uint32_t)end - conn->input_bytes;
}

void conn_received(struct conn *conn, uint32_t byte_count)
{
    uint8_t *lent = conn->lent;
    IMLOG_ASSERT(lent != NULL);
    conn->lent = NULL;
    if (byte_count > 0)
        conn_heard(conn, byte_count);
    if (conn->state != CONN_OPEN) {
        pool_give(&conn->dispatch->pool, lent); /* the input that was dropped meanwhile */
        return;
    }
    conn->input_bytes += byte_count;
    conn_take_input(conn);
}

void conn_continue(struct conn *conn)
{
    if (conn->state != CONN_OPEN || !conn->stalled)
        return;
    conn->stalled = false;
    conn_take_input(conn);
    if (conn->stalled || conn->state != CONN_OPEN)
        return;
    conn->heard_ms = conn->dispatch->now_ms; /* it was not listened to until now */
    conn->changed(conn);
}

/* ---- bytes out ------------------------------------------------------------------------- */

/* Put the header right before the first bytes of the body, or alone if there is no body. */
static bool conn_put_header(struct conn *conn, const struct frame_header *header,
                            struct chunk_queue *body)
{
    struct chunk *chunk = body->first;
    if (chunk == NULL) {
        uint8_t *at = chunk_queue_extend(&conn->output, &conn->dispatch->pool, FRAME_HEADER_BYTES,
                                         CHUNK_TAIL_BYTES);
        if (at != NULL)
            frame_encode(at, header);
        return at != NULL;
    }
    IMLOG_ASSERT(chunk->first_index >= FRAME_HEADER_BYTES);
    chunk->first_index -= FRAME_HEADER_BYTES;
    body->byte_count += FRAME_HEADER_BYTES;
    frame_encode(chunk->bytes + chunk->first_index, header);
    return true;
}

void conn_reply(struct conn *conn, uint16_t type, uint64_t request_id, struct chunk_queue *body)
{
    struct dispatch *dispatch = conn->dispatch;
    struct frame_header header = {.body_bytes = (uint32_t)body->byte_count,
                                  .version = FRAME_VERSION,
                                  .type = type,
                                  .request_id = request_id};
    if (conn->state == CONN_LOST) {
        figure_add(&dispatch->figures.replies_dropped, 1);
        chunk_queue_clear(body, &dispatch->pool);
        return;
    }
    if (conn->output.byte_count == 0)
        conn->took_ms = dispatch->now_ms;
    if (!conn_put_header(conn, &header, body)) {
        conn_lose(conn); /* no memory for an answer: the connection is the answer */
        return;
    }
    figure_add(&dispatch->figures.replies, 1);
    chunk_queue_join(&conn->output, &dispatch->pool, body);
    conn->changed(conn);
}

static void conn_put_error(struct wire_writer *writer, int code, const char *text,
                           uint32_t retry_after_ms)
{
    wire_put_sint(writer, 1, code);
    wire_put_text(writer, 2, text);
    wire_put_uint(writer, 3, retry_after_ms);
}

void conn_error(struct conn *conn, uint64_t request_id, int code, const char *text,
                uint32_t retry_after_ms)
{
    struct wire_writer writer = {.at = NULL};
    struct chunk_queue body = {0};
    conn_put_error(&writer, code, text, retry_after_ms);
    uint32_t body_bytes = (uint32_t)writer.byte_count;
    writer.at = chunk_queue_extend(&body, &conn->dispatch->pool, body_bytes, body_bytes);
    if (writer.at == NULL) {
        conn_lose(conn);
        return;
    }
    conn_put_error(&writer, code, text, retry_after_ms);
    figure_add(&conn->dispatch->figures.replies_error, 1);
    conn_reply(conn, FRAME_ERROR, request_id, &body);
}

void conn_sent(struct conn *conn, uint64_t byte_count)
{
    struct dispatch *dispatch = conn->dispatch;
    chunk_queue_take(&conn->output, &dispatch->pool, byte_count);
    conn->took_ms = dispatch->now_ms;
    conn->spoke_ms = dispatch->now_ms;
    figure_add(&dispatch->figures.sent_bytes, byte_count);
    conn_resume(conn);
}

/* ---- life ------------------------------------------------------------------------------ */

void conn_hold(struct conn *conn, uint64_t weight_bytes)
{
    conn->request_count++;
    conn->weight_bytes += weight_bytes;
}

void conn_release(struct conn *conn, uint64_t weight_bytes)
{
    IMLOG_ASSERT(conn->request_count > 0);
    conn->request_count--;
    conn->weight_bytes -= weight_bytes;
    conn_resume(conn);
    if (conn->request_count == 0 && conn->state != CONN_OPEN)
        conn->changed(conn);
}

static bool conn_is_over(const struct conn *conn, uint64_t since_ms, uint64_t limit_ms)
{
    return conn->dispatch->now_ms - since_ms >= limit_ms;
}

enum conn_verdict conn_check(struct conn *conn)
{
    const struct node *node = conn->dispatch->node;
    if (conn->state == CONN_LOST)
        return CONN_FINE;
    if (conn->output.byte_count > 0)
        return conn_is_over(conn, conn->took_ms, node->slow_reader_timeout_ms) ? CONN_SLOW
                                                                               : CONN_FINE;
    if (conn_wants_bytes(conn) && conn->frame_ms != 0 &&
        conn_is_over(conn, conn->frame_ms, node->frame_timeout_ms))
        return CONN_FRAME_LATE;
    if (conn_wants_bytes(conn) && conn_is_over(conn, conn->heard_ms, node->idle_timeout_ms))
        return CONN_IDLE;
    if (conn->state == CONN_OPEN && conn_is_over(conn, conn->spoke_ms, node->heartbeat_ms)) {
        struct chunk_queue no_body = {0};
        conn_reply(conn, FRAME_HEARTBEAT, 0, &no_body);
        conn->spoke_ms = conn->dispatch->now_ms;
    }
    return CONN_FINE;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A clock that starts later is never noticed late: the check comes at least once in the shortest
 * of all limits. */
uint64_t conn_due_ms(const struct conn *conn)
{
    const struct node *node = conn->dispatch->node;
    uint64_t due_ms = conn->dispatch->now_ms +
                      least_of(least_of(node->idle_timeout_ms, node->frame_timeout_ms),
                               least_of(node->slow_reader_timeout_ms, node->heartbeat_ms));
    if (conn->output.byte_count > 0)
        return least_of(due_ms, conn->took_ms + node->slow_reader_timeout_ms);
    if (conn->state == CONN_OPEN)
        due_ms = least_of(due_ms, conn->spoke_ms + node->heartbeat_ms);
    if (!conn_wants_bytes(conn))
        return due_ms;
    if (conn->frame_ms != 0)
        due_ms = least_of(due_ms, conn->frame_ms + node->frame_timeout_ms);
    return least_of(due_ms, conn->heard_ms + node->idle_timeout_ms);
}

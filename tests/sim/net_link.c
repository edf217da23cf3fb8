/* net_link.c: what link.c does with a socket, done with two streams. */
#include "tests/sim/net_check.h"
#include "tests/sim/net_node.h"
#include "tests/sim/trace.h"

#include "net/limits.h"

#include <imlog/assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINK_PIECE_BYTES_MAX = 9000,     /* received at once */
    LINK_DOWN_BYTES_MAX = 24 * 1024, /* the "kernel" takes so much for a client */
    LINK_SHORT_STALL_STEPS = 30,
};

static void handle_conn_changed(struct conn *conn)
{
    (void)conn; /* all links are looked at in every turn of their thread */
}

struct net_link *net_link_create(struct net_node *node, uint32_t thread_index)
{
    struct net_link *link = calloc(1, sizeof *link);
    NET_CHECK(link != NULL, "no memory for a link");
    struct dispatch *dispatch = &node->threads[thread_index].dispatch;
    link->node = node;
    link->number = ++node->link_number;
    link->thread_index = thread_index;
    link->life = node->life;
    link->has_client = true;
    link->in_ms = link->out_ms = dispatch->now_ms;
    conn_init(&link->conn, dispatch, handle_conn_changed);
    link->due_ms = conn_due_ms(&link->conn);
    link->next = node->links;
    node->links = link;
    node->counts->net_connects++;
    sim_trace("%llu link %u: connected to thread %u", (unsigned long long)node->step, link->number,
              thread_index);
    return link;
}

void net_link_cut(struct net_link *link, enum net_end to_node, enum net_end to_client)
{
    struct prng *prng = &link->node->prng;
    link->disturbed = true;
    net_stream_cut(&link->up, (uint32_t)prng_below(prng, link->up.under_way_count + 1), to_node);
    net_stream_cut(&link->down, (uint32_t)prng_below(prng, link->down.under_way_count + 1),
                   to_client);
}

void net_link_leave(struct net_link *link)
{
    link->has_client = false;
    net_stream_deinit(&link->down);
}

static void link_shut(struct net_link *link)
{
    if (link->is_shut)
        return;
    link->is_shut = true;
    conn_lose(&link->conn);
    if (link->down.end == NET_GOES_ON)
        link->down.end = NET_ENDED;
    link->up.end = NET_BROKEN; /* what comes now is lost */
    sim_trace("%llu link %u: shut", (unsigned long long)link->node->step, link->number);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void link_end_receive(struct net_link *link, uint32_t byte_count)
{
    link->space = NULL;
    conn_received(&link->conn, byte_count);
}

static void link_receive_space(struct net_link *link)
{
    uint32_t byte_count = 1 + (uint32_t)prng_below(&link->node->prng, link->space_bytes);
    byte_count = net_stream_take(&link->up, link->space, byte_count);
    if (byte_count == 0 && link->up.end == NET_GOES_ON)
        return; /* the receive stays under way */
    if (byte_count > 0)
        link->in_ms = link->conn.dispatch->now_ms;
    link_end_receive(link, byte_count);
}

/* Into a buffer that is somebody else's right after, as shared ones are. */
static void link_receive_piece(struct net_link *link)
{
    uint32_t byte_max = 1 + (uint32_t)prng_below(&link->node->prng, LINK_PIECE_BYTES_MAX);
    if (byte_max > link->up.arrived_count)
        byte_max = link->up.arrived_count;
    if (byte_max == 0)
        return;
    uint8_t *bytes = malloc(byte_max);
    NET_CHECK(bytes != NULL, "no memory to receive");
    uint32_t byte_count = net_stream_take(&link->up, bytes, byte_max);
    link->in_ms = link->conn.dispatch->now_ms;
    conn_receive(&link->conn, bytes, byte_count);
    free(bytes);
}

static void link_receive(struct net_link *link)
{
    if (link->space != NULL)
        link_receive_space(link);
    else if (conn_wants_bytes(&link->conn))
        link_receive_piece(link);
    if (!net_stream_is_over(&link->up) || !conn_wants_bytes(&link->conn))
        return; /* only a receive tells of an end */
    if (link->up.end == NET_BROKEN)
        conn_lose(&link->conn);
    else
        conn_end(&link->conn); /* what is answered may still be sent */
}

static void link_start_receive(struct net_link *link)
{
    if (link->space != NULL || !conn_wants_bytes(&link->conn))
        return;
    link->space_bytes = conn_space(&link->conn, &link->space);
    if (link->space_bytes == 0)
        link->space = NULL;
    else
        link->node->counts->net_spaces_lent++;
}

/* ---- sending ------------------------------------------------------------------------------- */

static void link_start_send(struct net_link *link)
{
    if (link->part_count == 0 && link->conn.output.byte_count > 0)
        link->part_count = chunk_queue_peek(&link->conn.output, link->parts, NET_LINK_PARTS_MAX);
}

/* The bytes are read only now: they must have stayed what they were. */
static void link_complete_send(struct net_link *link)
{
    struct net_stream *down = &link->down;
    uint32_t held_count = down->arrived_count + down->under_way_count;
    uint64_t room = held_count < LINK_DOWN_BYTES_MAX ? LINK_DOWN_BYTES_MAX - held_count : 0;
    uint64_t sent_bytes = 0;
    if (link->part_count == 0)
        return;
    if (down->end == NET_BROKEN || (!link->has_client && down->end == NET_ENDED)) {
        link->part_count = 0;
        conn_lose(&link->conn);
        return;
    }
    if (room == 0 || (!link->node->calm && prng_one_in(&link->node->prng, 4)))
        return; /* still under way */
    if (!link->node->calm)
        room = 1 + prng_below(&link->node->prng, room);
    for (uint32_t i = 0; i < link->part_count && room > 0; i++) {
        uint64_t piece = link->parts[i].iov_len < room ? link->parts[i].iov_len : room;
        net_stream_put(down, link->parts[i].iov_base, (uint32_t)piece);
        sent_bytes += piece;
        room -= piece;
    }
    link->part_count = 0;
    link->out_ms = link->conn.dispatch->now_ms;
    conn_sent(&link->conn, sent_bytes);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void link_check_verdict(struct net_link *link, enum conn_verdict verdict)
{
    const struct node *node = &link->node->node;
    struct sim_net_counts *counts = link->node->counts;
    uint64_t now_ms = link->conn.dispatch->now_ms;
    if (verdict == CONN_IDLE)
        NET_CHECK(now_ms - link->in_ms >= node->idle_timeout_ms, "closed as idle, and it is not");
    if (verdict == CONN_FRAME_LATE)
        NET_CHECK(link->conn.input_bytes > 0, "closed over a frame that was never begun");
    if (verdict == CONN_SLOW)
        NET_CHECK(now_ms - link->out_ms >= node->slow_reader_timeout_ms,
                  "closed as a slow reader, and it is not");
    counts->net_timeouts_idle += verdict == CONN_IDLE;
    counts->net_timeouts_frame += verdict == CONN_FRAME_LATE;
    counts->net_timeouts_slow += verdict == CONN_SLOW;
}

static void link_check_time(struct net_link *link)
{
    if (link->conn.dispatch->now_ms < link->due_ms)
        return;
    enum conn_verdict verdict = conn_check(&link->conn);
    if (verdict != CONN_FINE) {
        link_check_verdict(link, verdict);
        link->spoiled = true;
        link->disturbed = true;
        link_shut(link);
        return;
    }
    link->due_ms = conn_due_ms(&link->conn);
}

/* ---- turns --------------------------------------------------------------------------------- */

static void link_read(struct net_link *link)
{
    if (link->is_shut) { /* its last completions come */
        link->part_count = 0;
        if (link->space != NULL)
            link_end_receive(link, 0);
        return;
    }
    if (!link->node->calm && prng_one_in(&link->node->prng, 5))
        return;
    link_complete_send(link);
    link_receive(link);
    link_check_time(link);
}

/* Only the client, the network, time and bad bytes end a connection. */
static void link_check_end(const struct net_link *link)
{
    bool told = link->up.end != NET_GOES_ON || link->down.end != NET_GOES_ON || !link->has_client ||
                link->spoiled || link->node->is_draining || link->node->fairness.memory_was_short;
    NET_CHECK(told, "P10: the node closed link %u for no reason", link->number);
}

static void link_write(struct net_link *link)
{
    if (link->is_shut)
        return;
    if (conn_is_done(&link->conn)) {
        link_check_end(link);
        link_shut(link);
        return;
    }
    link_start_send(link);
    link_start_receive(link);
}

static void link_count_waits(struct net_link *link)
{
    const struct conn *conn = &link->conn;
    struct sim_net_counts *counts = link->node->counts;
    if (!conn->stalled)
        return;
    NET_CHECK(conn->is_ready || conn->request_count > 0 || conn->output.byte_count > 0,
              "P10: link %u has a frame that waits for nothing", link->number);
    if (conn->request_count >= CONN_REQUESTS_MAX)
        counts->net_waits_requests++;
    else if (conn->output.byte_count >= CONN_UNSENT_BYTES_MAX)
        counts->net_waits_unsent++;
    else if (!dispatch_has_room(conn->dispatch))
        counts->net_waits_thread++;
    else if (conn->request_count > 0 && !conn->is_ready)
        counts->net_waits_weight++;
}

void net_links_read(struct net_node *node, uint32_t thread_index)
{
    for (struct net_link *link = node->links; link != NULL; link = link->next)
        if (link->thread_index == thread_index)
            link_read(link);
}

void net_links_write(struct net_node *node, uint32_t thread_index)
{
    for (struct net_link *link = node->links; link != NULL; link = link->next) {
        if (link->thread_index != thread_index)
            continue;
        link_count_waits(link);
        link_write(link);
    }
}

void net_links_move(struct net_node *node)
{
    for (struct net_link *link = node->links; link != NULL; link = link->next) {
        if (node->calm) {
            net_stream_arrive(&link->up, UINT32_MAX);
            net_stream_arrive(&link->down, UINT32_MAX);
            continue;
        }
        if (link->frozen_until > node->step || prng_one_in(&node->prng, 3))
            continue;
        if (prng_one_in(&node->prng, 60))
            link->frozen_until = node->step + prng_below(&node->prng, LINK_SHORT_STALL_STEPS);
        net_stream_arrive(&link->up, 1 + (uint32_t)prng_below(&node->prng, 20000));
        net_stream_arrive(&link->down, 1 + (uint32_t)prng_below(&node->prng, 20000));
    }
}

void net_links_free(struct net_node *node)
{
    struct net_link **at = &node->links;
    for (struct net_link *link; (link = *at) != NULL;) {
        bool busy = !link->is_shut || link->space != NULL || link->part_count > 0 ||
                    conn_is_held(&link->conn);
        if (!busy && link->conn.dispatch != NULL) {
            NET_CHECK(link->conn.weight_bytes == 0, "link %u: %llu bytes are held for nothing",
                      link->number, (unsigned long long)link->conn.weight_bytes);
            conn_deinit(&link->conn);
            link->conn.dispatch = NULL;
            link->thread_index = UINT32_MAX; /* of no thread any more */
        }
        if (link->conn.dispatch != NULL || link->has_client) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        net_stream_deinit(&link->up);
        net_stream_deinit(&link->down);
        free(link);
    }
}

void net_links_end(struct net_node *node)
{
    for (struct net_link *link = node->links; link != NULL; link = link->next)
        if (!link->is_shut) {
            link->disturbed = true;
            conn_end(&link->conn);
        }
}

void net_links_shut(struct net_node *node)
{
    for (struct net_link *link = node->links; link != NULL; link = link->next) {
        link->disturbed = true;
        link_shut(link);
    }
}

bool net_links_are_gone(const struct net_node *node)
{
    for (const struct net_link *link = node->links; link != NULL; link = link->next)
        if (link->conn.dispatch != NULL)
            return false;
    return true;
}

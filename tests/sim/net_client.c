/* net_client.c: a client's connection: made, read, lost, made again. */
#include "tests/sim/net_client.h"

#include "tests/sim/net_check.h"
#include "tests/sim/trace.h"

#include <imlog/assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIENT_UP_BYTES_MAX = 32 * 1024, /* the "kernel" takes so much */
    CLIENT_SLOW_STEPS = 500,
    CLIENT_HEARTBEAT_MS = 12,
};

static bool chance(struct net_client *client, uint64_t odds)
{
    return prng_one_in(&client->run->prng, odds);
}

void net_client_init(struct net_client *client, struct net_run *run, uint32_t index)
{
    *client = (struct net_client){.run = run, .index = index};
    client->heavy = chance(client, 3);
}

void net_client_deinit(struct net_client *client)
{
    NET_CHECK(client->pending_count == 0, "requests are left over");
    free(client->in.bytes);
    free(client->out.bytes);
    free(client->stored);
    free(client->backlog);
}

/* ---- connections ----------------------------------------------------------------------------- */

void net_client_connect(struct net_client *client)
{
    struct net_node *node = &client->run->node;
    if (client->link != NULL || !node->is_open || node->is_draining)
        return;
    client->link =
        net_link_create(node, (uint32_t)prng_below(&client->run->prng, node->node.thread_count));
    client->in.byte_count = 0;
    client->out.byte_count = 0;
    client->stored_count = 0;
    client->append_order = 0;
    client->reads_from = 0;
    client->again_from = 0;
    client->paging.under_way = false;
}

static void client_lose(struct net_client *client)
{
    sim_trace("%llu client %u: lost link %u, %u requests under way",
              (unsigned long long)client->run->node.step, client->index, client->link->number,
              client->pending_count);
    for (uint32_t i = 0; i < client->pending_count; i++)
        net_answer_lost(client, &client->pending[i]);
    client->run->counts->net_requests_lost += client->pending_count;
    client->pending_count = 0;
    client->in.byte_count = 0;
    client->out.byte_count = 0;
    net_link_leave(client->link);
    client->link = NULL;
}

void net_client_drop(struct net_client *client, enum net_end to_node)
{
    struct sim_net_counts *counts = client->run->counts;
    counts->net_cuts++;
    counts->net_half_frames += client->out.byte_count > 0;
    counts->net_silent_peers += to_node == NET_SILENT;
    net_link_cut(client->link, to_node, to_node == NET_SILENT ? NET_GOES_ON : NET_ENDED);
    client_lose(client);
}

void net_client_again(struct net_client *client, uint32_t number)
{
    uint32_t at = client->backlog_count;
    for (uint32_t i = 0; i < client->backlog_count; i++)
        if (client->backlog[i] == number)
            return;
    if (client->backlog_count == client->backlog_capacity) {
        client->backlog_capacity = client->backlog_capacity * 2 + 32;
        client->backlog =
            reallocarray(client->backlog, client->backlog_capacity, sizeof *client->backlog);
        NET_CHECK(client->backlog != NULL, "no memory for a client");
    }
    for (; at > 0 && client->backlog[at - 1] > number; at--)
        client->backlog[at] = client->backlog[at - 1];
    client->backlog[at] = number;
    client->backlog_count++;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void client_write(struct net_client *client)
{
    struct net_stream *up = &client->link->up;
    struct net_bytes *out = &client->out;
    uint32_t held_count = up->arrived_count + up->under_way_count;
    if (held_count >= CLIENT_UP_BYTES_MAX || out->byte_count == 0)
        return;
    uint32_t byte_count = CLIENT_UP_BYTES_MAX - held_count;
    if (byte_count > out->byte_count)
        byte_count = out->byte_count;
    if (!client->run->node.calm)
        byte_count = 1 + (uint32_t)prng_below(&client->run->prng, byte_count);
    net_stream_put(up, out->bytes, byte_count);
    out->byte_count -= byte_count;
    memmove(out->bytes, out->bytes + byte_count, out->byte_count);
}

static void client_take_frames(struct net_client *client)
{
    struct net_bytes *in = &client->in;
    uint32_t at = 0;
    while (in->byte_count - at >= FRAME_HEADER_BYTES) {
        struct frame_header header;
        frame_decode(in->bytes + at, &header);
        NET_CHECK(header.version == FRAME_VERSION, "a frame of version %u", header.version);
        NET_CHECK(header.flags == 0, "a frame with flags %u", header.flags);
        NET_CHECK(header.body_bytes <= IMLOG_FRAME_BYTES_MAX, "a frame of %u bytes",
                  header.body_bytes);
        if (in->byte_count - at - FRAME_HEADER_BYTES < header.body_bytes)
            break;
        net_answer(client, &header, in->bytes + at + FRAME_HEADER_BYTES);
        at += FRAME_HEADER_BYTES + header.body_bytes;
    }
    in->byte_count -= at;
    memmove(in->bytes, in->bytes + at, in->byte_count);
}

static void client_read(struct net_client *client)
{
    struct net_stream *down = &client->link->down;
    struct net_bytes *in = &client->in;
    uint32_t byte_count = down->arrived_count;
    if (byte_count == 0)
        return;
    if (!client->run->node.calm)
        byte_count = 1 + (uint32_t)prng_below(&client->run->prng, byte_count);
    if (in->byte_count + byte_count > in->capacity) {
        in->capacity = (in->byte_count + byte_count) * 2;
        in->bytes = realloc(in->bytes, in->capacity);
        NET_CHECK(in->bytes != NULL, "no memory for a client");
    }
    in->byte_count += net_stream_take(down, in->bytes + in->byte_count, byte_count);
    client_take_frames(client);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Who says that it sends no more, and goes on reading, is answered all it asked. */
static void client_check_end(const struct net_client *client)
{
    const struct net_link *link = client->link;
    if (!link->half_closed || link->disturbed || link->spoiled)
        return;
    NET_CHECK(client->pending_count == 0 || client->run->node.fairness.memory_was_short,
              "P10: link %u was closed before %u requests were answered", link->number,
              client->pending_count);
    client->run->counts->net_half_closes++;
}

static void client_half_close(struct net_client *client)
{
    if (client->link->spoiled || client->out.byte_count > 0)
        return;
    client->link->half_closed = true;
    net_stream_end(&client->link->up);
}

static void client_misbehave(struct net_client *client)
{
    static const enum net_end ends[] = {NET_ENDED, NET_BROKEN, NET_BROKEN, NET_SILENT};
    if (chance(client, 700)) {
        net_client_drop(client, ends[prng_below(&client->run->prng, 4)]);
    } else if (chance(client, 1000)) { /* the network does it: this side hears of it later */
        net_link_cut(client->link, NET_BROKEN, NET_BROKEN);
        client->run->counts->net_cuts++;
        client->run->counts->net_half_frames += client->out.byte_count > 0;
    } else if (chance(client, 400)) {
        client_half_close(client);
    } else if (chance(client, 400)) {
        client->reads_from =
            client->run->node.step + prng_below(&client->run->prng, CLIENT_SLOW_STEPS);
    } else if (chance(client, 500)) {
        client->link->frozen_until =
            client->run->node.step + prng_below(&client->run->prng, CLIENT_SLOW_STEPS);
    }
}

static void client_go_on(struct net_client *client)
{
    bool calm = client->run->node.calm;
    if (client->link->spoiled || client->link->half_closed ||
        client->pending_count >= NET_PENDING_MAX - 1)
        return;
    if (client->backlog_count > 0 && client->again_from <= client->run->node.step &&
        (calm || chance(client, 2)))
        net_ask_backlog(client);
    else if (!calm && chance(client, 2))
        net_ask_something(client);
    if (net_node_now_ms(&client->run->node) - client->hears_ms >= CLIENT_HEARTBEAT_MS &&
        (calm || chance(client, 3)))
        net_ask_heartbeat(client);
}

void net_client_step(struct net_client *client)
{
    bool calm = client->run->node.calm;
    if (client->link == NULL) {
        if (calm || chance(client, 6))
            net_client_connect(client);
        return;
    }
    if (calm || client->reads_from <= client->run->node.step)
        client_read(client);
    if (net_stream_is_over(&client->link->down)) {
        client_check_end(client);
        client_lose(client);
        return;
    }
    client_go_on(client);
    client_write(client);
    if (!calm)
        client_misbehave(client);
}

bool net_client_is_finished(const struct net_client *client)
{
    return client->pending_count == 0 && client->backlog_count == 0;
}

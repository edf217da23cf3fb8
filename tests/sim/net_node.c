/* net_node.c: the node's life, its threads' turns, and the mail between them. */
#include "tests/sim/net_node.h"

#include "tests/sim/memory.h"
#include "tests/sim/net_check.h"
#include "tests/sim/trace.h"

#include <imlog/assert.h>
#include <string.h>

enum {
    NODE_DEDUPE_MESSAGES = 1 << 16, /* a run never leaves the window */
    NODE_ROUNDS_MAX = 20000,
    NODE_DRAIN_STEPS = 400,
};

static void handle_report(void *arg, enum imlog_severity severity, const char *line)
{
    const struct net_node *node = arg;
    sim_trace("%llu report %d: %s", (unsigned long long)node->step, (int)severity, line);
}

uint64_t net_node_now_ms(const struct net_node *node)
{
    return node->io->ops->monotonic_ns(node->io) / 1000000U;
}

void net_node_init(struct net_node *node, uint64_t seed, struct sim_net_counts *counts)
{
    *node = (struct net_node){.counts = counts, .prng = {.state = seed * 131 + 17}};
    struct prng *prng = &node->prng;
    node->disk = disk_create(seed);
    node->io = disk_io(node->disk);
    node->node = (struct node){.shard_count = 1 + (uint32_t)prng_below(prng, NET_SHARDS_MAX),
                               .thread_count = 1 + (uint32_t)prng_below(prng, NET_THREADS_MAX),
                               .body_bytes_max = prng_one_in(prng, 4) ? IMLOG_BODY_BYTES_MAX
                                                                      : IMLOG_BODY_BYTES_DEFAULT,
                               .idle_timeout_ms = 60,
                               .frame_timeout_ms = 50,
                               .slow_reader_timeout_ms = 50,
                               .heartbeat_ms = 25};
    sim_trace("%u threads, %u shards", node->node.thread_count, node->node.shard_count);
}

void net_node_deinit(struct net_node *node)
{
    net_links_free(node);
    NET_CHECK(node->links == NULL, "a connection was never let go");
    disk_destroy(node->disk);
}

/* ---- mail ------------------------------------------------------------------------------------
 * mailbox.h promises order for each sender, and that all comes some time; and no more. */

static void node_send(void *arg, uint32_t thread_index, struct mail *mail)
{
    const struct net_sender *sender = arg;
    struct net_post *post = &sender->node->threads[thread_index].posts[sender->thread_index];
    mail->next = NULL;
    if (post->first == NULL)
        post->first = mail;
    else
        post->last->next = mail;
    post->last = mail;
}

static bool post_deliver(struct net_thread *thread, struct net_post *post)
{
    struct mail *mail = post->first;
    post->first = mail->next;
    (void)mailbox_send(&thread->mailbox, mail);
    return post->first != NULL;
}

static void thread_deliver(struct net_thread *thread)
{
    struct net_node *node = thread->node;
    bool delayed = false;
    uint32_t first_sender = (uint32_t)prng_below(&node->prng, NET_THREADS_MAX);
    for (uint32_t i = 0; i < NET_THREADS_MAX; i++) {
        struct net_post *post = &thread->posts[(first_sender + i) % NET_THREADS_MAX];
        while (post->first != NULL && (node->calm || !prng_one_in(&node->prng, 4)))
            (void)post_deliver(thread, post);
        delayed = delayed || post->first != NULL;
    }
    node->counts->net_mails_delayed += delayed;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void thread_read(void *arg)
{
    struct net_thread *thread = arg;
    net_links_read(thread->node, thread->dispatch.thread_index);
}

static void thread_write(void *arg)
{
    struct net_thread *thread = arg;
    net_links_write(thread->node, thread->dispatch.thread_index);
}

/* Called before each allocation of a turn. */
static void handle_allocation(void *arg)
{
    struct net_node *node = arg;
    if (node->memory_gaps == 0)
        return;
    if (node->memory_left > 0) {
        node->memory_left--;
        return;
    }
    node->memory_gaps--;
    node->fairness.memory_was_short = true;
    node->counts->net_allocation_faults++;
    memory_fail(MEMORY_FAIL_ONCE);
}

static void thread_turn(struct net_thread *thread)
{
    const struct carrier carrier = {.read = thread_read, .write = thread_write, .arg = thread};
    struct net_node *node = thread->node;
    NET_CHECK(node->io->ops->poll(node->io, 0) >= 0, "the disk's poll failed");
    thread_deliver(thread);
    thread->dispatch.now_ms = net_node_now_ms(node);
    thread->dispatch.wall_ms = node->io->ops->wall_ms(node->io);
    memory_watch(node->memory_gaps > 0 ? handle_allocation : NULL, node);
    turn_run(&thread->dispatch, &thread->mailbox, &carrier);
    memory_watch(NULL, NULL);
    node->counts->net_turns++;
}

uint64_t net_node_request_count(const struct net_node *node)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < node->node.thread_count; i++)
        count += node->threads[i].dispatch.request_count;
    return count;
}

static bool node_is_quiet(const struct net_node *node)
{
    return net_node_request_count(node) == 0 && net_links_are_gone(node);
}

static void node_refuse_waiting(struct net_node *node)
{
    for (uint32_t i = 0; i < node->node.thread_count; i++)
        dispatch_refuse_waiting(&node->threads[i].dispatch, IMLOG_EDRAINING);
}

/* As worker.c drains: every worker is quiet when its connections and their requests are gone. */
static void node_follow_drain(struct net_node *node)
{
    if (node->step >= node->drain_deadline) {
        net_links_shut(node);
        node_refuse_waiting(node);
    }
    if (!node_is_quiet(node))
        return;
    net_node_close(node);
    net_node_open(node);
}

void net_node_step(struct net_node *node)
{
    uint32_t thread_index = (uint32_t)prng_below(&node->prng, node->node.thread_count);
    struct net_thread *thread = &node->threads[thread_index];
    node->step++;
    disk_advance_ns(node->disk, prng_below(&node->prng, node->calm ? 3000000 : 700000));
    net_links_move(node);
    if (thread->stalled_until > node->step && !node->calm)
        return;
    if (!node->calm && prng_one_in(&node->prng, 80))
        thread->stalled_until = node->step + prng_below(&node->prng, 60);
    thread_turn(thread);
    net_links_free(node);
    if (node->is_draining)
        node_follow_drain(node);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void node_open_thread(struct net_node *node, uint32_t thread_index)
{
    struct net_thread *thread = &node->threads[thread_index];
    uint32_t desk_count = 0;
    *thread = (struct net_thread){.node = node};
    for (uint32_t i = thread_index; i < node->node.shard_count; i += node->node.thread_count)
        thread->desks[desk_count++] = (struct desk){.shard = node->shards[i], .shard_index = i};
    dispatch_init(&thread->dispatch, &node->node, thread_index, thread->desks, desk_count);
    node->senders[thread_index] = (struct net_sender){.node = node, .thread_index = thread_index};
    thread->dispatch.send = node_send;
    thread->dispatch.send_arg = &node->senders[thread_index];
    thread->dispatch.now_ms = net_node_now_ms(node);
    node->node.figures[thread_index] = &thread->dispatch.figures;
}

static int node_try_open(struct net_node *node, struct imlog_why *why)
{
    const struct imlog_dir_options dir = {.shard_count = node->node.shard_count, .create = true};
    const struct imlog_shard_options options = {.segment_bytes = IMLOG_SEGMENT_BYTES_MIN,
                                                .hot_bytes = IMLOG_HOT_BYTES_MIN,
                                                .cache_bytes = IMLOG_CACHE_BYTES_MIN,
                                                .body_bytes_max = node->node.body_bytes_max,
                                                .dedupe_messages = NODE_DEDUPE_MESSAGES,
                                                .report = handle_report,
                                                .report_arg = node};
    node->open_count = 0;
    node->dir = NULL;
    int status = imlog_dir_open(node->io, "/data", &dir, &node->dir, why);
    if (status < 0)
        node->dir = NULL;
    for (uint32_t i = 0; i < node->node.shard_count && status == 0; i++) {
        status = imlog_shard_open(node->io, node->dir, i, &options, &node->shards[i], why);
        node->open_count += status == 0;
    }
    return status;
}

/* Power is lost while the shards are being opened: some are, some are not. */
static void handle_opening(void *arg, const struct disk_moment *moment)
{
    struct net_node *node = arg;
    (void)moment;
    if (node->opening_left-- > 0)
        return;
    disk_watch(node->disk, NULL, NULL);
    disk_crash(node->disk, (enum disk_crash)prng_below(&node->prng, DISK_CRASH_KINDS));
    sim_trace("%llu crash while opening", (unsigned long long)node->step);
}

static void node_crash_while_opening(struct net_node *node)
{
    struct imlog_why why = {.text = ""};
    node->opening_left = prng_below(&node->prng, 60 * node->node.shard_count);
    disk_watch(node->disk, handle_opening, node);
    int status = node_try_open(node, &why);
    disk_watch(node->disk, NULL, NULL);
    bool was_faster = node->opening_left != UINT64_MAX;
    NET_CHECK(status == 0 || !was_faster, "P4: the node does not open: %s", why.text);
    if (was_faster)
        disk_crash(node->disk, DISK_ANY);
    for (uint32_t i = 0; i < node->open_count; i++)
        (void)imlog_shard_close(node->shards[i]);
    if (node->dir != NULL)
        imlog_dir_close(node->dir);
    disk_restart(node->disk);
    node->counts->net_crashes_opening++;
}

void net_node_open(struct net_node *node)
{
    struct imlog_why why = {.text = ""};
    disk_heal(node->disk);
    disk_hold(node->disk, DISK_WRITE, false);
    disk_set_free_bytes(node->disk, UINT64_MAX);
    int status = node_try_open(node, &why);
    NET_CHECK(status == 0, "P4: the node does not open: %s", why.text);
    memset(node->fairness.degraded_at, 0, sizeof node->fairness.degraded_at);
    memcpy(node->node.uuid, imlog_dir_uuid(node->dir), sizeof node->node.uuid);
    for (uint32_t i = 0; i < node->node.thread_count; i++)
        node_open_thread(node, i);
    node->is_open = true;
    node->is_draining = false;
    node->life++;
    sim_trace("%llu opened", (unsigned long long)node->step);
}

void net_node_check_idle(const struct net_node *node)
{
    for (uint32_t i = 0; i < node->node.thread_count; i++) {
        const struct net_thread *thread = &node->threads[i];
        const struct dispatch *dispatch = &thread->dispatch;
        NET_CHECK(dispatch->request_count == 0, "P10: requests are under way for ever");
        NET_CHECK(dispatch->weight_bytes == 0, "room was not given back");
        NET_CHECK(figure_get(&dispatch->figures.requests_under_way) == 0, "a figure is wrong");
        NET_CHECK(figure_get(&dispatch->figures.request_weight_bytes) == 0, "a figure is wrong");
        for (uint32_t desk = 0; desk < dispatch->desk_count; desk++) {
            NET_CHECK(dispatch->desks[desk].waiting_first == NULL, "something waits for ever");
            NET_CHECK(dispatch->desks[desk].waiting_bytes == 0, "room was not given back");
        }
        for (uint32_t sender = 0; sender < NET_THREADS_MAX; sender++)
            NET_CHECK(thread->posts[sender].first == NULL, "mail is under way for nobody");
    }
    for (const struct net_link *link = node->links; link != NULL; link = link->next) {
        if (link->conn.dispatch == NULL)
            continue;
        NET_CHECK(link->conn.request_count == 0, "P10: link %u has requests for ever",
                  link->number);
        NET_CHECK(link->conn.weight_bytes == 0, "link %u: room was not given back", link->number);
    }
}

static void node_add_figures(struct net_node *node)
{
    for (uint32_t i = 0; i < node->node.thread_count; i++) {
        const struct figures *figures = &node->threads[i].dispatch.figures;
        node->counts->net_parts_across += figure_get(&figures->parts_across);
        node->counts->net_parts_held += figure_get(&figures->parts_held);
        node->counts->net_parts_refused += figure_get(&figures->parts_refused);
        node->counts->net_replies_dropped += figure_get(&figures->replies_dropped);
    }
}

void net_node_close(struct net_node *node)
{
    net_links_free(node);
    NET_CHECK(net_links_are_gone(node), "a connection is held by nothing");
    net_node_check_idle(node);
    node_add_figures(node);
    disk_hold(node->disk, DISK_WRITE, false);
    for (uint32_t i = 0; i < node->node.shard_count; i++) {
        int status = imlog_shard_close(node->shards[i]);
        sim_trace("%llu shard %u closed: %d", (unsigned long long)node->step, i, status);
        NET_CHECK(status == 0 || node->fairness.write_failed[i] || node->fairness.disk_was_full ||
                      !node->is_open,
                  "closing shard %u failed", i);
    }
    for (uint32_t i = 0; i < node->node.thread_count; i++)
        dispatch_deinit(&node->threads[i].dispatch);
    imlog_dir_close(node->dir);
    node->is_open = false;
}

void net_node_drain(struct net_node *node)
{
    sim_trace("%llu shutting down", (unsigned long long)node->step);
    node->is_draining = true;
    node->fairness.was_drained = true;
    node->drain_deadline = node->step + 1 + prng_below(&node->prng, NODE_DRAIN_STEPS);
    node->counts->net_restarts++;
    net_links_end(node);
}

void net_node_crash(struct net_node *node, enum disk_crash kind)
{
    sim_trace("%llu crash %d", (unsigned long long)node->step, (int)kind);
    for (struct net_link *link = node->links; link != NULL; link = link->next)
        net_link_cut(link, NET_BROKEN, NET_BROKEN);
    net_links_shut(node); /* no reply leaves from here on */
    node->memory_gaps = 0;
    disk_crash(node->disk, kind);
    for (uint32_t round = 0; !node_is_quiet(node); round++) {
        NET_CHECK(round < NODE_ROUNDS_MAX, "P10: requests do not end on a broken disk");
        thread_turn(&node->threads[round % node->node.thread_count]);
        net_links_free(node);
        if (round > NODE_ROUNDS_MAX / 2)
            node_refuse_waiting(node);
    }
    node->is_open = false; /* shards may say what they want about closing */
    net_node_close(node);
    disk_restart(node->disk);
    node->counts->net_crashes++;
    while (!node->calm && prng_one_in(&node->prng, 4))
        node_crash_while_opening(node);
    net_node_open(node);
}

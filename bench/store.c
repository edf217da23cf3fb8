/* store.c: the transaction loop of the embedded stores. */
#include "bench/store.h"

#include "bench/clock.h"
#include "bench/fail.h"
#include "bench/options.h"
#include "bench/report.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void store_key(struct store *store, uint64_t session_id, uint8_t key[STORE_KEY_BYTES])
{
    uint64_t index = session_id - store->options->first_session;
    uint64_t parts[2] = {htobe64(session_id), htobe64(++store->session_seqs[index])};

    memcpy(key, parts, sizeof(parts));
}

static int store_transaction(struct store *store, const struct store_ops *ops, void *peer,
                             uint32_t message_count, struct imlog_why *why)
{
    int error = ops->begin(peer, why);

    for (uint32_t at = 0; error == 0 && at < message_count; at++) {
        struct traffic_message made;
        uint8_t key[STORE_KEY_BYTES];
        traffic_make(&store->traffic, &made);
        store_key(store, made.session_id, key);
        error = ops->put(peer, key, made.body, store->options->body_bytes, why);
    }
    return error == 0 ? ops->commit(peer, why) : error;
}

static int store_loop(struct store *store, const struct store_ops *ops, void *peer,
                      struct imlog_why *why)
{
    uint64_t now_ns = clock_now_ns();

    meter_start(&store->meter, store->options, now_ns);
    while (now_ns < store->meter.end_ns) {
        uint64_t begin_ns = now_ns;
        uint32_t message_count = traffic_take(&store->traffic, store->options->batch);
        if (message_count == 0) {
            break;
        }
        int error = store_transaction(store, ops, peer, message_count, why);
        if (error < 0) {
            return error;
        }
        now_ns = clock_now_ns();
        meter_answer(&store->meter, now_ns, begin_ns, message_count);
    }
    return 0;
}

int store_run(const struct store_ops *ops, void *peer, const struct options *options,
              struct report *report, struct imlog_why *why)
{
    struct store *store = calloc(1, sizeof(*store));
    int error = store == NULL ? fail(why, -ENOMEM, "the store's loop") : 0;

    if (error == 0) {
        store->options = options;
        store->session_seqs = calloc(options->sessions, sizeof(*store->session_seqs));
        error = store->session_seqs == NULL ? fail(why, -ENOMEM, "the sessions") : 0;
    }
    if (error == 0) {
        error = traffic_init(&store->traffic, options, why);
    }
    if (error == 0) {
        error = store_loop(store, ops, peer, why);
    }
    if (error == 0) {
        report_meter(report, &store->meter);
    }
    if (store != NULL) {
        traffic_deinit(&store->traffic);
        free(store->session_seqs);
    }
    free(store);
    return error;
}

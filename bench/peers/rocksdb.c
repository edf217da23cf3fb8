/* rocksdb.c: how many appends a second does RocksDB make durable, in batches?
 *
 * A peer of goal 3: synced WriteBatches of --batch messages, one thread, the library's own
 * defaults but for compression (off: random bodies do not compress, it would only cost). */
#include "bench/fail.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/store.h"
#include "bench/workload.h"

#include <errno.h>
#include <rocksdb/c.h>

struct rocksdb_peer {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write_options;
    rocksdb_writebatch_t *batch;
};

/* RocksDB's text, which we own. */
static int rocksdb_fail(struct imlog_why *why, const char *doing, char *text)
{
    int error = fail(why, -EIO, "%s: %s", doing, text);

    rocksdb_free(text);
    return error;
}

static int rocksdb_begin(void *arg, struct imlog_why *why)
{
    struct rocksdb_peer *peer = arg;

    (void)why;
    rocksdb_writebatch_clear(peer->batch);
    return 0;
}

static int rocksdb_add(void *arg, const uint8_t key[STORE_KEY_BYTES], const uint8_t *body,
                       uint32_t body_bytes, struct imlog_why *why)
{
    struct rocksdb_peer *peer = arg;

    (void)why;
    rocksdb_writebatch_put(peer->batch, (const char *)key, STORE_KEY_BYTES, (const char *)body,
                           body_bytes);
    return 0;
}

static int rocksdb_commit(void *arg, struct imlog_why *why)
{
    struct rocksdb_peer *peer = arg;
    char *text = NULL;

    rocksdb_write(peer->db, peer->write_options, peer->batch, &text);
    return text != NULL ? rocksdb_fail(why, "writing a batch", text) : 0;
}

static const struct store_ops rocksdb_ops = {
    .begin = rocksdb_begin,
    .put = rocksdb_add,
    .commit = rocksdb_commit,
};

static int rocksdb_peer_open(struct rocksdb_peer *peer, const char *path, struct imlog_why *why)
{
    char *text = NULL;

    peer->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(peer->options, 1);
    rocksdb_options_set_compression(peer->options, rocksdb_no_compression);
    peer->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(peer->write_options, 1);
    peer->batch = rocksdb_writebatch_create();
    peer->db = rocksdb_open(peer->options, path, &text);
    return text != NULL ? rocksdb_fail(why, "opening", text) : 0;
}

static void rocksdb_peer_close(struct rocksdb_peer *peer)
{
    if (peer->db != NULL) {
        rocksdb_close(peer->db);
    }
    rocksdb_writebatch_destroy(peer->batch);
    rocksdb_writeoptions_destroy(peer->write_options);
    rocksdb_options_destroy(peer->options);
}

int rocksdb_append_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct rocksdb_peer peer = {0};
    int error = rocksdb_peer_open(&peer, options->data_dir, why);

    if (error == 0) {
        error = store_run(&rocksdb_ops, &peer, options, report, why);
    }
    rocksdb_peer_close(&peer);
    return error;
}

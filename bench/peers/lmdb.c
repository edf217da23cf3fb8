/* lmdb.c: how many appends a second does LMDB make durable, in batches?
 *
 * A peer of goal 3: one write transaction of --batch messages after the other, synced by LMDB's
 * default (fdatasync of the data, then of the page with the root). */
#include "bench/fail.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/store.h"
#include "bench/workload.h"

#include <errno.h>
#include <lmdb.h>
#include <stddef.h>
#include <sys/stat.h>

/* Address space, not disk: the file grows as it is written. */
#define LMDB_MAP_BYTES ((size_t)1 << 36)

struct lmdb_peer {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
};

/* LMDB returns errnos, and codes of its own below -30000. */
static int lmdb_check(int result, const char *doing, struct imlog_why *why)
{
    if (result == 0) {
        return 0;
    }
    return fail(why, result > 0 ? -result : -EIO, "%s: %s", doing, mdb_strerror(result));
}

static int lmdb_begin(void *arg, struct imlog_why *why)
{
    struct lmdb_peer *peer = arg;

    return lmdb_check(mdb_txn_begin(peer->env, NULL, 0, &peer->txn), "beginning", why);
}

static int lmdb_put(void *arg, const uint8_t key[STORE_KEY_BYTES], const uint8_t *body,
                    uint32_t body_bytes, struct imlog_why *why)
{
    struct lmdb_peer *peer = arg;
    MDB_val key_value = {.mv_size = STORE_KEY_BYTES, .mv_data = (void *)(uintptr_t)key};
    MDB_val body_value = {.mv_size = body_bytes, .mv_data = (void *)(uintptr_t)body};

    return lmdb_check(mdb_put(peer->txn, peer->dbi, &key_value, &body_value, 0), "putting", why);
}

static int lmdb_commit(void *arg, struct imlog_why *why)
{
    struct lmdb_peer *peer = arg;
    MDB_txn *txn = peer->txn;

    peer->txn = NULL; /* gone, whatever commit says */
    return lmdb_check(mdb_txn_commit(txn), "committing", why);
}

static const struct store_ops lmdb_ops = {
    .begin = lmdb_begin,
    .put = lmdb_put,
    .commit = lmdb_commit,
};

static int lmdb_peer_open(struct lmdb_peer *peer, const char *path, struct imlog_why *why)
{
    int error = lmdb_check(mdb_env_create(&peer->env), "creating", why);

    if (error == 0) {
        error = lmdb_check(mdb_env_set_mapsize(peer->env, LMDB_MAP_BYTES), "map size", why);
    }
    (void)mkdir(path, 0750); /* if it fails, opening says why */
    if (error == 0) {
        error = lmdb_check(mdb_env_open(peer->env, path, 0, 0640), path, why);
    }
    if (error == 0) {
        error = lmdb_begin(peer, why);
    }
    if (error == 0) {
        error = lmdb_check(mdb_dbi_open(peer->txn, NULL, 0, &peer->dbi), "opening", why);
    }
    return error == 0 ? lmdb_commit(peer, why) : error;
}

static void lmdb_peer_close(struct lmdb_peer *peer)
{
    if (peer->txn != NULL) {
        mdb_txn_abort(peer->txn);
    }
    if (peer->env != NULL) {
        mdb_env_close(peer->env);
    }
}

int lmdb_append_run(const struct options *options, struct report *report, struct imlog_why *why)
{
    struct lmdb_peer peer = {0};
    int error = lmdb_peer_open(&peer, options->data_dir, why);

    if (error == 0) {
        error = store_run(&lmdb_ops, &peer, options, report, why);
    }
    lmdb_peer_close(&peer);
    return error;
}

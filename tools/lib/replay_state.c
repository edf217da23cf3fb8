/* replay_state.c: how far a replay has come: one JSON object in a file that is replaced, never
 * changed.
 *
 *   {"imlog_replay_state": 1, "node_uuid": HEX, "head_bytes": N, "head_hash": N,
 *    "offset_bytes": N, "line": N}
 *
 * A file that is torn or of another version is refused: going on from a wrong place could store
 * messages twice. */
#include "tools/lib/replay_state.h"

#include "net/why.h"
#include "tools/lib/doc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_VERSION = 1, STATE_BYTES_MAX = 4096 };

static const char version_member[] = "imlog_replay_state";

/* ---- load ------------------------------------------------------------------------------- */

static bool uuid_get(const struct doc *doc, uint8_t uuid[16])
{
    size_t text_bytes = 0;
    const char *text = doc_get_text(doc, "node_uuid", &text_bytes);
    if (text == NULL || text_bytes != 32 || strspn(text, "0123456789abcdef") != 32)
        return false;
    for (int i = 0; i < 16; i++) {
        const char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        uuid[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static bool state_get(const struct doc *doc, struct replay_state *state)
{
    uint64_t version;
    uint64_t head_bytes;
    if (!doc_get_number(doc, version_member, &version) || version != STATE_VERSION ||
        !uuid_get(doc, state->node_uuid) || !doc_get_number(doc, "head_bytes", &head_bytes) ||
        head_bytes > UINT32_MAX || !doc_get_number(doc, "head_hash", &state->head_hash) ||
        !doc_get_number(doc, "offset_bytes", &state->offset_bytes) ||
        !doc_get_number(doc, "line", &state->line))
        return false;
    state->head_bytes = (uint32_t)head_bytes;
    return true;
}

int replay_state_load(const char *path, struct replay_state *state, struct imlog_why *why)
{
    char bytes[STATE_BYTES_MAX];
    FILE *file = fopen(path, "re");
    if (file == NULL && errno == ENOENT)
        return 0;
    if (file == NULL)
        return why_fill(why, -errno, "cannot open the state file %s: %s", path, strerror(errno));
    const size_t byte_count = fread(bytes, 1, sizeof bytes, file);
    const bool failed = ferror(file) != 0;
    (void)fclose(file); /* only read */
    if (failed)
        return why_fill(why, -EIO, "cannot read the state file %s", path);
    struct doc *doc = doc_parse(bytes, byte_count, NULL);
    const bool good = doc != NULL && state_get(doc, state);
    doc_destroy(doc);
    if (!good)
        return why_fill(why, IMLOG_EINVALID, "%s is no state of a replay that this version knows",
                        path);
    return 1;
}

/* ---- save ------------------------------------------------------------------------------- */

static void state_put(FILE *file, const struct replay_state *state)
{
    struct doc_writer writer = {.out = file};
    char uuid[33];
    for (int i = 0; i < 16; i++)
        (void)snprintf(uuid + 2 * i, 3, "%02x", state->node_uuid[i]);
    doc_object_begin(&writer, NULL);
    doc_number(&writer, version_member, STATE_VERSION);
    doc_text(&writer, "node_uuid", uuid);
    doc_number(&writer, "head_bytes", state->head_bytes);
    doc_number(&writer, "head_hash", state->head_hash);
    doc_number(&writer, "offset_bytes", state->offset_bytes);
    doc_number(&writer, "line", state->line);
    doc_object_end(&writer);
    (void)fputc('\n', file);
}

/* 0 or -errno. */
static int state_write(const char *path, const struct replay_state *state)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return -errno;
    state_put(file, state);
    errno = 0;
    const bool written = !ferror(file) && fflush(file) == 0 && fdatasync(fileno(file)) == 0;
    const int error = written ? 0 : -(errno == 0 ? EIO : errno);
    return fclose(file) == 0 ? error : -errno;
}

int replay_state_save(const char *path, const struct replay_state *state, struct imlog_why *why)
{
    char new_path[PATH_MAX];
    if ((size_t)snprintf(new_path, sizeof new_path, "%s.new", path) >= sizeof new_path)
        return why_fill(why, -ENAMETOOLONG, "the path of the state file is too long: %s", path);
    int error = state_write(new_path, state);
    if (error == 0 && rename(new_path, path) < 0)
        error = -errno;
    if (error < 0) {
        (void)unlink(new_path); /* may not be there */
        return why_fill(why, error, "cannot write the state file %s: %s", path, strerror(-error));
    }
    return 0;
}

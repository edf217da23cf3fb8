/* export.c: imlog-dump export: the messages of a data directory as History JSONL, in the order
 * the node took them.
 *
 * A file given with --output appears whole or not at all: it is written beside its name, synced
 * and renamed. Messages that are damaged on disk are left out, and the ranges that are missing
 * are named on standard error: seqs have no holes, so every jump is a loss. */
#include "tools/dump/directory.h"
#include "tools/dump/dump.h"
#include "tools/lib/history.h"
#include "tools/lib/map.h"
#include "tools/lib/moment.h"
#include "tools/lib/name.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GAPS_NAMED_MAX = 20 };

struct export_args {
    const char *data_dir;
    struct option_texts sessions;
    const char *since;
    const char *until;
    bool by_client_time;
    const char *output;
};

struct export
{
    const struct export_args *args;
    struct directory directory;
    struct name *sessions; /* only these; none: all */
    bool *session_seen;
    uint32_t session_count;
    uint64_t since_ms;
    uint64_t until_ms; /* not included */
    FILE *out;
    char part_path[PATH_MAX]; /* what is renamed at the end; "" if nothing is */
    struct map last_seqs;     /* session id -> seq of its newest message read */
    uint64_t missing_count;
    uint32_t gap_count;
};

/* ---- what is asked ---------------------------------------------------------------------- */

static int moment_take(const char *option, const char *text, uint64_t otherwise, uint64_t *ms)
{
    *ms = otherwise;
    if (text == NULL || moment_parse(text, ms))
        return TOOL_OK;
    return command_misused("%s %s: expected milliseconds since 1970, or a time such as "
                           "2004-12-25T09:14:00Z",
                           option, text);
}

static int export_take(struct export *export, const struct export_args *args)
{
    struct imlog_why why;
    export->args = args;
    export->session_count = args->sessions.count;
    export->sessions = calloc((size_t) export->session_count + 1, sizeof *export->sessions);
    export->session_seen = calloc((size_t) export->session_count + 1, sizeof *export->session_seen);
    if (export->sessions == NULL || export->session_seen == NULL) {
        complain("out of memory");
        return TOOL_NO;
    }
    for (uint32_t i = 0; i < export->session_count; i++)
        if (name_parse("session", args->sessions.texts[i], &export->sessions[i], &why) < 0)
            return command_misused("%s", why.text);
    if (moment_take("--since", args->since, 0, &export->since_ms) != TOOL_OK ||
        moment_take("--until", args->until, UINT64_MAX, &export->until_ms) != TOOL_OK)
        return TOOL_USAGE;
    return TOOL_OK;
}

/* ---- where it goes ---------------------------------------------------------------------- */

static int output_complain(const char *path, int error)
{
    complain("cannot write %s: %s", path, strerror(error == 0 ? EIO : error));
    return TOOL_NO;
}

/* A path that is there and is no plain file (a pipe, /dev/null) is written to as it is. */
static int output_open(struct export *export)
{
    struct stat about;
    const char *path = export->args->output;
    export->out = stdout;
    if (path == NULL)
        return TOOL_OK;
    const bool as_it_is = stat(path, &about) == 0 && !S_ISREG(about.st_mode);
    if (!as_it_is && (size_t)snprintf(export->part_path, sizeof export->part_path, "%s.part",
                                      path) >= sizeof export->part_path) {
        export->part_path[0] = '\0';
        export->out = NULL;
        return output_complain(path, ENAMETOOLONG);
    }
    const char *open_path = as_it_is ? path : export->part_path;
    export->out = fopen(open_path, "we");
    if (export->out != NULL)
        return TOOL_OK;
    export->part_path[0] = '\0';
    return output_complain(open_path, errno);
}

/* Standard output is flushed and checked by command_main(), as every command's is. */
static int output_finish(struct export *export, int code)
{
    const char *path = export->args->output;
    if (path == NULL || export->out == NULL)
        return code;
    const bool renamed = export->part_path[0] != '\0';
    errno = 0;
    const bool written = !ferror(export->out) && fflush(export->out) == 0 &&
                         (!renamed || fsync(fileno(export->out)) == 0);
    int error = written ? 0 : errno == 0 ? EIO : errno;
    if (fclose(export->out) != 0 && error == 0)
        error = errno;
    export->out = NULL;
    if (error == 0 && code == TOOL_OK && renamed && rename(export->part_path, path) < 0)
        error = errno;
    if (renamed && (error != 0 || code != TOOL_OK))
        (void)unlink(export->part_path); /* an unfinished one is of no use */
    return error != 0 ? output_complain(path, error) : code;
}

/* ---- message by message ----------------------------------------------------------------- */

static bool session_matches(struct export *export, const struct imlog_message *message)
{
    const void *key = NULL;
    const uint32_t key_bytes =
        export->session_count == 0
            ? 0
            : imlog_reader_key(export->directory.reader, message->session_id, &key);
    for (uint32_t i = 0; i < export->session_count; i++) {
        const struct name *name = &export->sessions[i];
        const bool same = name->key == NULL ? name->id == message->session_id
                                            : name->key_bytes == key_bytes &&
                                                  memcmp(name->key, key, key_bytes) == 0;
        if (same) {
            export->session_seen[i] = true;
            return true;
        }
    }
    return export->session_count == 0;
}

static bool moment_matches(const struct export *export, const struct imlog_message *message)
{
    const uint64_t ms = export->args->by_client_time ? message->client_ms : message->server_ms;
    return ms >= export->since_ms && ms < export->until_ms;
}

static int gap_note(struct export *export, const struct imlog_message *message)
{
    char name[DIRECTORY_NAME_BYTES];
    uint64_t *last_seq =
        map_get(&export->last_seqs, &message->session_id, sizeof message->session_id);
    if (last_seq == NULL) {
        complain("out of memory");
        return TOOL_NO;
    }
    const uint64_t expected_seq = *last_seq + 1;
    *last_seq = message->seq;
    if (message->seq <= expected_seq)
        return TOOL_OK;
    export->missing_count += message->seq - expected_seq;
    if (export->gap_count++ < GAPS_NAMED_MAX) {
        directory_quiet(&export->directory);
        complain("session %s: seq %" PRIu64 " to %" PRIu64 " cannot be read and is left out",
                 directory_name(&export->directory, message->session_id, name), expected_seq,
                 message->seq - 1);
    }
    return TOOL_OK;
}

static void message_export(struct export *export, const struct imlog_message *message)
{
    struct history_record record = {
        .message = message, .session.id = message->session_id, .sender.id = message->sender_id};
    record.session.key_bytes =
        imlog_reader_key(export->directory.reader, message->session_id, &record.session.key);
    record.sender.key_bytes =
        imlog_reader_key(export->directory.reader, message->sender_id, &record.sender.key);
    if (record.session.key_bytes == 0)
        record.session.key = NULL;
    if (record.sender.key_bytes == 0)
        record.sender.key = NULL;
    history_print(export->out, &record);
    export->directory.message_count++;
}

static int export_messages(struct export *export)
{
    struct imlog_message message;
    int more;
    while ((more = imlog_reader_next(export->directory.reader, &message)) > 0) {
        if (!session_matches(export, &message))
            continue;
        if (gap_note(export, &message) != TOOL_OK)
            return TOOL_NO;
        if (moment_matches(export, &message))
            message_export(export, &message);
        if (ferror(export->out))
            break; /* complained of when it is closed */
    }
    directory_quiet(&export->directory);
    if (more < 0) {
        complain("cannot read %s: %s", export->directory.path, imlog_error_text(more));
        return TOOL_NO;
    }
    if (export->missing_count > 0)
        complain("%" PRIu64 " messages are damaged on disk and left out; "
                 "'imlog-dump verify' names each",
                 export->missing_count);
    return TOOL_OK;
}

/* A session that was asked for by name and is not there is a mistake worth an exit code. */
static int unseen_complain(const struct export *export)
{
    int code = TOOL_OK;
    for (uint32_t i = 0; i < export->session_count; i++) {
        if (export->session_seen[i])
            continue;
        complain("no session %s in %s", export->args->sessions.texts[i], export->directory.path);
        code = TOOL_NO;
    }
    return code;
}

static int export_run(const struct command_call *call)
{
    struct export export = {0};
    struct answer answer = {0}; /* the history is the answer; only refusals go through this */
    int code = export_take(&export, call->args);
    if (code == TOOL_OK)
        code = directory_open(&export.directory, export.args->data_dir, &answer);
    if (code == TOOL_OK)
        code = output_open(&export);
    if (code == TOOL_OK)
        code = export_messages(&export);
    if (export.args != NULL)
        code = output_finish(&export, code);
    if (code == TOOL_OK)
        code = unseen_complain(&export);
    directory_close(&export.directory);
    map_deinit(&export.last_seqs);
    free(export.sessions);
    free(export.session_seen);
    return code;
}

static const struct option options[] = {
    {.name = "data-dir",
     .value = "DIR",
     .help = "the data directory; a node may be running on it",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_args, data_dir)},
    {.name = "session",
     .value = "S",
     .help = "only this session (an id or a string key); may be repeated",
     .type = OPTION_TEXTS,
     .offset = offsetof(struct export_args, sessions)},
    {.name = "since",
     .value = "T",
     .help = "only what the node took at T or later",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_args, since)},
    {.name = "until",
     .value = "T",
     .help = "only what the node took before T",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_args, until)},
    {.name = "by-client-time",
     .help = "--since and --until mean ts_ms, not server_ms",
     .type = OPTION_FLAG,
     .offset = offsetof(struct export_args, by_client_time)},
    {.name = "output",
     .value = "FILE",
     .help = "write to FILE, which appears when it is complete",
     .type = OPTION_TEXT,
     .offset = offsetof(struct export_args, output)},
    {.name = NULL},
};

const struct command dump_export = {
    .name = "export",
    .words = "",
    .summary = "Write the messages of a data directory as History JSONL, one object a line",
    .notes =
        "Reads only; works beside a running node and on a damaged directory. What arrives after\n"
        "the start is not exported. T: milliseconds since 1970, or ISO 8601 such as\n"
        "2004-12-25T09:14:00Z (UTC where it names no zone). SESSION key:42 is the key \"42\".\n",
    .options = options,
    .args_bytes = sizeof(struct export_args),
    .run = export_run,
};

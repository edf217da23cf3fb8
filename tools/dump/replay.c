/* replay.c: imlog-dump replay: a history into a node, every line once.
 *
 * Lines go in batches, one under way at a time. After each the state file says how far everything
 * is acked; a replay that is run again goes on from there. What was stored after the state was
 * written (the program or the node was killed in between) is sent again with the same
 * client_msg_id and found by the node. A malformed line ends the replay after all before it is
 * stored, or is counted and left out with --skip-bad. */
#include "net/why.h"
#include "tools/dump/dump.h"
#include "tools/dump/replay_batch.h"
#include "tools/lib/answer.h"
#include "tools/lib/number.h"
#include "tools/lib/progress.h"
#include "tools/lib/replay_input.h"
#include "tools/lib/replay_state.h"
#include "tools/lib/server.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

enum { BATCH_DEFAULT = 512, GIVE_UP_S_DEFAULT = 60 };

struct replay_args {
    const char *server;
    const char *speed;
    const char *state;
    struct option_number batch;
    struct option_number give_up_s;
    bool restart;
    bool skip_bad;
    bool json;
};

struct replay {
    const struct replay_args *args;
    struct answer answer;
    const char *server;
    double speed;              /* 0: as fast as it goes */
    char state_path[PATH_MAX]; /* "": none is kept */
    struct replay_input input;
    struct sender sender;
    struct replay_state state; /* as in the file, or as it will be written next */
    struct map ids;
    struct map sessions;
    struct replay_batch batch;

    bool input_failed;        /* it could not be read: no line is to blame */
    struct history_line held; /* read, and kept for the next batch; held.json NULL: none */
    uint64_t held_line;
    uint64_t held_offset_bytes; /* where it ends */
    uint64_t start_ts_ms;       /* pacing: this moment of the history ... */
    uint64_t start_ns;          /* ... is this one of ours; 0: not set yet */

    uint64_t first_line; /* lines acked by earlier runs */
    uint64_t message_count;
    uint64_t duplicate_count;
    uint64_t skipped_count;
    struct progress progress;
};

/* ---- what is asked, and where to start -------------------------------------------------- */

static int replay_take(struct replay *replay, const struct command_call *call)
{
    const struct replay_args *args = call->args;
    const char *path = call->words[0];
    struct imlog_why why;
    replay->args = args;
    if (server_choose(args->server, &replay->server, &why) < 0)
        return command_misused("%s", why.text);
    if (args->speed != NULL && strcmp(args->speed, "max") != 0 &&
        !number_parse_factor(args->speed, &replay->speed))
        return command_misused("--speed %s: expected \"max\" or a factor such as 1 or 20",
                               args->speed);
    int path_bytes = 0;
    if (args->state != NULL)
        path_bytes = snprintf(replay->state_path, sizeof replay->state_path, "%s", args->state);
    else if (strcmp(path, "-") != 0)
        path_bytes =
            snprintf(replay->state_path, sizeof replay->state_path, "%s.replay-state", path);
    if ((size_t)path_bytes >= sizeof replay->state_path)
        return command_misused("the path of the state file is too long");
    return TOOL_OK;
}

static int refuse(struct replay *replay, int error, const struct imlog_why *why)
{
    progress_clear(&replay->progress);
    return answer_refuse(&replay->answer, error, "%s", why->text);
}

/* Is the state one of this input and this node? Then go on behind it. */
static int state_follow(struct replay *replay, const struct replay_state *found)
{
    struct imlog_why why = {.text = ""};
    uint64_t head_hash = 0;
    if (memcmp(found->node_uuid, replay->state.node_uuid, sizeof found->node_uuid) != 0)
        return answer_refuse(&replay->answer, IMLOG_EMISMATCH,
                             "%s is of a replay into another node; --restart begins anew with this "
                             "one, --state FILE keeps a state of its own for it",
                             replay->state_path);
    if (!replay_input_head_hash(&replay->input, found->head_bytes, &head_hash) ||
        head_hash != found->head_hash)
        return answer_refuse(&replay->answer, IMLOG_EMISMATCH,
                             "%s is of another input than %s, or that was changed; --restart "
                             "begins anew with it",
                             replay->state_path, replay->input.name);
    if (replay_input_skip(&replay->input, found->offset_bytes, found->line, &why) < 0)
        return answer_refuse(&replay->answer, IMLOG_EMISMATCH,
                             "%s (state in %s); --restart begins anew", why.text,
                             replay->state_path);
    replay->state = *found;
    replay->first_line = found->line;
    return TOOL_OK;
}

static int state_open(struct replay *replay)
{
    struct imlog_why why = {.text = ""};
    struct replay_state found;
    memcpy(replay->state.node_uuid, replay->sender.info.node_uuid, sizeof replay->state.node_uuid);
    replay->state.head_bytes = replay->input.head_bytes;
    (void)replay_input_head_hash(&replay->input, replay->input.head_bytes,
                                 &replay->state.head_hash);
    if (replay->state_path[0] == '\0')
        return TOOL_OK;
    const int loaded =
        replay->args->restart ? 0 : replay_state_load(replay->state_path, &found, &why);
    if (loaded < 0)
        return answer_refuse(&replay->answer, loaded, "%s; --restart begins anew", why.text);
    if (loaded > 0)
        return state_follow(replay, &found);
    const int error = replay_state_save(replay->state_path, &replay->state, &why);
    return error < 0 ? answer_refuse(&replay->answer, error, "%s; --state FILE puts it elsewhere",
                                     why.text)
                     : TOOL_OK;
}

static int replay_open(struct replay *replay, const char *path)
{
    struct imlog_why why = {.text = "out of memory"};
    const struct replay_args *args = replay->args;
    int error = replay_input_open(&replay->input, path, &why);
    if (error == 0)
        error =
            sender_open(&replay->sender, replay->server,
                        args->give_up_s.given ? args->give_up_s.value : GIVE_UP_S_DEFAULT, &why);
    if (error == 0)
        error = replay_batch_init(&replay->batch,
                                  args->batch.given ? (uint32_t)args->batch.value : BATCH_DEFAULT,
                                  &replay->ids);
    return error < 0 ? refuse(replay, error, &why) : state_open(replay);
}

/* ---- lines ------------------------------------------------------------------------------ */

static bool is_blank(const char *bytes, size_t byte_count)
{
    for (size_t i = 0; i < byte_count; i++)
        if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\r')
            return false;
    return true;
}

/* How a line that will never be stored is dealt with: TOOL_OK if it is skipped. */
static int line_refuse(struct replay *replay, uint64_t line_number, int error, const char *what)
{
    progress_clear(&replay->progress);
    if (replay->args->skip_bad) {
        replay->skipped_count++;
        complain("%s, line %" PRIu64 ": %s; skipped", replay->input.name, line_number, what);
        return TOOL_OK;
    }
    return answer_refuse(&replay->answer, error,
                         "%s, line %" PRIu64 ": %s; everything before it is stored. Mend the line "
                         "and run this again, or leave such lines out with --skip-bad",
                         replay->input.name, line_number, what);
}

/* Read the next line that is a message into `held`. 1, 0 at the end, < 0: `why` is about that
 * line, or the input has failed. */
static int line_read(struct replay *replay, struct imlog_why *why)
{
    const char *bytes;
    size_t byte_count;
    int got;
    do
        got = replay_input_next(&replay->input, &bytes, &byte_count, why);
    while (got > 0 && is_blank(bytes, byte_count));
    replay->input_failed = got < 0;
    if (got <= 0)
        return got;
    replay->held_line = replay->input.line;
    replay->held_offset_bytes = replay->input.offset_bytes;
    const int error = history_parse(bytes, byte_count, &replay->held, why);
    if (error < 0)
        return error;
    if (replay->held.client_msg_id == 0)
        replay->held.client_msg_id = replay_input_msg_id(&replay->input, bytes, byte_count);
    return 1;
}

/* Milliseconds until the held line is due; 0: now. */
static uint32_t line_wait_ms(struct replay *replay)
{
    if (replay->speed == 0)
        return 0;
    const uint64_t now_ns = progress_clock_ns();
    if (replay->start_ns == 0) {
        replay->start_ns = now_ns;
        replay->start_ts_ms = replay->held.ts_ms;
    }
    if (replay->held.ts_ms <= replay->start_ts_ms)
        return 0;
    const double due_ms = (double)(replay->held.ts_ms - replay->start_ts_ms) / replay->speed;
    const double gone_ms = (double)(now_ns - replay->start_ns) / (double)NS_PER_MS;
    const double wait_ms = due_ms - gone_ms;
    return wait_ms <= 0 ? 0 : wait_ms < 1000 ? (uint32_t)wait_ms + 1 : 1000;
}

/* ---- batches ---------------------------------------------------------------------------- */

enum fill_end { FILL_FULL, FILL_DONE, FILL_BAD };

/* Fill the batch with lines that are due. FILL_BAD: the line `why` is about comes next. */
static enum fill_end batch_fill(struct replay *replay, struct imlog_why *why)
{
    for (;;) {
        if (replay->held.json == NULL) {
            const int got = line_read(replay, why);
            if (got == 0)
                return FILL_DONE;
            if (got < 0)
                return FILL_BAD;
        }
        if (!replay_batch_has_room(&replay->batch, replay->held.body_bytes))
            return FILL_FULL;
        const uint32_t wait_ms = line_wait_ms(replay);
        if (wait_ms > 0 && replay->batch.count > 0)
            return FILL_FULL;
        if (wait_ms > 0) {
            sender_wait(&replay->sender, wait_ms);
            continue;
        }
        replay_batch_add(&replay->batch, &replay->held, replay->held_line);
        replay->state.line = replay->held_line;
        replay->state.offset_bytes = replay->held_offset_bytes;
    }
}

static int state_save(struct replay *replay)
{
    struct imlog_why why = {.text = ""};
    if (replay->state_path[0] == '\0')
        return TOOL_OK;
    const int error = replay_state_save(replay->state_path, &replay->state, &why);
    return error < 0 ? refuse(replay, error, &why) : TOOL_OK;
}

/* Count what is stored, and deal with what was refused. */
static int batch_settle(struct replay *replay, const struct imlog_why *refusal)
{
    int code = TOOL_OK;
    for (uint32_t i = 0; i < replay->batch.count && code == TOOL_OK; i++) {
        const struct sender_outcome *outcome = &replay->batch.outcomes[i];
        const uint64_t session_id = replay->batch.messages[i].session_id;
        if (outcome->code == IMLOG_EUNKNOWN)
            continue; /* behind a refused one that ends the replay */
        if (outcome->code < 0) {
            const bool told = refusal->text[0] != '\0';
            code = line_refuse(replay, replay->batch.items[i].line_number, outcome->code,
                               told ? refusal->text : imlog_error_text(outcome->code));
            continue;
        }
        replay->message_count++;
        replay->duplicate_count += outcome->duplicate;
        if (map_get(&replay->sessions, &session_id, sizeof session_id) == NULL)
            code = answer_refuse(&replay->answer, -ENOMEM, "out of memory");
    }
    return code;
}

static int batch_send(struct replay *replay)
{
    struct imlog_why why = {.text = ""};
    struct imlog_why refusal = {.text = ""};
    if (replay->batch.count == 0)
        return TOOL_OK;
    const int error =
        replay_batch_send(&replay->batch, &replay->sender, !replay->args->skip_bad, &refusal, &why);
    if (error < 0) {
        progress_clear(&replay->progress);
        return answer_refuse(&replay->answer, error,
                             "given up after line %" PRIu64 " of %s: %s; run this again to go on",
                             replay->batch.items[0].line_number - 1, replay->input.name, why.text);
    }
    const int code = batch_settle(replay, &refusal);
    replay_batch_clear(&replay->batch);
    return code == TOOL_OK ? state_save(replay) : code;
}

/* The line that ended the filling: skipped, or the end. */
static int bad_line(struct replay *replay, const struct imlog_why *why)
{
    if (replay->input_failed)
        return refuse(replay, -EIO, why);
    const int code = line_refuse(replay, replay->held_line, IMLOG_EINVALID, why->text);
    if (code != TOOL_OK)
        return code;
    replay->state.line = replay->held_line;
    replay->state.offset_bytes = replay->held_offset_bytes;
    return state_save(replay);
}

static int replay_lines(struct replay *replay)
{
    enum fill_end end;
    int code;
    do {
        struct imlog_why why = {.text = ""};
        end = batch_fill(replay, &why);
        code = batch_send(replay);
        if (code == TOOL_OK && end == FILL_BAD)
            code = bad_line(replay, &why);
        progress_show(&replay->progress, replay->state.offset_bytes, replay->input.total_bytes,
                      replay->message_count);
    } while (code == TOOL_OK && end != FILL_DONE);
    progress_clear(&replay->progress);
    return code;
}

/* ---- the sum ---------------------------------------------------------------------------- */

static void sum_doc(struct replay *replay, double seconds, double rate)
{
    struct doc_writer *doc = &replay->answer.doc;
    doc_object_begin(doc, NULL);
    doc_number(doc, "messages", replay->message_count);
    doc_number(doc, "duplicates", replay->duplicate_count);
    doc_number(doc, "skipped", replay->skipped_count);
    doc_number(doc, "sessions", replay->sessions.count);
    doc_number(doc, "lines_before", replay->first_line);
    doc_number(doc, "lines", replay->state.line);
    doc_number(doc, "reconnects", replay->sender.reconnect_count);
    doc_real(doc, "seconds", seconds);
    doc_real(doc, "messages_per_s", rate);
    doc_object_end(doc);
}

static void sum_show(const struct replay *replay, double seconds, double rate)
{
    char messages[NUMBER_GROUPED_BYTES];
    char sessions[NUMBER_GROUPED_BYTES];
    char per_s[NUMBER_GROUPED_BYTES];
    char number[NUMBER_GROUPED_BYTES];
    if (replay->first_line > 0)
        (void)printf("went on after line %s (%s)\n", number_grouped(replay->first_line, number),
                     replay->state_path);
    (void)printf("%s messages in %s sessions, each acked once durable; %.1f s, %s messages/s\n",
                 number_grouped(replay->message_count, messages),
                 number_grouped(replay->sessions.count, sessions), seconds,
                 number_grouped((uint64_t)rate, per_s));
    if (replay->duplicate_count > 0)
        (void)printf("%s of them the node had already, and stored no second time\n",
                     number_grouped(replay->duplicate_count, number));
    if (replay->skipped_count > 0)
        (void)printf("%s lines were skipped\n", number_grouped(replay->skipped_count, number));
    if (replay->sender.reconnect_count > 0)
        (void)printf("reconnected %s times\n",
                     number_grouped(replay->sender.reconnect_count, number));
}

static int replay_run(const struct command_call *call)
{
    struct replay replay = {0};
    int code = replay_take(&replay, call);
    if (code != TOOL_OK)
        return code;
    progress_init(&replay.progress);
    code = answer_begin(&replay.answer, replay.args->json);
    if (code == TOOL_OK)
        code = replay_open(&replay, call->words[0]);
    if (code == TOOL_OK)
        code = replay_lines(&replay);
    const double seconds = (double)(progress_clock_ns() - replay.progress.start_ns) / 1e9;
    const double rate = seconds > 0 ? (double)replay.message_count / seconds : 0;
    if (code == TOOL_OK && replay.args->json)
        sum_doc(&replay, seconds, rate);
    else if (code == TOOL_OK)
        sum_show(&replay, seconds, rate);
    history_line_deinit(&replay.held);
    replay_batch_deinit(&replay.batch);
    map_deinit(&replay.ids);
    map_deinit(&replay.sessions);
    sender_close(&replay.sender);
    replay_input_close(&replay.input);
    return answer_end(&replay.answer, code);
}

static const struct option options[] = {
    {.name = "server",
     .value = "HOST:PORT",
     .help = "the node (else $IMLOG_SERVER, else 127.0.0.1:7700)",
     .type = OPTION_TEXT,
     .offset = offsetof(struct replay_args, server)},
    {.name = "speed",
     .value = "X|max",
     .help = "X times as fast as it happened (by ts_ms), or as fast as it goes (max)",
     .type = OPTION_TEXT,
     .offset = offsetof(struct replay_args, speed)},
    {.name = "state",
     .value = "FILE",
     .help = "where to note how far it is (else INPUT.replay-state; none for -)",
     .type = OPTION_TEXT,
     .offset = offsetof(struct replay_args, state)},
    {.name = "restart",
     .help = "begin at line 1, whatever the state says",
     .type = OPTION_FLAG,
     .offset = offsetof(struct replay_args, restart)},
    {.name = "batch",
     .value = "N",
     .help = "lines in one request (else 512)",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct replay_args, batch),
     .min = 1,
     .max = IMLOG_REQUEST_ITEMS_MAX},
    {.name = "give-up",
     .value = "SECONDS",
     .help = "how long to wait for a node that is gone or takes nothing (else 60)",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct replay_args, give_up_s),
     .max = 1000000},
    {.name = "skip-bad",
     .help = "count lines that cannot be stored and go on",
     .type = OPTION_FLAG,
     .offset = offsetof(struct replay_args, skip_bad)},
    {.name = "json",
     .help = "the sum as one JSON document",
     .type = OPTION_FLAG,
     .offset = offsetof(struct replay_args, json)},
    {.name = NULL},
};

const struct command dump_replay = {
    .name = "replay",
    .words = "FILE|-",
    .summary = "Append a history (JSONL) to a node, every line exactly once",
    .notes =
        "Run again after an interruption, it goes on where it was; more lines may have been\n"
        "added to FILE meanwhile. Lines without a client_msg_id get one from what they say and\n"
        "where they stand, so that a repetition is recognised by the node.\n",
    .word_count_min = 1,
    .word_count_max = 1,
    .options = options,
    .args_bytes = sizeof(struct replay_args),
    .run = replay_run,
};

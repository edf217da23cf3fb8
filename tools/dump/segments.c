/* segments.c: imlog-dump segments: the segment files of a data directory. */
#include "tools/dump/directory.h"
#include "tools/dump/dump.h"
#include "tools/lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct segments_args {
    const char *data_dir;
    bool json;
};

struct segments {
    struct answer answer;
    struct table *table;
};

static void segment_doc(struct doc_writer *doc, const struct imlog_segment_info *info)
{
    doc_object_begin(doc, NULL);
    doc_number(doc, "shard", info->shard_index);
    doc_number(doc, "number", info->number);
    doc_text(doc, "file", info->file);
    doc_text(doc, "state", info->state);
    doc_number(doc, "base_lsn", info->base_lsn);
    doc_number(doc, "end_lsn", info->end_lsn);
    doc_number(doc, "file_bytes", info->file_bytes);
    doc_number(doc, "batch_count", info->batch_count);
    doc_number(doc, "record_count", info->record_count);
    doc_number(doc, "message_count", info->message_count);
    doc_number(doc, "session_count", info->session_count);
    doc_number(doc, "footer_bytes", info->footer_bytes);
    doc_number(doc, "epoch", info->epoch);
    doc_object_end(doc);
}

static void segment_row(struct table *table, const struct imlog_segment_info *info)
{
    table_cell(table, "%u", info->shard_index);
    table_bytes(table, info->file, strlen(info->file));
    table_bytes(table, info->state, strlen(info->state));
    table_cell(table, "%" PRIu64, info->base_lsn);
    table_cell(table, "%" PRIu64, info->end_lsn);
    table_cell(table, "%" PRIu64, info->file_bytes);
    table_cell(table, "%" PRIu64, info->batch_count);
    table_cell(table, "%" PRIu64, info->record_count);
    table_cell(table, "%" PRIu64, info->message_count);
    table_cell(table, "%" PRIu64, info->session_count);
    table_cell(table, "%" PRIu64, info->footer_bytes);
    table_cell(table, "%" PRIu64, info->epoch);
}

static void segment_take(void *arg, const struct imlog_segment_info *info)
{
    struct segments *segments = arg;
    if (segments->answer.json)
        segment_doc(&segments->answer.doc, info);
    else
        segment_row(segments->table, info);
}

static int segments_show(struct segments *segments, struct directory *directory)
{
    static const char *const titles[] = {">SHARD",    "FILE",      "STATE",    ">BASE-LSN",
                                         ">END-LSN",  ">BYTES",    ">BATCHES", ">RECORDS",
                                         ">MESSAGES", ">SESSIONS", ">FOOTER",  ">EPOCH"};
    struct doc_writer *doc = &segments->answer.doc;
    if (segments->answer.json) {
        doc_object_begin(doc, NULL);
        doc_array_begin(doc, "segments");
    } else {
        segments->table = table_create(sizeof titles / sizeof titles[0], titles);
    }
    int error = imlog_reader_segments(directory->reader, segment_take, segments);
    directory_quiet(directory);
    if (segments->answer.json) {
        doc_array_end(doc);
        doc_object_end(doc);
    } else if (error >= 0) {
        error = table_print(segments->table);
    }
    table_destroy(segments->table);
    if (error < 0)
        return answer_refuse(&segments->answer, error, "cannot read %s: %s", directory->path,
                             imlog_error_text(error));
    return TOOL_OK;
}

static int segments_run(const struct command_call *call)
{
    const struct segments_args *args = call->args;
    struct segments segments = {0};
    struct directory directory = {0};
    int code = answer_begin(&segments.answer, args->json);
    if (code == TOOL_OK)
        code = directory_open(&directory, args->data_dir, &segments.answer);
    if (code == TOOL_OK)
        code = segments_show(&segments, &directory);
    directory_close(&directory);
    return answer_end(&segments.answer, code);
}

static const struct option options[] = {
    {.name = "data-dir",
     .value = "DIR",
     .help = "the data directory; a node may be running on it",
     .type = OPTION_TEXT,
     .offset = offsetof(struct segments_args, data_dir)},
    {.name = "json",
     .help = "answer with one JSON document",
     .type = OPTION_FLAG,
     .offset = offsetof(struct segments_args, json)},
    {.name = NULL},
};

const struct command dump_segments = {
    .name = "segments",
    .words = "",
    .summary = "List the segment files of a data directory and what is in them",
    .options = options,
    .args_bytes = sizeof(struct segments_args),
    .run = segments_run,
};

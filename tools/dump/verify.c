/* verify.c: imlog-dump verify: is every stored byte what was written? One line a finding. */
#include "tools/dump/directory.h"
#include "tools/dump/dump.h"
#include "tools/lib/answer.h"
#include "tools/lib/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct verify_args {
    const char *data_dir;
    bool json;
};

struct verify {
    struct directory directory;
    struct answer answer;
    uint64_t segment_count;
    uint64_t batch_count;
    uint64_t record_count;
    uint64_t message_count;
    uint64_t file_bytes;
};

static void finding_show(const struct verify *verify, const struct imlog_finding *finding)
{
    char name[DIRECTORY_NAME_BYTES];
    char line[1024];
    size_t at =
        (size_t)snprintf(line, sizeof line, "shard %u, %s at byte %" PRIu64 ": %s",
                         finding->shard_index, finding->file, finding->offset, finding->what);
    if (finding->session_id != 0 && at < sizeof line)
        at += (size_t)snprintf(line + at, sizeof line - at,
                               "; session %s seq %" PRIu64 " to %" PRIu64,
                               directory_name(&verify->directory, finding->session_id, name),
                               finding->first_seq, finding->last_seq);
    if (finding->lost_records > 0 && at < sizeof line)
        (void)snprintf(line + at, sizeof line - at,
                       "; %u records whose session cannot be told any more", finding->lost_records);
    char *printable = text_printable(line, strlen(line));
    (void)printf("%s\n", printable == NULL ? "a finding (out of memory)" : printable);
    free(printable);
}

static void finding_doc(struct verify *verify, const struct imlog_finding *finding)
{
    struct doc_writer *doc = &verify->answer.doc;
    doc_object_begin(doc, NULL);
    doc_number(doc, "shard", finding->shard_index);
    doc_text(doc, "file", finding->file);
    doc_number(doc, "offset", finding->offset);
    if (finding->session_id != 0) {
        directory_name_doc(&verify->directory, doc, "session", finding->session_id);
        doc_number(doc, "session_id", finding->session_id);
        doc_number(doc, "first_seq", finding->first_seq);
        doc_number(doc, "last_seq", finding->last_seq);
    }
    doc_number(doc, "lost_records", finding->lost_records);
    doc_text(doc, "what", finding->what);
    doc_object_end(doc);
}

static void verify_found(void *arg, const struct imlog_finding *finding)
{
    struct verify *verify = arg;
    directory_quiet(&verify->directory);
    if (verify->answer.json)
        finding_doc(verify, finding);
    else
        finding_show(verify, finding);
}

static void segment_count(void *arg, const struct imlog_segment_info *info)
{
    struct verify *verify = arg;
    verify->segment_count++;
    verify->batch_count += info->batch_count;
    verify->record_count += info->record_count;
    verify->message_count += info->message_count;
    verify->file_bytes += info->file_bytes;
}

static void verify_doc_end(struct verify *verify, int64_t finding_count)
{
    struct doc_writer *doc = &verify->answer.doc;
    doc_array_end(doc);
    doc_bool(doc, "clean", finding_count == 0);
    doc_number(doc, "finding_count", (uint64_t)finding_count);
    doc_number(doc, "shard_count", imlog_reader_shard_count(verify->directory.reader));
    doc_number(doc, "segment_count", verify->segment_count);
    doc_number(doc, "batch_count", verify->batch_count);
    doc_number(doc, "record_count", verify->record_count);
    doc_number(doc, "message_count", verify->message_count);
    doc_number(doc, "file_bytes", verify->file_bytes);
    doc_object_end(doc);
}

static void verify_sum_show(const struct verify *verify, int64_t finding_count)
{
    if (finding_count == 0)
        (void)printf("clean: ");
    else
        (void)printf("%" PRId64 " findings in ", finding_count);
    (void)printf("%u shards, %" PRIu64 " segments, %" PRIu64 " batches, %" PRIu64
                 " messages, %" PRIu64 " bytes checked\n",
                 imlog_reader_shard_count(verify->directory.reader), verify->segment_count,
                 verify->batch_count, verify->message_count, verify->file_bytes);
}

static int verify_all(struct verify *verify)
{
    if (verify->answer.json) {
        doc_object_begin(&verify->answer.doc, NULL);
        doc_array_begin(&verify->answer.doc, "findings");
    }
    const int64_t finding_count =
        imlog_reader_verify(verify->directory.reader, verify_found, verify);
    const int64_t error =
        finding_count < 0 ? finding_count
                          : imlog_reader_segments(verify->directory.reader, segment_count, verify);
    directory_quiet(&verify->directory);
    if (error < 0)
        return answer_refuse(&verify->answer, (int)error, "cannot check %s: %s",
                             verify->directory.path, imlog_error_text((int)error));
    if (verify->answer.json)
        verify_doc_end(verify, finding_count);
    else
        verify_sum_show(verify, finding_count);
    return finding_count == 0 ? TOOL_OK : TOOL_NO;
}

static int verify_run(const struct command_call *call)
{
    const struct verify_args *args = call->args;
    struct verify verify = {0};
    int code = answer_begin(&verify.answer, args->json);
    if (code == TOOL_OK)
        code = directory_open(&verify.directory, args->data_dir, &verify.answer);
    if (code == TOOL_OK)
        code = verify_all(&verify);
    directory_close(&verify.directory);
    return answer_end(&verify.answer, code);
}

static const struct option options[] = {
    {.name = "data-dir",
     .value = "DIR",
     .help = "the data directory; a node may be running on it",
     .type = OPTION_TEXT,
     .offset = offsetof(struct verify_args, data_dir)},
    {.name = "json",
     .help = "answer with one JSON document",
     .type = OPTION_FLAG,
     .offset = offsetof(struct verify_args, json)},
    {.name = NULL},
};

const struct command dump_verify = {
    .name = "verify",
    .words = "",
    .summary = "Read and check every stored byte; name every damaged (session, seq) range",
    .notes = "Exits 0 if everything is as it was written, 1 if not. Reads only; works beside a\n"
             "running node. A torn tail after a crash is no finding: it was never acked.\n",
    .options = options,
    .args_bytes = sizeof(struct verify_args),
    .run = verify_run,
};

/* answer.c: what a command answers on standard output. */
#include "tools/lib/answer.h"

#include <imlog/error.h>
#include <stdarg.h>
#include <stdlib.h>

int answer_begin(struct answer *answer, bool json)
{
    *answer = (struct answer){.json = json};
    if (!json)
        return TOOL_OK;
    answer->doc.out = open_memstream(&answer->bytes, &answer->byte_count);
    if (answer->doc.out != NULL)
        return TOOL_OK;
    complain("out of memory");
    return TOOL_NO;
}

int answer_refuse(struct answer *answer, int error, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    complain("%s", text);
    if (answer->json && !answer->refused) {
        struct doc_writer writer = {.out = stdout};
        doc_object_begin(&writer, NULL);
        doc_object_begin(&writer, "error");
        doc_signed(&writer, "code", error);
        doc_text(&writer, "name", imlog_error_name(error));
        doc_text(&writer, "text", text);
        doc_object_end(&writer);
        doc_object_end(&writer);
        (void)fputc('\n', stdout);
    }
    answer->refused = true;
    return TOOL_NO;
}

int answer_end(struct answer *answer, int code)
{
    const bool whole = answer->doc.out == NULL || fclose(answer->doc.out) == 0;
    if (!whole) {
        complain("out of memory");
        code = TOOL_NO;
    } else if (!answer->refused && answer->byte_count > 0) {
        (void)fwrite(answer->bytes, 1, answer->byte_count, stdout);
        (void)fputc('\n', stdout);
    }
    free(answer->bytes);
    return answer->refused ? TOOL_NO : code;
}

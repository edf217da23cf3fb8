/* complain.h: how a tool says what is wrong: one line on standard error, "imlog-ctl: pull: ...".
 * Also the exit codes that scripts rely on. */
#ifndef TOOLS_LIB_COMPLAIN_H
#define TOOLS_LIB_COMPLAIN_H

enum tool_exit {
    TOOL_OK = 0,
    TOOL_NO = 1,    /* the node, or the data, said no */
    TOOL_USAGE = 2, /* the command line makes no sense */
};

/* The program, and its command ("" for none): what every line starts with. */
void complain_as(const char *program, const char *command);

__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* Flush standard output. TOOL_OK, or TOOL_NO after a complaint that it could not be written. */
int complain_unwritten(void);

#endif

/* imlogd.c: the daemon: a node (net/server.h) with a command line, log lines and signals.
 *
 * Standard output has one line, once clients are served; standard error has the log.
 * Exit: 0 after SIGTERM or SIGINT, 1 if it could not start, 2 for wrong usage or settings. */
#include "net/config.h"
#include "net/server.h"

#include <getopt.h>
#include <imlog/version.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_STARTING = 1, EXIT_USAGE = 2 };

static const char usage_text[] =
    "usage: imlogd --data-dir DIR [--listen HOST:PORT] [--shards N] [--config FILE]\n"
    "              [--set KEY=VALUE]...\n"
    "\n"
    "Serves the data directory DIR, which is made if it is not there. Prints one line when it\n"
    "serves: imlogd ready listen=127.0.0.1:7700 shards=2\n"
    "SIGTERM or SIGINT: answers what is under way and exits; a second one: exits at once.\n"
    "\n"
    "  --data-dir DIR       the data directory\n"
    "  --listen HOST:PORT   where to listen (127.0.0.1:7700); port 0 picks one\n"
    "  --shards N           shards of a new directory; an old one keeps its own\n"
    "  --config FILE        settings, one KEY = VALUE a line; the command line goes before it\n"
    "  --set KEY=VALUE      one setting; sizes may end in k, m or g\n"
    "  --help, --version\n"
    "\n"
    "Settings:\n";

static void print_line(const char *line)
{
    (void)puts(line);
}

/* ---- log ------------------------------------------------------------------------------- */

/* One line, in one write, so that lines of several threads do not mix. */
static void log_line(void *arg, enum imlog_severity severity, const char *text)
{
    static const char *const names[] = {
        [IMLOG_INFO] = "info", [IMLOG_WARNING] = "warning", [IMLOG_ERROR] = "error"};
    (void)arg;
    struct timespec now;
    struct tm parts;
    char time_text[32] = "";
    char line[1024];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &parts) != NULL)
        (void)strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &parts);
    int line_bytes = snprintf(line, sizeof line, "%s.%03ldZ %s %.900s\n", time_text,
                              now.tv_nsec / 1000000, names[severity], text);
    if (line_bytes > 0)
        (void)!write(STDERR_FILENO, line, (size_t)line_bytes); /* nowhere left to say it */
}

/* ---- command line ---------------------------------------------------------------------- */

static const struct option option_table[] = {
    {"data-dir", required_argument, NULL, 'd'}, {"listen", required_argument, NULL, 'l'},
    {"shards", required_argument, NULL, 's'},   {"config", required_argument, NULL, 'c'},
    {"set", required_argument, NULL, 'S'},      {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},        {NULL, 0, NULL, 0},
};

_Noreturn static void usage_fail(const char *text)
{
    (void)fprintf(stderr, "imlogd: %s\n", text);
    exit(EXIT_USAGE);
}

_Noreturn static void print_and_exit(int letter)
{
    if (letter == 'V') {
        (void)puts("imlogd " IMLOG_VERSION);
    } else {
        (void)fputs(usage_text, stdout);
        config_print(print_line);
    }
    exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_STARTING);
}

static int take_option(struct config *config, int letter, const char *value, struct imlog_why *why)
{
    switch (letter) {
    case 'd':
        return config_set(config, "data_dir", value, "--data-dir", why);
    case 'l':
        return config_set(config, "listen", value, "--listen", why);
    case 's':
        return config_set(config, "shards", value, "--shards", why);
    case 'S':
        return config_set_pair(config, value, "--set", why);
    default:
        return 0;
    }
}

/* The file goes first, wherever it is named, and the rest of the command line goes over it. */
static const char *find_config(int argc, char **argv)
{
    const char *path = NULL;
    for (int letter; (letter = getopt_long(argc, argv, "", option_table, NULL)) != -1;) {
        if (letter == 'h' || letter == 'V')
            print_and_exit(letter);
        if (letter == '?') /* getopt has said what */
            usage_fail("imlogd --help shows what is allowed");
        if (letter == 'c' && path != NULL)
            usage_fail("--config was given twice; keep one");
        if (letter == 'c')
            path = optarg;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "imlogd: '%s' is no option; ", argv[optind]);
        (void)fprintf(stderr, "imlogd --help shows what is allowed\n");
        exit(EXIT_USAGE);
    }
    return path;
}

static void read_settings(struct config *config, int argc, char **argv)
{
    struct imlog_why why;
    config_init(config);
    const char *path = find_config(argc, argv);
    if (path != NULL && config_read(config, path, &why) < 0)
        usage_fail(why.text);
    optind = 1;
    for (int letter; (letter = getopt_long(argc, argv, "", option_table, NULL)) != -1;)
        if (take_option(config, letter, optarg, &why) < 0)
            usage_fail(why.text);
    if (config->data_dir[0] == '\0')
        usage_fail("--data-dir DIR is needed: where the messages are stored");
}

/* ---- life ------------------------------------------------------------------------------ */

static void handle_second_signal(int signal_number)
{
    _exit(128 + signal_number);
}

static void block_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL); /* threads inherit this */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

/* After the first signal the next one ends the process. */
static void await_signal(const sigset_t *signals)
{
    int signal_number = 0;
    while (sigwait(signals, &signal_number) != 0)
        continue;
    struct sigaction leave = {.sa_handler = handle_second_signal};
    (void)sigaction(SIGTERM, &leave, NULL);
    (void)sigaction(SIGINT, &leave, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static int say_ready(const struct server *server)
{
    (void)printf("imlogd ready listen=%s shards=%u\n", server_address(server),
                 server_shard_count(server));
    return fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct config config;
    struct server_options options;
    struct server *server;
    struct imlog_why why = {.text = ""};
    sigset_t signals;
    read_settings(&config, argc, argv);
    if (config_apply(&config, &options, &why) < 0)
        usage_fail(why.text);
    options.report = log_line;
    options.report_arg = NULL;
    options.shard.report = log_line;
    options.shard.report_arg = NULL;
    block_signals(&signals);
    if (server_start(&options, &server, &why) < 0) {
        log_line(NULL, IMLOG_ERROR, why.text);
        return EXIT_STARTING;
    }
    int status = EXIT_SUCCESS;
    if (say_ready(server) == 0) {
        await_signal(&signals);
        log_line(NULL, IMLOG_INFO, "draining");
    } else {
        log_line(NULL, IMLOG_ERROR, "cannot write the ready line to standard output; stopping");
        status = EXIT_STARTING;
    }
    server_drain(server);
    server_wait(server);
    log_line(NULL, IMLOG_INFO, "stopped");
    return status;
}

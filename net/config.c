/* config.c: the table of settings, and reading their values.
 *
 * Duty: nothing is accepted and then ignored: an unknown key, a value out of range, a key given
 * twice in a file are errors that name file, line and key. */
#include "net/config.h"

#include "net/why.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum config_kind { CONFIG_TEXT, CONFIG_NUMBER, CONFIG_SIZE, CONFIG_BOOL };

struct setting {
    const char *name;
    const char *meaning;
    size_t offset; /* in struct config */
    enum config_kind kind;
    uint64_t min; /* of a text: bytes */
    uint64_t max;
    uint64_t initial;
};

static const struct setting settings[] = {
#define CONFIG_SETTING(name_, kind_, min_, max_, initial_, meaning_)                               \
    {.name = #name_,                                                                               \
     .meaning = (meaning_),                                                                        \
     .offset = offsetof(struct config, name_),                                                     \
     .kind = CONFIG_##kind_,                                                                       \
     .min = (min_),                                                                                \
     .max = (max_),                                                                                \
     .initial = (initial_)},
    CONFIG_SETTINGS(CONFIG_SETTING)
#undef CONFIG_SETTING
};

enum { SETTING_COUNT = sizeof settings / sizeof settings[0] };

static void *setting_at(struct config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

void config_init(struct config *config)
{
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (settings[i].kind != CONFIG_TEXT)
            *(uint64_t *)setting_at(config, &settings[i]) = settings[i].initial;
    (void)snprintf(config->listen, sizeof config->listen, "127.0.0.1:7700");
}

static const struct setting *setting_find(const char *key)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(settings[i].name, key) == 0)
            return &settings[i];
    return NULL;
}

/* ---- values ---------------------------------------------------------------------------- */

/* 12, or with `sizes` 12k, 12m, 12g (of 1024). 0 or IMLOG_EINVALID. */
static int config_parse_number(const char *text, bool sizes, uint64_t *number)
{
    static const char units[] = "kmg";
    if (*text < '0' || *text > '9')
        return IMLOG_EINVALID;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0)
        return IMLOG_EINVALID;
    unsigned shift = 0;
    if (sizes && *end != '\0') {
        char lower = (char)(*end | 0x20);
        const char *unit = strchr(units, lower);
        if (unit == NULL)
            return IMLOG_EINVALID;
        shift = 10U * (unsigned)(unit - units + 1);
        end++;
    }
    if (*end != '\0' || (value << shift) >> shift != value)
        return IMLOG_EINVALID;
    *number = value << shift;
    return 0;
}

static int config_parse_bool(const char *text, uint64_t *number)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (uint64_t value = 0; value < 2; value++)
            if (strcasecmp(text, words[i][value]) == 0) {
                *number = value;
                return 0;
            }
    return IMLOG_EINVALID;
}

static int config_set_text(struct config *config, const struct setting *setting, const char *value)
{
    size_t byte_count = strlen(value);
    if (byte_count < setting->min || byte_count > setting->max)
        return IMLOG_EINVALID;
    memcpy(setting_at(config, setting), value, byte_count + 1);
    return 0;
}

static int config_set_value(struct config *config, const struct setting *setting, const char *value)
{
    uint64_t number = 0;
    int status;
    if (setting->kind == CONFIG_TEXT)
        return config_set_text(config, setting, value);
    if (setting->kind == CONFIG_BOOL)
        status = config_parse_bool(value, &number);
    else
        status = config_parse_number(value, setting->kind == CONFIG_SIZE, &number);
    if (status == 0 && (number < setting->min || number > setting->max))
        status = IMLOG_EINVALID;
    if (status == 0)
        *(uint64_t *)setting_at(config, setting) = number;
    return status;
}

static int config_explain(const struct setting *setting, const char *value, const char *where,
                          struct imlog_why *why)
{
    unsigned long long min = setting->min;
    unsigned long long max = setting->max;
    switch (setting->kind) {
    case CONFIG_TEXT:
        return why_fill(why, IMLOG_EINVALID, "%s: %s must have %llu to %llu bytes", where,
                        setting->name, min, max);
    case CONFIG_BOOL:
        return why_fill(why, IMLOG_EINVALID, "%s: %s = '%.64s' is not allowed: yes or no", where,
                        setting->name, value);
    case CONFIG_SIZE:
        return why_fill(why, IMLOG_EINVALID,
                        "%s: %s = '%.64s' is not allowed: a number from %llu to %llu, or with the "
                        "suffix k, m or g",
                        where, setting->name, value, min, max);
    case CONFIG_NUMBER:
    default:
        return why_fill(why, IMLOG_EINVALID,
                        "%s: %s = '%.64s' is not allowed: a number from %llu to %llu", where,
                        setting->name, value, min, max);
    }
}

int config_set(struct config *config, const char *key, const char *value, const char *where,
               struct imlog_why *why)
{
    const struct setting *setting = setting_find(key);
    if (setting == NULL)
        return why_fill(why, IMLOG_EINVALID,
                        "%s: there is no setting '%.64s'; imlogd --help lists them", where, key);
    if (config_set_value(config, setting, value) == 0)
        return 0;
    return config_explain(setting, value, where, why);
}

int config_set_pair(struct config *config, const char *pair, const char *where,
                    struct imlog_why *why)
{
    char key[64];
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair || (size_t)(equals - pair) >= sizeof key)
        return why_fill(why, IMLOG_EINVALID, "%s: '%.64s' is not KEY=VALUE", where, pair);
    memcpy(key, pair, (size_t)(equals - pair));
    key[equals - pair] = '\0';
    return config_set(config, key, equals + 1, where, why);
}

/* ---- files ----------------------------------------------------------------------------- */

struct config_reader {
    struct config *config;
    const char *path;
    FILE *file;
    struct imlog_why *why;
    unsigned line;   /* being read, from 1 */
    bool line_ended; /* it was read to its end */
    int status;
    unsigned seen_line[SETTING_COUNT];
};

/* inih's way to read a line; counts them, which this build of inih does not tell. */
static char *config_next_line(char *text, int text_bytes, void *stream)
{
    struct config_reader *reader = stream;
    if (reader->status < 0)
        return NULL;
    char *got = fgets(text, text_bytes, reader->file);
    if (got == NULL)
        return NULL;
    reader->line += reader->line_ended;
    reader->line_ended = strchr(text, '\n') != NULL;
    return got;
}

static int config_take_line(struct config_reader *reader, const char *section, const char *key,
                            const char *value)
{
    char where[CONFIG_TEXT_BYTES];
    (void)snprintf(where, sizeof where, "%.200s:%u", reader->path, reader->line);
    if (section[0] != '\0')
        return why_fill(reader->why, IMLOG_EINVALID,
                        "%s: there are no sections, but [%.64s] was begun; remove it", where,
                        section);
    const struct setting *setting = setting_find(key);
    if (setting != NULL) {
        unsigned *seen = &reader->seen_line[setting - settings];
        if (*seen != 0)
            return why_fill(reader->why, IMLOG_EINVALID,
                            "%s: %s was already set in line %u; keep one", where, key, *seen);
        *seen = reader->line;
    }
    return config_set(reader->config, key, value, where, reader->why);
}

static int handle_config_line(void *user, const char *section, const char *key, const char *value)
{
    struct config_reader *reader = user;
    if (reader->status == 0)
        reader->status = config_take_line(reader, section, key, value);
    return reader->status == 0;
}

int config_read(struct config *config, const char *path, struct imlog_why *why)
{
    struct config_reader reader = {.config = config, .path = path, .why = why, .line_ended = true};
    reader.file = fopen(path, "re");
    if (reader.file == NULL)
        return why_fill(why, -errno, "cannot read the configuration %s: %s", path,
                        imlog_error_text(-errno));
    int bad_line = ini_parse_stream(config_next_line, &reader, handle_config_line, &reader);
    int read_error = ferror(reader.file) ? -EIO : 0;
    (void)fclose(reader.file);
    if (reader.status < 0)
        return reader.status;
    if (read_error < 0)
        return why_fill(why, read_error, "cannot read the configuration %s: is it a file?", path);
    if (bad_line != 0)
        return why_fill(
            why, IMLOG_EINVALID,
            "%s:%d: not understood; a line is KEY = VALUE, and no longer than 200 bytes", path,
            bad_line);
    return 0;
}

/* ---- use ------------------------------------------------------------------------------- */

int config_apply(const struct config *config, struct server_options *options, struct imlog_why *why)
{
    *options = (struct server_options){
        .data_dir = config->data_dir,
        .shard_count = (uint32_t)config->shards,
        .thread_count = (uint32_t)config->threads,
        .connections_max = (uint32_t)config->connections_max,
        .idle_timeout_ms = config->idle_timeout_ms,
        .frame_timeout_ms = config->frame_timeout_ms,
        .slow_reader_timeout_ms = config->slow_reader_timeout_ms,
        .heartbeat_ms = config->heartbeat_ms,
        .drain_ms = config->drain_ms,
        .plain_ring = config->plain_ring != 0,
        .shard = {.segment_bytes = config->segment_bytes,
                  .hot_bytes = config->hot_bytes,
                  .cache_bytes = config->cache_bytes,
                  .body_bytes_max = (uint32_t)config->body_bytes_max,
                  .dedupe_messages = (uint32_t)config->dedupe_messages},
    };
    return listen_parse(config->listen, &options->listen, why);
}

void config_print(void (*print)(const char *line))
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings[i];
        char line[160];
        char initial[32] = "";
        if (setting->kind != CONFIG_TEXT && setting->initial >= setting->min)
            (void)snprintf(initial, sizeof initial, " (%llu)",
                           (unsigned long long)setting->initial);
        (void)snprintf(line, sizeof line, "  %-23s %s%s", setting->name, setting->meaning, initial);
        print(line);
    }
}

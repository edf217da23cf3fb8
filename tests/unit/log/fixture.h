/* fixture.h: a log on the disk in memory, and a fold that counts its calls, knows the newest seq,
 * and fails where it is told to. */
#ifndef TESTS_UNIT_LOG_FIXTURE_H
#define TESTS_UNIT_LOG_FIXTURE_H

#include "engine/log/recover.h"
#include "tests/lib/disk.h"

#include "engine/io/blocking.h"

#include <errno.h>
#include <imlog/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FOOTER_BYTES = 3 * IMLOG_BLOCK_BYTES, SALT = 99 };

enum call { BEGIN, RECORD, DAMAGE, END, CALLS };

struct fixture {
    struct disk *disk;
    struct log log;
    struct imlog_why why;
    struct log_recovered recovered;
    uint64_t next_seq;
    uint32_t error_reports;
    uint32_t calls[CALLS];
    uint64_t segment_bytes;
    uint64_t hot_bytes;
    bool silent;       /* nobody listens to reports */
    enum call failing; /* the call that fails, */
    int error;         /* with this; 0: none does */
};

static inline int called(struct fixture *fixture, enum call call)
{
    fixture->calls[call]++;
    return call == fixture->failing ? fixture->error : 0;
}

static inline int fold_begin(void *arg, struct segment *segment, bool sealed)
{
    (void)segment;
    assert_false(sealed);
    return called(arg, BEGIN);
}

static inline int fold_record(void *arg, const struct record *record,
                              const struct log_position *position, bool payload_valid)
{
    struct fixture *fixture = arg;
    (void)position;
    (void)payload_valid;
    fixture->next_seq = record->header.seq + 1;
    return called(fixture, RECORD);
}

static inline int fold_damage(void *arg, struct segment *segment, const struct scan_item *item,
                              uint32_t lost_records)
{
    (void)segment;
    (void)item;
    (void)lost_records;
    return called(arg, DAMAGE);
}

static inline int fold_end(void *arg, struct segment *segment, const uint8_t *image)
{
    (void)segment;
    (void)image;
    return called(arg, END);
}

static inline void handle_report(void *arg, enum imlog_severity severity, const char *line)
{
    struct fixture *fixture = arg;
    (void)line;
    fixture->error_reports += severity == IMLOG_ERROR;
}

/* What log_recover() says; the log is deinitialized after an error. */
static inline int try_recover(struct fixture *fixture, const struct log_origin *origin)
{
    static const uint8_t uuid[16] = {1, 2, 3};
    struct log_options options = {.io = disk_io(fixture->disk),
                                  .directory = "/log",
                                  .uuid = uuid,
                                  .salt = SALT,
                                  .segment_bytes = fixture->segment_bytes,
                                  .hot_bytes = fixture->hot_bytes,
                                  .report = fixture->silent ? NULL : handle_report,
                                  .report_arg = fixture};
    struct log_fold fold = {.arg = fixture,
                            .segment_begin = fold_begin,
                            .record = fold_record,
                            .damage = fold_damage,
                            .segment_end = fold_end};
    memset(fixture->calls, 0, sizeof(fixture->calls));
    fixture->next_seq = 1;
    fixture->why.text[0] = '\0';
    assert_int_equal(log_init(&fixture->log, &options), 0);
    int error = log_recover(&fixture->log, origin, &fold, &fixture->recovered, &fixture->why);
    if (error < 0)
        log_deinit(&fixture->log);
    return error;
}

static inline int try_open(struct fixture *fixture)
{
    return try_recover(fixture, &(struct log_origin){.segment = 1});
}

/* An empty directory. */
static inline void fixture_begin(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->disk = disk_create(1);
    fixture->segment_bytes = IMLOG_SEGMENT_BYTES_MIN;
    fixture->hot_bytes = IMLOG_HOT_BYTES_MIN;
    assert_int_equal(blocking_mkdir(disk_io(fixture->disk), "/log"), 0);
    assert_int_equal(blocking_sync_directory(disk_io(fixture->disk), "/"), 0);
}

static inline void fixture_init(struct fixture *fixture)
{
    fixture_begin(fixture);
    assert_int_equal(try_open(fixture), 0);
    assert_int_equal(log_start(&fixture->log, FOOTER_BYTES), 0);
}

/* What log_room() said. */
static inline int try_put(struct fixture *fixture, uint32_t body_bytes)
{
    static uint8_t body[IMLOG_BODY_BYTES_MAX];
    struct message_head head = {.msg_id = fixture->next_seq, .sender_id = 1};
    struct record_header header = {
        .subject_id = 1, .seq = fixture->next_seq, .kind = RECORD_MESSAGE};
    uint32_t bytes = record_bytes((uint32_t)sizeof(head) + body_bytes);
    int error = log_room(&fixture->log, bytes, FOOTER_BYTES);
    if (error < 0)
        return error;
    fixture->next_seq++;
    (void)log_put(&fixture->log, &header, &head, sizeof(head), body, body_bytes);
    return 0;
}

static inline void turn(struct fixture *fixture)
{
    struct imlog_io *io = disk_io(fixture->disk);
    log_turn(&fixture->log);
    assert_true(io->ops->poll(io, 1000000) >= 0);
}

static inline void flush(struct fixture *fixture)
{
    assert_int_equal(log_flush(&fixture->log), 0);
}

static inline void put(struct fixture *fixture, uint32_t body_bytes, bool and_flush)
{
    int error;
    while ((error = try_put(fixture, body_bytes)) == IMLOG_EBUSY)
        turn(fixture);
    assert_int_equal(error, 0);
    if (and_flush)
        flush(fixture);
}

/* Until so many segments are begun, and some batches more. */
static inline void fill(struct fixture *fixture, uint32_t segment_count, uint32_t body_bytes,
                        uint32_t more_count)
{
    while (fixture->log.media.segment_count < segment_count)
        put(fixture, body_bytes, true);
    for (uint32_t i = 0; i < more_count; i++)
        put(fixture, body_bytes, true);
}

static inline void stop(struct fixture *fixture)
{
    disk_crash(fixture->disk, DISK_KEEP_ALL);
    log_deinit(&fixture->log);
    disk_restart(fixture->disk);
}

#endif

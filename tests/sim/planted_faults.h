/* planted_faults.h: every fault that <imlog/planted.h> can switch on, and what it gets wrong. */
#ifndef TESTS_SIM_PLANTED_FAULTS_H
#define TESTS_SIM_PLANTED_FAULTS_H

#include <stdbool.h>

/* clang-format off */
#define PLANTED_FAULTS(X) \
    X(ack_at_submit,                "log: a batch counts as durable when its write starts") \
    X(ack_out_of_order,             "log: a completed write makes older ones under way durable too") \
    X(short_write_is_whole,         "log: a short write counts as a whole one") \
    X(failed_write_is_acked,        "log: a failed write counts as done") \
    X(log_write_not_durable,        "log: batches are written without asking for durability") \
    X(failed_batch_skipped,         "log: after a failed write the log goes on behind it") \
    X(recovered_tail_not_synced,    "log: what recovery read from a cache is believed durable") \
    X(hot_for_too_long,             "log: RAM that was written over still counts as the newest log") \
    X(segment_name_not_synced,      "prepare: a new segment's directory is not synced") \
    X(stale_tail_believed,          "scan: a tail that was cut counts again behind new batches") \
    X(damage_taken_for_torn,        "scan: the log is cut at damage below what was durable") \
    X(batch_contents_not_checked,   "batch: the checksum of the records is not compared") \
    X(payload_checksum_short,       "record: the checksum leaves out the last bytes") \
    X(footer_block_not_checked,     "segment: the checksum of a footer block is not compared") \
    X(checkpoint_chunk_not_checked, "checkpoint: the checksum of a chunk is not compared") \
    X(short_read_is_damage,         "media: a short read is not continued") \
    X(identity_name_not_synced,     "dir: names a dead process left are believed durable") \
    X(seq_skips_one,                "append: every 64th seq is left out") \
    X(unknown_is_acked,             "append: after a failure, what is not durable is acked") \
    X(retry_gets_a_new_msg_id,      "append: a retry gets the old seq and a new msg_id") \
    X(retry_ignores_sender,         "dedupe: another sender's client_msg_id counts as a retry") \
    X(retry_window_one_short,       "dedupe: the window forgets one message too early") \
    X(retry_window_not_rebuilt,     "fold: the retry window is empty after replay") \
    X(replay_forgets_msg_ids,       "fold: msg_ids read back are not seen by the clock") \
    X(keys_not_rebuilt,             "fold: keys are not replayed") \
    X(msg_id_follows_the_clock,     "clock: a msg_id follows the wall clock back") \
    X(readers_see_the_unwritten,    "visible: readers see messages before they are durable") \
    X(sealed_too_early,             "seal: a segment is sealed before its last batch is durable") \
    X(footer_not_durable,           "seal: the footer is written without asking for durability") \
    X(footer_offsets_shifted,       "footer: an extent's offsets begin one entry too far") \
    X(jump_may_overshoot,           "locate: a jump may lead past the wanted seq") \
    X(seek_is_off_by_one,           "locate: a seq on disk is looked for one place before its own") \
    X(pinned_frame_reused,          "cache: a frame is given away while a read fills it") \
    X(checkpoint_ahead_of_log,      "snapshot: published before what it captured is durable") \
    X(checkpoint_not_synced,        "snapshot: renamed before its contents are durable") \
    X(checkpoint_loses_link,        "snapshot_load: the link to a session's extent before is lost") \
    X(captured_retries_twice,       "snapshot_load: captured retries are replayed once more") \
    X(mail_newest_first,            "mailbox: mail is taken newest first") \
    X(held_part_goes_last,          "dispatch: a part that found the engine busy goes behind the others") \
    X(desk_room_leaks,              "dispatch: a part that leaves the desk does not give back its room") \
    X(refused_part_is_silent,       "dispatch: a part refused as busy carries no error") \
    X(last_part_not_awaited,        "request: answered and freed while a part is away") \
    X(answered_before_durable,      "request: items that the engine still has are answered") \
    X(request_room_leaks,           "request: the room of an answered one is not given back") \
    X(error_for_another_request,    "request: an error reply has no request_id") \
    X(reply_not_bounded,            "request: results are added to a full reply") \
    X(busy_item_is_skipped,         "request: an item that found the engine busy is passed over") \
    X(failed_append_is_acked,       "append handler: an unknown outcome is an ack") \
    X(failed_session_forgotten,     "append handler: later items of a failed session are stored") \
    X(full_reply_says_no_more,      "pull handler: a pull without room says that there is nothing more") \
    X(full_reply_skips_one,         "pull handler: a pull without room moves the position") \
    X(lost_conn_freed_at_once,      "conn: a lost connection is freed under its requests") \
    X(lent_block_given_back,        "conn: a block being received into is given back") \
    X(frame_that_waits_is_lost,     "conn: a frame that has to wait is dropped") \
    X(ending_conn_not_awaited,      "conn: closed before the last requests are answered") \
    X(stalled_conn_forgotten,       "conn: nobody goes on with frames that waited for a request to end") \
    X(page_starts_one_late,         "sessions handler: a page that begins with a shard begins at its second") \
    X(lookup_makes_keys,            "resolve handler: a lookup makes the key")
/* clang-format on */

enum planted_fault {
    PLANTED_nothing,
#define X(name, what) PLANTED_##name,
    PLANTED_FAULTS(X)
#undef X
        PLANTED_FAULT_COUNT
};

extern enum planted_fault planted_active;
extern const char *const planted_names[PLANTED_FAULT_COUNT];
extern const char *const planted_whats[PLANTED_FAULT_COUNT];

#endif

/* repair.h: checksums made right after a fuzzer spoiled what they cover.
 *
 * A decoder behind a checksum never sees a wrong byte unless somebody computes that checksum
 * anew. So every target of a checksummed format has a second form that does, by a bit of its
 * input: one program, one corpus, and what is found in one form is tried in the other. */
#ifndef FUZZ_REPAIR_H
#define FUZZ_REPAIR_H

#include "engine/format/batch.h"
#include "engine/format/record.h"

/* The record at `bytes`: its payload, cut to what is there, and its header get their checksums.
 * Returns the record's size, padding included; 0 if there is no room for one. */
uint32_t repair_record(uint8_t *bytes, uint64_t byte_count, uint64_t salt, uint64_t lsn);

/* The batch at `bytes` (whole blocks): its records one by one, their count and bytes, its own
 * size and checksums. What it says of its place stays as it is; `lsn` is where it really lies.
 * Returns its size, at least a block. */
uint32_t repair_batch(uint8_t *bytes, uint64_t byte_count, uint64_t salt, uint64_t lsn);

/* Both checksums of a batch whose other fields are as they shall be; returns the header's. */
uint64_t repair_batch_checksums(uint8_t *bytes, uint64_t salt);

/* A block or chunk that begins with the checksum of everything behind it. */
void repair_front(uint8_t *bytes, uint64_t byte_count, uint64_t salt);

#endif

/* checkpoint_file.h: checkpoints read from outside, without a store to load them into. */
#ifndef ENGINE_CHECKPOINT_FILE_H
#define ENGINE_CHECKPOINT_FILE_H

#include "engine/format/checkpoint.h"

#include <imlog/io.h>
#include <stdint.h>

/* Check every byte of a checkpoint file. 1 and its END; 0: it is no valid checkpoint; < 0. */
int checkpoint_file_check(struct imlog_io *io, const char *path, uint64_t number, uint64_t salt,
                          struct checkpoint_end *end);

/* The log position below which all was durable, by the newest valid checkpoint of a shard's
 * directory; 0 without one. 0 or -errno. */
int checkpoint_file_durable(struct imlog_io *io, const char *directory, uint64_t salt,
                            uint64_t *durable_lsn);

#endif

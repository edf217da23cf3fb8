/* dir.h: what the engine's own files need of an open data directory. */
#ifndef ENGINE_DIR_H
#define ENGINE_DIR_H

#include "engine/format/identity.h"

#include <imlog/imlog.h>

enum { DIR_PATH_BYTES = 4096 };

const struct identity *dir_identity(const struct imlog_dir *dir);

/* DIR/shard-NNN into path (DIR_PATH_BYTES). -ENAMETOOLONG. */
int dir_shard_path(const char *dir_path, uint32_t shard_index, char *path);
const char *dir_path(const struct imlog_dir *dir);
int dir_lock_file(const struct imlog_dir *dir);

/* All of an open imlog.id (blocking), zeros for a copy that cannot be read. Its bytes, or < 0 if
 * none can. */
int64_t dir_read_copies(struct imlog_io *io, int file, uint8_t bytes[IDENTITY_FILE_BYTES]);
/* Read imlog.id (blocking). IMLOG_EFOREIGN if there is none or it is something else. */
int dir_read_identity(struct imlog_io *io, const char *path, struct identity *identity,
                      struct imlog_why *why);

#endif

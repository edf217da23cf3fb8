/* damage.h: a data directory spoiled as an input says: a small language of what goes wrong.
 *
 * A whole directory as input would be 200 KB of which nearly all must be right for anything to
 * happen. So an input is a list of steps over a directory that is right: bytes written, bits
 * flipped, fields set to extremes, blocks lost, stale or at another place, files cut or gone. No
 * step, no damage. */
#ifndef FUZZ_DAMAGE_H
#define FUZZ_DAMAGE_H

#include "fuzz/base.h"
#include "fuzz/fuzz.h"

enum { DAMAGE_CUTS = 0x100 }; /* with enum base_spot_kind: files may be cut and go, too */

struct damage {
    const struct base *base;
    struct base_file files[BASE_FILES_MAX]; /* bytes: the base's where nothing was changed */
    bool changed[BASE_FILES_MAX];
    bool gone[BASE_FILES_MAX];
    bool cut;      /* a file is gone, or shorter */
    bool repaired; /* checksums were made right again: the bytes may say anything */
    uint32_t step_count;
};

/* spot_kinds: what may be hit (enum base_spot_kind, DAMAGE_CUTS). */
void damage_make(struct damage *damage, const struct base *base, uint32_t spot_kinds, bool repair,
                 struct fuzz_input *input);
void damage_free(struct damage *damage);

/* Does the message's record lie there as it was written? */
bool damage_spares(const struct damage *damage, const struct base_message *message);

#endif

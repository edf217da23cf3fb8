/* fuzz_checkpoint.c: a shard on a spoiled checkpoint.
 *
 *     [form: 1 byte][habits: 1 byte][steps of damage.c]
 *
 * The laws are opened.h's; and a checkpoint that was not repaired costs no message, since the log
 * holds everything. */
#include "fuzz/opened.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    opened_run(data, byte_count, BASE_STATE | DAMAGE_CUTS, 1U << BASE_CLOSED);
    return 0;
}

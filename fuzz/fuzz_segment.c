/* fuzz_segment.c: a shard, and the offline reader, on spoiled segment files: heads, batches,
 * records, footers and trailers.
 *
 *     [form and base: 1 byte][habits: 1 byte][steps of damage.c]
 *
 * The laws are opened.h's. */
#include "fuzz/opened.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    opened_run(data, byte_count, BASE_LOG | BASE_FOOTER | DAMAGE_CUTS,
               1U << BASE_CLOSED | 1U << BASE_REPLAYED | 1U << BASE_CRASHED);
    return 0;
}

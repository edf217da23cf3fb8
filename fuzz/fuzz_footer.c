/* fuzz_footer.c: pulls over spoiled footers of sealed segments: by a shard that knows the segments
 * from a checkpoint, and by one that reads the log again.
 *
 *     [form: 1 byte][habits: 1 byte][steps of damage.c]
 *
 * The laws are opened.h's. */
#include "fuzz/opened.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t byte_count)
{
    opened_run(data, byte_count, BASE_FOOTER, 1U << BASE_CLOSED | 1U << BASE_REPLAYED);
    return 0;
}

/* meter.c: counting answers. */
#include "bench/meter.h"

#include "bench/clock.h"
#include "bench/options.h"

#include <string.h>

void meter_start(struct meter *meter, const struct options *options, uint64_t now_ns)
{
    memset(meter, 0, sizeof(*meter));
    meter->by_messages = options->messages > 0;
    meter->begin_ns = now_ns;
    meter->end_ns = UINT64_MAX;
    if (!meter->by_messages) {
        meter->begin_ns += (uint64_t)(options->warmup_s * (double)NS_PER_S);
        meter->end_ns = meter->begin_ns + (uint64_t)(options->seconds * (double)NS_PER_S);
    }
    meter->last_ns = meter->begin_ns;
}

void meter_answer(struct meter *meter, uint64_t now_ns, uint64_t intended_ns,
                  uint32_t message_count)
{
    if (now_ns < meter->begin_ns || now_ns >= meter->end_ns) {
        return;
    }
    meter->request_count++;
    meter->message_count += message_count;
    meter->last_ns = now_ns;
    histogram_record(&meter->latency_ns, now_ns - intended_ns,
                     message_count == 0 ? 1 : message_count);
}

void meter_error(struct meter *meter, int error, uint32_t message_count)
{
    if (meter->error_count == 0) {
        meter->first_error = error;
    }
    meter->error_count += message_count;
}

void meter_merge(struct meter *meter, const struct meter *from)
{
    meter->request_count += from->request_count;
    meter->message_count += from->message_count;
    if (from->last_ns > meter->last_ns) {
        meter->last_ns = from->last_ns;
    }
    if (meter->error_count == 0) {
        meter->first_error = from->first_error;
    }
    meter->error_count += from->error_count;
    histogram_merge(&meter->latency_ns, &from->latency_ns);
}

double meter_seconds(const struct meter *meter)
{
    uint64_t end_ns = meter->by_messages ? meter->last_ns : meter->end_ns;

    return (double)(end_ns - meter->begin_ns) / (double)NS_PER_S;
}

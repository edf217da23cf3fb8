/* stream_lane.h: a generator's connection of plain bytes, answered in order: what the peers'
 * protocols share of struct generator_protocol. */
#ifndef BENCH_STREAM_LANE_H
#define BENCH_STREAM_LANE_H

#include "bench/generator.h"
#include "bench/stream.h"

int stream_lane_open(struct generator_lane *lane, struct imlog_why *why);
void stream_lane_close(struct generator_lane *lane);
int stream_lane_flush(struct generator_lane *lane);
bool stream_lane_unsent(const struct generator_lane *lane);

#endif

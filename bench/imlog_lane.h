/* imlog_lane.h: a generator's connection to an imlog node, through the C client: what append
 * and pull share of struct generator_protocol. */
#ifndef BENCH_IMLOG_LANE_H
#define BENCH_IMLOG_LANE_H

#include "bench/generator.h"

int imlog_lane_open(struct generator_lane *lane, struct imlog_why *why);
void imlog_lane_close(struct generator_lane *lane);
int imlog_lane_poll(struct generator_lane *lane);
bool imlog_lane_unsent(const struct generator_lane *lane);

#endif

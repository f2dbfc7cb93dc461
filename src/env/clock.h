/* env/clock.h - time, real or simulated. Safe from any thread. */
#pragma once

#include "base/types.h"

struct mr_clock {
	int64_t (*wall_us)(struct mr_clock *clock); /* microseconds since 1970, UTC; may jump */
	int64_t (*mono_us)(struct mr_clock *clock); /* never goes back */
};

static inline int64_t clock_wall_us(struct mr_clock *clock)
{
	return clock->wall_us(clock);
}

static inline int64_t clock_wall_ms(struct mr_clock *clock)
{
	return clock->wall_us(clock) / 1000;
}

static inline int64_t clock_mono_us(struct mr_clock *clock)
{
	return clock->mono_us(clock);
}

static inline int64_t clock_mono_ms(struct mr_clock *clock)
{
	return clock->mono_us(clock) / 1000;
}

/* A clock that stands still until told to move. */
struct sim_clock {
	struct mr_clock base;
	_Atomic int64_t wall_us;
	_Atomic int64_t mono_us;
};

void sim_clock_init(struct sim_clock *clock, int64_t wall_us);
void sim_clock_advance(struct sim_clock *clock, int64_t us);

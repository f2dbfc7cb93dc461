/* dag/lease.h - when a scheduler that stands by may take over.
 *
 * The leader beats in the store. Who stands by looks, and takes over when for a whole lease of its own
 * monotonic clock every look showed the same beat. The leader counts its own time from before the beat
 * that was last answered and stops itself, and its tasks, after lease_own_us: that is earlier, whatever the
 * clocks say, for the beat was seen after it was sent. No two machines' clocks are compared, and wall
 * clocks may jump.
 *
 * Pure: no clock, no store. Threading: one owner.
 */
#pragma once

#include "dag/store.h"

struct lease_watch {
	struct store_leader seen;
	int64_t since_us; /* since when it has looked like that */
	bool any;
};

/* After a look at mono_us: may the leader that it showed be replaced? At once when there never was one, or
 * when it is `who`: an earlier life of ours. */
bool lease_expired(struct lease_watch *watch, const struct store_leader *now, const char *who,
		   int64_t mono_us, int64_t lease_us);
/* How long a leader may act after it began to send a beat that was answered. */
static inline int64_t lease_own_us(int64_t lease_us)
{
	return lease_us * 2 / 3;
}
/* Between beats, and between looks. */
static inline int64_t lease_beat_us(int64_t lease_us)
{
	return lease_us / 6;
}

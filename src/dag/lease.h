/* dag/lease.h - how long a scheduler leads unheard, and when one that stands by may take over.
 *
 * The leader beats in the store. Who stands by looks, and takes over when for a whole lease of its own
 * monotonic clock every look showed the same beat. The leader counts its own time from before the beat
 * that was last answered and stops itself, and its tasks, after two thirds of a lease: that is earlier,
 * whatever the clocks say, for the beat was seen after it was sent. No two machines' clocks are compared,
 * and wall clocks may jump.
 *
 * A leader that nobody stands by for has a long lease, so that its tasks outlive an outage of the database.
 * Which of the two holds stands in its row (`watched`). It shortens its own before it writes that, and
 * lengthens it after that was written: nobody counts a shorter one than it does.
 *
 * Pure: no clock, no store. Threading: one owner.
 */
#pragma once

#include "dag/store.h"

struct lease_terms {
	int64_t watched_us; /* while others stand by */
	int64_t alone_us;   /* while none does; not shorter */
};

/* Between beats, and between looks. */
static inline int64_t lease_beat_us(const struct lease_terms *terms)
{
	return terms->watched_us / 6;
}

/* ---- who stands by ---- */

struct lease_watch {
	struct store_leader seen;
	int64_t since_us; /* since when it has looked like that */
	bool any;
};

/* After a look at mono_us: how long until the leader that it showed may be replaced, when it is not heard of;
 * 0: now. At once when there is none, when it gave its place up, or when it is `who`: an earlier life of
 * ours. */
int64_t lease_left_us(struct lease_watch *watch, const struct store_leader *now, const char *who,
		      int64_t mono_us, const struct lease_terms *terms);

/* ---- who leads ---- */

struct lease_hold {
	bool watched;        /* which lease we count */
	bool others;         /* somebody stands by */
	int64_t attended;    /* the store's counter of their looks */
	int64_t attended_us; /* when it changed last */
	int64_t until_us;    /* we may act before it */
};

/* Claimed; from_us: before the claim was sent. */
struct lease_hold lease_held(int64_t from_us, const struct lease_terms *terms);
/* What the next beat has to write. */
static inline bool lease_tells(const struct lease_hold *hold)
{
	return hold->watched && hold->others;
}
/* A beat that was sent at from_us is answered. */
void lease_beaten(struct lease_hold *hold, int64_t from_us, int64_t attended,
		  const struct lease_terms *terms);

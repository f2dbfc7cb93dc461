#include "dag/lease.h"

#define ATTENDED 3 /* leases without a look: nobody stands by any more */

static int64_t length_us(const struct lease_terms *terms, bool watched)
{
	return watched ? terms->watched_us : terms->alone_us;
}

static int64_t own_us(const struct lease_terms *terms, bool watched)
{
	return length_us(terms, watched) * 2 / 3;
}

int64_t lease_left_us(struct lease_watch *watch, const struct store_leader *now, const char *who,
		      int64_t mono_us, const struct lease_terms *terms)
{
	bool same = watch->any && watch->seen.epoch == now->epoch && watch->seen.beat == now->beat;
	if (!same) {
		watch->seen = *now;
		watch->since_us = mono_us;
		watch->any = true;
	}
	if (now->epoch == 0 || !now->who[0] || strcmp(now->who, who) == 0)
		return 0;
	return mr_max_i64(watch->since_us + length_us(terms, now->watched) - mono_us, 0);
}

struct lease_hold lease_held(int64_t from_us, const struct lease_terms *terms)
{
	/* A claim writes `watched`: from whom it was claimed may be back soon. */
	return (struct lease_hold){.watched = true,
				   .others = true,
				   .attended = -1,
				   .attended_us = from_us,
				   .until_us = from_us + own_us(terms, true)};
}

void lease_beaten(struct lease_hold *hold, int64_t from_us, int64_t attended, const struct lease_terms *terms)
{
	if (attended != hold->attended && hold->attended >= 0)
		hold->attended_us = from_us;
	hold->attended = attended;
	/* What it wrote was lease_tells: longer only after a beat that said so. */
	bool told = lease_tells(hold);
	hold->others = from_us - hold->attended_us < ATTENDED * terms->watched_us;
	hold->watched = told || hold->others;
	hold->until_us = from_us + own_us(terms, hold->watched);
}

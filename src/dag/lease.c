#include "dag/lease.h"

bool lease_expired(struct lease_watch *watch, const struct store_leader *now, const char *who,
		   int64_t mono_us, int64_t lease_us)
{
	bool same = watch->any && watch->seen.epoch == now->epoch && watch->seen.beat == now->beat;
	if (!same) {
		watch->seen = *now;
		watch->since_us = mono_us;
		watch->any = true;
	}
	return now->epoch == 0 || strcmp(now->who, who) == 0 || mono_us - watch->since_us >= lease_us;
}

/* tests/unit/dag/test_lease.c - who leads counts no longer than who stands by may think. */
#include "test.h"

#include "dag/lease.h"
#include "env/rng.h"

#include <stdio.h>

#define S INT64_C(1000000)
static const struct lease_terms terms = {12 * S, 600 * S};

static struct store_leader leader(uint64_t epoch, int64_t beat, bool watched, const char *who)
{
	struct store_leader leader = {.epoch = epoch, .beat = beat, .watched = watched};
	snprintf(leader.who, sizeof leader.who, "%s", who);
	return leader;
}

static int64_t left(struct lease_watch *watch, struct store_leader now, int64_t at_s)
{
	return lease_left_us(watch, &now, "me", at_s * S, &terms) / S;
}

TEST(lease_is_waited_for)
{
	struct lease_watch watch = {0};
	CHECK_INT(left(&watch, leader(0, 0, false, ""), 100), 0); /* nobody ever */
	CHECK_INT(left(&watch, leader(1, 5, true, "me"), 100), 0);
	CHECK_INT(left(&watch, leader(1, 6, true, ""), 100), 0); /* it resigned */
	CHECK_INT(left(&watch, leader(2, 1, true, "you"), 100), 12);
	CHECK_INT(left(&watch, leader(2, 1, true, "you"), 111), 1);
	CHECK_INT(left(&watch, leader(2, 2, true, "you"), 111), 12); /* it has beaten */
	CHECK_INT(left(&watch, leader(2, 2, true, "you"), 123), 0);
	CHECK_INT(left(&watch, leader(3, 2, true, "he"), 123), 12); /* somebody was faster */
	CHECK_INT(left(&watch, leader(3, 3, false, "he"), 125), 600);
	CHECK_INT(left(&watch, leader(3, 3, false, "he"), 724), 1);
	CHECK_INT(left(&watch, leader(3, 3, false, "he"), 900), 0);
}

/* Whatever comes when: what the leader counts ends before the lease that its row tells of. */
TEST(lease_is_never_longer_than_it_was_told)
{
	struct mr_rng rng;
	int grew = 0, shrank = 0;
	rng_seed(&rng, 3);
	for (int round = 0; round < 200; round++) {
		int64_t now = 0, attended = 7;
		struct lease_hold hold = lease_held(now, &terms);
		CHECK(hold.until_us < terms.watched_us);
		bool written = true;
		for (int i = 0; i < 300; i++) {
			int64_t sent = now += (int64_t)rng_below(&rng, 4) * S;
			bool lonely = i / 40 % 2;
			bool before = hold.watched;
			attended += !lonely && rng_below(&rng, 3) == 0;
			written = lease_tells(&hold);
			now += (int64_t)rng_below(&rng, 3) * S;
			lease_beaten(&hold, sent, attended, &terms);
			CHECK(hold.until_us - sent < (written ? terms.watched_us : terms.alone_us));
			grew += before && !hold.watched;
			shrank += !before && hold.watched;
		}
	}
	CHECK(grew > 200 && shrank > 200);
}

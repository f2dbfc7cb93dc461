/* The states of one partition, by table and by random walk against a list of single records. */
#include "env/env.h"
#include "share/partition.h"
#include "test.h"

static const struct share_limits limits = {.deliveries_max = 3, .locks_max = 40, .lock_ms = 100};

static int64_t acquire(struct share_partition *p, uint64_t owner, int64_t now_ms, int64_t first, int64_t last,
		       int64_t most, bool strict, struct share_ranges *out)
{
	struct share_span span = {first, last};
	struct share_acquire in = {.owner = owner,
				   .now_ms = now_ms,
				   .from = first,
				   .batches = &span,
				   .batch_count = 1,
				   .records_max = most,
				   .strict = strict};
	out->len = 0;
	return share_partition_acquire(p, &limits, &in, out);
}

static enum share_outcome ack(struct share_partition *p, uint64_t owner, int64_t now_ms, int64_t first,
			      int64_t last, int8_t type)
{
	struct share_ack_batch batch = {first, last, &type, 1};
	return share_partition_acknowledge(p, &limits, owner, now_ms, &batch, 1);
}

TEST(share_records_are_acknowledged_one_by_one)
{
	struct share_partition p;
	struct share_ranges got = {0};
	share_partition_init(&p, 10);
	CHECK_INT(share_partition_next(&p, &limits), 10);
	CHECK_INT(acquire(&p, 1, 0, 10, 19, 100, true, &got), 10);
	CHECK_INT(got.len, 1);
	CHECK_INT(got.items[0].deliveries, 1);
	CHECK_INT(share_partition_next(&p, &limits), 20);
	CHECK_INT(acquire(&p, 2, 0, 10, 19, 100, true, &got), 0); /* they are another's */
	CHECK_INT(ack(&p, 2, 0, 10, 10, SHARE_ACCEPT), SHARE_INVALID_STATE);
	CHECK_INT(ack(&p, 1, 0, 12, 13, SHARE_ACCEPT), SHARE_OK);
	CHECK_INT(p.start, 10);
	CHECK_INT(share_partition_done_count(&p), 2);
	CHECK_INT(ack(&p, 1, 0, 10, 11, SHARE_REJECT), SHARE_OK);
	CHECK_INT(p.start, 14);
	CHECK_INT(ack(&p, 1, 0, 14, 14, SHARE_RELEASE), SHARE_OK);
	CHECK_INT(share_partition_next(&p, &limits), 14);
	CHECK_INT(acquire(&p, 2, 0, 14, 19, 100, true, &got), 1);
	CHECK_INT(got.items[0].deliveries, 2);
	CHECK_INT(ack(&p, 2, 0, 20, 20, SHARE_ACCEPT), SHARE_INVALID_REQUEST); /* never delivered */
	CHECK_INT(ack(&p, 2, 0, 3, 5, SHARE_ACCEPT), SHARE_OK);                /* long done with */
	mr_vec_release(&got);
	share_partition_release(&p);
}

TEST(share_locks_are_renewed_where_the_group_allows_it)
{
	struct share_partition p;
	struct share_ranges got = {0};
	struct share_limits strict = limits;
	share_partition_init(&p, 0);
	CHECK_INT(acquire(&p, 1, 0, 0, 9, 100, true, &got), 10);
	CHECK_INT(ack(&p, 1, 60, 0, 4, SHARE_RENEW), SHARE_OK);
	CHECK_INT(share_partition_expire(&p, &limits, 100), 5);
	int8_t types[] = {SHARE_ACCEPT, SHARE_RENEW};
	struct share_ack_batch batch = {0, 1, types, 2};
	strict.no_renewal = true;
	CHECK_INT(share_partition_acknowledge(&p, &strict, 1, 110, &batch, 1), SHARE_INVALID_STATE);
	CHECK_INT(p.start, 0); /* nothing of it was done */
	types[1] = SHARE_ACCEPT;
	CHECK_INT(share_partition_acknowledge(&p, &strict, 1, 110, &batch, 1), SHARE_OK);
	CHECK_INT(p.start, 2);
	mr_vec_release(&got);
	share_partition_release(&p);
}

TEST(share_locks_end_and_deliveries_are_counted)
{
	struct share_partition p;
	struct share_ranges got = {0};
	share_partition_init(&p, 0);
	for (int delivery = 1; delivery <= 3; delivery++) {
		int64_t now_ms = delivery * 1000;
		CHECK_INT(acquire(&p, 1, now_ms, 0, 4, 100, true, &got), 5);
		CHECK_INT(got.items[0].deliveries, delivery);
		CHECK_INT(share_partition_deadline(&p), now_ms + 100);
		CHECK_INT(ack(&p, 1, now_ms + 90, 4, 4, SHARE_RENEW), SHARE_OK);
		CHECK_INT(share_partition_expire(&p, &limits, now_ms + 99), 0);
		CHECK_INT(share_partition_expire(&p, &limits, now_ms + 100), 4);
		CHECK_INT(ack(&p, 1, now_ms + 101, 0, 0, SHARE_ACCEPT),
			  delivery < 3 ? SHARE_INVALID_STATE : SHARE_OK);
		CHECK_INT(share_partition_expire(&p, &limits, now_ms + 190), 1);
	}
	CHECK_INT(p.start, 5); /* as often as is allowed: given up */
	CHECK_INT(p.ranges.len, 0);
	mr_vec_release(&got);
	share_partition_release(&p);
}

TEST(share_window_is_bounded)
{
	struct share_partition p;
	struct share_ranges got = {0};
	share_partition_init(&p, 0);
	CHECK_INT(acquire(&p, 1, 0, 0, 99, 100, true, &got), 40);
	CHECK_INT(share_partition_next(&p, &limits), -1);
	CHECK_INT(ack(&p, 1, 0, 5, 20, SHARE_ACCEPT), SHARE_OK);
	CHECK_INT(share_partition_next(&p, &limits), -1); /* the first record holds it back */
	CHECK_INT(ack(&p, 1, 0, 0, 4, SHARE_ACCEPT), SHARE_OK);
	CHECK_INT(share_partition_next(&p, &limits), 40);
	CHECK(share_partition_give_up(&p, &limits, 1));
	CHECK_INT(share_partition_next(&p, &limits), 21);
	CHECK(share_partition_trim(&p, 30));
	CHECK_INT(share_partition_next(&p, &limits), 30);
	CHECK(share_partition_trim(&p, 100));
	CHECK_INT(share_partition_next(&p, &limits), 100);
	mr_vec_release(&got);
	share_partition_release(&p);
}

TEST(share_acknowledges_all_of_a_request_or_nothing)
{
	struct share_partition p;
	struct share_ranges got = {0};
	share_partition_init(&p, 0);
	CHECK_INT(acquire(&p, 1, 0, 0, 9, 100, true, &got), 10);
	int8_t accept = SHARE_ACCEPT, mixed[3] = {SHARE_ACCEPT, SHARE_RELEASE, SHARE_GAP}, odd = 9;
	struct share_ack_batch bad[] = {{0, 3, &accept, 1}, {8, 12, &accept, 1}};
	CHECK_INT(share_partition_acknowledge(&p, &limits, 1, 0, bad, 2), SHARE_INVALID_REQUEST);
	CHECK_INT(p.start, 0);
	struct share_ack_batch back[] = {{4, 5, &accept, 1}, {2, 3, &accept, 1}};
	CHECK_INT(share_partition_acknowledge(&p, &limits, 1, 0, back, 2), SHARE_INVALID_REQUEST);
	struct share_ack_batch unknown = {0, 3, &odd, 1}, count = {0, 3, mixed, 3};
	CHECK_INT(share_partition_acknowledge(&p, &limits, 1, 0, &unknown, 1), SHARE_INVALID_REQUEST);
	CHECK_INT(share_partition_acknowledge(&p, &limits, 1, 0, &count, 1), SHARE_INVALID_REQUEST);
	struct share_ack_batch good[] = {{0, 2, mixed, 3}, {3, 9, &accept, 1}};
	CHECK_INT(share_partition_acknowledge(&p, &limits, 1, 0, good, 2), SHARE_OK);
	CHECK_INT(p.start, 1);
	CHECK_INT(share_partition_next(&p, &limits), 1);
	CHECK_INT(share_partition_done_count(&p), 8);
	mr_vec_release(&got);
	share_partition_release(&p);
}

/* ---- a random walk ---- */

enum { ORACLE = 400 };

struct oracle {
	struct {
		enum share_state state;
		int deliveries;
		uint64_t owner;
		int64_t deadline_ms;
	} of[ORACLE];
	int64_t start, end;
};

static void oracle_advance(struct oracle *o)
{
	while (o->start < o->end &&
	       (o->of[o->start].state == SHARE_ACKNOWLEDGED || o->of[o->start].state == SHARE_ARCHIVED))
		o->start++;
}

static int64_t oracle_acquire(struct oracle *o, uint64_t owner, int64_t now_ms, int64_t first, int64_t last,
			      int64_t most)
{
	int64_t got = 0, until = mr_max_i64(o->start + limits.locks_max, o->end);
	if (mr_max_i64(first, o->start) > mr_min_i64(last, until - 1))
		return 0;
	o->end = mr_max_i64(o->end, mr_min_i64(last + 1, until));
	for (int64_t i = mr_max_i64(first, o->start); i <= last && i < o->end && got < most; i++) {
		if (o->of[i].state != SHARE_AVAILABLE)
			continue;
		o->of[i].state = SHARE_ACQUIRED;
		o->of[i].deliveries++;
		o->of[i].owner = owner;
		o->of[i].deadline_ms = now_ms + limits.lock_ms;
		got++;
	}
	return got;
}

static void oracle_release(struct oracle *o, int64_t i)
{
	bool spent = o->of[i].deliveries >= limits.deliveries_max;
	o->of[i].state = spent ? SHARE_ARCHIVED : SHARE_AVAILABLE;
	o->of[i].owner = 0;
	o->of[i].deadline_ms = 0;
}

static bool oracle_ack(struct oracle *o, uint64_t owner, int64_t now_ms, int64_t first, int64_t last,
		       int8_t type)
{
	first = mr_max_i64(first, o->start);
	if (first <= last && last >= o->end)
		return false;
	for (int64_t i = first; i <= last; i++) {
		if (o->of[i].state != SHARE_ACQUIRED || o->of[i].owner != owner)
			return false;
	}
	for (int64_t i = first; i <= last; i++) {
		if (type == SHARE_RENEW) {
			o->of[i].deadline_ms = now_ms + limits.lock_ms;
			continue;
		}
		oracle_release(o, i);
		if (type != SHARE_RELEASE)
			o->of[i].state = type == SHARE_ACCEPT ? SHARE_ACKNOWLEDGED : SHARE_ARCHIVED;
	}
	oracle_advance(o);
	return true;
}

static void oracle_release_if(struct oracle *o, uint64_t owner, int64_t now_ms)
{
	for (int64_t i = o->start; i < o->end; i++) {
		if (o->of[i].state == SHARE_ACQUIRED &&
		    (owner ? o->of[i].owner == owner : o->of[i].deadline_ms <= now_ms))
			oracle_release(o, i);
	}
	oracle_advance(o);
}

static void compare(const struct share_partition *p, const struct oracle *o)
{
	int64_t at = p->start, deadline = INT64_MAX;
	CHECK_INT(p->start, o->start);
	CHECK_INT(p->end, o->end);
	for (size_t i = 0; i < p->ranges.len; i++) {
		const struct share_range *r = &p->ranges.items[i];
		CHECK_INT(r->first, at);
		for (; at <= r->last; at++) {
			CHECK_INT(r->state, o->of[at].state);
			CHECK_INT(r->deliveries, o->of[at].deliveries);
			CHECK_INT(r->owner, o->of[at].owner);
			CHECK_INT(r->deadline_ms, o->of[at].deadline_ms);
			if (r->state == SHARE_ACQUIRED)
				deadline = mr_min_i64(deadline, r->deadline_ms);
		}
	}
	CHECK_INT(at, p->end);
	CHECK_INT(share_partition_deadline(p), deadline);
}

/* What replay makes of the dirty ranges is what is there, with nothing acquired. */
static void compare_replayed(const struct share_partition *p, const struct share_partition *replayed)
{
	struct share_partition now = {.start = p->start, .end = p->start};
	for (size_t i = 0; i < p->ranges.len; i++) {
		struct share_range r = p->ranges.items[i];
		if (r.state == SHARE_ACQUIRED)
			r = (struct share_range){
			    r.first, r.last, SHARE_AVAILABLE, (int16_t)(r.deliveries - 1), 0, 0};
		share_partition_put(&now, &r);
	}
	CHECK_INT(now.start, replayed->start);
	for (size_t i = 0, k = 0; i < now.ranges.len; i++) {
		const struct share_range *r = &now.ranges.items[i];
		for (int64_t at = r->first; at <= r->last; at++) {
			while (k < replayed->ranges.len && replayed->ranges.items[k].last < at)
				k++;
			bool known = k < replayed->ranges.len;
			CHECK_INT(known ? replayed->ranges.items[k].state : SHARE_AVAILABLE, r->state);
			CHECK_INT(known ? replayed->ranges.items[k].deliveries : 0, r->deliveries);
		}
	}
	share_partition_release(&now);
}

static void walk(uint64_t seed)
{
	struct mr_rng rng;
	struct share_partition p, replayed;
	struct share_ranges got = {0};
	struct oracle o = {0};
	int64_t now_ms = 0;
	rng_seed(&rng, seed);
	share_partition_init(&p, 0);
	share_partition_init(&replayed, 0);
	for (int step = 0; step < 400 && o.end < ORACLE - 50; step++) {
		uint64_t owner = 1 + rng_below(&rng, 3);
		int64_t first = o.start + (int64_t)rng_below(&rng, 45);
		int64_t last = first + (int64_t)rng_below(&rng, 12);
		int8_t type = (int8_t)rng_below(&rng, 5);
		now_ms += (int64_t)rng_below(&rng, 20);
		switch (rng_below(&rng, 8)) {
		case 0:
		case 1:
		case 2: {
			int64_t from = share_partition_next(&p, &limits),
				most = 1 + (int64_t)rng_below(&rng, 20);
			bool strict = rng_below(&rng, 2);
			if (from >= 0)
				CHECK_INT(
				    acquire(&p, owner, now_ms, from, from + last - first, most, strict, &got),
				    oracle_acquire(&o, owner, now_ms, from, from + last - first,
						   strict ? most : INT64_MAX));
			break;
		}
		case 3:
		case 4:
		case 5:
			CHECK_INT(ack(&p, owner, now_ms, first, last, type) == SHARE_OK,
				  oracle_ack(&o, owner, now_ms, first, last, type));
			break;
		case 6:
			share_partition_expire(&p, &limits, now_ms);
			oracle_release_if(&o, 0, now_ms);
			break;
		default:
			if (rng_below(&rng, 4) == 0) {
				share_partition_give_up(&p, &limits, owner);
				oracle_release_if(&o, owner, now_ms);
			}
			break;
		}
		compare(&p, &o);
		if (p.start_moved)
			share_partition_set_start(&replayed, p.start);
		for (size_t i = 0; i < p.dirty.len; i++)
			share_partition_put(&replayed, &p.dirty.items[i]);
		p.dirty.len = 0;
		p.start_moved = false;
		compare_replayed(&p, &replayed);
	}
	mr_vec_release(&got);
	share_partition_release(&p);
	share_partition_release(&replayed);
}

TEST(share_partition_walks_as_single_records_do)
{
	for (uint64_t seed = 1; seed <= 200; seed++)
		walk(seed);
}

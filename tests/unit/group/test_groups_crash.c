/* Power cuts under commits, deletions and rebalances: what was acknowledged is there to the byte,
 * what was not is there as a whole or not at all, and nobody is a member who was never one. */
#include "group/group_fixture.h"

#define GROUPS 3
#define PARTITIONS 3
#define UNACKED_MAX 64

struct promise {       /* what may be read of one offset after a crash */
	int64_t acked; /* -1: none */
	int64_t later[UNACKED_MAX];
	struct group_write writes[UNACKED_MAX];
	int count;
};

struct model {
	struct promise offsets[GROUPS][PARTITIONS];
	char members[512][64];
	int member_count;
};

static const char *const names[GROUPS] = {"red", "green", "blue"};

static void promise(struct promise *p, int64_t value, const struct group_write *write)
{
	p->later[p->count] = value;
	p->writes[p->count++] = *write;
}

/* What is stable by now is promised. */
static void settle(struct model *m)
{
	for (int g = 0; g < GROUPS; g++) {
		for (int i = 0; i < PARTITIONS; i++) {
			struct promise *p = &m->offsets[g][i];
			int safe = 0;
			while (safe < p->count && groups_write_state(&p->writes[safe], NULL) == 0)
				p->acked = p->later[safe++];
			memmove(p->later, p->later + safe, (size_t)(p->count - safe) * sizeof *p->later);
			memmove(p->writes, p->writes + safe, (size_t)(p->count - safe) * sizeof *p->writes);
			p->count -= safe;
		}
	}
}

static void commit_some(struct group_fixture *f, struct model *m, struct mr_rng *rng)
{
	uint64_t g = rng_below(rng, GROUPS), i = rng_below(rng, PARTITIONS);
	int64_t value = (int64_t)rng_below(rng, 1000000);
	struct group_write write;
	if (m->offsets[g][i].count < UNACKED_MAX &&
	    group_fixture_put(f, names[g], (int32_t)i, value, &write) == GROUP_OK)
		promise(&m->offsets[g][i], value, &write);
}

static void delete_some(struct group_fixture *f, struct model *m, struct mr_rng *rng)
{
	uint64_t g = rng_below(rng, GROUPS);
	struct group_write write;
	for (int i = 0; i < PARTITIONS; i++) {
		if (m->offsets[g][i].count == UNACKED_MAX)
			return;
	}
	if (groups_delete(f->groups, mr_str_from(names[g]), &write, NULL) != GROUP_OK)
		return;
	for (int i = 0; i < PARTITIONS; i++)
		promise(&m->offsets[g][i], -1, &write);
}

/* A member of a group of its own, so that commits from outside stay allowed in the others. */
static void join_some(struct group_fixture *f, struct model *m)
{
	struct group_protocol protocol = {MR_STR("range"), MR_STR("")};
	struct group_join in = {
	    .group = MR_STR("members"),
	    .member_id = MR_STR(""),
	    .client_id = MR_STR("c"),
	    .client_host = MR_STR("/h"),
	    .protocol_type = MR_STR("other"),
	    .protocols = &protocol,
	    .protocol_count = 1,
	    .session_timeout_ms = 6000,
	    .rebalance_timeout_ms = 6000,
	};
	struct group_ticket *ticket;
	groups_join(f->groups, &in, &ticket);
	if (group_ticket_done(f->groups, ticket) && ticket->code == GROUP_OK && m->member_count < 512) {
		struct group_sync sync = {
		    .group = in.group, .member_id = ticket->member_id, .generation = ticket->generation};
		struct group_ticket *synced;
		snprintf(m->members[m->member_count++], 64, "%.*s", MR_FMT(ticket->member_id));
		groups_sync(f->groups, &sync, &synced);
		group_ticket_drop(f->groups, synced);
	}
	group_ticket_drop(f->groups, ticket);
}

static void check_offsets(struct group_fixture *f, struct model *m)
{
	for (int g = 0; g < GROUPS; g++) {
		for (int i = 0; i < PARTITIONS; i++) {
			struct promise *p = &m->offsets[g][i];
			int64_t found = group_fixture_get(f, names[g], i);
			bool allowed = found == p->acked;
			for (int k = 0; k < p->count; k++)
				allowed = allowed || found == p->later[k];
			if (!allowed)
				test_fail(__FILE__, __LINE__, "%s/%d is %lld, acknowledged was %lld",
					  names[g], i, (long long)found, (long long)p->acked);
			*p = (struct promise){.acked = found};
		}
	}
}

static void check_members(struct group_fixture *f, const struct model *m)
{
	struct arena arena = {0};
	struct group_view view;
	if (groups_describe(f->groups, MR_STR("members"), &view, &arena) == GROUP_OK) {
		for (size_t i = 0; i < view.summary.members; i++) {
			bool known = false;
			for (int k = 0; k < m->member_count; k++)
				known = known || mr_str_is(view.members[i].id, m->members[k]);
			CHECK(known);
		}
	}
	sim_clock_advance(&f->clock, 20000000);
	groups_tick(f->groups);
	groups_tick(f->groups);
	CHECK(groups_describe(f->groups, MR_STR("members"), &view, &arena) != GROUP_OK ||
	      view.summary.members == 0);
	arena_release(&arena);
}

static void run(uint64_t seed)
{
	struct mr_rng rng;
	struct group_fixture f;
	static struct model m;
	m = (struct model){0};
	for (int g = 0; g < GROUPS; g++) {
		for (int i = 0; i < PARTITIONS; i++)
			m.offsets[g][i].acked = -1;
	}
	rng_seed(&rng, seed * 977);
	group_fixture_init(&f, seed);
	group_fixture_open(&f);
	for (int life = 0; life < 4; life++) {
		for (uint64_t step = 10 + rng_below(&rng, 50); step > 0; step--) {
			uint64_t what = rng_below(&rng, 10);
			if (what < 5)
				commit_some(&f, &m, &rng);
			else if (what < 6)
				delete_some(&f, &m, &rng);
			else if (what < 7)
				join_some(&f, &m);
			else
				group_fixture_commit(&f);
			settle(&m);
		}
		group_fixture_crash(&f);
		check_offsets(&f, &m);
		check_members(&f, &m);
		group_fixture_commit(&f);
		group_fixture_commit(&f);
	}
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(groups_survive_power_cuts)
{
	for (int seed = 1; seed <= test_rounds(60); seed++) {
		run((uint64_t)seed);
	}
}

/* The classic group's state machine, without clock and disk: its table, its rules, and a random
 * walk of many clients under which its invariants hold. */
#include "env/rng.h"
#include "group/classic.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

struct bench {
	struct groups_options options;
	struct deadlines deadlines;
	struct classic_group g;
	struct group_effects fx;
	struct group_now now;
	int fresh;
	char last_id[64];
	MR_VEC(struct group_ticket *) tickets;
};

static void bench_init(struct bench *b)
{
	*b = (struct bench){.now = {1000, 5000000}};
	groups_options_default(&b->options);
	classic_init(&b->g, &b->options, &b->deadlines);
}

static void bench_release(struct bench *b)
{
	classic_release(&b->g);
	deadlines_release(&b->deadlines);
	mr_vec_release(&b->fx.answered);
	for (size_t i = 0; i < b->tickets.len; i++) {
		arena_release(&b->tickets.items[i]->arena);
		free(b->tickets.items[i]);
	}
	mr_vec_release(&b->tickets);
}

static struct group_ticket *ticket(struct bench *b)
{
	struct group_ticket *t = mr_calloc(1, sizeof *t);
	arena_init(&t->arena, 256);
	mr_vec_push(&b->tickets, t);
	return t;
}

static struct group_ticket *join_as(struct bench *b, const char *id, const char *instance, int version,
				    const char *protocols)
{
	struct group_protocol list[4];
	size_t count = 0;
	for (const char *p = protocols; *p; p += strcspn(p, " ") + (p[strcspn(p, " ")] != 0))
		list[count++] = (struct group_protocol){mr_str_n(p, strcspn(p, " ")), MR_STR("meta")};
	struct group_join in = {
	    .group = MR_STR("g"),
	    .member_id = mr_str_from(id),
	    .instance_id = mr_str_from(instance),
	    .client_id = MR_STR("client"),
	    .client_host = MR_STR("/127.0.0.1"),
	    .protocol_type = MR_STR("consumer"),
	    .protocols = list,
	    .protocol_count = count,
	    .session_timeout_ms = 10000,
	    .rebalance_timeout_ms = 60000,
	    .require_known_id = version >= 4,
	    .skip_assignment = version >= 9,
	};
	struct group_ticket *t = ticket(b);
	snprintf(b->last_id, sizeof b->last_id, "m%d", b->fresh++);
	classic_join(&b->g, &in, b->last_id, t, b->now, &b->fx);
	return t;
}

static struct group_ticket *join(struct bench *b, const char *id)
{
	return join_as(b, id, NULL, 3, "range");
}

static struct group_ticket *sync_with(struct bench *b, const char *id, int32_t generation,
				      const struct group_sync_assignment *assignments, size_t count)
{
	struct group_sync in = {
	    .group = MR_STR("g"),
	    .member_id = mr_str_from(id),
	    .generation = generation,
	    .assignments = assignments,
	    .assignment_count = count,
	};
	struct group_ticket *t = ticket(b);
	classic_sync(&b->g, &in, t, b->now, &b->fx);
	return t;
}

static int heartbeat(struct bench *b, const char *id, int32_t generation)
{
	struct group_member_ref in = {MR_STR("g"), mr_str_from(id), MR_STR_NULL, generation};
	return classic_heartbeat(&b->g, &in, b->now);
}

static int commit(struct bench *b, const char *id, int32_t generation)
{
	struct group_member_ref in = {MR_STR("g"), mr_str_from(id), MR_STR_NULL, generation};
	return classic_commit(&b->g, &in, false, b->now);
}

/* Time goes on; what is due happens. */
static void pass(struct bench *b, int64_t ms)
{
	int64_t until = b->now.mono_ms + ms;
	while (deadlines_next(&b->deadlines) <= until) {
		b->now.mono_ms = mr_max_i64(b->now.mono_ms, deadlines_next(&b->deadlines));
		struct deadline *due = deadlines_take(&b->deadlines, b->now.mono_ms);
		classic_deadline(&b->g, due, b->now, &b->fx);
	}
	b->now.mono_ms = until;
}

/* One member, stable in generation 1; its id is "m0". */
static void make_stable(struct bench *b)
{
	struct group_ticket *t = join(b, "");
	CHECK(t->done);
	CHECK_INT(t->generation, 1);
	CHECK_STR(t->leader, "m0");
	struct group_sync_assignment all = {MR_STR("m0"), MR_STR("everything")};
	struct group_ticket *s = sync_with(b, "m0", 1, &all, 1);
	CHECK(s->done);
	CHECK_STR(s->assignment, "everything");
	CHECK_INT(b->g.state, CLASSIC_STABLE);
}

/* ---- the table ---- */

enum {
	OK = GROUP_OK,
	UNKNOWN_MEMBER = GROUP_UNKNOWN_MEMBER,
	NOT_AVAILABLE = GROUP_NOT_AVAILABLE,
	REBALANCE_IN_PROGRESS = GROUP_REBALANCE_IN_PROGRESS,
	REJOIN = 100,
	REPEAT,
	KEEP,
	AWAIT,
	CACHED
};

/* A group whose member m0 is known, in the state; a second member waits in Preparing. */
static void bring_to(struct bench *b, enum classic_state state)
{
	bench_init(b);
	make_stable(b);
	if (state == CLASSIC_PREPARING || state == CLASSIC_COMPLETING)
		join(b, "");
	if (state == CLASSIC_COMPLETING)
		join(b, "m0");
	if (state == CLASSIC_EMPTY) {
		struct group_leaver leaver = {.member_id = MR_STR("m0")};
		CHECK_INT(classic_leave(&b->g, &leaver, 1, b->now, &b->fx), GROUP_OK);
	}
	if (state == CLASSIC_DEAD)
		b->g.state = CLASSIC_DEAD;
	CHECK_INT(b->g.state, state);
}

static void check_row(enum classic_state state, int join_answer, int sync_answer, int beat, int commits)
{
	struct bench b;
	bring_to(&b, state);
	int32_t generation = b.g.generation;
	CHECK_INT(heartbeat(&b, "m0", generation), beat);
	CHECK_INT(commit(&b, state == CLASSIC_EMPTY ? "" : "m0", state == CLASSIC_EMPTY ? -1 : generation),
		  commits);
	struct group_ticket *s = sync_with(&b, "m0", generation, NULL, 0);
	if (sync_answer == AWAIT)
		CHECK(!s->done || s->code == GROUP_OK); /* the leader's own sync is answered at once */
	else
		CHECK_INT(s->code, sync_answer == CACHED ? OK : sync_answer);
	bench_release(&b);
	bring_to(&b, state);
	struct group_ticket *j = join(&b, "m0");
	if (join_answer < REJOIN) {
		CHECK(j->done);
		CHECK_INT(j->code, join_answer);
	} else {
		CHECK(j->done); /* all are here: the rebalance is complete, or was not needed */
		CHECK_INT(j->generation, generation + (join_answer != REPEAT));
	}
	bench_release(&b);
}

TEST(classic_states_answer_by_their_table)
{
#define STATE(name, word, join, sync, heartbeat, commit) \
	check_row(CLASSIC_##name, join, sync, heartbeat, commit);
#include "group/classic.def"
#undef STATE
}

/* ---- rules ---- */

TEST(classic_new_member_comes_twice)
{
	struct bench b;
	bench_init(&b);
	struct group_ticket *first = join_as(&b, "", NULL, 4, "range");
	CHECK_INT(first->code, GROUP_MEMBER_ID_REQUIRED);
	CHECK_STR(first->member_id, "m0");
	CHECK_INT(b.g.members.len, 0);
	struct group_ticket *second = join_as(&b, "m0", NULL, 4, "range");
	CHECK_INT(second->code, GROUP_OK);
	CHECK_INT(second->generation, 1);
	CHECK_INT(second->member_count, 1);
	CHECK_INT(join_as(&b, "stranger", NULL, 4, "range")->code, GROUP_UNKNOWN_MEMBER);
	/* One that is told its id and never comes back is forgotten, and holds nobody up. */
	CHECK_INT(join_as(&b, "", NULL, 4, "range")->code, GROUP_MEMBER_ID_REQUIRED);
	CHECK_INT(b.g.pending.len, 1);
	pass(&b, 10000);
	CHECK_INT(b.g.pending.len, 0);
	bench_release(&b);
}

TEST(classic_rebalance_waits_for_all_and_drops_who_stays_away)
{
	struct bench b;
	bench_init(&b);
	make_stable(&b);
	struct group_ticket *second = join(&b, "");
	CHECK(!second->done);
	CHECK_INT(heartbeat(&b, "m0", 1), GROUP_REBALANCE_IN_PROGRESS);
	for (int i = 0; i < 11; i++) {
		pass(&b, 5000);
		(void)heartbeat(&b, "m0", 1); /* alive, but does not join */
	}
	CHECK(!second->done);
	pass(&b, 5000);
	CHECK(second->done);
	CHECK_INT(second->generation, 2);
	CHECK_STR(second->leader, "m1");
	CHECK_INT(second->member_count, 1);
	CHECK_INT(heartbeat(&b, "m0", 1), GROUP_UNKNOWN_MEMBER);
	bench_release(&b);
}

TEST(classic_member_expires_and_leader_is_replaced)
{
	struct bench b;
	bench_init(&b);
	make_stable(&b);
	struct group_ticket *second = join(&b, "");
	struct group_ticket *first = join(&b, "m0");
	CHECK(first->done && second->done);
	CHECK_STR(second->leader, "m0");
	CHECK_INT(second->member_count, 0);
	CHECK_INT(first->member_count, 2);
	struct group_ticket *waits = sync_with(&b, "m1", 2, NULL, 0);
	CHECK(!waits->done);
	pass(&b, 9000);
	CHECK(!waits->done);
	pass(&b, 1000); /* the leader's session */
	CHECK(waits->done);
	CHECK_INT(waits->code, GROUP_REBALANCE_IN_PROGRESS);
	struct group_ticket *again = join(&b, "m1");
	CHECK_INT(again->generation, 3);
	CHECK_STR(again->leader, "m1");
	bench_release(&b);
}

TEST(classic_member_that_never_syncs_is_removed)
{
	struct bench b;
	bench_init(&b);
	make_stable(&b);
	join(&b, "");
	join(&b, "m0");
	sync_with(&b, "m0", 2, NULL, 0);
	CHECK_INT(b.g.state, CLASSIC_STABLE);
	for (int i = 0; i < 12; i++) {
		pass(&b, 5000);
		(void)heartbeat(&b, "m0", 2);
		(void)heartbeat(&b, "m1", 2);
	}
	CHECK_INT(b.g.members.len, 1);
	CHECK_INT(b.g.state, CLASSIC_PREPARING);
	bench_release(&b);
}

TEST(classic_vote_takes_what_all_know_and_most_like)
{
	struct bench b;
	bench_init(&b);
	join_as(&b, "", NULL, 3, "range sticky");
	join_as(&b, "", NULL, 3, "sticky cooperative range");
	join_as(&b, "", NULL, 3, "sticky range");
	CHECK_INT(join_as(&b, "", NULL, 3, "cooperative")->code, GROUP_INCONSISTENT_PROTOCOL);
	struct group_ticket *t = join_as(&b, "m0", NULL, 3, "range sticky");
	CHECK(t->done);
	CHECK_STR(t->protocol, "sticky");
	CHECK_INT(t->member_count, 3);
	bench_release(&b);
}

TEST(classic_static_member_keeps_its_place)
{
	struct bench b;
	bench_init(&b);
	struct group_ticket *a = join_as(&b, "", "one", 5, "range");
	CHECK_INT(a->code, GROUP_OK);
	struct group_sync_assignment all = {MR_STR("m0"), MR_STR("mine")};
	CHECK_INT(sync_with(&b, "m0", 1, &all, 1)->code, GROUP_OK);
	/* Back under the same instance id, before version 9: a follower to itself, no rebalance. */
	b.fx.persist = false;
	struct group_ticket *back = join_as(&b, "", "one", 5, "range");
	CHECK(back->done);
	CHECK_STR(back->member_id, "m1");
	CHECK_STR(back->leader, "m0");
	CHECK_INT(back->generation, 1);
	CHECK_INT(back->member_count, 0);
	CHECK(b.fx.persist);
	CHECK_STR(sync_with(&b, "m1", 1, NULL, 0)->assignment, "mine");
	/* From version 9 the leader knows that it leads, and that it has nothing to assign. */
	back = join_as(&b, "", "one", 9, "range");
	CHECK_STR(back->leader, "m2");
	CHECK(back->skip_assignment);
	CHECK_INT(back->member_count, 1);
	struct group_member_ref old = {MR_STR("g"), MR_STR("m1"), MR_STR("one"), 1};
	CHECK_INT(classic_heartbeat(&b.g, &old, b.now), GROUP_FENCED_INSTANCE);
	CHECK_INT(classic_commit(&b.g, &old, false, b.now), GROUP_FENCED_INSTANCE);
	struct group_leaver leaver = {.member_id = MR_STR(""), .instance_id = MR_STR("one")};
	CHECK_INT(classic_leave(&b.g, &leaver, 1, b.now, &b.fx), GROUP_OK);
	CHECK_INT(leaver.code, GROUP_OK);
	CHECK_INT(b.g.state, CLASSIC_EMPTY);
	bench_release(&b);
}

TEST(classic_initial_delay_gathers_members)
{
	struct bench b;
	bench_init(&b);
	b.options.initial_rebalance_delay_ms = 3000;
	struct group_ticket *a = join(&b, "");
	pass(&b, 2000);
	struct group_ticket *c = join(&b, "");
	pass(&b, 1000);
	CHECK(!a->done); /* somebody came: once more */
	pass(&b, 3000);
	CHECK(a->done && c->done);
	CHECK_INT(a->generation, 1);
	CHECK_INT(c->generation, 1);
	bench_release(&b);
}

TEST(classic_group_has_a_limit)
{
	struct bench b;
	bench_init(&b);
	b.options.size_max = 1;
	CHECK_INT(join(&b, "")->code, GROUP_OK);
	CHECK_INT(join(&b, "")->code, GROUP_FULL);
	CHECK_INT(b.g.members.len, 1);
	bench_release(&b);
}

/* ---- a random walk ---- */

#define CLIENTS 6

struct client {
	char id[64]; /* empty: not a member, as far as it knows */
	int32_t generation;
	struct group_ticket *waits;
	bool joins; /* waits for a join, else a sync */
	bool leader;
};

static void check_invariants(const struct bench *b)
{
	const struct classic_group *g = &b->g;
	size_t joining = 0;
	mr_map_each (&g->members, entry) {
		const struct classic_member *m = entry->value;
		joining += m->joining;
		CHECK(!m->join || m->joining);
		CHECK(!m->sync || m->syncing);
		CHECK(!m->syncing || g->state == CLASSIC_COMPLETING);
		CHECK(!m->joining || g->state == CLASSIC_PREPARING);
		/* Who is not kept waiting can expire. */
		CHECK(m->joining || m->syncing || deadline_is_set(&m->session));
	}
	CHECK_INT(g->members.len == 0, g->state == CLASSIC_EMPTY || (g->state == CLASSIC_PREPARING &&
								     joining == 0 && g->members.len == 0));
	CHECK(g->state != CLASSIC_PREPARING || deadline_is_set(&g->timer));
	CHECK(g->state != CLASSIC_COMPLETING || deadline_is_set(&g->timer));
	CHECK(g->state < CLASSIC_COMPLETING || g->state == CLASSIC_DEAD ||
	      mr_map_get(&g->members, mr_str_from(g->leader ? g->leader : "")) || g->state == CLASSIC_STABLE);
}

static void client_answered(struct client *c)
{
	struct group_ticket *t = c->waits;
	c->waits = NULL;
	if (t->code == GROUP_MEMBER_ID_REQUIRED || (c->joins && t->code == GROUP_OK))
		snprintf(c->id, sizeof c->id, "%.*s", MR_FMT(t->member_id));
	else if (t->code == GROUP_UNKNOWN_MEMBER)
		c->id[0] = 0;
	if (c->joins && t->code == GROUP_OK) {
		c->generation = t->generation;
		c->leader = mr_str_is(t->leader, c->id);
		CHECK_INT(t->member_count > 0, c->leader);
	}
}

static void client_acts(struct bench *b, struct client *c, uint64_t what)
{
	if (c->waits && c->waits->done)
		client_answered(c);
	if (c->waits)
		return;
	if (what < 4) {
		c->joins = true;
		c->waits = join_as(b, c->id, NULL, what < 2 ? 3 : 4, "range");
	} else if (what < 8 && c->id[0]) {
		struct group_sync_assignment own = {mr_str_from(c->id), MR_STR("some")};
		c->joins = false;
		c->waits = sync_with(b, c->id, c->generation, &own, c->leader);
	} else if (what < 12) {
		if (heartbeat(b, c->id, c->generation) == GROUP_UNKNOWN_MEMBER)
			c->id[0] = 0;
	} else if (what < 13 && c->id[0]) {
		struct group_leaver leaver = {.member_id = mr_str_from(c->id)};
		CHECK_INT(classic_leave(&b->g, &leaver, 1, b->now, &b->fx), GROUP_OK);
		c->id[0] = 0;
	}
}

static void walk(uint64_t seed)
{
	struct mr_rng rng;
	struct bench b;
	struct client clients[CLIENTS] = {0};
	rng_seed(&rng, seed);
	bench_init(&b);
	b.options.initial_rebalance_delay_ms = rng_below(&rng, 2) ? 500 : 0;
	for (int i = 0; i < 300; i++) {
		client_acts(&b, &clients[rng_below(&rng, CLIENTS)], rng_below(&rng, 14));
		pass(&b, (int64_t)rng_below(&rng, rng_below(&rng, 8) ? 200 : 15000));
		check_invariants(&b);
		b.fx.answered.len = 0;
	}
	/* Everybody falls silent: every ticket is answered, nobody stays. */
	pass(&b, 1000000);
	for (size_t i = 0; i < b.tickets.len; i++)
		CHECK(b.tickets.items[i]->done);
	CHECK_INT(b.g.members.len, 0);
	CHECK_INT(b.g.state, CLASSIC_EMPTY);
	CHECK_INT(b.deadlines.heap.len, 0);
	bench_release(&b);
}

TEST(classic_group_survives_a_random_walk)
{
	for (int seed = 1; seed <= test_rounds(100); seed++)
		walk((uint64_t)seed);
}

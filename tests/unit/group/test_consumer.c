/* Groups whose assignment the broker makes: the assignors by property, the state machine by random
 * walks under which no partition ever has two owners, and its records by power cut. */
#include "broker/group_config.h"
#include "env/rng.h"
#include "group/consumer.h"
#include "group/group_fixture.h"

#include <stdlib.h>

/* ---- assignors ---- */

#define TOPICS 4
#define MEMBERS 6

struct layout {
	struct assign_topic topics[TOPICS];
	uint32_t subscribed[MEMBERS][TOPICS];
	struct partition_set had[MEMBERS];
	struct assign_member members[MEMBERS];
	char names[MEMBERS][4];
	size_t member_count;
	bool alike; /* all subscribe to all */
};

static void layout_make(struct layout *l, struct mr_rng *rng)
{
	*l = (struct layout){.member_count = 1 + rng_below(rng, MEMBERS), .alike = rng_below(rng, 2)};
	for (int t = 0; t < TOPICS; t++) {
		l->topics[t].id[0] = (uint8_t)t;
		l->topics[t].partitions = (int32_t)rng_below(rng, 9);
	}
	for (size_t m = 0; m < l->member_count; m++) {
		struct assign_member *member = &l->members[m];
		snprintf(l->names[m], sizeof l->names[m], "m%zu", m);
		*member = (struct assign_member){
		    .name = l->names[m], .topics = l->subscribed[m], .had = &l->had[m]};
		for (uint32_t t = 0; t < TOPICS; t++) {
			if (l->alike || rng_below(rng, 2))
				l->subscribed[m][member->topic_count++] = t;
		}
	}
}

static void layout_release(struct layout *l)
{
	for (size_t m = 0; m < l->member_count; m++) {
		parts_release(&l->had[m]);
		parts_release(&l->members[m].target);
	}
}

static bool reads(const struct assign_member *m, uint32_t topic)
{
	for (size_t i = 0; i < m->topic_count; i++) {
		if (m->topics[i] == topic)
			return true;
	}
	return false;
}

/* Every partition that anybody reads has one owner, who reads its topic. */
static void check_complete(const struct layout *l)
{
	for (uint32_t t = 0; t < TOPICS; t++) {
		for (int32_t p = 0; p < l->topics[t].partitions; p++) {
			struct topic_partition part = {.partition = p};
			int owners = 0, readers = 0;
			memcpy(part.topic_id, l->topics[t].id, 16);
			for (size_t m = 0; m < l->member_count; m++) {
				bool has = parts_has(&l->members[m].target, &part);
				CHECK(!has || reads(&l->members[m], t));
				owners += has;
				readers += reads(&l->members[m], t);
			}
			CHECK_INT(owners, readers > 0);
		}
	}
}

static void check_even(const struct layout *l)
{
	size_t least = SIZE_MAX, most = 0;
	for (size_t m = 0; m < l->member_count; m++) {
		least = mr_min_size(least, l->members[m].target.parts.len);
		most = mr_max_size(most, l->members[m].target.parts.len);
	}
	CHECK(most - least <= 1);
}

/* Again with the result as what was had: nothing moves. */
static void check_sticky(struct layout *l, assignor_fn assign)
{
	for (size_t m = 0; m < l->member_count; m++) {
		parts_copy(&l->had[m], &l->members[m].target);
		l->members[m].target.parts.len = 0;
	}
	assign(l->topics, TOPICS, l->members, l->member_count);
	for (size_t m = 0; m < l->member_count; m++)
		CHECK(parts_equal(&l->had[m], &l->members[m].target));
}

TEST(assignors_give_every_partition_one_reader)
{
	struct mr_rng rng;
	rng_seed(&rng, 3);
	for (int round = 0; round < test_rounds(500); round++) {
		struct layout l;
		layout_make(&l, &rng);
		assignor_fn assign = assignor_find(round % 2 ? MR_STR("uniform") : MR_STR("range"));
		assign(l.topics, TOPICS, l.members, l.member_count);
		check_complete(&l);
		if (round % 2 && l.alike)
			check_even(&l);
		check_sticky(&l, assign);
		layout_release(&l);
	}
	CHECK(!assignor_find(MR_STR("sticky")));
}

/* ---- random walks ---- */

#define CLIENTS 5

struct world {
	struct groups_options options;
	struct deadlines deadlines;
	struct consumer_group g;
	struct group_now now;
	struct group_effects fx;
	int32_t partitions[2]; /* of topics "a" and "b" */
	int next_id;
};

struct client {
	char id[16]; /* empty: not a member */
	int32_t epoch;
	struct partition_set owned;
};

static bool world_find(void *arg, mr_str name, struct assign_topic *out)
{
	struct world *w = arg;
	int which = mr_str_is(name, "a") ? 0 : 1;
	*out = (struct assign_topic){.partitions = w->partitions[which]};
	out->id[0] = (uint8_t)(which + 1);
	return out->partitions > 0;
}

static void world_matching(void *arg, const char *regex, struct arena *arena, mr_str **names, size_t *count)
{
	*names = arena_alloc(arena, sizeof **names);
	(*names)[0] = MR_STR("b");
	*count = 1;
}

static mr_str world_name(void *arg, const uint8_t id[16], struct arena *arena)
{
	return id[0] == 1 ? MR_STR("a") : id[0] == 2 ? MR_STR("b") : MR_STR_NULL;
}

static int beat(struct world *w, struct client *c, int32_t epoch, bool answer_lost)
{
	struct arena arena = {0};
	struct topic_view view = {w, world_find, world_matching, world_name};
	struct consumer_answer answer;
	mr_str topics[2] = {MR_STR("a"), MR_STR("b")};
	bool joins = epoch == 0;
	if (joins && !c->id[0])
		snprintf(c->id, sizeof c->id, "c%d", w->next_id++);
	struct consumer_heartbeat in = {
	    .group = MR_STR("g"),
	    .member_id = mr_str_from(c->id),
	    .client_id = MR_STR("x"),
	    .client_host = MR_STR("/h"),
	    .member_epoch = epoch,
	    .rebalance_timeout_ms = joins ? 20000 : -1,
	    .topics = topics,
	    .topic_count = joins ? 2 : -1,
	    .owned = c->owned.parts.items,
	    .owned_count = joins ? 0 : (int64_t)c->owned.parts.len,
	};
	int code = consumer_heartbeat(&w->g, &in, &view, w->now, &arena, &answer, &w->fx);
	if (code == GROUP_OK && epoch >= 0) {
		if (!answer_lost) {
			c->epoch = answer.epoch;
			if (answer.assignment_told) {
				c->owned.parts.len = 0;
				for (size_t i = 0; i < answer.assignment_count; i++)
					parts_add(&c->owned, &answer.assignment[i]);
			}
		}
	} else {
		c->owned.parts.len = 0; /* fenced: it lets go of all, and comes back under its id */
		c->epoch = 0;
		if (epoch < 0)
			c->id[0] = 0;
	}
	arena_release(&arena);
	return code;
}

/* Who was put out and does not know it yet owns nothing that counts. */
static bool is_member(const struct world *w, const struct client *c)
{
	return mr_map_get(&w->g.members, mr_str_from(c->id)) != NULL;
}

static void check_owners(const struct world *w, const struct client *clients)
{
	for (int i = 0; i < CLIENTS; i++) {
		for (int k = i + 1; k < CLIENTS; k++) {
			struct partition_set both = {0};
			if (!is_member(w, &clients[i]) || !is_member(w, &clients[k]))
				continue;
			parts_both(&clients[i].owned, &clients[k].owned, &both);
			CHECK_INT(both.parts.len, 0);
			parts_release(&both);
		}
	}
	CHECK(w->g.assignment_epoch <= w->g.epoch);
}

static void pass(struct world *w, int64_t ms)
{
	struct deadline *due;
	w->now.mono_ms += ms;
	while ((due = deadlines_take(&w->deadlines, w->now.mono_ms)))
		consumer_deadline(&w->g, due, &w->fx);
}

static void act(struct world *w, struct client *c, struct mr_rng *rng)
{
	uint64_t what = rng_below(rng, 20);
	if (what == 0 && c->id[0])
		beat(w, c, EPOCH_LEAVE, false);
	else if (what == 1)
		w->partitions[rng_below(rng, 2)]++;
	else if (what < 14)
		beat(w, c, c->epoch, rng_below(rng, 6) == 0);
}

/* Everybody goes on peacefully: the group comes to rest, and all is read. */
static void settle(struct world *w, struct client *clients)
{
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < CLIENTS; i++)
			beat(w, &clients[i], clients[i].epoch, false);
		pass(w, 1500);
	}
	CHECK(strcmp(consumer_state_word(&w->g), "Stable") == 0);
	size_t owned = 0;
	for (int i = 0; i < CLIENTS; i++)
		owned += clients[i].owned.parts.len;
	CHECK_INT(owned, w->partitions[0] + w->partitions[1]);
	CHECK_INT(w->g.members.len, CLIENTS);
}

static void walk(uint64_t seed)
{
	struct mr_rng rng;
	struct world w = {.partitions = {5, 0}, .now = {1000, 1000}};
	struct client clients[CLIENTS] = {0};
	rng_seed(&rng, seed);
	groups_options_default(&w.options);
	consumer_init(&w.g, &w.options, &w.deadlines);
	for (int i = 0; i < 250; i++) {
		act(&w, &clients[rng_below(&rng, CLIENTS)], &rng);
		check_owners(&w, clients);
		pass(&w, (int64_t)rng_below(&rng, 3000));
	}
	settle(&w, clients);
	check_owners(&w, clients);
	pass(&w, 10000000);
	CHECK_INT(w.g.members.len, 0);
	CHECK_INT(w.g.owners.len, 0);
	CHECK_INT(w.deadlines.heap.len, 0);
	consumer_release(&w.g);
	deadlines_release(&w.deadlines);
	mr_vec_release(&w.fx.answered);
	for (int i = 0; i < CLIENTS; i++)
		parts_release(&clients[i].owned);
}

TEST(consumer_group_never_gives_a_partition_twice)
{
	for (int seed = 1; seed <= test_rounds(100); seed++)
		walk((uint64_t)seed);
}

/* ---- over the internal topic ---- */

static int fixture_beat(struct group_fixture *f, const char *id, int32_t epoch, const char *regex,
			struct consumer_answer *answer, struct arena *arena)
{
	struct group_write write;
	mr_str topic = MR_STR("t");
	struct consumer_heartbeat in = {
	    .group = MR_STR("g"),
	    .member_id = mr_str_from(id),
	    .regex = mr_str_from(regex),
	    .client_id = MR_STR("c"),
	    .client_host = MR_STR("/h"),
	    .member_epoch = epoch,
	    .rebalance_timeout_ms = epoch == 0 ? 60000 : -1,
	    .topics = &topic,
	    .topic_count = epoch == 0 ? (regex ? 0 : 1) : -1,
	    .owned_count = epoch == 0 ? 0 : -1,
	};
	int code = groups_consumer_heartbeat(f->groups, &in, answer, &write, arena);
	group_fixture_commit(f);
	return code;
}

/* An alteration counts from the next heartbeat on. */
TEST(consumer_group_configurations_count_at_once)
{
	struct group_fixture f;
	struct arena arena = {0};
	struct mr_error err;
	struct consumer_answer answer;
	struct config_change change = {.name = MR_STR("consumer.session.timeout.ms"),
				       .value = MR_STR("60000")};
	group_fixture_init(&f, 12);
	group_fixture_open(&f);
	struct group_configs *configs = broker_group_configs(f.broker);
	CHECK_INT(groups_heartbeat_interval_ms(f.groups, MR_STR("g")), 5000);
	CHECK_INT(fixture_beat(&f, "one", 0, NULL, &answer, &arena), GROUP_OK);
	CHECK_OK(group_config_alter(configs, MR_STR("g"), &change, 1, false, false, &err), err);
	CHECK_INT(fixture_beat(&f, "one", 1, NULL, &answer, &arena), GROUP_OK);
	sim_clock_advance(&f.clock, 50000000);
	groups_tick(f.groups);
	CHECK_INT(fixture_beat(&f, "one", 1, NULL, &answer, &arena), GROUP_OK);
	sim_clock_advance(&f.clock, 61000000);
	groups_tick(f.groups);
	CHECK_INT(fixture_beat(&f, "one", 1, NULL, &answer, &arena), GROUP_UNKNOWN_MEMBER);
	change = (struct config_change){.name = MR_STR("consumer.heartbeat.interval.ms"),
					.value = MR_STR("10000")};
	CHECK_OK(group_config_alter(configs, MR_STR("g"), &change, 1, false, false, &err), err);
	CHECK_INT(groups_heartbeat_interval_ms(f.groups, MR_STR("g")), 10000);
	CHECK_INT(groups_heartbeat_interval_ms(f.groups, MR_STR("h")), 5000);
	arena_release(&arena);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(consumer_group_survives_a_power_cut)
{
	struct group_fixture f;
	struct arena arena = {0};
	struct consumer_answer answer;
	struct group_view view;
	struct group_write write;
	group_fixture_init(&f, 11);
	group_fixture_open(&f);
	CHECK_INT(fixture_beat(&f, "one", 5, NULL, &answer, &arena), GROUP_NOT_FOUND);
	CHECK_INT(fixture_beat(&f, "one", 0, NULL, &answer, &arena), GROUP_OK);
	CHECK_INT(answer.epoch, 1);
	CHECK_INT(answer.assignment_count, 1);
	CHECK_INT(fixture_beat(&f, "two", 0, "t|u", &answer, &arena), GROUP_OK);
	CHECK_INT(fixture_beat(&f, "bad", 0, "t(", &answer, &arena), GROUP_INVALID_REGEX);
	group_fixture_crash(&f);
	CHECK_INT(groups_describe(f.groups, MR_STR("g"), &view, &arena), GROUP_OK);
	CHECK_INT(view.summary.kind, GROUP_CONSUMER);
	CHECK_INT(view.summary.members, 2);
	CHECK_INT(view.generation, 2);
	CHECK_INT(view.assignment_epoch, 2);
	CHECK_STR(view.members[0].id, "one");
	CHECK_INT(view.members[0].consumer->assigned_count, 1);
	CHECK_STR(view.members[1].consumer->regex, "t|u");
	CHECK_INT(fixture_beat(&f, "one", 1, NULL, &answer, &arena), GROUP_OK);
	CHECK_INT(answer.epoch, 2);
	CHECK_INT(fixture_beat(&f, "one", 7, NULL, &answer, &arena), GROUP_FENCED_MEMBER_EPOCH);
	/* Commits are fenced by the member's epoch. */
	struct group_offset_entry entry = {.topic = MR_STR("t"), .offset = 7, .metadata = MR_STR("")};
	struct group_commit in = {.member = {MR_STR("g"), MR_STR("one"), MR_STR_NULL, 1},
				  .by_epoch = true,
				  .entries = &entry,
				  .count = 1};
	CHECK_INT(groups_commit(f.groups, &in, &write, NULL), GROUP_STALE_MEMBER_EPOCH);
	in.member.generation = 2;
	CHECK_INT(groups_commit(f.groups, &in, &write, NULL), GROUP_OK);
	CHECK_INT(groups_delete(f.groups, MR_STR("g"), &write, NULL), GROUP_NON_EMPTY);
	/* All leave: the group may be deleted, and nothing of it comes back. */
	CHECK_INT(fixture_beat(&f, "one", EPOCH_LEAVE, NULL, &answer, &arena), GROUP_OK);
	sim_clock_advance(&f.clock, 46000000);
	groups_tick(f.groups);
	CHECK_INT(groups_delete(f.groups, MR_STR("g"), &write, NULL), GROUP_OK);
	group_fixture_commit(&f);
	group_fixture_crash(&f);
	CHECK_INT(groups_describe(f.groups, MR_STR("g"), &view, &arena), GROUP_NOT_FOUND);
	arena_release(&arena);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

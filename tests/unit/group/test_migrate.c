/* Groups that change protocol while they have members: clients of both protocols, eager, cooperative
 * and of the consumer protocol, roll both ways at random; no partition has two owners, the group
 * comes to rest with everything read, and power cuts on the way take nothing that anybody was told. */
#include "codec/bytes.h"
#include "env/rng.h"
#include "group/consumer.h"
#include "group/group_fixture.h"
#include "group/records.h"
#include "group/subscription.h"

#include <stdlib.h>

enum { CLIENTS = 4, PARTITIONS = 7 };

enum speaks { SPEAKS_NOTHING, SPEAKS_CLASSIC, SPEAKS_CONSUMER };

struct client {
	enum speaks speaks;
	char id[64];       /* empty: not a member yet */
	char instance[16]; /* empty: dynamic */
	int32_t epoch;     /* or the generation */
	bool owned[PARTITIONS];
	bool joined; /* in this generation: no need to join */
	bool leads;
	struct group_ticket *ticket;
	bool syncs; /* the ticket is a sync's */
};

struct world {
	struct group_fixture f;
	struct mr_rng rng;
	bool cooperative; /* what the classic clients are */
	uint8_t topic_id[16];
	struct client clients[CLIENTS];
	int next_id;
	uint64_t cut_one_in; /* answers before which the power goes; 0: never */
};

static mr_str group_name(void)
{
	return MR_STR("g");
}

static mr_str instance_of(const struct client *c)
{
	return c->instance[0] ? mr_str_from(c->instance) : MR_STR_NULL;
}

static void let_go(struct client *c)
{
	memset(c->owned, 0, sizeof c->owned);
}

static void become_unknown(struct client *c)
{
	let_go(c);
	c->id[0] = 0;
	c->epoch = 0;
	c->joined = false;
}

/* What was asked becomes safe, and may be told; or the power goes first, and nobody is answered. */
static bool becomes_safe(struct world *w)
{
	if (!w->cut_one_in || rng_below(&w->rng, w->cut_one_in)) {
		group_fixture_commit(&w->f);
		return true;
	}
	for (int i = 0; i < CLIENTS; i++) {
		group_ticket_drop(w->f.groups, w->clients[i].ticket);
		w->clients[i].ticket = NULL;
	}
	group_fixture_crash(&w->f);
	return false;
}

/* ---- classic clients ---- */

static void put_subscription(const struct client *c, struct mr_buf *out)
{
	int32_t owned = 0;
	for (int p = 0; p < PARTITIONS; p++)
		owned += c->owned[p];
	bytes_put_i16(out, 1);
	bytes_put_i32(out, 1);
	bytes_put_string(out, MR_STR("m"));
	bytes_put_blob(out, MR_STR_NULL);
	bytes_put_i32(out, owned > 0);
	if (owned) {
		bytes_put_string(out, MR_STR("m"));
		bytes_put_i32(out, owned);
	}
	for (int p = 0; p < PARTITIONS; p++) {
		if (c->owned[p])
			bytes_put_i32(out, p);
	}
}

static void drop_ticket(struct world *w, struct client *c)
{
	group_ticket_drop(w->f.groups, c->ticket);
	c->ticket = NULL;
}

static void send_join(struct world *w, struct client *c)
{
	struct mr_buf subscription = {0};
	drop_ticket(w, c);
	if (!w->cooperative)
		let_go(c);
	put_subscription(c, &subscription);
	struct group_protocol protocol = {w->cooperative ? MR_STR("cooperative-sticky") : MR_STR("range"),
					  mr_buf_view(&subscription)};
	struct group_join in = {
	    .group = group_name(),
	    .member_id = mr_str_from(c->id),
	    .instance_id = instance_of(c),
	    .client_id = MR_STR("c"),
	    .client_host = MR_STR("/h"),
	    .protocol_type = MR_STR("consumer"),
	    .protocols = &protocol,
	    .protocol_count = 1,
	    .session_timeout_ms = 20000,
	    .rebalance_timeout_ms = 30000,
	    .require_known_id = true,
	};
	c->syncs = false;
	c->joined = false;
	groups_join(w->f.groups, &in, &c->ticket);
	mr_buf_release(&subscription);
}

/* As an assignor does: turn by turn; a cooperative one gives nothing that another still has. */
static void assign(const struct world *w, const struct group_ticket *ticket, struct mr_buf *out)
{
	int32_t owner[PARTITIONS];
	for (int p = 0; p < PARTITIONS; p++)
		owner[p] = -1;
	for (size_t i = 0; i < ticket->member_count; i++) {
		struct subscription s;
		CHECK_INT(subscription_read(ticket->members[i].metadata, &s, NULL), 0);
		for (size_t k = 0; k < s.owned.items.len; k++)
			owner[s.owned.items.items[k].partition] = (int32_t)i;
		subscription_release(&s);
	}
	for (size_t i = 0; i < ticket->member_count; i++) {
		struct named_partition mine[PARTITIONS];
		size_t count = 0;
		for (int p = 0; p < PARTITIONS; p++) {
			bool others = w->cooperative && owner[p] >= 0 && owner[p] != (int32_t)i;
			if ((size_t)p % ticket->member_count == i && !others)
				mine[count++] = (struct named_partition){MR_STR("m"), p};
		}
		assignment_write(mine, count, 1, &out[i]);
	}
}

static void send_sync(struct world *w, struct client *c)
{
	struct group_ticket *join = c->ticket;
	struct group_sync_assignment all[CLIENTS + 1];
	struct mr_buf bytes[CLIENTS + 1] = {{0}};
	CHECK(join->member_count <= CLIENTS);
	if (join->member_count)
		assign(w, join, bytes);
	for (size_t i = 0; i < join->member_count; i++)
		all[i] = (struct group_sync_assignment){join->members[i].id, mr_buf_view(&bytes[i])};
	struct group_sync in = {
	    .group = group_name(),
	    .member_id = mr_str_from(c->id),
	    .instance_id = instance_of(c),
	    .generation = c->epoch,
	    .protocol_type = MR_STR("consumer"),
	    .assignments = all,
	    .assignment_count = join->member_count,
	};
	c->syncs = true;
	groups_sync(w->f.groups, &in, &c->ticket);
	group_ticket_drop(w->f.groups, join);
	for (size_t i = 0; i <= CLIENTS; i++)
		mr_buf_release(&bytes[i]);
}

static void take_assignment(struct world *w, struct client *c)
{
	struct named_partitions parts = {0};
	bool now[PARTITIONS] = {0}, gave_up = false;
	CHECK_INT(assignment_read(c->ticket->assignment, &parts, NULL), 0);
	for (size_t i = 0; i < parts.items.len; i++) {
		CHECK_STR(parts.items.items[i].topic, "m");
		now[parts.items.items[i].partition] = true;
	}
	mr_vec_release(&parts.items);
	for (int p = 0; p < PARTITIONS; p++) {
		gave_up |= c->owned[p] && !now[p];
		c->owned[p] = now[p];
	}
	drop_ticket(w, c);
	c->joined = !gave_up; /* who gave something up says so at once */
}

static void refused(struct world *w, struct client *c)
{
	int code = c->ticket->code;
	if (code == GROUP_MEMBER_ID_REQUIRED)
		snprintf(c->id, sizeof c->id, "%.*s", MR_FMT(c->ticket->member_id));
	else if (code == GROUP_UNKNOWN_MEMBER || code == GROUP_ILLEGAL_GENERATION ||
		 code == GROUP_FENCED_INSTANCE)
		become_unknown(c);
	else
		CHECK_INT(code, GROUP_REBALANCE_IN_PROGRESS);
	drop_ticket(w, c);
	c->joined = false;
}

/* What has been answered is taken at once: the walk has no network. */
static void take_answers(struct world *w)
{
	for (bool any = becomes_safe(w); any;) {
		any = false;
		for (int i = 0; i < CLIENTS; i++) {
			struct client *c = &w->clients[i];
			if (!c->ticket || !group_ticket_done(w->f.groups, c->ticket))
				continue;
			any = true;
			if (c->ticket->code != GROUP_OK) {
				refused(w, c);
			} else if (c->syncs) {
				take_assignment(w, c);
			} else {
				snprintf(c->id, sizeof c->id, "%.*s", MR_FMT(c->ticket->member_id));
				c->epoch = c->ticket->generation;
				send_sync(w, c);
			}
		}
		any = any && becomes_safe(w);
	}
}

static void classic_step(struct world *w, struct client *c)
{
	struct group_member_ref me = {group_name(), mr_str_from(c->id), instance_of(c), c->epoch};
	if (c->ticket)
		return;
	int code = c->joined ? groups_heartbeat(w->f.groups, &me) : GROUP_REBALANCE_IN_PROGRESS;
	if (code == GROUP_OK)
		return;
	if (code != GROUP_REBALANCE_IN_PROGRESS)
		become_unknown(c);
	send_join(w, c);
}

static void say_goodbye(struct world *w, struct client *c)
{
	struct group_write write;
	struct group_leaver leaver = {.member_id = mr_str_from(c->id), .instance_id = instance_of(c)};
	drop_ticket(w, c);
	if (c->id[0])
		groups_leave(w->f.groups, group_name(), &leaver, 1, &write);
	become_unknown(c);
}

/* ---- clients of the consumer protocol ---- */

static int beat(struct world *w, struct client *c, int32_t epoch)
{
	struct arena arena = {0};
	struct consumer_answer answer;
	struct group_write write;
	struct topic_partition owned[PARTITIONS];
	mr_str topic = MR_STR("m");
	int64_t count = 0;
	if (!c->id[0])
		snprintf(c->id, sizeof c->id, "consumer-%d", w->next_id++);
	for (int p = 0; p < PARTITIONS && epoch > 0; p++) {
		if (!c->owned[p])
			continue;
		memcpy(owned[count].topic_id, w->topic_id, 16);
		owned[count++].partition = p;
	}
	struct consumer_heartbeat in = {
	    .group = group_name(),
	    .member_id = mr_str_from(c->id),
	    .instance_id = instance_of(c),
	    .client_id = MR_STR("c"),
	    .client_host = MR_STR("/h"),
	    .member_epoch = epoch,
	    .rebalance_timeout_ms = epoch == 0 ? 30000 : -1,
	    .topics = &topic,
	    .topic_count = epoch == 0 ? 1 : -1,
	    .owned = owned,
	    .owned_count = count,
	};
	int code = groups_consumer_heartbeat(w->f.groups, &in, &answer, &write, &arena);
	if (!becomes_safe(w)) {
		if (epoch < 0)
			become_unknown(c);
	} else if (code != GROUP_OK || epoch < 0) {
		if (code != GROUP_UNRELEASED_INSTANCE)
			become_unknown(c);
	} else {
		c->epoch = answer.epoch;
		if (answer.assignment_told)
			let_go(c);
		for (size_t i = 0; i < answer.assignment_count; i++)
			c->owned[answer.assignment[i].partition] = true;
	}
	arena_release(&arena);
	return code;
}

/* ---- the walk ---- */

static void step(struct world *w, struct client *c)
{
	if (c->speaks == SPEAKS_CLASSIC)
		classic_step(w, c);
	else if (c->speaks == SPEAKS_CONSUMER)
		beat(w, c, c->epoch);
	take_answers(w);
}

/* Stopped, and started with the other version of itself. */
static void turn(struct world *w, struct client *c, enum speaks speaks)
{
	if (c->speaks == SPEAKS_CLASSIC && !c->instance[0])
		say_goodbye(w, c);
	else if (c->speaks == SPEAKS_CONSUMER && c->id[0])
		beat(w, c, c->instance[0] ? EPOCH_LEAVE_STATIC : EPOCH_LEAVE);
	drop_ticket(w, c);
	become_unknown(c);
	c->speaks = speaks;
	take_answers(w);
}

static bool is_member(const struct group_view *view, const struct client *c)
{
	for (size_t i = 0; i < view->summary.members; i++) {
		if (c->id[0] && mr_str_is(view->members[i].id, c->id))
			return true;
	}
	return false;
}

static void check_owners(struct world *w)
{
	struct arena arena = {0};
	struct group_view view;
	if (groups_describe(w->f.groups, group_name(), &view, &arena) != GROUP_OK)
		return;
	for (int p = 0; p < PARTITIONS; p++) {
		int owners = 0;
		for (int i = 0; i < CLIENTS; i++)
			owners += w->clients[i].owned[p] && is_member(&view, &w->clients[i]);
		CHECK(owners <= 1);
	}
	arena_release(&arena);
}

static void pass(struct world *w, int64_t ms)
{
	sim_clock_advance(&w->f.clock, ms * 1000);
	groups_tick(w->f.groups);
	take_answers(w);
}

static void check_rest(struct world *w, enum group_kind kind)
{
	struct arena arena = {0};
	struct group_view view;
	w->cut_one_in = 0;
	for (int round = 0; round < 45; round++) { /* longer than a session */
		for (int i = 0; i < CLIENTS; i++)
			step(w, &w->clients[i]);
		check_owners(w);
		pass(w, 1500);
	}
	CHECK_INT(groups_describe(w->f.groups, group_name(), &view, &arena), GROUP_OK);
	CHECK_INT(view.summary.kind, kind);
	CHECK(strcmp(view.summary.state, "Stable") == 0);
	CHECK_INT(view.summary.members, CLIENTS);
	for (int p = 0; p < PARTITIONS; p++) {
		int owners = 0;
		for (int i = 0; i < CLIENTS; i++)
			owners += w->clients[i].owned[p];
		CHECK_INT(owners, 1);
	}
	arena_release(&arena);
}

/* What was there before the power went is there after it, and its members go on. */
static void check_crash(struct world *w, enum group_kind kind)
{
	struct arena arena = {0};
	struct group_view before, after;
	group_fixture_commit(&w->f);
	CHECK_INT(groups_describe(w->f.groups, group_name(), &before, &arena), GROUP_OK);
	for (int i = 0; i < CLIENTS; i++)
		drop_ticket(w, &w->clients[i]);
	group_fixture_crash(&w->f);
	CHECK_INT(groups_describe(w->f.groups, group_name(), &after, &arena), GROUP_OK);
	CHECK_INT(after.summary.kind, kind);
	CHECK_INT(after.generation, before.generation);
	CHECK_INT(after.summary.members, before.summary.members);
	for (size_t i = 0; i < after.summary.members; i++) {
		const struct consumer_member_view *c = after.members[i].consumer;
		for (int k = 0; c && k < CLIENTS; k++) {
			if (mr_str_is(after.members[i].id, w->clients[k].id))
				CHECK_INT(c->classic, w->clients[k].speaks == SPEAKS_CLASSIC);
		}
	}
	arena_release(&arena);
}

static void roll(struct world *w, enum speaks speaks, enum group_kind kind)
{
	w->cut_one_in = rng_below(&w->rng, 2) ? 25 : 0;
	for (int i = 0; i < CLIENTS; i++) {
		turn(w, &w->clients[i], speaks);
		for (uint64_t n = rng_below(&w->rng, 12); n > 0; n--) {
			step(w, &w->clients[rng_below(&w->rng, CLIENTS)]);
			check_owners(w);
			pass(w, (int64_t)rng_below(&w->rng, 3000));
		}
	}
	check_rest(w, kind);
	check_crash(w, kind);
	check_rest(w, kind);
}

static void wander(struct world *w)
{
	w->cut_one_in = 30;
	for (int n = 0; n < 150; n++) {
		struct client *c = &w->clients[rng_below(&w->rng, CLIENTS)];
		uint64_t what = rng_below(&w->rng, 16);
		if (what < 2)
			turn(w, c, what ? SPEAKS_CLASSIC : SPEAKS_CONSUMER);
		else
			step(w, c);
		check_owners(w);
		pass(w, (int64_t)rng_below(&w->rng, 4000));
	}
}

static void walk(uint64_t seed)
{
	struct mr_error err;
	struct log_topic *topic;
	struct log_topic_config config;
	struct world w = {0};
	group_fixture_init(&w.f, seed);
	group_fixture_open(&w.f);
	rng_seed(&w.rng, seed);
	w.cooperative = rng_below(&w.rng, 2);
	log_topic_config_default(&config);
	config.partitions = PARTITIONS;
	CHECK_OK(log_topic_create(w.f.store, MR_STR("m"), &config, &topic, &err), err);
	log_topic_id(topic, w.topic_id);
	bool statics = rng_below(&w.rng, 3) == 0;
	for (int i = 0; i < CLIENTS; i++) {
		w.clients[i].speaks = SPEAKS_CLASSIC;
		if (statics)
			snprintf(w.clients[i].instance, sizeof w.clients[i].instance, "i%d", i);
	}
	check_rest(&w, GROUP_CLASSIC);
	roll(&w, SPEAKS_CONSUMER, GROUP_CONSUMER);
	roll(&w, SPEAKS_CLASSIC, GROUP_CLASSIC);
	wander(&w);
	roll(&w, SPEAKS_CONSUMER, GROUP_CONSUMER);
	for (int i = 0; i < CLIENTS; i++)
		drop_ticket(&w, &w.clients[i]);
	group_fixture_close(&w.f);
	group_fixture_release(&w.f);
}

TEST(groups_roll_from_one_protocol_to_the_other_and_back)
{
	for (int seed = 1; seed <= test_rounds(60); seed++)
		walk((uint64_t)seed);
}

/* ---- one thing at a time ---- */

static int heartbeat_of(struct group_fixture *f, const char *id, int32_t epoch,
			struct consumer_answer *answer, struct arena *arena)
{
	struct group_write write;
	mr_str topic = MR_STR("t");
	struct consumer_heartbeat in = {
	    .group = group_name(),
	    .member_id = mr_str_from(id),
	    .client_id = MR_STR("c"),
	    .client_host = MR_STR("/h"),
	    .member_epoch = epoch,
	    .rebalance_timeout_ms = epoch == 0 ? 60000 : -1,
	    .topics = &topic,
	    .topic_count = epoch == 0 ? 1 : -1,
	    .owned_count = epoch == 0 ? 0 : -1,
	};
	return groups_consumer_heartbeat(f->groups, &in, answer, &write, arena);
}

/* A join that is answered at once; the member's id and generation, or the code. */
static int join_of(struct group_fixture *f, const char *type, mr_str subscription, char id[64],
		   int32_t *generation)
{
	struct group_protocol protocol = {MR_STR("range"), subscription};
	struct group_join in = {
	    .group = group_name(),
	    .member_id = mr_str_from(id),
	    .client_id = MR_STR("c"),
	    .client_host = MR_STR("/h"),
	    .protocol_type = mr_str_from(type),
	    .protocols = &protocol,
	    .protocol_count = 1,
	    .session_timeout_ms = 10000,
	    .rebalance_timeout_ms = 15000,
	};
	struct group_ticket *ticket;
	groups_join(f->groups, &in, &ticket);
	CHECK(group_ticket_done(f->groups, ticket));
	int code = ticket->code;
	if (code == GROUP_OK)
		snprintf(id, 64, "%.*s", MR_FMT(ticket->member_id));
	*generation = ticket->generation;
	group_ticket_drop(f->groups, ticket);
	return code;
}

/* Leaves the assignment in `out`. */
static int sync_of(struct group_fixture *f, const char *id, int32_t generation, char *out, size_t size)
{
	struct group_sync in = {
	    .group = group_name(), .member_id = mr_str_from(id), .generation = generation};
	struct group_ticket *ticket;
	groups_sync(f->groups, &in, &ticket);
	CHECK(group_ticket_done(f->groups, ticket));
	int code = ticket->code;
	CHECK(ticket->assignment.len < size);
	memcpy(out, ticket->assignment.ptr, ticket->assignment.len);
	out[ticket->assignment.len] = 0;
	group_ticket_drop(f->groups, ticket);
	return code;
}

#define READS_T MR_STR("\0\0\0\0\0\1\0\1t\xff\xff\xff\xff")

TEST(groups_turn_only_where_the_policy_lets_them)
{
	struct group_fixture f;
	struct arena arena = {0};
	struct consumer_answer answer;
	struct group_view view;
	char id[64] = "";
	int32_t generation;
	group_fixture_init(&f, 21);
	f.options.consumer_migration = MIGRATION_DOWNGRADE;
	group_fixture_open(&f);
	CHECK_INT(join_of(&f, "consumer", READS_T, id, &generation), GROUP_OK);
	CHECK_INT(heartbeat_of(&f, "new", 0, &answer, &arena), GROUP_NOT_FOUND);
	CHECK_INT(groups_describe(f.groups, group_name(), &view, &arena), GROUP_OK);
	CHECK_INT(view.summary.kind, GROUP_CLASSIC);
	group_fixture_close(&f);
	group_fixture_release(&f);

	group_fixture_init(&f, 22);
	f.options.consumer_migration = MIGRATION_UPGRADE;
	group_fixture_open(&f);
	id[0] = 0;
	CHECK_INT(join_of(&f, "consumer", READS_T, id, &generation), GROUP_OK);
	CHECK_INT(heartbeat_of(&f, "new", 0, &answer, &arena), GROUP_OK);
	CHECK_INT(heartbeat_of(&f, "new", EPOCH_LEAVE, &answer, &arena), GROUP_OK);
	CHECK_INT(groups_describe(f.groups, group_name(), &view, &arena), GROUP_OK);
	CHECK_INT(view.summary.kind, GROUP_CONSUMER);
	CHECK_INT(view.summary.members, 1);
	arena_release(&arena);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(groups_of_others_than_consumers_stay_classic)
{
	struct group_fixture f;
	struct arena arena = {0};
	struct consumer_answer answer;
	char id[64] = "";
	int32_t generation;
	group_fixture_init(&f, 23);
	group_fixture_open(&f);
	CHECK_INT(join_of(&f, "connect", MR_STR("whatever"), id, &generation), GROUP_OK);
	CHECK_INT(heartbeat_of(&f, "new", 0, &answer, &arena), GROUP_NOT_FOUND);
	struct group_member_ref me = {group_name(), mr_str_from(id), MR_STR_NULL, generation};
	CHECK_INT(groups_heartbeat(f.groups, &me), GROUP_OK);
	group_fixture_close(&f);
	group_fixture_release(&f);

	group_fixture_init(&f, 24); /* they say that they are consumers, and talk nonsense */
	group_fixture_open(&f);
	id[0] = 0;
	CHECK_INT(join_of(&f, "consumer", MR_STR("\0\1\0\0"), id, &generation), GROUP_OK);
	CHECK_INT(heartbeat_of(&f, "new", 0, &answer, &arena), GROUP_NOT_FOUND);
	CHECK(strstr(answer.message, "malformed") != NULL);
	me = (struct group_member_ref){group_name(), mr_str_from(id), MR_STR_NULL, generation};
	CHECK_INT(groups_heartbeat(f.groups, &me), GROUP_OK);
	arena_release(&arena);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

TEST(classic_members_live_in_a_consumer_group)
{
	struct group_fixture f;
	struct arena arena = {0};
	struct consumer_answer answer;
	struct group_view view;
	struct group_write write;
	char id[64] = "", bytes[128];
	int32_t generation;
	group_fixture_init(&f, 25);
	group_fixture_open(&f);
	CHECK_INT(heartbeat_of(&f, "new", 0, &answer, &arena), GROUP_OK);
	CHECK_INT(join_of(&f, "connect", READS_T, id, &generation), GROUP_INCONSISTENT_PROTOCOL);
	CHECK_INT(join_of(&f, "consumer", MR_STR("\0"), id, &generation), GROUP_INCONSISTENT_PROTOCOL);
	char gone[64] = "gone"; /* who was put out while it read "t" lets go of it first */
	mr_str owns = MR_STR("\0\1\0\0\0\1\0\1t\xff\xff\xff\xff\0\0\0\1\0\1t\0\0\0\1\0\0\0\0");
	CHECK_INT(join_of(&f, "consumer", owns, gone, &generation), GROUP_UNKNOWN_MEMBER);
	CHECK_INT(join_of(&f, "consumer", READS_T, id, &generation), GROUP_OK);
	CHECK_INT(generation, 2);
	CHECK_INT(sync_of(&f, id, 1, bytes, sizeof bytes), GROUP_ILLEGAL_GENERATION);
	CHECK_INT(sync_of(&f, "new", 2, bytes, sizeof bytes), GROUP_UNKNOWN_MEMBER);
	CHECK_INT(sync_of(&f, id, 2, bytes, sizeof bytes), GROUP_OK);

	struct group_member_ref me = {group_name(), mr_str_from(id), MR_STR_NULL, 2};
	struct group_offset_entry offset = {.topic = MR_STR("t"), .offset = 7, .metadata = MR_STR("")};
	struct group_commit commit = {.member = me, .entries = &offset, .count = 1};
	CHECK_INT(groups_heartbeat(f.groups, &me), GROUP_OK);
	CHECK_INT(groups_commit(f.groups, &commit, &write, NULL), GROUP_OK);
	commit.member.generation = 1;
	CHECK_INT(groups_commit(f.groups, &commit, &write, NULL), GROUP_ILLEGAL_GENERATION);

	/* The other leaves: it is a classic group, and all are to join again. */
	CHECK_INT(heartbeat_of(&f, "new", EPOCH_LEAVE, &answer, &arena), GROUP_OK);
	CHECK_INT(groups_describe(f.groups, group_name(), &view, &arena), GROUP_OK);
	CHECK_INT(view.summary.kind, GROUP_CLASSIC);
	CHECK_INT(view.generation, 3);
	CHECK(strcmp(view.summary.state, "PreparingRebalance") == 0);
	CHECK_INT(join_of(&f, "consumer", READS_T, id, &generation), GROUP_OK);
	CHECK_INT(generation, 4);

	/* And again up; who does not join again in its time is out. */
	CHECK_INT(heartbeat_of(&f, "new", 0, &answer, &arena), GROUP_OK);
	me.generation = 4;
	CHECK_INT(groups_heartbeat(f.groups, &me), GROUP_REBALANCE_IN_PROGRESS);
	for (int i = 0; i < 4; i++) {
		sim_clock_advance(&f.clock, 4000 * 1000);
		groups_tick(f.groups);
		CHECK_INT(groups_heartbeat(f.groups, &me),
			  i < 3 ? GROUP_REBALANCE_IN_PROGRESS : GROUP_UNKNOWN_MEMBER);
	}
	arena_release(&arena);
	group_fixture_close(&f);
	group_fixture_release(&f);
}

/* Made by hand from ConsumerGroupMemberMetadataValue.json. */
TEST(classic_members_record_is_kafkas)
{
	static const char bytes[] = "\0\0"         /* version */
				    "\0\0"         /* no instance, no rack */
				    "\2c\3/h"      /* client */
				    "\2\2t\0"      /* topics, no regex */
				    "\0\0\x3a\x98" /* 15000 */
				    "\0"           /* no assignor */
				    "\1\0\x1b"     /* one tag, 0, 27 bytes */
				    "\0\0\x27\x10" /* 10000 */
				    "\2\6range\x0e\0\0\0\0\0\1\0\1t\xff\xff\xff\xff\0\0";
	struct groups_options options;
	struct deadlines deadlines = {0};
	struct consumer_group g;
	struct mr_error err;
	struct mr_buf out = {0};
	mr_str record = mr_str_n(bytes, sizeof bytes - 1);
	groups_options_default(&options);
	consumer_init(&g, &options, &deadlines);
	CHECK_OK(record_consumer_read(RECORD_CONSUMER_MEMBER, record, &g, MR_STR("m"), &err), err);
	const struct consumer_member *m = mr_map_get(&g.members, MR_STR("m"));
	CHECK(consumer_is_classic(m));
	CHECK_INT(m->session_timeout_ms, 10000);
	CHECK_INT(m->rebalance_timeout_ms, 15000);
	CHECK_STR(m->protocols[0].name, "range");
	record_consumer_write(RECORD_CONSUMER_MEMBER, &g, m, &out);
	CHECK(mr_str_eq(mr_buf_view(&out), record));
	for (size_t n = 0; n < record.len; n++) /* every cut is seen */
		CHECK_INT(
		    record_consumer_read(RECORD_CONSUMER_MEMBER, mr_str_n(bytes, n), &g, MR_STR("m"), &err),
		    MR_ERR_CORRUPT);
	mr_buf_release(&out);
	consumer_release(&g);
	deadlines_release(&deadlines);
}

/* group/classic.c - the events of a classic group and its rebalance. See classic.h. */
#include "group/classic.h"

#include <stdlib.h>

#define NEW_MEMBER_JOIN_MS 300000 /* how long a rebalance may keep a new member waiting (KAFKA-7610) */

/* What a state answers; the codes keep their numbers. */
enum answer {
	ANSWER_REJOIN = 1000,
	ANSWER_REPEAT,
	ANSWER_KEEP,
	ANSWER_AWAIT,
	ANSWER_CACHED,
	ANSWER_OK = GROUP_OK,
	ANSWER_UNKNOWN_MEMBER = GROUP_UNKNOWN_MEMBER,
	ANSWER_REBALANCE_IN_PROGRESS = GROUP_REBALANCE_IN_PROGRESS,
	ANSWER_NOT_AVAILABLE = GROUP_NOT_AVAILABLE,
};

static const struct {
	const char *word;
	int join, sync, heartbeat, commit;
} states[] = {
#define STATE(name, word, join, sync, heartbeat, commit) \
	[CLASSIC_##name] = {word, ANSWER_##join, ANSWER_##sync, ANSWER_##heartbeat, ANSWER_##commit},
#include "group/classic.def"
#undef STATE
};

const char *classic_state_word(enum classic_state state)
{
	return states[state].word;
}

void classic_init(struct classic_group *g, const struct groups_options *options, struct deadlines *deadlines)
{
	*g = (struct classic_group){
	    .options = options,
	    .deadlines = deadlines,
	    .timer = {.kind = DEADLINE_REBALANCE, .owner = g},
	};
}

void classic_reset(struct classic_group *g)
{
	mr_map_each (&g->pending, entry)
		classic_pending_remove(g, mr_str_n(entry->key, entry->key_len));
	mr_map_each (&g->members, entry)
		classic_member_free(g, entry->value);
	deadline_clear(g->deadlines, &g->timer);
	free(g->protocol_type);
	free(g->protocol);
	free(g->leader);
	g->protocol_type = g->protocol = g->leader = NULL;
	g->generation = 0;
	g->state = CLASSIC_EMPTY;
}

void classic_release(struct classic_group *g)
{
	classic_reset(g);
	mr_map_release(&g->members);
	mr_map_release(&g->statics);
	mr_map_release(&g->pending);
}

/* ---- tickets ---- */

void ticket_hold(struct group_ticket *ticket, struct group_ticket **field)
{
	*field = ticket;
	ticket->held_by = field;
}

void ticket_answer(struct group_ticket *ticket, int code, struct group_effects *fx)
{
	if (!ticket)
		return;
	if (ticket->held_by)
		*ticket->held_by = NULL;
	ticket->held_by = NULL;
	ticket->code = code;
	ticket->done = true;
	mr_vec_push(&fx->answered, ticket);
}

static mr_str ticket_copy(struct group_ticket *ticket, const char *s)
{
	return arena_copy(&ticket->arena, mr_str_from(s ? s : ""));
}

static bool leads(const struct classic_group *g, const struct classic_member *m)
{
	return g->leader && strcmp(g->leader, m->id) == 0;
}

static void list_members(const struct classic_group *g, struct group_ticket *ticket)
{
	struct group_join_member *out = arena_calloc(&ticket->arena, g->members.len, sizeof *out);
	ticket->members = out;
	mr_map_each (&g->members, entry) {
		const struct classic_member *m = entry->value;
		out[ticket->member_count++] = (struct group_join_member){
		    .id = ticket_copy(ticket, m->id),
		    .instance_id = m->instance_id ? ticket_copy(ticket, m->instance_id) : MR_STR_NULL,
		    .metadata = arena_copy(&ticket->arena, classic_member_metadata(g, m)),
		};
	}
}

/* The current generation, as m sees it; only the leader is told who the others are. */
static void fill_join(const struct classic_group *g, const struct classic_member *m,
		      struct group_ticket *ticket)
{
	ticket->member_id = ticket_copy(ticket, m->id);
	ticket->leader = ticket_copy(ticket, g->leader);
	ticket->generation = g->generation;
	ticket->protocol_type = ticket_copy(ticket, g->protocol_type);
	ticket->protocol = ticket_copy(ticket, g->protocol);
	if (leads(g, m))
		list_members(g, ticket);
}

static void answer_sync(const struct classic_group *g, const struct classic_member *m,
			struct group_ticket *ticket, int code, struct group_effects *fx)
{
	if (ticket && code == GROUP_OK) {
		ticket->assignment = arena_copy(&ticket->arena, m->assignment);
		ticket->protocol_type = ticket_copy(ticket, g->protocol_type);
		ticket->protocol = ticket_copy(ticket, g->protocol);
	}
	ticket_answer(ticket, code, fx);
}

/* ---- the rebalance ---- */

static void set_state(struct classic_group *g, enum classic_state state, struct group_now now)
{
	g->state = state;
	g->state_since_ms = now.wall_ms;
}

static void alive(struct classic_group *g, struct classic_member *m, struct group_now now)
{
	deadline_set(g->deadlines, &m->session, now.mono_ms + m->session_timeout_ms);
}

static void set_timer(struct classic_group *g, enum classic_timer what, int64_t due_ms)
{
	g->timer_for = what;
	deadline_set(g->deadlines, &g->timer, due_ms);
}

/* The slowest member's. */
static int32_t rebalance_timeout(const struct classic_group *g)
{
	int32_t longest = 0;
	mr_map_each (&g->members, entry) {
		const struct classic_member *m = entry->value;
		if (m->rebalance_timeout_ms > longest)
			longest = m->rebalance_timeout_ms;
	}
	return longest;
}

/* Answers what the member waits for and forgets it. */
static void remove_member(struct classic_group *g, struct classic_member *m, struct group_effects *fx)
{
	ticket_answer(m->join, GROUP_UNKNOWN_MEMBER, fx);
	ticket_answer(m->sync, GROUP_UNKNOWN_MEMBER, fx);
	if (leads(g, m)) {
		free(g->leader);
		g->leader = NULL;
	}
	classic_member_free(g, m);
}

static void remove_where(struct classic_group *g, bool (*unwanted)(const struct classic_member *m),
			 struct group_effects *fx)
{
	mr_map_each (&g->members, entry) {
		if (unwanted(entry->value))
			remove_member(g, entry->value, fx);
	}
}

static bool stayed_away(const struct classic_member *m)
{
	return !m->joining && !m->instance_id;
}

static bool never_synced(const struct classic_member *m)
{
	return !m->synced;
}

static bool elect_leader(struct classic_group *g)
{
	const struct classic_member *leader =
	    g->leader ? mr_map_get(&g->members, mr_str_from(g->leader)) : NULL;
	if (leader && leader->joining)
		return true;
	mr_map_each (&g->members, entry) {
		const struct classic_member *m = entry->value;
		if (m->joining) {
			free(g->leader);
			g->leader = mr_strdup(m->id);
			return true;
		}
	}
	return false;
}

static void answer_joins(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	mr_map_each (&g->members, entry) {
		struct classic_member *m = entry->value;
		if (m->join)
			fill_join(g, m, m->join);
		ticket_answer(m->join, GROUP_OK, fx);
		if (m->joining)
			alive(g, m, now);
		m->joining = m->is_new = m->synced = false;
	}
}

static void complete_join(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	remove_where(g, stayed_away, fx);
	if (g->members.len > 0 && !elect_leader(g)) {
		/* Static members only, and none came yet: they keep their places until they expire. */
		set_timer(g, TIMER_JOIN, now.mono_ms + rebalance_timeout(g));
		return;
	}
	g->generation++;
	free(g->protocol);
	g->protocol = NULL;
	fx->rebalances++;
	if (g->members.len == 0) {
		deadline_clear(g->deadlines, &g->timer);
		set_state(g, CLASSIC_EMPTY, now);
		fx->persist = true;
		return;
	}
	g->protocol = mr_strdup(classic_vote(g));
	set_state(g, CLASSIC_COMPLETING, now);
	set_timer(g, TIMER_SYNC, now.mono_ms + rebalance_timeout(g));
	answer_joins(g, now, fx);
}

static void maybe_complete_join(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	if (g->state != CLASSIC_PREPARING || g->timer_for == TIMER_INITIAL || g->pending.len > 0)
		return;
	mr_map_each (&g->members, entry) {
		if (!((const struct classic_member *)entry->value)->joining)
			return;
	}
	complete_join(g, now, fx);
}

/* The assignment under way is void. */
static void fail_syncs(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	mr_map_each (&g->members, entry) {
		struct classic_member *m = entry->value;
		classic_member_assign(m, MR_STR(""));
		if (m->syncing)
			alive(g, m, now);
		m->syncing = false;
		ticket_answer(m->sync, GROUP_REBALANCE_IN_PROGRESS, fx);
	}
}

/* A group's first members often come together: with an initial delay it waits for more. */
static void prepare_rebalance(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	int64_t delay = g->state == CLASSIC_EMPTY ? g->options->initial_rebalance_delay_ms : 0;
	if (g->state == CLASSIC_COMPLETING)
		fail_syncs(g, now, fx);
	set_state(g, CLASSIC_PREPARING, now);
	if (delay > 0) {
		g->joined_in_delay = false;
		g->delay_left_ms = mr_max_i64(rebalance_timeout(g) - delay, 0);
		set_timer(g, TIMER_INITIAL, now.mono_ms + delay);
		return;
	}
	set_timer(g, TIMER_JOIN, now.mono_ms + rebalance_timeout(g));
	maybe_complete_join(g, now, fx);
}

static void rebalance(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	if (g->state == CLASSIC_PREPARING)
		maybe_complete_join(g, now, fx);
	else
		prepare_rebalance(g, now, fx);
}

/* ---- join ---- */

static void begin_join(struct classic_group *g, struct classic_member *m, struct group_ticket *ticket,
		       struct group_now now, struct group_effects *fx)
{
	ticket_answer(m->join, GROUP_REBALANCE_IN_PROGRESS, fx); /* an earlier try of the same client */
	ticket_hold(ticket, &m->join);
	m->joining = true;
	if (m->is_new)
		deadline_set(g->deadlines, &m->session, now.mono_ms + NEW_MEMBER_JOIN_MS);
	else
		deadline_clear(g->deadlines, &m->session);
}

static void add_member(struct classic_group *g, mr_str id, const struct group_join *in,
		       struct group_ticket *ticket, struct group_now now, struct group_effects *fx)
{
	if (g->members.len == 0) {
		free(g->protocol_type);
		g->protocol_type = mr_strndup(in->protocol_type);
	}
	struct classic_member *m = classic_member_new(g, id, in);
	g->joined_in_delay = true;
	begin_join(g, m, ticket, now, fx);
	rebalance(g, now, fx);
}

static void update_member(struct classic_group *g, struct classic_member *m, const struct group_join *in,
			  struct group_ticket *ticket, struct group_now now, struct group_effects *fx)
{
	classic_member_set_protocols(m, in->protocols, in->protocol_count);
	m->session_timeout_ms = in->session_timeout_ms;
	m->rebalance_timeout_ms = in->rebalance_timeout_ms;
	begin_join(g, m, ticket, now, fx);
}

/* The member came back and the group need not notice: it keeps its assignment. A leader from
 * version 9 on is told that there is nothing to assign; an older one is told the id that it had
 * before, so that it takes itself for a follower. */
static void rejoin_quietly(struct classic_group *g, struct classic_member *m, const struct group_join *in,
			   mr_str old_leader, struct group_ticket *ticket, struct group_now now,
			   struct group_effects *fx)
{
	if (in->skip_assignment) {
		fill_join(g, m, ticket);
		ticket->skip_assignment = leads(g, m);
	} else {
		fill_join(g, m, ticket);
		ticket->members = NULL;
		ticket->member_count = 0;
		ticket->leader = arena_copy(&ticket->arena, old_leader);
	}
	alive(g, m, now);
	fx->persist = true;
	ticket_answer(ticket, GROUP_OK, fx);
}

/* A static member is back under a new id; who bears the old one is fenced. */
static void replace_static(struct classic_group *g, struct classic_member *m, const struct group_join *in,
			   const char *fresh_id, struct group_ticket *ticket, struct group_now now,
			   struct group_effects *fx)
{
	mr_str old_leader = arena_copy(&ticket->arena, mr_str_from(g->leader ? g->leader : ""));
	ticket_answer(m->join, GROUP_FENCED_INSTANCE, fx);
	ticket_answer(m->sync, GROUP_FENCED_INSTANCE, fx);
	m->joining = m->syncing = false;
	classic_member_rename(g, m, mr_str_from(fresh_id));
	classic_member_set_client(m, in->client_id, in->client_host);
	classic_member_set_protocols(m, in->protocols, in->protocol_count);
	m->session_timeout_ms = in->session_timeout_ms;
	m->rebalance_timeout_ms = in->rebalance_timeout_ms;
	const char *winner = classic_vote(g);
	if (g->state == CLASSIC_STABLE && winner && g->protocol && strcmp(winner, g->protocol) == 0) {
		rejoin_quietly(g, m, in, old_leader, ticket, now, fx);
		return;
	}
	begin_join(g, m, ticket, now, fx);
	rebalance(g, now, fx);
}

static void join_new(struct classic_group *g, const struct group_join *in, const char *fresh_id,
		     struct group_ticket *ticket, struct group_now now, struct group_effects *fx)
{
	struct classic_member *known = in->instance_id.ptr ? mr_map_get(&g->statics, in->instance_id) : NULL;
	if (known) {
		replace_static(g, known, in, fresh_id, ticket, now, fx);
	} else if (g->members.len >= (size_t)g->options->size_max) {
		ticket_answer(ticket, GROUP_FULL, fx);
	} else if (in->require_known_id && !in->instance_id.ptr) {
		classic_pending_add(g, fresh_id, now.mono_ms + in->session_timeout_ms);
		ticket->member_id = ticket_copy(ticket, fresh_id);
		ticket_answer(ticket, GROUP_MEMBER_ID_REQUIRED, fx);
	} else {
		add_member(g, mr_str_from(fresh_id), in, ticket, now, fx);
	}
}

static void join_known(struct classic_group *g, const struct group_join *in, struct group_ticket *ticket,
		       struct group_now now, struct group_effects *fx)
{
	if (!in->instance_id.ptr && mr_map_get(&g->pending, in->member_id)) {
		bool full = g->members.len >= (size_t)g->options->size_max;
		classic_pending_remove(g, in->member_id);
		if (!full) {
			add_member(g, in->member_id, in, ticket, now, fx);
			return;
		}
		ticket_answer(ticket, GROUP_FULL, fx);
		maybe_complete_join(g, now, fx);
		return;
	}
	struct classic_member *m;
	int code = classic_member_find(g, in->member_id, in->instance_id, &m);
	int answer = code ? code : states[g->state].join;
	bool keeps = (answer == ANSWER_REPEAT || (answer == ANSWER_KEEP && !leads(g, m))) &&
		     classic_member_says_the_same(m, in);
	if (keeps) {
		fill_join(g, m, ticket);
		alive(g, m, now);
		ticket_answer(ticket, GROUP_OK, fx);
	} else if (answer >= ANSWER_REJOIN) {
		update_member(g, m, in, ticket, now, fx);
		rebalance(g, now, fx);
	} else {
		ticket_answer(ticket, answer, fx);
	}
}

void classic_join(struct classic_group *g, const struct group_join *in, const char *fresh_id,
		  struct group_ticket *ticket, struct group_now now, struct group_effects *fx)
{
	ticket->member_id = arena_copy(&ticket->arena, in->member_id);
	if (g->state == CLASSIC_DEAD)
		ticket_answer(ticket, GROUP_NOT_AVAILABLE, fx);
	else if (!classic_fits(g, in))
		ticket_answer(ticket, GROUP_INCONSISTENT_PROTOCOL, fx);
	else if (in->member_id.len == 0)
		join_new(g, in, fresh_id, ticket, now, fx);
	else
		join_known(g, in, ticket, now, fx);
}

/* ---- sync ---- */

static void take_assignments(struct classic_group *g, const struct group_sync *in)
{
	mr_map_each (&g->members, entry)
		classic_member_assign(entry->value, MR_STR(""));
	for (size_t i = 0; i < in->assignment_count; i++) {
		struct classic_member *m = mr_map_get(&g->members, in->assignments[i].member_id);
		if (m)
			classic_member_assign(m, in->assignments[i].bytes);
	}
}

static void note_synced(struct classic_group *g, struct classic_member *m)
{
	m->synced = true;
	mr_map_each (&g->members, entry) {
		if (never_synced(entry->value))
			return;
	}
	if (g->timer_for == TIMER_SYNC)
		deadline_clear(g->deadlines, &g->timer);
}

static void become_stable(struct classic_group *g, const struct group_sync *in, struct group_now now,
			  struct group_effects *fx)
{
	take_assignments(g, in);
	set_state(g, CLASSIC_STABLE, now);
	fx->persist = true;
	mr_map_each (&g->members, entry) {
		struct classic_member *m = entry->value;
		if (!m->syncing)
			continue;
		m->syncing = false;
		answer_sync(g, m, m->sync, GROUP_OK, fx);
		alive(g, m, now);
	}
}

static bool said_and_other(mr_str said, const char *is)
{
	return said.ptr && !mr_str_is(said, is ? is : "");
}

static int sync_check(const struct classic_group *g, const struct group_sync *in, struct classic_member **m)
{
	if (g->state == CLASSIC_DEAD)
		return GROUP_NOT_AVAILABLE;
	int code = classic_member_find(g, in->member_id, in->instance_id, m);
	if (code)
		return code;
	if (in->generation != g->generation)
		return GROUP_ILLEGAL_GENERATION;
	if (said_and_other(in->protocol_type, g->protocol_type) || said_and_other(in->protocol, g->protocol))
		return GROUP_INCONSISTENT_PROTOCOL;
	return states[g->state].sync;
}

void classic_sync(struct classic_group *g, const struct group_sync *in, struct group_ticket *ticket,
		  struct group_now now, struct group_effects *fx)
{
	struct classic_member *m;
	int answer = sync_check(g, in, &m);
	if (answer == ANSWER_CACHED) {
		note_synced(g, m);
		alive(g, m, now);
		answer_sync(g, m, ticket, GROUP_OK, fx);
	} else if (answer == ANSWER_AWAIT) {
		ticket_answer(m->sync, GROUP_REBALANCE_IN_PROGRESS, fx); /* an earlier try */
		ticket_hold(ticket, &m->sync);
		m->syncing = true;
		deadline_clear(g->deadlines, &m->session);
		note_synced(g, m);
		if (leads(g, m))
			become_stable(g, in, now, fx);
	} else {
		ticket_answer(ticket, answer, fx);
	}
}

/* ---- heartbeat, commit ---- */

int classic_heartbeat(struct classic_group *g, const struct group_member_ref *in, struct group_now now)
{
	if (g->state == CLASSIC_DEAD)
		return GROUP_NOT_AVAILABLE;
	struct classic_member *m;
	int code = classic_member_find(g, in->member_id, in->instance_id, &m);
	if (code)
		return code;
	if (in->generation != g->generation)
		return GROUP_ILLEGAL_GENERATION;
	if (!m->joining && !m->syncing)
		alive(g, m, now);
	return states[g->state].heartbeat;
}

int classic_commit(struct classic_group *g, const struct group_member_ref *in, bool transactional,
		   struct group_now now)
{
	if (g->state == CLASSIC_DEAD)
		return GROUP_NOT_AVAILABLE;
	bool named = in->member_id.len > 0 || in->instance_id.ptr;
	if (in->generation < 0 && !named)
		/* A tool, or a consumer that assigns itself: not while members are there, but a
		 * producer may say so little of its consumer before version 3. */
		return g->members.len == 0 || transactional ? GROUP_OK : GROUP_UNKNOWN_MEMBER;
	struct classic_member *m;
	int code = classic_member_find(g, in->member_id, in->instance_id, &m);
	if (code)
		return code;
	if (in->generation != g->generation)
		return GROUP_ILLEGAL_GENERATION;
	if (!m->joining && !m->syncing)
		alive(g, m, now);
	return transactional ? GROUP_OK : states[g->state].commit;
}

/* ---- leave, expiry ---- */

static void after_removal(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	if (g->state == CLASSIC_STABLE || g->state == CLASSIC_COMPLETING)
		prepare_rebalance(g, now, fx);
	else
		maybe_complete_join(g, now, fx);
}

static int leave_one(struct classic_group *g, const struct group_leaver *leaver, struct group_effects *fx)
{
	if (leaver->member_id.len > 0 && !leaver->instance_id.ptr &&
	    classic_pending_remove(g, leaver->member_id))
		return GROUP_OK;
	struct classic_member *m = NULL;
	if (leaver->member_id.len == 0 && leaver->instance_id.ptr) {
		m = mr_map_get(&g->statics, leaver->instance_id);
	} else {
		int code = classic_member_find(g, leaver->member_id, leaver->instance_id, &m);
		if (code)
			return code;
	}
	if (!m)
		return GROUP_UNKNOWN_MEMBER;
	remove_member(g, m, fx);
	return GROUP_OK;
}

int classic_leave(struct classic_group *g, struct group_leaver *leavers, size_t count, struct group_now now,
		  struct group_effects *fx)
{
	if (g->state == CLASSIC_DEAD)
		return GROUP_NOT_AVAILABLE;
	size_t before = g->members.len;
	for (size_t i = 0; i < count; i++)
		leavers[i].code = leave_one(g, &leavers[i], fx);
	if (g->members.len < before)
		after_removal(g, now, fx);
	else
		maybe_complete_join(g, now, fx);
	return GROUP_OK;
}

static void timer_came(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	switch (g->timer_for) {
	case TIMER_INITIAL:
		if (g->joined_in_delay && g->delay_left_ms > 0) {
			int64_t delay = mr_min_i64(g->options->initial_rebalance_delay_ms, g->delay_left_ms);
			g->joined_in_delay = false;
			g->delay_left_ms -= delay;
			set_timer(g, TIMER_INITIAL, now.mono_ms + delay);
			return;
		}
		g->timer_for = TIMER_JOIN;
		complete_join(g, now, fx);
		return;
	case TIMER_JOIN:
		complete_join(g, now, fx);
		return;
	case TIMER_SYNC:
		remove_where(g, never_synced, fx);
		prepare_rebalance(g, now, fx);
		return;
	}
}

void classic_deadline(struct classic_group *g, struct deadline *deadline, struct group_now now,
		      struct group_effects *fx)
{
	if (deadline->kind == DEADLINE_REBALANCE) {
		timer_came(g, now, fx);
	} else if (deadline->kind == DEADLINE_PENDING) {
		struct pending_member *p = deadline->owner;
		classic_pending_remove(g, mr_str_from(p->id));
		maybe_complete_join(g, now, fx);
	} else {
		fx->expired++;
		remove_member(g, deadline->owner, fx);
		after_removal(g, now, fx);
	}
}

/* ---- from the other protocol, and to it ---- */

struct classic_member *classic_adopt(struct classic_group *g, mr_str id, const struct group_join *in,
				     struct group_now now)
{
	struct classic_member *m = classic_member_new(g, id, in);
	m->is_new = false;
	m->synced = true;
	alive(g, m, now);
	return m;
}

bool classic_take_over(struct classic_group *g, int32_t generation, struct group_now now)
{
	const char *protocol = classic_vote(g);
	if (!protocol)
		return false;
	g->protocol_type = mr_strdup("consumer");
	g->protocol = mr_strdup(protocol);
	g->generation = generation;
	set_state(g, CLASSIC_STABLE, now);
	return true;
}

void classic_rebalance(struct classic_group *g, struct group_now now, struct group_effects *fx)
{
	rebalance(g, now, fx);
}

void classic_interrupt(struct classic_group *g, struct group_effects *fx)
{
	mr_map_each (&g->members, entry) {
		struct classic_member *m = entry->value;
		ticket_answer(m->join, GROUP_REBALANCE_IN_PROGRESS, fx);
		ticket_answer(m->sync, GROUP_REBALANCE_IN_PROGRESS, fx);
	}
}

#include "group/consumer.h"

#include <stdlib.h>

#define LOOK_AT_TOPICS_MS 1000 /* a new topic or partition is seen within this time */

void consumer_init(struct consumer_group *g, const struct groups_options *options,
		   struct deadlines *deadlines)
{
	*g = (struct consumer_group){
	    .options = options,
	    .deadlines = deadlines,
	    .session_ms = options->consumer_session_ms,
	    .topics_looked_ms = INT64_MIN / 2,
	};
}

/* ---- members ---- */

void consumer_set_string(char **to, mr_str s)
{
	free(*to);
	*to = s.ptr ? mr_strndup(s) : NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void consumer_set_topics(struct consumer_member *m, const mr_str *topics, size_t count)
{
	for (size_t i = 0; i < m->topics.len; i++)
		free(m->topics.items[i]);
	m->topics.len = 0;
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&m->topics, mr_strndup(topics[i]));
	if (count)
		qsort(m->topics.items, count, sizeof *m->topics.items, by_text);
}

void consumer_note_instance(struct consumer_group *g, struct consumer_member *m, mr_str instance_id)
{
	consumer_set_string(&m->instance_id, instance_id);
	if (m->instance_id)
		mr_map_put(&g->statics, instance_id, m);
}

struct consumer_member *consumer_restore(struct consumer_group *g, mr_str id)
{
	struct consumer_member *m = mr_map_get(&g->members, id);
	if (m)
		return m;
	m = mr_calloc(1, sizeof *m);
	*m = (struct consumer_member){
	    .group = g,
	    .id = mr_strndup(id),
	    .client_id = mr_strdup(""),
	    .client_host = mr_strdup(""),
	    .rebalance_timeout_ms = 300000,
	    .session = {.kind = DEADLINE_CONSUMER_SESSION, .owner = m},
	    .rebalance = {.kind = DEADLINE_CONSUMER_REBALANCE, .owner = m},
	};
	mr_map_put(&g->members, id, m);
	return m;
}

static mr_str part_key(const struct topic_partition *part)
{
	return mr_str_n(part, sizeof *part); /* 20 bytes without padding */
}

static void let_go(struct consumer_group *g, struct consumer_member *m, const struct partition_set *set)
{
	for (size_t i = 0; i < set->parts.len; i++) {
		if (mr_map_get(&g->owners, part_key(&set->parts.items[i])) == m)
			mr_map_remove(&g->owners, part_key(&set->parts.items[i]));
	}
}

static void take(struct consumer_group *g, struct consumer_member *m, const struct partition_set *set)
{
	for (size_t i = 0; i < set->parts.len; i++)
		mr_map_put(&g->owners, part_key(&set->parts.items[i]), m);
}

void consumer_hold(struct consumer_group *g, struct consumer_member *m)
{
	take(g, m, &m->assigned);
	take(g, m, &m->revoking);
}

static void member_free(struct consumer_group *g, struct consumer_member *m)
{
	deadline_clear(g->deadlines, &m->session);
	deadline_clear(g->deadlines, &m->rebalance);
	let_go(g, m, &m->assigned);
	let_go(g, m, &m->revoking);
	mr_map_remove(&g->members, mr_str_from(m->id));
	if (m->instance_id && mr_map_get(&g->statics, mr_str_from(m->instance_id)) == m)
		mr_map_remove(&g->statics, mr_str_from(m->instance_id));
	char *strings[] = {m->id,       m->instance_id, m->rack_id,    m->regex,
			   m->assignor, m->client_id,   m->client_host};
	for (size_t i = 0; i < MR_COUNT(strings); i++)
		free(strings[i]);
	free(m->protocols);
	consumer_set_topics(m, NULL, 0);
	mr_vec_release(&m->topics);
	parts_release(&m->assigned);
	parts_release(&m->revoking);
	parts_release(&m->target);
	free(m);
}

void consumer_forget(struct consumer_group *g, mr_str id)
{
	struct consumer_member *m = mr_map_get(&g->members, id);
	if (m)
		member_free(g, m);
}

void consumer_release(struct consumer_group *g)
{
	mr_map_each (&g->members, entry)
		member_free(g, entry->value);
	for (size_t i = 0; i < g->gone.len; i++)
		free(g->gone.items[i]);
	mr_vec_release(&g->gone);
	mr_map_release(&g->members);
	mr_map_release(&g->statics);
	mr_map_release(&g->owners);
}

void consumer_bump(struct consumer_group *g)
{
	g->epoch++;
	g->dirty_epoch = true;
}

void consumer_remove(struct consumer_group *g, struct consumer_member *m)
{
	mr_vec_push(&g->gone, mr_strdup(m->id));
	member_free(g, m);
}

const char *consumer_state_word(const struct consumer_group *g)
{
	if (g->members.len == 0)
		return "Empty";
	if (g->epoch > g->assignment_epoch)
		return "Assigning";
	mr_map_each (&g->members, entry) {
		const struct consumer_member *m = entry->value;
		if (m->state != MEMBER_STABLE || m->epoch != g->assignment_epoch)
			return "Reconciling";
	}
	return "Stable";
}

/* ---- the target assignment ---- */

struct plan { /* the topics that anybody subscribes to, and who subscribes to which */
	struct consumer_group *g;
	const struct topic_view *view;
	struct arena *arena;
	struct mr_map index; /* name -> index + 1 */
	MR_VEC(struct assign_topic) topics;
};

static void plan_topic(struct plan *p, mr_str name, uint32_t *out, size_t *count)
{
	uintptr_t known = (uintptr_t)mr_map_get(&p->index, name);
	struct assign_topic topic;
	if (!known && p->view->find(p->view->arg, name, &topic)) {
		mr_vec_push(&p->topics, topic);
		known = p->topics.len;
		mr_map_put(&p->index, name, (void *)known); /* NOLINT: an index, not an address */
	}
	if (known)
		out[(*count)++] = (uint32_t)(known - 1);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void plan_member(struct plan *p, const struct consumer_member *m, struct assign_member *out)
{
	mr_str *matched = NULL;
	size_t match_count = 0, count = 0;
	if (m->regex)
		p->view->matching(p->view->arg, m->regex, p->arena, &matched, &match_count);
	uint32_t *topics = arena_calloc(p->arena, m->topics.len + match_count + 1, sizeof *topics);
	for (size_t i = 0; i < m->topics.len; i++)
		plan_topic(p, mr_str_from(m->topics.items[i]), topics, &count);
	for (size_t i = 0; i < match_count; i++)
		plan_topic(p, matched[i], topics, &count);
	qsort(topics, count, sizeof *topics, by_number);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || topics[i] != topics[i - 1])
			topics[kept++] = topics[i];
	}
	*out =
	    (struct assign_member){m->instance_id ? m->instance_id : m->id, topics, kept, &m->target, {{0}}};
}

static uint64_t plan_hash(const struct plan *p)
{
	uint64_t sum = 1; /* of the topics' hashes: their order does not matter */
	for (size_t i = 0; i < p->topics.len; i++)
		sum += mr_hash(mr_str_n(&p->topics.items[i], sizeof p->topics.items[i]));
	return sum;
}

static void plan_release(struct plan *p)
{
	mr_map_release(&p->index);
	mr_vec_release(&p->topics);
}

static void plan_all(struct plan *p, struct assign_member *members, struct consumer_member **order)
{
	size_t n = 0;
	mr_map_each (&p->g->members, entry) {
		order[n] = entry->value;
		plan_member(p, entry->value, &members[n++]);
	}
}

/* Did topics come, go or grow, of those that the group reads? */
static void look_at_topics(struct consumer_group *g, const struct topic_view *view, struct group_now now,
			   struct arena *arena)
{
	if (now.mono_ms - g->topics_looked_ms < LOOK_AT_TOPICS_MS && g->epoch == g->assignment_epoch)
		return;
	struct plan p = {.g = g, .view = view, .arena = arena};
	struct assign_member *members = arena_calloc(arena, g->members.len + 1, sizeof *members);
	struct consumer_member **order = arena_calloc(arena, g->members.len + 1, sizeof *order);
	plan_all(&p, members, order);
	uint64_t hash = plan_hash(&p);
	bool known = g->topics_hash != 0; /* not after a restart: the target goes on */
	if (known && hash != g->topics_hash && g->epoch == g->assignment_epoch)
		consumer_bump(g);
	g->topics_hash = hash;
	g->topics_looked_ms = now.mono_ms;
	plan_release(&p);
}

/* The assignor that most members ask for; the server's first when nobody asks. */
mr_str consumer_assignor(const struct consumer_group *g)
{
	static const char *const known[] = {"uniform", "range"};
	size_t best = 0, most = 0;
	for (size_t i = 0; i < MR_COUNT(known); i++) {
		size_t votes = 0;
		mr_map_each (&g->members, entry) {
			const char *asks = ((const struct consumer_member *)entry->value)->assignor;
			votes += asks && strcmp(asks, known[i]) == 0;
		}
		if (votes > most) {
			most = votes;
			best = i;
		}
	}
	return mr_str_from(known[best]);
}

struct ordered {
	struct assign_member plan;
	struct consumer_member *member;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct ordered *)a)->plan.name, ((const struct ordered *)b)->plan.name);
}

static void compute_target(struct consumer_group *g, const struct topic_view *view, struct arena *arena)
{
	size_t count = g->members.len;
	struct plan p = {.g = g, .view = view, .arena = arena};
	struct assign_member *members = arena_calloc(arena, count + 1, sizeof *members);
	struct consumer_member **order = arena_calloc(arena, count + 1, sizeof *order);
	struct ordered *both = arena_calloc(arena, count + 1, sizeof *both);
	plan_all(&p, members, order);
	for (size_t i = 0; i < count; i++)
		both[i] = (struct ordered){members[i], order[i]};
	qsort(both, count, sizeof *both, by_name);
	for (size_t i = 0; i < count; i++)
		members[i] = both[i].plan;
	assignor_find(consumer_assignor(g))(p.topics.items, p.topics.len, members, count);
	for (size_t i = 0; i < count; i++) {
		struct consumer_member *m = both[i].member;
		if (!parts_equal(&m->target, &members[i].target)) {
			parts_copy(&m->target, &members[i].target);
			m->dirty |= DIRTY_TARGET;
		}
		parts_release(&members[i].target);
	}
	g->topics_hash = plan_hash(&p);
	g->assignment_epoch = g->epoch;
	g->dirty_assignment_epoch = true;
	plan_release(&p);
}

/* ---- reconciliation ---- */

static bool owns_any(const struct consumer_heartbeat *in, const struct partition_set *set)
{
	for (int64_t i = 0; i < in->owned_count; i++) {
		if (parts_has(set, &in->owned[i]))
			return true;
	}
	return false;
}

static void set_current(struct consumer_group *g, struct consumer_member *m, enum consumer_member_state state,
			int32_t epoch, const struct partition_set *assigned,
			const struct partition_set *revoking)
{
	bool same = m->state == state && m->epoch == epoch && parts_equal(&m->assigned, assigned) &&
		    parts_equal(&m->revoking, revoking);
	if (same)
		return;
	let_go(g, m, &m->assigned);
	let_go(g, m, &m->revoking);
	parts_copy(&m->assigned, assigned);
	parts_copy(&m->revoking, revoking);
	consumer_hold(g, m);
	if (m->epoch != epoch)
		m->previous_epoch = m->epoch;
	m->epoch = epoch;
	m->state = state;
	m->dirty |= DIRTY_CURRENT;
}

/* One step towards the target: first lose what must be lost, then gain what nobody holds. */
static void next_assignment(struct consumer_group *g, struct consumer_member *m,
			    const struct consumer_heartbeat *in)
{
	struct partition_set kept = {0}, lost = {0}, wanted = {0}, none = {0};
	parts_both(&m->assigned, &m->target, &kept);
	parts_without(&m->assigned, &m->target, &lost);
	parts_without(&m->target, &kept, &wanted);
	bool may_own = in->owned_count < 0 || owns_any(in, &lost);
	if (lost.parts.len && may_own) {
		set_current(g, m, MEMBER_UNREVOKED, m->epoch, &kept, &lost);
	} else {
		bool unreleased = false;
		for (size_t i = 0; i < wanted.parts.len; i++) {
			const struct consumer_member *owner =
			    mr_map_get(&g->owners, part_key(&wanted.parts.items[i]));
			if (owner && owner != m)
				unreleased = true;
			else
				parts_add(&kept, &wanted.parts.items[i]);
		}
		set_current(g, m, unreleased ? MEMBER_UNRELEASED : MEMBER_STABLE, g->assignment_epoch, &kept,
			    &none);
	}
	parts_release(&kept);
	parts_release(&lost);
	parts_release(&wanted);
}

bool consumer_waits(const struct consumer_group *g, const struct consumer_member *m)
{
	for (size_t i = 0; i < m->target.parts.len; i++) {
		const struct topic_partition *part = &m->target.parts.items[i];
		const struct consumer_member *owner = mr_map_get(&g->owners, part_key(part));
		if (owner && owner != m && !parts_has(&m->assigned, part))
			return true;
	}
	return false;
}

static void reconcile(struct consumer_group *g, struct consumer_member *m,
		      const struct consumer_heartbeat *in, struct group_now now)
{
	bool still_revoking =
	    m->state == MEMBER_UNREVOKED && (in->owned_count < 0 || owns_any(in, &m->revoking));
	bool done = m->state == MEMBER_STABLE && m->epoch == g->assignment_epoch;
	int32_t epoch = m->epoch;
	if (!still_revoking && !done)
		next_assignment(g, m, in);
	if (consumer_is_classic(m))
		return; /* what it is late with is a join or a sync */
	if (m->state != MEMBER_UNREVOKED)
		deadline_clear(g->deadlines, &m->rebalance);
	else if (!deadline_is_set(&m->rebalance) || epoch != m->epoch)
		deadline_set(g->deadlines, &m->rebalance, now.mono_ms + m->rebalance_timeout_ms);
}

/* ---- heartbeats ---- */

static int refuse(struct consumer_answer *out, int code, const char *message)
{
	out->message = message;
	return code;
}

int consumer_check(const struct consumer_heartbeat *in, struct consumer_answer *out)
{
	if (in->member_id.len == 0)
		return refuse(out, GROUP_INVALID_REQUEST, "MemberId can't be empty.");
	if (in->member_epoch < EPOCH_LEAVE_STATIC)
		return refuse(out, GROUP_INVALID_REQUEST, "MemberEpoch is less than -2.");
	if (in->member_epoch == EPOCH_LEAVE_STATIC && !in->instance_id.ptr)
		return refuse(out, GROUP_INVALID_REQUEST, "InstanceId can't be null.");
	if (in->assignor.ptr && !assignor_find(in->assignor))
		return refuse(out, GROUP_UNSUPPORTED_ASSIGNOR,
			      "ServerAssignor is not supported. Supported assignors: uniform, range.");
	if (in->member_epoch != 0)
		return GROUP_OK;
	if (in->rebalance_timeout_ms < 0)
		return refuse(out, GROUP_INVALID_REQUEST,
			      "RebalanceTimeoutMs must be provided in first request.");
	if (in->owned_count != 0)
		return refuse(out, GROUP_INVALID_REQUEST, "TopicPartitions must be empty when (re-)joining.");
	if (in->topic_count < 0 && !in->regex.ptr)
		return refuse(out, GROUP_INVALID_REQUEST,
			      "SubscribedTopicNames or SubscribedTopicRegex must be set in first request.");
	return GROUP_OK;
}

/* An answer may have been lost: the epoch before is taken from whoever owns no more than it should. */
static int check_epoch(const struct consumer_member *m, const struct consumer_heartbeat *in)
{
	if (in->member_epoch == m->epoch || in->member_epoch == 0)
		return GROUP_OK;
	if (in->member_epoch > m->epoch || in->member_epoch != m->previous_epoch || in->owned_count < 0)
		return GROUP_FENCED_MEMBER_EPOCH;
	for (int64_t i = 0; i < in->owned_count; i++) {
		if (!parts_has(&m->assigned, &in->owned[i]))
			return GROUP_FENCED_MEMBER_EPOCH;
	}
	return GROUP_OK;
}

static struct consumer_member *create(struct consumer_group *g, const struct consumer_heartbeat *in)
{
	struct consumer_member *m = consumer_restore(g, in->member_id);
	consumer_note_instance(g, m, in->instance_id);
	m->dirty = DIRTY_METADATA | DIRTY_TARGET | DIRTY_CURRENT;
	consumer_bump(g);
	return m;
}

/* A static member is back under a new id: what it had, and was to get, is its again. */
static struct consumer_member *replace(struct consumer_group *g, struct consumer_member *old,
				       const struct consumer_heartbeat *in)
{
	struct consumer_member *m = consumer_restore(g, in->member_id);
	parts_copy(&m->target, &old->target);
	parts_copy(&m->assigned, &old->assigned);
	m->rebalance_timeout_ms = old->rebalance_timeout_ms;
	consumer_set_string(&m->regex, mr_str_from(old->regex));
	consumer_set_string(&m->assignor, mr_str_from(old->assignor));
	for (size_t i = 0; i < old->topics.len; i++)
		mr_vec_push(&m->topics, mr_strdup(old->topics.items[i]));
	consumer_remove(g, old);
	consumer_note_instance(g, m, in->instance_id);
	consumer_hold(g, m);
	m->dirty = DIRTY_METADATA | DIRTY_TARGET | DIRTY_CURRENT;
	return m;
}

struct consumer_member *consumer_admit(struct consumer_group *g, const struct consumer_heartbeat *in,
				       struct consumer_member *old)
{
	return old ? replace(g, old, in) : create(g, in);
}

static int find_member(struct consumer_group *g, const struct consumer_heartbeat *in,
		       struct consumer_member **out)
{
	bool joins = in->member_epoch == 0;
	struct consumer_member *m = in->instance_id.ptr ? mr_map_get(&g->statics, in->instance_id)
							: mr_map_get(&g->members, in->member_id);
	bool other = m && !mr_str_is(in->member_id, m->id);
	if (!m && !joins)
		return GROUP_UNKNOWN_MEMBER;
	if (!m && g->members.len >= (size_t)g->options->size_max)
		return GROUP_FULL;
	if (other && !joins)
		return GROUP_FENCED_INSTANCE;
	if (other && m->epoch != EPOCH_LEAVE_STATIC && !consumer_is_classic(m))
		return GROUP_UNRELEASED_INSTANCE;
	int code = m && !other ? check_epoch(m, in) : GROUP_OK;
	if (code)
		return code;
	*out = !m || other ? consumer_admit(g, in, m) : m;
	return GROUP_OK;
}

static bool text_differs(const char *is, mr_str said)
{
	return said.ptr && (!is || !mr_str_is(said, is));
}

static bool topics_differ(const struct consumer_member *m, const struct consumer_heartbeat *in)
{
	struct consumer_member said = {0};
	if (in->topic_count < 0)
		return false;
	consumer_set_topics(&said, in->topics, (size_t)in->topic_count);
	bool same = said.topics.len == m->topics.len;
	for (size_t i = 0; same && i < m->topics.len; i++)
		same = strcmp(said.topics.items[i], m->topics.items[i]) == 0;
	consumer_set_topics(&said, NULL, 0);
	mr_vec_release(&said.topics);
	return !same;
}

static void update(struct consumer_group *g, struct consumer_member *m, const struct consumer_heartbeat *in)
{
	bool subscription = topics_differ(m, in) || text_differs(m->regex, in->regex);
	bool other = text_differs(m->assignor, in->assignor) || text_differs(m->rack_id, in->rack_id) ||
		     text_differs(m->client_id, in->client_id) ||
		     text_differs(m->client_host, in->client_host) ||
		     (in->rebalance_timeout_ms >= 0 && in->rebalance_timeout_ms != m->rebalance_timeout_ms);
	if (!subscription && !other)
		return;
	if (in->topic_count >= 0)
		consumer_set_topics(m, in->topics, (size_t)in->topic_count);
	const struct {
		char **to;
		mr_str said;
	} texts[] = {{&m->regex, in->regex},
		     {&m->assignor, in->assignor},
		     {&m->rack_id, in->rack_id},
		     {&m->client_id, in->client_id},
		     {&m->client_host, in->client_host}};
	for (size_t i = 0; i < MR_COUNT(texts); i++) {
		if (texts[i].said.ptr)
			consumer_set_string(texts[i].to, texts[i].said);
	}
	if (in->rebalance_timeout_ms >= 0)
		m->rebalance_timeout_ms = in->rebalance_timeout_ms;
	m->dirty |= DIRTY_METADATA;
	if (subscription && g->epoch == g->assignment_epoch)
		consumer_bump(g);
}

static int leave(struct consumer_group *g, const struct consumer_heartbeat *in, struct consumer_answer *out)
{
	struct consumer_member *m = in->instance_id.ptr ? mr_map_get(&g->statics, in->instance_id)
							: mr_map_get(&g->members, in->member_id);
	if (!m)
		return GROUP_UNKNOWN_MEMBER;
	if (!mr_str_is(in->member_id, m->id))
		return GROUP_FENCED_INSTANCE;
	out->epoch = in->member_epoch;
	if (in->member_epoch == EPOCH_LEAVE_STATIC) {
		m->epoch = EPOCH_LEAVE_STATIC;
		m->dirty |= DIRTY_CURRENT;
		deadline_clear(g->deadlines, &m->rebalance);
		return GROUP_OK;
	}
	consumer_remove(g, m);
	consumer_bump(g);
	return GROUP_OK;
}

static void tell(const struct consumer_member *m, const struct consumer_heartbeat *in,
		 const struct partition_set *before, struct arena *arena, struct consumer_answer *out)
{
	out->epoch = m->epoch;
	out->assignment_told =
	    in->member_epoch == 0 || in->owned_count >= 0 || !parts_equal(before, &m->assigned);
	if (!out->assignment_told)
		return;
	out->assignment_count = m->assigned.parts.len;
	out->assignment = arena_calloc(arena, out->assignment_count + 1, sizeof *out->assignment);
	if (out->assignment_count)
		memcpy(out->assignment, m->assigned.parts.items,
		       out->assignment_count * sizeof *out->assignment);
}

void consumer_advance(struct consumer_group *g, struct consumer_member *m,
		      const struct consumer_heartbeat *in, const struct topic_view *topics,
		      struct group_now now, struct arena *arena, struct group_effects *fx)
{
	update(g, m, in);
	look_at_topics(g, topics, now, arena);
	if (g->epoch > g->assignment_epoch) {
		compute_target(g, topics, arena);
		fx->rebalances++;
	}
	reconcile(g, m, in, now);
}

void consumer_alive(struct consumer_group *g, struct consumer_member *m, struct group_now now)
{
	int32_t timeout_ms = consumer_is_classic(m) ? m->session_timeout_ms : g->session_ms;
	deadline_set(g->deadlines, &m->session, now.mono_ms + timeout_ms);
}

int consumer_heartbeat(struct consumer_group *g, const struct consumer_heartbeat *in,
		       const struct topic_view *topics, struct group_now now, struct arena *arena,
		       struct consumer_answer *out, struct group_effects *fx)
{
	*out = (struct consumer_answer){.member_id = arena_copy(arena, in->member_id)};
	int code = consumer_check(in, out);
	if (code)
		return code;
	if (in->member_epoch < 0)
		return leave(g, in, out);
	struct consumer_member *m;
	code = find_member(g, in, &m);
	if (code)
		return code;
	if (consumer_is_classic(m)) { /* the same client, of the new protocol now */
		consumer_set_protocols(m, NULL, 0, 0);
		deadline_clear(g->deadlines, &m->rebalance);
		m->dirty |= DIRTY_METADATA;
	}
	struct partition_set before = {0};
	parts_copy(&before, &m->assigned);
	consumer_advance(g, m, in, topics, now, arena, fx);
	consumer_alive(g, m, now);
	tell(m, in, &before, arena, out);
	parts_release(&before);
	return GROUP_OK;
}

int consumer_commit(struct consumer_group *g, const struct group_member_ref *in, bool by_epoch)
{
	if (in->generation < 0 && in->member_id.len == 0)
		return g->members.len == 0 ? GROUP_OK : GROUP_UNKNOWN_MEMBER;
	const struct consumer_member *m = mr_map_get(&g->members, in->member_id);
	if (!m)
		return GROUP_UNKNOWN_MEMBER;
	if (consumer_is_classic(m))
		return in->generation == m->epoch ? GROUP_OK : GROUP_ILLEGAL_GENERATION;
	if (!by_epoch)
		return GROUP_UNSUPPORTED_VERSION;
	return in->generation == m->epoch ? GROUP_OK : GROUP_STALE_MEMBER_EPOCH;
}

/* Silent for too long, or too slow to give up what others wait for. */
void consumer_deadline(struct consumer_group *g, struct deadline *deadline, struct group_effects *fx)
{
	consumer_remove(g, deadline->owner);
	consumer_bump(g);
	fx->expired++;
}

bool consumer_subscribed(const struct consumer_group *g, mr_str topic)
{
	mr_map_each (&g->members, entry) {
		const struct consumer_member *m = entry->value;
		for (size_t i = 0; i < m->topics.len; i++) {
			if (mr_str_is(topic, m->topics.items[i]))
				return true;
		}
	}
	return false;
}

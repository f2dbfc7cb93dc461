/* group/consumer_classic.c - members of the classic protocol inside a consumer group.
 *
 * A join is a heartbeat that brings subscription and owned partitions; it is answered at once, with
 * the member's epoch for a generation and without a leader, so that every client takes itself for a
 * follower and asks for its assignment with an empty SyncGroup. When the target moves on, its next
 * Heartbeat says REBALANCE_IN_PROGRESS until it joins again. A member that is told to join, or has
 * joined and does not sync, has its rebalance timeout to do so. Rules: Kafka's GroupMetadataManager.
 */
#include "group/classic.h"
#include "group/consumer.h"
#include "group/subscription.h"

#include <stdlib.h>

#define CONSUMER_TYPE MR_STR("consumer")

void consumer_set_protocols(struct consumer_member *m, const struct group_protocol *protocols, size_t count,
			    int32_t session_timeout_ms)
{
	struct group_protocol *copy = protocols ? protocols_copy(protocols, count) : NULL;
	free(m->protocols);
	m->protocols = copy;
	m->protocol_count = copy ? count : 0;
	m->session_timeout_ms = session_timeout_ms;
}

size_t consumer_classic_count(const struct consumer_group *g)
{
	size_t count = 0;
	mr_map_each (&g->members, entry)
		count += consumer_is_classic(entry->value);
	return count;
}

/* ---- join ---- */

static bool knows(const struct consumer_member *m, mr_str protocol)
{
	for (size_t i = 0; i < m->protocol_count; i++) {
		if (mr_str_eq(m->protocols[i].name, protocol))
			return true;
	}
	return false;
}

static bool all_know(const struct consumer_group *g, mr_str protocol)
{
	mr_map_each (&g->members, entry) {
		if (consumer_is_classic(entry->value) && !knows(entry->value, protocol))
			return false;
	}
	return true;
}

static bool fits(const struct consumer_group *g, const struct group_join *in)
{
	for (size_t i = 0; i < in->protocol_count; i++) {
		if (mr_str_eq(in->protocol_type, CONSUMER_TYPE) && all_know(g, in->protocols[i].name))
			return true;
	}
	return false;
}

/* Partitions that are there; what else a member says that it owns counts for nothing. */
static void owned_parts(const struct subscription *s, const struct topic_view *topics,
			struct partition_set *out)
{
	struct assign_topic topic = {0};
	mr_str known = MR_STR_NULL;
	for (size_t i = 0; i < s->owned.items.len; i++) {
		const struct named_partition *part = &s->owned.items.items[i];
		if (!known.ptr || !mr_str_eq(known, part->topic)) {
			if (!topics->find(topics->arg, part->topic, &topic))
				topic.partitions = 0;
			known = part->topic;
		}
		struct topic_partition each = {.partition = part->partition};
		memcpy(each.topic_id, topic.id, 16);
		if (part->partition >= 0 && part->partition < topic.partitions)
			parts_add(out, &each);
	}
}

static struct consumer_member *holder(const struct consumer_group *g, const struct group_join *in)
{
	return in->instance_id.ptr ? mr_map_get(&g->statics, in->instance_id)
				   : mr_map_get(&g->members, in->member_id);
}

/* May it join, and as whom? *old: a static member that it replaces; *m: the member that it is. */
static int find_joiner(const struct consumer_group *g, const struct group_join *in,
		       struct consumer_member **old, struct consumer_member **m)
{
	bool fresh = in->member_id.len == 0;
	struct consumer_member *known = holder(g, in);
	*old = *m = NULL;
	if (!fits(g, in))
		return GROUP_INCONSISTENT_PROTOCOL;
	if (!known && g->members.len >= (size_t)g->options->size_max)
		return GROUP_FULL;
	if (fresh && in->require_known_id && !in->instance_id.ptr)
		return GROUP_MEMBER_ID_REQUIRED;
	if (in->instance_id.ptr && !fresh && !known)
		return GROUP_UNKNOWN_MEMBER;
	if (in->instance_id.ptr && !fresh && !mr_str_is(in->member_id, known->id))
		return GROUP_FENCED_INSTANCE;
	*(fresh ? old : m) = known;
	return GROUP_OK;
}

static void become_classic(struct consumer_member *m, const struct group_join *in)
{
	bool same = consumer_is_classic(m) && m->session_timeout_ms == in->session_timeout_ms &&
		    protocols_equal(m->protocols, m->protocol_count, in->protocols, in->protocol_count);
	if (same)
		return;
	consumer_set_protocols(m, in->protocols, in->protocol_count, in->session_timeout_ms);
	consumer_set_string(&m->regex, MR_STR_NULL);
	consumer_set_string(&m->assignor, MR_STR_NULL);
	m->dirty |= DIRTY_METADATA;
}

static void answer_join(const struct consumer_member *m, struct group_ticket *ticket,
			struct group_effects *fx)
{
	ticket->member_id = arena_copy(&ticket->arena, mr_str_from(m->id));
	ticket->leader = MR_STR("");
	ticket->generation = m->epoch;
	ticket->protocol_type = CONSUMER_TYPE;
	ticket->protocol = arena_copy(&ticket->arena, m->protocols[0].name);
	ticket_answer(ticket, GROUP_OK, fx);
}

void consumer_join(struct consumer_group *g, const struct group_join *in, const char *fresh_id,
		   const struct topic_view *topics, struct group_ticket *ticket, struct group_now now,
		   bool *replaced, struct group_effects *fx)
{
	struct consumer_member *old, *m;
	struct subscription s = {0};
	mr_str id = in->member_id.len ? in->member_id : mr_str_from(fresh_id);
	int code = find_joiner(g, in, &old, &m);
	*replaced = false;
	if (code == GROUP_OK && subscription_read(in->protocols[0].metadata, &s, NULL) < 0)
		code = GROUP_INCONSISTENT_PROTOCOL;
	/* Who owns something was a member, and is none any more: it is to let go before it joins. */
	if (code == GROUP_OK && in->member_id.len && !m && s.owned.items.len)
		code = GROUP_UNKNOWN_MEMBER;
	if (code != GROUP_OK) {
		subscription_release(&s);
		ticket->member_id =
		    arena_copy(&ticket->arena, code == GROUP_MEMBER_ID_REQUIRED ? id : in->member_id);
		ticket_answer(ticket, code, fx);
		return;
	}
	struct partition_set owned = {0};
	owned_parts(&s, topics, &owned);
	struct consumer_heartbeat beat = {
	    .member_id = id,
	    .instance_id = in->instance_id,
	    .rack_id = s.rack_id,
	    .client_id = in->client_id,
	    .client_host = in->client_host,
	    .rebalance_timeout_ms = in->rebalance_timeout_ms,
	    .topics = s.topics.items,
	    .topic_count = (int64_t)s.topics.len,
	    .owned = owned.parts.items,
	    .owned_count = (int64_t)owned.parts.len,
	};
	*replaced = old && !consumer_is_classic(old);
	if (!m)
		m = consumer_admit(g, &beat, old);
	become_classic(m, in);
	consumer_advance(g, m, &beat, topics, now, &ticket->arena, fx);
	consumer_alive(g, m, now);
	deadline_set(g->deadlines, &m->rebalance, now.mono_ms + m->rebalance_timeout_ms); /* to sync */
	answer_join(m, ticket, fx);
	parts_release(&owned);
	subscription_release(&s);
}

/* ---- sync, heartbeat, leave ---- */

static int find_member(const struct consumer_group *g, mr_str id, mr_str instance_id, int32_t generation,
		       struct consumer_member **out)
{
	struct consumer_member *m =
	    instance_id.ptr ? mr_map_get(&g->statics, instance_id) : mr_map_get(&g->members, id);
	if (!m)
		return GROUP_UNKNOWN_MEMBER;
	if (!mr_str_is(id, m->id))
		return GROUP_FENCED_INSTANCE;
	if (!consumer_is_classic(m))
		return GROUP_UNKNOWN_MEMBER;
	*out = m;
	return generation == m->epoch ? GROUP_OK : GROUP_ILLEGAL_GENERATION;
}

static int told_to_join(struct consumer_group *g, struct consumer_member *m, struct group_now now)
{
	if (!deadline_is_set(&m->rebalance))
		deadline_set(g->deadlines, &m->rebalance, now.mono_ms + m->rebalance_timeout_ms);
	return GROUP_REBALANCE_IN_PROGRESS;
}

static int sync_check(struct consumer_group *g, const struct group_sync *in, struct group_now now,
		      struct consumer_member **out)
{
	struct consumer_member *m;
	int code = find_member(g, in->member_id, in->instance_id, in->generation, &m);
	if (code != GROUP_OK)
		return code;
	*out = m;
	if ((in->protocol_type.ptr && !mr_str_eq(in->protocol_type, CONSUMER_TYPE)) ||
	    (in->protocol.ptr && !mr_str_eq(in->protocol, m->protocols[0].name)))
		return GROUP_INCONSISTENT_PROTOCOL;
	/* Who has partitions to give up has joined for this epoch: it is told what it keeps. */
	if (g->epoch > m->epoch && m->state != MEMBER_UNREVOKED)
		return told_to_join(g, m, now);
	return GROUP_OK;
}

mr_str consumer_assignment_bytes(const struct consumer_member *m, const struct topic_view *topics,
				 struct arena *arena)
{
	struct named_partitions parts = {0};
	struct subscription s;
	struct mr_buf out = {0};
	mr_str topic = MR_STR_NULL;
	for (size_t i = 0; i < m->assigned.parts.len; i++) {
		const struct topic_partition *part = &m->assigned.parts.items[i];
		if (i == 0 || memcmp(part[-1].topic_id, part->topic_id, 16) != 0)
			topic = topics->name(topics->arg, part->topic_id, arena);
		if (topic.ptr)
			mr_vec_push(&parts.items, (struct named_partition){topic, part->partition});
	}
	int rc = subscription_read(m->protocols[0].metadata, &s, NULL);
	assignment_write(parts.items.items, parts.items.len, rc == 0 ? s.version : 0, &out);
	mr_str bytes = arena_copy(arena, mr_buf_view(&out));
	subscription_release(&s);
	mr_vec_release(&parts.items);
	mr_buf_release(&out);
	return bytes;
}

void consumer_sync(struct consumer_group *g, const struct group_sync *in, const struct topic_view *topics,
		   struct group_ticket *ticket, struct group_now now, struct group_effects *fx)
{
	struct consumer_member *m;
	int code = sync_check(g, in, now, &m);
	if (code == GROUP_OK) {
		deadline_clear(g->deadlines, &m->rebalance);
		consumer_alive(g, m, now);
		ticket->assignment = consumer_assignment_bytes(m, topics, &ticket->arena);
		ticket->protocol_type = CONSUMER_TYPE;
		ticket->protocol = arena_copy(&ticket->arena, m->protocols[0].name);
	}
	ticket_answer(ticket, code, fx);
}

int consumer_classic_heartbeat(struct consumer_group *g, const struct group_member_ref *in,
			       struct group_now now)
{
	struct consumer_member *m;
	int code = find_member(g, in->member_id, in->instance_id, in->generation, &m);
	if (code != GROUP_OK)
		return code;
	consumer_alive(g, m, now);
	bool behind = m->epoch < g->epoch || m->state == MEMBER_UNREVOKED ||
		      (m->state == MEMBER_UNRELEASED && !consumer_waits(g, m));
	return behind ? told_to_join(g, m, now) : GROUP_OK;
}

static int leave_one(struct consumer_group *g, const struct group_leaver *leaver)
{
	bool by_instance = leaver->instance_id.ptr && leaver->member_id.len == 0;
	struct consumer_member *m = leaver->instance_id.ptr ? mr_map_get(&g->statics, leaver->instance_id)
							    : mr_map_get(&g->members, leaver->member_id);
	if (!m)
		return GROUP_UNKNOWN_MEMBER;
	if (!by_instance && !mr_str_is(leaver->member_id, m->id))
		return GROUP_FENCED_INSTANCE;
	if (!consumer_is_classic(m))
		return GROUP_UNKNOWN_MEMBER;
	consumer_remove(g, m);
	return GROUP_OK;
}

void consumer_leave(struct consumer_group *g, struct group_leaver *leavers, size_t count)
{
	size_t before = g->members.len;
	for (size_t i = 0; i < count; i++)
		leavers[i].code = leave_one(g, &leavers[i]);
	if (g->members.len < before)
		consumer_bump(g);
}

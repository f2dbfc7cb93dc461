/* group/migrate.c - groups that change protocol while they have members (KIP-848).
 *
 * Up: a classic group of consumers that a member of the consumer protocol joins becomes a consumer
 * group with the same members, epoch and assignment. Down: when the last member of the consumer
 * protocol is gone and members of the classic one are left, the group is theirs again and
 * rebalances. What the one leaves behind in the internal topic and what the other begins with are
 * one batch: a power cut leaves the one or the other. `group.consumer.migration.policy` decides
 * which of the two may happen.
 */
#include "group/coordinator.h"
#include "group/subscription.h"

#include <stdlib.h>

/* ---- up ---- */

static int take_assignment(const struct classic_member *from, const struct topic_view *topics,
			   struct partition_set *out)
{
	struct named_partitions parts = {0};
	int rc = assignment_read(from->assignment, &parts, NULL);
	for (size_t i = 0; rc == 0 && i < parts.items.len; i++) {
		const struct named_partition *named = &parts.items.items[i];
		struct assign_topic topic;
		if (!topics->find(topics->arg, named->topic, &topic) || named->partition < 0 ||
		    named->partition >= topic.partitions)
			continue;
		struct topic_partition part = {.partition = named->partition};
		memcpy(part.topic_id, topic.id, 16);
		parts_add(out, &part);
	}
	mr_vec_release(&parts.items);
	return rc;
}

static int take_member(struct consumer_group *g, const struct classic_member *from,
		       const struct topic_view *topics)
{
	struct consumer_member *m = consumer_restore(g, mr_str_from(from->id));
	struct subscription s;
	int rc = subscription_read(from->protocols[0].metadata, &s, NULL);
	if (rc == 0)
		rc = take_assignment(from, topics, &m->assigned);
	consumer_set_protocols(m, from->protocols, from->protocol_count, from->session_timeout_ms);
	consumer_note_instance(g, m, mr_str_from(from->instance_id));
	consumer_set_topics(m, s.topics.items, s.topics.len);
	consumer_set_string(&m->rack_id, s.rack_id);
	consumer_set_string(&m->client_id, mr_str_from(from->client_id));
	consumer_set_string(&m->client_host, mr_str_from(from->client_host));
	m->rebalance_timeout_ms = from->rebalance_timeout_ms;
	m->epoch = m->previous_epoch = g->epoch;
	parts_copy(&m->target, &m->assigned);
	m->dirty = DIRTY_METADATA | DIRTY_TARGET | DIRTY_CURRENT;
	subscription_release(&s);
	return rc;
}

static void hold_all(struct consumer_group *g, struct group_now now)
{
	mr_map_each (&g->members, entry) {
		consumer_hold(g, entry->value);
		consumer_alive(g, entry->value, now);
	}
}

bool group_may_upgrade(const struct groups *groups, const struct group *group)
{
	return (groups->options.consumer_migration & MIGRATION_UPGRADE) && group->kind == GROUP_CLASSIC &&
	       classic_uses_consumer_protocol(&group->classic) &&
	       group->classic.members.len < (size_t)groups->options.size_max;
}

int group_upgrade(struct groups *groups, struct group *group, const struct topic_view *topics,
		  struct group_effects *fx)
{
	struct classic_group *classic = &group->classic;
	struct consumer_group *g = &group->consumer;
	int rc = 0;
	consumer_release(g);
	consumer_init(g, &groups->options, &groups->deadlines);
	g->epoch = g->assignment_epoch = classic->generation;
	g->dirty_epoch = g->dirty_assignment_epoch = true;
	mr_map_each (&classic->members, entry) {
		if (rc == 0)
			rc = take_member(g, entry->value, topics);
	}
	if (rc < 0) {
		consumer_release(g);
		consumer_init(g, &groups->options, &groups->deadlines);
		return rc;
	}
	hold_all(g, groups_now(groups));
	consumer_bump(g); /* the leader's assignment may have been a step on its way, or was being made */
	group->forget_classic = classic->generation > 0;
	group->kind = GROUP_CONSUMER;
	classic_interrupt(classic, fx);
	classic_reset(classic);
	return 0;
}

/* ---- down ---- */

/* All that it may still read, not only what it is to keep: the group may turn again before it has let go. */
static void give_assignment(const struct consumer_member *from, const struct topic_view *topics,
			    struct classic_member *to, struct arena *arena)
{
	struct consumer_member whole = {.protocols = from->protocols, .protocol_count = from->protocol_count};
	parts_merge(&whole.assigned, &from->assigned);
	parts_merge(&whole.assigned, &from->revoking);
	classic_member_assign(to, consumer_assignment_bytes(&whole, topics, arena));
	parts_release(&whole.assigned);
}

static bool give_members(const struct consumer_group *g, const struct topic_view *topics,
			 struct classic_group *classic, struct group_now now)
{
	struct arena arena = {0};
	mr_map_each (&g->members, entry) {
		const struct consumer_member *m = entry->value;
		struct group_join in = {
		    .instance_id = mr_str_from(m->instance_id),
		    .client_id = mr_str_from(m->client_id),
		    .client_host = mr_str_from(m->client_host),
		    .protocols = m->protocols,
		    .protocol_count = m->protocol_count,
		    .session_timeout_ms = m->session_timeout_ms,
		    .rebalance_timeout_ms = m->rebalance_timeout_ms,
		};
		give_assignment(m, topics, classic_adopt(classic, mr_str_from(m->id), &in, now), &arena);
	}
	arena_release(&arena);
	return classic_take_over(classic, g->epoch, now);
}

static int write_downgrade(struct groups *groups, struct group *group, struct group_write *write)
{
	struct record_key key = {.kind = RECORD_CLASSIC_GROUP, .group = mr_str_from(group->name)};
	write_start(groups);
	write_group_tombstones(groups, group);
	record_group_write(&group->classic, &groups->value);
	write_record(groups, &key, false);
	return write_end(groups, key.group, -1, -1, write, NULL);
}

static bool wants_downgrade(const struct groups *groups, const struct group *group)
{
	const struct consumer_group *g = &group->consumer;
	return (groups->options.consumer_migration & MIGRATION_DOWNGRADE) && group->kind == GROUP_CONSUMER &&
	       g->members.len > 0 && consumer_classic_count(g) == g->members.len &&
	       g->members.len <= (size_t)groups->options.size_max;
}

/* Has everybody what it is to have, in this epoch? Then a classic group can go on with that. */
static bool is_settled(const struct consumer_group *g)
{
	bool settled = g->epoch == g->assignment_epoch;
	mr_map_each (&g->members, entry) {
		const struct consumer_member *m = entry->value;
		settled &= m->state == MEMBER_STABLE && m->epoch == g->epoch;
	}
	return settled;
}

/* 0; else nothing is changed: the group goes on as it is, and comes here with its next event. */
static int downgrade(struct groups *groups, struct group *group, const struct topic_view *topics,
		     bool quietly, struct group_write *write, struct group_effects *fx)
{
	struct group_now now = groups_now(groups);
	int rc = MR_ERR_INVALID;
	if (give_members(&group->consumer, topics, &group->classic, now))
		rc = write_downgrade(groups, group, write);
	if (rc < 0) {
		classic_reset(&group->classic);
		return rc;
	}
	bool rebalances = !quietly || !is_settled(&group->consumer);
	consumer_release(&group->consumer);
	consumer_init(&group->consumer, &groups->options, &groups->deadlines);
	group->kind = GROUP_CLASSIC;
	group->forget_classic = false;
	if (rebalances)
		classic_rebalance(&group->classic, now, fx);
	return 0;
}

int groups_conclude_consumer(struct groups *groups, struct group *group, bool quietly,
			     struct group_write *write, struct group_effects *fx)
{
	struct topic_view topics = groups_topic_view(groups);
	int rc = -1;
	if (wants_downgrade(groups, group))
		rc = downgrade(groups, group, &topics, quietly, write, fx);
	if (rc < 0)
		rc = group_persist_consumer(groups, group, write, NULL);
	hold_back(fx, rc, write);
	groups_conclude(groups, group, fx);
	return rc;
}

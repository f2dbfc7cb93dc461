/* group/expiry.c - forgetting: offsets by age, by hand, with their topic; whole groups.
 *
 * An offset expires retention_ms after it stopped being used: of a group that had members, after
 * the last one left (or after the commit, if that was later); of one that never had any, after
 * the commit; of a live consumer group, after the commit when no member subscribes to the topic.
 * (KIP-211 and KIP-496.) A group without members and offsets goes, too.
 */
#include "group/coordinator.h"

#include <stdlib.h>

typedef bool (*doomed_fn)(void *arg, const char *topic, const struct group_offset *offset);

struct collection {
	struct groups *groups;
	struct group *group;
	doomed_fn doomed; /* NULL: all */
	void *arg;
	struct txn_offsets entries;
};

static void collect(struct collection *c, const char *topic, const struct group_offset *o)
{
	if (c->doomed && !c->doomed(c->arg, topic, o))
		return;
	struct record_key key = {RECORD_OFFSET, mr_str_from(c->group->name), mr_str_from(topic),
				 o->partition};
	write_record(c->groups, &key, true);
	struct group_offset gone = {.partition = o->partition};
	mr_vec_push(&c->entries.entries, (struct txn_offset){mr_strdup(topic), gone});
}

static void collect_entries(struct collection *c, const struct txn_offsets *entries)
{
	for (size_t i = 0; i < entries->entries.len; i++)
		collect(c, entries->entries.items[i].topic, &entries->entries.items[i].value);
}

/* What is committed, what a transaction holds, and what is on its way into the log: a record that
 * precedes its tombstone there must have one. */
static void collect_all(struct collection *c)
{
	mr_map_each (&c->group->offsets.topics, entry) {
		const struct topic_offsets *t = entry->value;
		for (size_t i = 0; i < t->partitions.len; i++)
			collect(c, t->topic, &t->partitions.items[i]);
	}
	mr_map_each (&c->group->offsets.pending, entry)
		collect_entries(c, entry->value);
	for (const struct unsettled *u = c->groups->first; u; u = u->next) {
		bool commits = u->kind == SETTLE_COMMIT || u->kind == SETTLE_TXN;
		if (commits && strcmp(u->group, c->group->name) == 0)
			collect_entries(c, &u->entries);
	}
}

int group_forget(struct groups *groups, struct group *group, doomed_fn doomed, void *arg, bool all_of_it,
		 struct group_write *write, struct mr_error *err)
{
	struct collection c = {groups, group, doomed, arg, {0}};
	write_start(groups);
	collect_all(&c);
	if (all_of_it)
		write_group_tombstones(groups, group);
	int rc = write_end(groups, mr_str_from(group->name), -1, -1, write, err);
	if (rc == 0 && write->partition) {
		group->deleting = all_of_it;
		settle_later(groups, write, all_of_it ? SETTLE_DELETE : SETTLE_FORGET, group, -1, &c.entries);
	}
	for (size_t i = 0; i < c.entries.entries.len; i++)
		free(c.entries.entries.items[i].topic);
	mr_vec_release(&c.entries.entries);
	return rc;
}

/* ---- by age ---- */

struct expiry {
	const struct groups *groups;
	const struct group *group;
	int64_t now_ms;
	size_t expired;
};

static int64_t unused_since(const struct group *group, const char *topic, const struct group_offset *o,
			    bool *used)
{
	const struct classic_group *c = &group->classic;
	*used = false;
	if (group->kind == GROUP_CONSUMER) {
		*used = group_subscribed(group, mr_str_from(topic));
		return o->commit_ms;
	}
	if (!c->protocol_type)
		return o->commit_ms;
	if (c->state == CLASSIC_EMPTY)
		return mr_max_i64(c->state_since_ms, o->commit_ms);
	*used = c->state != CLASSIC_STABLE || !classic_uses_consumer_protocol(c) ||
		classic_subscribed(c, mr_str_from(topic));
	return o->commit_ms;
}

static bool is_expired(void *arg, const char *topic, const struct group_offset *o)
{
	struct expiry *x = arg;
	bool used;
	int64_t since = unused_since(x->group, topic, o, &used);
	bool expired = !used && x->now_ms - since >= x->groups->options.retention_ms &&
		       !offsets_undecided(&x->group->offsets, mr_str_from(topic), o->partition);
	x->expired += expired;
	return expired;
}

static size_t count_expired(struct expiry *x)
{
	mr_map_each (&x->group->offsets.topics, entry) {
		const struct topic_offsets *t = entry->value;
		for (size_t i = 0; i < t->partitions.len; i++)
			is_expired(x, t->topic, &t->partitions.items[i]);
	}
	size_t count = x->expired;
	x->expired = 0;
	return count;
}

void groups_expire_offsets(struct groups *groups)
{
	int64_t now_ms = groups_now(groups).wall_ms;
	mr_map_each (&groups->by_name, entry) {
		struct group *group = entry->value;
		struct expiry x = {groups, group, now_ms, 0};
		bool idle = group->classic.state == CLASSIC_EMPTY && !group->consumer.members.len &&
			    !group->classic.pending.len && !group->offsets.pending.len && !group->unsettled &&
			    !group->deleting;
		size_t expired = group->deleting ? 0 : count_expired(&x);
		bool all_of_it = idle && expired == group->offsets.count;
		if (!expired && !all_of_it)
			continue;
		struct group_write write;
		/* What the log cannot take now is forgotten at the next check. */
		if (group_forget(groups, group, is_expired, &x, all_of_it, &write, NULL) == 0)
			groups->expired_offsets += expired;
	}
}

/* ---- by hand, and with their topic ---- */

struct named_entries {
	struct group_offset_entry *items;
	size_t count;
};

static bool is_named(void *arg, const char *topic, const struct group_offset *o)
{
	const struct named_entries *named = arg;
	for (size_t i = 0; i < named->count; i++) {
		const struct group_offset_entry *e = &named->items[i];
		if (!e->code && e->partition == o->partition && mr_str_is(e->topic, topic))
			return true;
	}
	return false;
}

/* Of a group with members, only what no consumer reads. */
static int delete_target(struct groups *groups, mr_str name, struct group_offset_entry *entries, size_t count,
			 struct group **out)
{
	struct group *group = name.len ? group_find(groups, name) : NULL;
	if (!group)
		return name.len ? GROUP_NOT_FOUND : GROUP_INVALID_ID;
	if (group->deleting)
		return GROUP_NOT_AVAILABLE;
	if (group->kind == GROUP_CLASSIC && group->classic.members.len &&
	    !classic_uses_consumer_protocol(&group->classic))
		return GROUP_NON_EMPTY;
	for (size_t i = 0; i < count; i++) {
		if (!entries[i].code && group_subscribed(group, entries[i].topic))
			entries[i].code = GROUP_SUBSCRIBED_TO_TOPIC;
	}
	*out = group;
	return GROUP_OK;
}

int groups_delete_offsets(struct groups *groups, mr_str name, struct group_offset_entry *entries,
			  size_t count, struct group_write *write, struct mr_error *err)
{
	struct group *group;
	struct named_entries named = {entries, count};
	*write = (struct group_write){NULL, -1};
	groups_enter(groups);
	int rc = delete_target(groups, name, entries, count, &group);
	if (rc == 0)
		rc = group_forget(groups, group, is_named, &named, false, write, err);
	groups_leave_lock(groups);
	return rc;
}

static bool is_of_topic(void *arg, const char *topic, const struct group_offset *o)
{
	return mr_str_is(*(const mr_str *)arg, topic);
}

int groups_topic_deleted(struct groups *groups, mr_str topic, struct mr_error *err)
{
	int rc = 0;
	groups_enter(groups);
	mr_map_each (&groups->by_name, entry) {
		struct group *group = entry->value;
		struct group_write write;
		if (rc == 0 && !group->deleting)
			rc = group_forget(groups, group, is_of_topic, &topic, false, &write, err);
	}
	groups_leave_lock(groups);
	return rc;
}

static bool is_of_no_topic(void *arg, const char *topic, const struct group_offset *o)
{
	return !log_topic_find(arg, mr_str_from(topic));
}

/* A crash may come between a topic's deletion and that of its offsets. */
int groups_forget_lost_topics(struct groups *groups, struct mr_error *err)
{
	struct log_store *store = broker_store(groups->broker);
	int rc = 0;
	mr_map_each (&groups->by_name, entry) {
		struct group_write write;
		if (rc == 0)
			rc = group_forget(groups, entry->value, is_of_no_topic, store, false, &write, err);
	}
	return rc == MR_ERR_BUSY ? 0 : rc;
}

int groups_delete(struct groups *groups, mr_str name, struct group_write *write, struct mr_error *err)
{
	*write = (struct group_write){NULL, -1};
	groups_enter(groups);
	struct group *group = name.len ? group_find(groups, name) : NULL;
	int rc = !name.len                   ? GROUP_INVALID_ID
		 : !group                    ? GROUP_NOT_FOUND
		 : group->deleting           ? GROUP_NOT_AVAILABLE
		 : group_member_count(group) ? GROUP_NON_EMPTY
					     : group_forget(groups, group, NULL, NULL, true, write, err);
	groups_leave_lock(groups);
	return rc;
}

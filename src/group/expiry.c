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

static size_t collect_doomed(struct groups *groups, struct group *group, doomed_fn doomed, void *arg,
			     struct txn_offsets *out)
{
	mr_map_each (&group->offsets.topics, entry) {
		const struct topic_offsets *t = entry->value;
		for (size_t i = 0; i < t->partitions.len; i++) {
			const struct group_offset *o = &t->partitions.items[i];
			if (doomed && !doomed(arg, t->topic, o))
				continue;
			struct record_key key = {RECORD_OFFSET, mr_str_from(group->name),
						 mr_str_from(t->topic), o->partition};
			write_record(groups, &key, true);
			struct group_offset gone = {.partition = o->partition};
			mr_vec_push(&out->entries, (struct txn_offset){mr_strdup(t->topic), gone});
		}
	}
	return out->entries.len;
}

int group_forget(struct groups *groups, struct group *group, doomed_fn doomed, void *arg, bool all_of_it,
		 struct group_write *write, struct mr_error *err)
{
	struct txn_offsets entries = {0};
	write_start(groups);
	collect_doomed(groups, group, doomed, arg, &entries);
	if (all_of_it) {
		struct record_key key = {.kind = RECORD_CLASSIC_GROUP, .group = mr_str_from(group->name)};
		write_record(groups, &key, true);
	}
	int rc = write_end(groups, mr_str_from(group->name), -1, -1, write, err);
	if (rc == 0 && write->partition) {
		group->deleting = all_of_it;
		settle_later(groups, write, all_of_it ? SETTLE_DELETE : SETTLE_FORGET, group, -1, &entries);
	}
	for (size_t i = 0; i < entries.entries.len; i++)
		free(entries.entries.items[i].topic);
	mr_vec_release(&entries.entries);
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
		bool idle = group->classic.state == CLASSIC_EMPTY && !group->classic.pending.len &&
			    !group->offsets.pending.len && !group->unsettled && !group->deleting;
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
	if (group->classic.members.len && !classic_uses_consumer_protocol(&group->classic))
		return GROUP_NON_EMPTY;
	for (size_t i = 0; i < count; i++) {
		if (!entries[i].code && classic_subscribed(&group->classic, entries[i].topic))
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
		if (rc == 0 && mr_map_get(&group->offsets.topics, topic))
			rc = group_forget(groups, group, is_of_topic, &topic, false, &write, err);
	}
	groups_leave_lock(groups);
	return rc;
}

int groups_delete(struct groups *groups, mr_str name, struct group_write *write, struct mr_error *err)
{
	*write = (struct group_write){NULL, -1};
	groups_enter(groups);
	struct group *group = name.len ? group_find(groups, name) : NULL;
	int rc = !name.len                    ? GROUP_INVALID_ID
		 : !group                     ? GROUP_NOT_FOUND
		 : group->deleting            ? GROUP_NOT_AVAILABLE
		 : group->classic.members.len ? GROUP_NON_EMPTY
					      : group_forget(groups, group, NULL, NULL, true, write, err);
	groups_leave_lock(groups);
	return rc;
}

/* group/commits.c - committing and fetching offsets, with and without a transaction. */
#include "group/coordinator.h"

#include <stdlib.h>

/* ---- committing ---- */

/* *out is NULL for an outsider's first commit: it makes the group. */
static int commit_target(struct groups *groups, const struct group_commit *in, bool transactional,
			 struct group **out)
{
	const struct group_member_ref *who = &in->member;
	if (who->group.len == 0)
		return GROUP_INVALID_ID;
	struct group *group = group_find(groups, who->group);
	*out = group;
	if (!group && (who->generation < 0 || transactional))
		return who->generation < 0 ? GROUP_OK : GROUP_ILLEGAL_GENERATION;
	if (!group)
		return in->by_epoch ? GROUP_NOT_FOUND : GROUP_ILLEGAL_GENERATION;
	if (group->deleting)
		return GROUP_NOT_AVAILABLE;
	if (group->kind == GROUP_CONSUMER)
		return consumer_commit(&group->consumer, who, in->by_epoch || transactional);
	return classic_commit(&group->classic, who, transactional, groups_now(groups));
}

static void collect_commits(struct groups *groups, const struct group_commit *in, struct txn_offsets *out)
{
	int64_t now_ms = groups_now(groups).wall_ms;
	write_start(groups);
	for (size_t i = 0; i < in->count; i++) {
		struct group_offset_entry *e = &in->entries[i];
		if (!e->code && e->metadata.len > (size_t)groups->options.metadata_bytes_max)
			e->code = GROUP_METADATA_TOO_LARGE;
		if (e->code)
			continue;
		struct group_offset value = {
		    .partition = e->partition,
		    .leader_epoch = e->leader_epoch,
		    .offset = e->offset,
		    .commit_ms = now_ms,
		};
		struct record_key key = {RECORD_OFFSET, in->member.group, e->topic, e->partition};
		record_offset_write(&value, e->metadata, &groups->value);
		write_record(groups, &key, false);
		value.metadata = mr_strndup(e->metadata);
		mr_vec_push(&out->entries, (struct txn_offset){mr_strndup(e->topic), value});
	}
}

static void entries_release(struct txn_offsets *t)
{
	for (size_t i = 0; i < t->entries.len; i++) {
		free(t->entries.items[i].topic);
		free(t->entries.items[i].value.metadata);
	}
	mr_vec_release(&t->entries);
}

static int commit(struct groups *groups, const struct group_commit *in, int64_t producer_id,
		  int16_t producer_epoch, struct group_write *write, struct mr_error *err)
{
	bool transactional = producer_id >= 0;
	struct group *group;
	*write = (struct group_write){NULL, -1};
	int rc = commit_target(groups, in, transactional, &group);
	if (rc != 0)
		return rc;
	struct txn_offsets entries = {0};
	collect_commits(groups, in, &entries);
	rc = write_end(groups, in->member.group, producer_id, producer_epoch, write, err);
	if (rc == 0 && write->partition) {
		groups->commits++;
		group = group_make(groups, in->member.group);
		settle_later(groups, write, transactional ? SETTLE_TXN : SETTLE_COMMIT, group, producer_id,
			     &entries);
	}
	entries_release(&entries);
	return rc;
}

int groups_commit(struct groups *groups, const struct group_commit *in, struct group_write *write,
		  struct mr_error *err)
{
	groups_enter(groups);
	int rc = commit(groups, in, -1, -1, write, err);
	groups_leave_lock(groups);
	return rc;
}

int group_txn_offset_commit(struct groups *groups, const struct group_commit *in, int64_t producer_id,
			    int16_t producer_epoch, struct group_write *write, struct mr_error *err)
{
	groups_enter(groups);
	int rc = commit(groups, in, producer_id, producer_epoch, write, err);
	groups_leave_lock(groups);
	return rc;
}

/* ---- which groups a transaction concerns ---- */

static mr_str producer_key(const int64_t *producer_id)
{
	return mr_str_n(producer_id, sizeof *producer_id);
}

void txn_groups_note(struct groups *groups, int64_t producer_id, const struct group *group)
{
	struct txn_groups *t = mr_map_get(&groups->in_txn, producer_key(&producer_id));
	if (!t) {
		t = mr_calloc(1, sizeof *t);
		mr_map_put(&groups->in_txn, producer_key(&producer_id), t);
	}
	for (size_t i = 0; i < t->names.len; i++) {
		if (strcmp(t->names.items[i], group->name) == 0)
			return;
	}
	mr_vec_push(&t->names, mr_strdup(group->name));
}

static void txn_groups_free(struct txn_groups *t)
{
	for (size_t i = 0; i < t->names.len; i++)
		free(t->names.items[i]);
	mr_vec_release(&t->names);
	free(t);
}

void txn_groups_decide(struct groups *groups, int64_t producer_id, bool commits)
{
	struct txn_groups *t = mr_map_remove(&groups->in_txn, producer_key(&producer_id));
	if (!t)
		return;
	for (size_t i = 0; i < t->names.len; i++) {
		struct group *group = group_find(groups, mr_str_from(t->names.items[i]));
		if (!group)
			continue; /* deleted meanwhile */
		offsets_decide(&group->offsets, producer_id, commits);
		group_drop_if_blank(groups, group);
	}
	txn_groups_free(t);
}

void txn_groups_release(struct groups *groups)
{
	mr_map_each (&groups->in_txn, entry)
		txn_groups_free(entry->value);
	mr_map_release(&groups->in_txn);
}

void group_txn_complete(struct groups *groups, int64_t producer_id, bool commits)
{
	groups_enter(groups);
	txn_groups_decide(groups, producer_id, commits);
	groups_leave_lock(groups);
}

/* ---- fetching ---- */

static void fetch_one(const struct group *group, const struct group_fetch *in, struct group_offset_entry *e,
		      struct arena *arena)
{
	e->offset = e->leader_epoch = -1;
	e->metadata = MR_STR("");
	e->code = GROUP_OK;
	if (!group)
		return;
	const struct group_offset *found = offsets_get(&group->offsets, e->topic, e->partition);
	if (in->require_stable && offsets_undecided(&group->offsets, e->topic, e->partition)) {
		e->code = GROUP_UNSTABLE_OFFSET;
	} else if (found) {
		e->offset = found->offset;
		e->leader_epoch = found->leader_epoch;
		e->metadata = arena_copy(arena, mr_str_from(found->metadata));
	}
}

static int fetch_target(struct groups *groups, const struct group_fetch *in, struct group **out)
{
	if (in->member.group.len == 0)
		return GROUP_INVALID_ID;
	const struct group_member_ref *who = &in->member;
	struct group *group = group_find(groups, who->group);
	*out = group;
	/* A member asks for what it is to read: not with an epoch that is over. */
	if (group && group->kind == GROUP_CONSUMER && who->generation >= 0)
		return consumer_commit(&group->consumer, who, true);
	return GROUP_OK;
}

int groups_fetch(struct groups *groups, const struct group_fetch *in, struct group_offset_entry *entries,
		 size_t count, struct arena *arena)
{
	struct group *group;
	groups_enter(groups);
	int code = fetch_target(groups, in, &group);
	for (size_t i = 0; i < count && code == GROUP_OK; i++)
		fetch_one(group, in, &entries[i], arena);
	groups_leave_lock(groups);
	return code;
}

static int by_topic(const void *a, const void *b)
{
	const struct group_offset_entry *x = a, *y = b;
	int order = strcmp(x->topic.ptr, y->topic.ptr);
	return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static size_t fetch_every(const struct group *group, const struct group_fetch *in,
			  struct group_offset_entry *out, struct arena *arena)
{
	size_t n = 0;
	mr_map_each (&group->offsets.topics, entry) {
		const struct topic_offsets *t = entry->value;
		mr_str topic = arena_copy(arena, mr_str_from(t->topic));
		for (size_t i = 0; i < t->partitions.len; i++, n++) {
			out[n] = (struct group_offset_entry){.topic = topic,
							     .partition = t->partitions.items[i].partition};
			fetch_one(group, in, &out[n], arena);
		}
	}
	qsort(out, n, sizeof *out, by_topic);
	return n;
}

int groups_fetch_all(struct groups *groups, const struct group_fetch *in, struct group_offset_entry **out,
		     size_t *count, struct arena *arena)
{
	struct group *group;
	groups_enter(groups);
	int code = fetch_target(groups, in, &group);
	*count = code == GROUP_OK && group ? group->offsets.count : 0;
	*out = arena_calloc(arena, mr_max_size(*count, 1), sizeof **out);
	if (*count)
		*count = fetch_every(group, in, *out, arena);
	groups_leave_lock(groups);
	return code;
}

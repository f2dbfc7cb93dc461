/* The verbs of groups. */
#include "admin/position.h"
#include "admin/verbs.h"

#include <stdlib.h>

#define WRITE_TIMEOUT_MS 30000

static int group_fault(int code, mr_str group, struct mr_error *err)
{
	switch (code) {
	case GROUP_OK:
		return 0;
	case GROUP_NOT_FOUND:
		mr_fail(err, MR_ERR_NOT_FOUND, "there is no group %.*s", MR_FMT(group));
		return mr_hint(err, "millrace group list");
	case GROUP_NON_EMPTY:
	case GROUP_UNKNOWN_MEMBER:
		mr_fail(err, MR_ERR_INVALID, "group %.*s has members", MR_FMT(group));
		return mr_hint(err, "stop its consumers first: millrace group members %.*s", MR_FMT(group));
	case GROUP_SUBSCRIBED_TO_TOPIC:
		return mr_fail(err, MR_ERR_INVALID, "group %.*s has members that read this topic",
			       MR_FMT(group));
	default:
		return mr_fail(err, MR_ERR_UNAVAILABLE, "group %.*s cannot be changed now (code %d)",
			       MR_FMT(group), code);
	}
}

static int await_write(const struct group_write *write, struct mr_error *err)
{
	if (!write->partition)
		return 0;
	int rc = groups_write_state(write, err);
	return rc == 1 ? log_wait_stable(write->partition, write->next_offset, WRITE_TIMEOUT_MS, err) : rc;
}

/* ---- seek ---- */

struct offsets {
	MR_VEC(struct group_offset_entry) list;
};

static void add_topic(struct offsets *offsets, struct log_topic *topic)
{
	for (int32_t i = 0; i < log_topic_partition_count(topic); i++)
		mr_vec_push(&offsets->list,
			    ((struct group_offset_entry){
				.topic = log_topic_name(topic), .partition = i, .offset = -1}));
}

/* The topics that are named; else those that the group has committed offsets for. */
static int add_topics(struct admin_call *call, mr_str group, struct offsets *out, struct mr_error *err)
{
	struct log_store *store = broker_store(call->admin->broker);
	struct json_value topics = json_get(call->in, "topics");
	for (struct json_iter it = json_iter(topics); json_next(&it);) {
		struct log_topic *topic = log_topic_find(store, json_str(it.value));
		if (!topic)
			return mr_fail(err, MR_ERR_NOT_FOUND, "there is no topic %.*s",
				       MR_FMT(json_str(it.value)));
		add_topic(out, topic);
	}
	if (json_count(topics))
		return 0;
	struct group_fetch all = {.member = {.group = group, .generation = -1}};
	struct group_offset_entry *entries;
	size_t count;
	int code = groups_fetch_all(call->admin->groups, &all, &entries, &count, &call->arena);
	if (code != GROUP_OK || !count) {
		mr_fail(err, MR_ERR_NOT_FOUND, "group %.*s has committed nothing", MR_FMT(group));
		return mr_hint(err, "say which topics it is to read: --topic NAME");
	}
	mr_str last = MR_STR("");
	for (size_t i = 0; i < count; i++) {
		struct log_topic *topic = log_topic_find(store, entries[i].topic);
		if (topic && !mr_str_eq(last, entries[i].topic))
			add_topic(out, topic);
		last = entries[i].topic;
	}
	return 0;
}

static void keep_partition(struct offsets *offsets, int64_t partition)
{
	size_t kept = 0;
	for (size_t i = 0; i < offsets->list.len; i++) {
		if (offsets->list.items[i].partition == partition)
			offsets->list.items[kept++] = offsets->list.items[i];
	}
	offsets->list.len = kept;
}

static int find_targets(struct admin_call *call, const struct position *to, struct offsets *offsets,
			struct mr_error *err)
{
	struct log_store *store = broker_store(call->admin->broker);
	int rc = 0;
	for (size_t i = 0; i < offsets->list.len && rc == 0; i++) {
		struct group_offset_entry *entry = &offsets->list.items[i];
		struct log_topic *topic = log_topic_find(store, entry->topic);
		struct log_partition *partition = topic ? log_partition_at(topic, entry->partition) : NULL;
		if (!partition)
			return mr_fail(err, MR_ERR_NOT_FOUND, "topic %.*s is gone", MR_FMT(entry->topic));
		entry->leader_epoch = -1;
		entry->metadata = MR_STR("");
		rc = position_offset(to, partition, &entry->offset, err);
	}
	return rc;
}

static int check_empty(struct admin_call *call, mr_str group, struct mr_error *err)
{
	struct group_view view;
	int code = groups_describe(call->admin->groups, group, &view, &call->arena);
	return code == GROUP_OK && view.summary.members ? group_fault(GROUP_NON_EMPTY, group, err) : 0;
}

static int commit(struct admin_call *call, mr_str group, struct offsets *offsets, struct mr_error *err)
{
	struct group_write write = {0};
	struct group_commit commit = {.member = {.group = group, .generation = -1},
				      .entries = offsets->list.items,
				      .count = offsets->list.len};
	int rc = groups_prepare(call->admin->groups, err);
	if (rc < 0)
		return rc;
	rc = groups_commit(call->admin->groups, &commit, &write, err);
	if (rc < 0)
		return rc;
	rc = group_fault(rc, group, err);
	for (size_t i = 0; i < commit.count && rc == 0; i++)
		rc = group_fault(commit.entries[i].code, group, err);
	return rc < 0 ? rc : await_write(&write, err);
}

static void put_offsets(struct admin_call *call, const struct offsets *before, const struct offsets *after)
{
	struct json_writer *w = &call->w;
	json_key(w, "offsets");
	json_begin_array(w);
	for (size_t i = 0; i < after->list.len; i++) {
		const struct group_offset_entry *entry = &after->list.items[i];
		json_begin_object(w);
		json_member_str(w, "topic", entry->topic);
		json_member_int(w, "partition", entry->partition);
		if (before->list.items[i].offset >= 0)
			json_member_int(w, "before", before->list.items[i].offset);
		json_member_int(w, "after", entry->offset);
		json_end_object(w);
	}
	json_end_array(w);
}

/* group, to (a position), topics (default: those it has offsets of), partition, dry_run
 * → offsets: [{topic, partition, before (absent: none), after}] */
int admin_group_seek(struct admin_call *call, struct mr_error *err)
{
	mr_str group, text;
	struct position to;
	struct offsets before = {0}, after = {0};
	int rc = admin_need(call, "group", &group, err);
	if (rc == 0)
		rc = admin_need(call, "to", &text, err);
	if (rc == 0)
		rc = position_parse(text, clock_wall_ms(call->admin->env->clock), &to, err);
	if (rc == 0)
		rc = check_empty(call, group, err);
	if (rc == 0)
		rc = add_topics(call, group, &after, err);
	if (rc == 0 && json_present(json_get(call->in, "partition")))
		keep_partition(&after, json_int(json_get(call->in, "partition")));
	for (size_t i = 0; rc == 0 && i < after.list.len; i++)
		mr_vec_push(&before.list, after.list.items[i]);
	struct group_fetch fetch = {.member = {.group = group, .generation = -1}};
	if (rc == 0) /* of a group that is not there yet nothing is found */
		(void)groups_fetch(call->admin->groups, &fetch, before.list.items, before.list.len,
				   &call->arena);
	if (rc == 0)
		rc = find_targets(call, &to, &after, err);
	if (rc == 0 && !json_bool(json_get(call->in, "dry_run")))
		rc = commit(call, group, &after, err);
	if (rc == 0)
		put_offsets(call, &before, &after);
	mr_vec_release(&before.list);
	mr_vec_release(&after.list);
	return rc;
}

/* ---- delete ---- */

/* group */
int admin_group_delete(struct admin_call *call, struct mr_error *err)
{
	mr_str group;
	struct group_write write = {0};
	int rc = admin_need(call, "group", &group, err);
	if (rc < 0)
		return rc;
	rc = groups_delete(call->admin->groups, group, &write, err);
	if (rc > 0)
		return group_fault(rc, group, err);
	return rc < 0 ? rc : await_write(&write, err);
}

/* group, topic: forget what it has committed for the topic */
int admin_group_forget(struct admin_call *call, struct mr_error *err)
{
	mr_str group;
	struct log_topic *topic;
	struct offsets offsets = {0};
	struct group_write write = {0};
	int rc = admin_need(call, "group", &group, err);
	if (rc == 0)
		rc = admin_topic(call, &topic, err);
	if (rc < 0)
		return rc;
	add_topic(&offsets, topic);
	rc = groups_delete_offsets(call->admin->groups, group, offsets.list.items, offsets.list.len, &write,
				   err);
	if (rc > 0)
		rc = group_fault(rc, group, err);
	for (size_t i = 0; i < offsets.list.len && rc == 0; i++)
		rc = group_fault(offsets.list.items[i].code, group, err);
	if (rc == 0)
		rc = await_write(&write, err);
	mr_vec_release(&offsets.list);
	return rc;
}

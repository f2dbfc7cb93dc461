/* share/offsets.c - where groups begin, for administration: describe, reset, forget. */
#include "share/coordinator.h"

#include <stdlib.h>

static int find_empty(struct share *share, mr_str name, struct share_group **out)
{
	*out = share_group_find(share, name);
	if (!*out || share_group_is_blank(*out))
		return GROUP_NOT_FOUND;
	return (*out)->members.by_id.len ? GROUP_NON_EMPTY : GROUP_OK;
}

static void describe_part(const struct share_part *part, struct share_offset *out)
{
	out->start = out->lag = -1;
	if (!part || !part->begun)
		return;
	out->start = part->records.start;
	out->lag = mr_max_i64(log_stable_offset(part->log) - part->records.start, 0) -
		   share_partition_done_count(&part->records);
	out->lag = mr_max_i64(out->lag, 0);
}

static int by_place(const void *a, const void *b)
{
	const struct share_offset *x = a, *y = b;
	mr_str left = log_topic_name(x->ref.topic), right = log_topic_name(y->ref.topic);
	int order = strcmp(left.ptr, right.ptr);
	return order ? order : (x->ref.partition > y->ref.partition) - (x->ref.partition < y->ref.partition);
}

static size_t describe_all(struct share *share, const struct share_group *group, struct share_offset *out)
{
	size_t n = 0;
	mr_map_each (&group->parts, each) {
		struct share_part *part = each->value;
		bool there =
		    log_topic_find(broker_store(share->broker), log_topic_name(part->topic)) == part->topic;
		if (!part->begun || !there)
			continue;
		out[n].ref = (struct share_partition_ref){part->topic, part->index};
		describe_part(part, &out[n++]);
	}
	qsort(out, n, sizeof *out, by_place);
	return n;
}

int share_offsets_describe(struct share *share, mr_str name, const struct share_partition_ref *refs,
			   size_t count, struct share_offset **out, size_t *out_count, struct arena *arena)
{
	share_enter(share);
	struct share_group *group = share_group_find(share, name);
	int code = group && !share_group_is_blank(group) ? GROUP_OK : GROUP_NOT_FOUND;
	if (code == GROUP_OK) {
		size_t most = refs ? count : group->parts.len;
		*out = arena_calloc(arena, most + 1, sizeof **out);
		for (size_t i = 0; refs && i < count; i++) {
			(*out)[i].ref = refs[i];
			describe_part(part_find(group, &refs[i]), &(*out)[i]);
		}
		*out_count = refs ? count : describe_all(share, group, *out);
	}
	share_leave_lock(share);
	return code;
}

int share_offsets_alter(struct share *share, mr_str name, struct share_offset *offsets, size_t count,
			struct group_write *write, struct mr_error *err)
{
	struct share_group *group;
	*write = (struct group_write){NULL, -1};
	share_enter(share);
	int rc = find_empty(share, name, &group);
	if (rc == GROUP_NOT_FOUND && !share_name_is_taken(share, name)) {
		group = share_group_make(share, name);
		group->known = true;
		rc = GROUP_OK;
	}
	for (size_t i = 0; rc == GROUP_OK && i < count; i++) {
		if (offsets[i].code)
			continue;
		struct share_part *part = part_make(group, &offsets[i].ref);
		part_begin(part, mr_max_i64(offsets[i].start, 0));
		part->state_epoch++;
		rc = part_flush(part, write, err);
	}
	share_leave_lock(share);
	return rc;
}

static int forget_topic(struct share_group *group, const struct log_topic *topic, struct group_write *write,
			struct mr_error *err)
{
	int found = GROUP_UNKNOWN_TOPIC;
	mr_map_each (&group->parts, each) {
		struct share_part *part = each->value;
		if (part->topic != topic || !part->begun)
			continue;
		int rc = part_forget(part, write, err);
		if (rc < 0)
			return rc;
		found = GROUP_OK;
	}
	return found;
}

int share_offsets_delete(struct share *share, mr_str name, struct log_topic *const *topics, size_t count,
			 int *codes, struct group_write *write, struct mr_error *err)
{
	struct share_group *group;
	*write = (struct group_write){NULL, -1};
	share_enter(share);
	int rc = find_empty(share, name, &group);
	for (size_t i = 0; rc == GROUP_OK && i < count; i++) {
		codes[i] = topics[i] ? forget_topic(group, topics[i], write, err) : GROUP_UNKNOWN_TOPIC;
		if (codes[i] < 0)
			rc = codes[i];
	}
	share_leave_lock(share);
	return rc;
}

int share_group_delete(struct share *share, mr_str name, struct group_write *write, struct mr_error *err)
{
	struct share_group *group;
	*write = (struct group_write){NULL, -1};
	share_enter(share);
	int rc = find_empty(share, name, &group);
	if (rc == GROUP_OK) {
		mr_map_each (&group->parts, each) {
			struct share_part *part = each->value;
			if (rc == GROUP_OK && part->begun)
				rc = part_forget(part, write, err);
		}
		group->known = rc != GROUP_OK;
	}
	share_leave_lock(share);
	return rc;
}

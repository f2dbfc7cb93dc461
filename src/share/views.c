/* share/views.c - membership, and groups as others see them. Copies: nobody holds the lock to look. */
#include "share/coordinator.h"

#include <stdlib.h>

/* ---- heartbeats ---- */

bool share_name_is_taken(struct share *share, mr_str name)
{
	struct arena arena = {0};
	struct group_view view;
	bool taken = share->groups && groups_describe(share->groups, name, &view, &arena) == GROUP_OK;
	arena_release(&arena);
	return taken;
}

static int find_for(struct share *share, const struct share_heartbeat *in, struct share_answer *out,
		    struct share_group **found)
{
	struct share_group *group = share_group_find(share, in->group);
	if (!in->group.len) {
		out->message = "GroupId can't be empty.";
		return GROUP_INVALID_REQUEST;
	}
	if (!group && share_name_is_taken(share, in->group)) {
		out->message = "The group is not a share group.";
		return GROUP_NOT_FOUND;
	}
	if (!group && in->member_epoch != 0) {
		out->message = "The member is not in the group.";
		return GROUP_UNKNOWN_MEMBER;
	}
	*found = group ? group : share_group_make(share, in->group);
	return GROUP_OK;
}

int share_group_heartbeat(struct share *share, const struct share_heartbeat *in, struct share_answer *out,
			  int32_t *heartbeat_ms, struct arena *arena)
{
	struct group_configs *configs = broker_group_configs(share->broker);
	struct share_topics topics = share_topics_of(share);
	struct share_group *group;
	*out = (struct share_answer){0};
	share_enter(share);
	int code = find_for(share, in, out, &group);
	if (code == GROUP_OK) {
		int64_t session_ms = group_config_int(configs, in->group, "share.session.timeout.ms",
						      share->options.session_ms);
		code = share_members_heartbeat(&group->members, in, &topics, (size_t)share->options.size_max,
					       share_now_ms(share), (int32_t)session_ms, arena, out);
		group->known |= code == GROUP_OK;
	}
	share_leave_lock(share);
	*heartbeat_ms = (int32_t)group_config_int(configs, in->group, "share.heartbeat.interval.ms",
						  share->options.heartbeat_ms);
	return code;
}

bool share_group_exists(struct share *share, mr_str name)
{
	share_enter(share);
	const struct share_group *group = share_group_find(share, name);
	bool exists = group && !share_group_is_blank(group);
	share_leave_lock(share);
	return exists;
}

/* ---- views ---- */

static mr_str copy(struct arena *arena, const char *s)
{
	return s ? arena_copy(arena, mr_str_from(s)) : MR_STR_NULL;
}

static void summarize(const struct share_group *group, struct share_group_view *out, struct arena *arena)
{
	*out = (struct share_group_view){
	    .name = copy(arena, group->name),
	    .state = group->members.by_id.len ? "Stable" : "Empty",
	    .epoch = group->members.epoch,
	    .member_count = group->members.by_id.len,
	};
}

/* In the order of topics; those of a topic that is gone are left out. */
static void name_parts(struct share *share, const struct share_member *m, struct share_member_view *out,
		       struct arena *arena)
{
	struct group_topic_part *parts = arena_calloc(arena, m->assigned.parts.len + 1, sizeof *parts);
	for (size_t i = 0; i < m->topics.len; i++) {
		struct log_topic *topic =
		    log_topic_find(broker_store(share->broker), mr_str_from(m->topics.items[i]));
		uint8_t id[16];
		if (!topic)
			continue;
		log_topic_id(topic, id);
		for (size_t k = 0; k < m->assigned.parts.len; k++) {
			const struct topic_partition *part = &m->assigned.parts.items[k];
			if (memcmp(part->topic_id, id, 16) != 0)
				continue;
			struct group_topic_part *named = &parts[out->assigned_count++];
			named->topic = log_topic_name(topic);
			named->partition = part->partition;
			memcpy(named->topic_id, id, 16);
		}
	}
	out->assigned = parts;
}

static void describe_member(struct share *share, const struct share_member *m, struct share_member_view *out,
			    struct arena *arena)
{
	mr_str *topics = arena_calloc(arena, m->topics.len + 1, sizeof *topics);
	for (size_t i = 0; i < m->topics.len; i++)
		topics[i] = copy(arena, m->topics.items[i]);
	*out = (struct share_member_view){
	    .id = copy(arena, m->id),
	    .rack_id = copy(arena, m->rack_id),
	    .client_id = copy(arena, m->client_id),
	    .client_host = copy(arena, m->client_host),
	    .epoch = m->epoch,
	    .topics = topics,
	    .topic_count = m->topics.len,
	};
	name_parts(share, m, out, arena);
}

int share_group_describe(struct share *share, mr_str name, struct share_group_view *out, struct arena *arena)
{
	share_enter(share);
	const struct share_group *group = share_group_find(share, name);
	int code = group && !share_group_is_blank(group) ? GROUP_OK : GROUP_NOT_FOUND;
	if (code == GROUP_OK) {
		size_t n = 0;
		summarize(group, out, arena);
		out->members = arena_calloc(arena, out->member_count + 1, sizeof *out->members);
		mr_map_each (&group->members.by_id, each)
			describe_member(share, each->value, &out->members[n++], arena);
	}
	share_leave_lock(share);
	return code;
}

static int by_name(const void *a, const void *b)
{
	const struct share_group_view *x = a, *y = b;
	return strcmp(x->name.ptr, y->name.ptr);
}

struct share_group_view *share_groups_list(struct share *share, size_t *count, struct arena *arena)
{
	share_enter(share);
	struct share_group_view *all = arena_calloc(arena, share->by_name.len + 1, sizeof *all);
	*count = 0;
	mr_map_each (&share->by_name, each) {
		if (!share_group_is_blank(each->value))
			summarize(each->value, &all[(*count)++], arena);
	}
	share_leave_lock(share);
	qsort(all, *count, sizeof *all, by_name);
	return all;
}

/* group/views.c - groups as others see them: listing, describing, lag. Copies, so that nobody
 * holds the lock while looking. */
#include "group/coordinator.h"

#include <stdlib.h>

static mr_str copy(struct arena *arena, const char *s)
{
	return s ? arena_copy(arena, mr_str_from(s)) : MR_STR_NULL;
}

static void summarize(const struct group *group, struct group_summary *out, struct arena *arena)
{
	*out = (struct group_summary){
	    .name = copy(arena, group->name),
	    .protocol_type = copy(arena, group->classic.protocol_type ? group->classic.protocol_type : ""),
	    .state = classic_state_word(group->deleting ? CLASSIC_DEAD : group->classic.state),
	    .kind = group->kind,
	    .members = group_member_count(group),
	};
	if (group->kind == GROUP_CONSUMER) {
		out->protocol_type = MR_STR("consumer");
		out->state = group->deleting ? out->state : consumer_state_word(&group->consumer);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct group_summary *x = a, *y = b;
	return strcmp(x->name.ptr, y->name.ptr);
}

struct group_summary *groups_list(struct groups *groups, size_t *count, struct arena *arena)
{
	groups_enter(groups);
	struct group_summary *all = arena_calloc(arena, mr_max_size(groups->by_name.len, 1), sizeof *all);
	size_t n = 0;
	mr_map_each (&groups->by_name, entry)
		summarize(entry->value, &all[n++], arena);
	groups_leave_lock(groups);
	qsort(all, n, sizeof *all, by_name);
	*count = n;
	return all;
}

/* What members said is told when it is settled what they speak. */
static void describe_members(const struct classic_group *g, struct group_view *out, struct arena *arena)
{
	out->members = arena_calloc(arena, mr_max_size(g->members.len, 1), sizeof *out->members);
	size_t n = 0;
	mr_map_each (&g->members, entry) {
		const struct classic_member *m = entry->value;
		bool stable = g->state == CLASSIC_STABLE;
		out->members[n++] = (struct group_member_view){
		    .id = copy(arena, m->id),
		    .instance_id = copy(arena, m->instance_id),
		    .client_id = copy(arena, m->client_id),
		    .client_host = copy(arena, m->client_host),
		    .metadata = stable ? arena_copy(arena, classic_member_metadata(g, m)) : MR_STR(""),
		    .assignment = arena_copy(arena, stable ? m->assignment : MR_STR("")),
		};
	}
}

/* ---- consumer groups ---- */

/* Topics by id, as they are now: parts of a topic that is gone are left out. */
struct topic_names {
	struct mr_map by_id; /* -> struct log_topic */
};

static void learn_names(struct groups *groups, struct topic_names *names)
{
	size_t count;
	struct log_topic **all = log_topics(broker_store(groups->broker), &count);
	for (size_t i = 0; i < count; i++) {
		uint8_t id[16];
		log_topic_id(all[i], id);
		mr_map_put(&names->by_id, mr_str_n(id, 16), all[i]);
	}
	free(all);
}

static const struct group_topic_part *name_parts(const struct topic_names *names,
						 const struct partition_set *set, size_t *count,
						 struct arena *arena)
{
	struct group_topic_part *out = arena_calloc(arena, set->parts.len + 1, sizeof *out);
	*count = 0;
	for (size_t i = 0; i < set->parts.len; i++) {
		const struct topic_partition *part = &set->parts.items[i];
		const struct log_topic *topic = mr_map_get(&names->by_id, mr_str_n(part->topic_id, 16));
		if (!topic)
			continue;
		struct group_topic_part *named = &out[(*count)++];
		named->topic = log_topic_name(topic);
		named->partition = part->partition;
		memcpy(named->topic_id, part->topic_id, 16);
	}
	return out;
}

static void describe_consumer(const struct topic_names *names, const struct consumer_member *m,
			      struct group_member_view *out, struct arena *arena)
{
	struct consumer_member_view *view = arena_calloc(arena, 1, sizeof *view);
	mr_str *topics = arena_calloc(arena, m->topics.len + 1, sizeof *topics);
	for (size_t i = 0; i < m->topics.len; i++)
		topics[i] = copy(arena, m->topics.items[i]);
	*view = (struct consumer_member_view){
	    .rack_id = copy(arena, m->rack_id),
	    .regex = copy(arena, m->regex),
	    .epoch = m->epoch,
	    .classic = consumer_is_classic(m),
	    .topics = topics,
	    .topic_count = m->topics.len,
	};
	view->assigned = name_parts(names, &m->assigned, &view->assigned_count, arena);
	view->target = name_parts(names, &m->target, &view->target_count, arena);
	*out = (struct group_member_view){
	    .id = copy(arena, m->id),
	    .instance_id = copy(arena, m->instance_id),
	    .client_id = copy(arena, m->client_id),
	    .client_host = copy(arena, m->client_host),
	    .metadata = MR_STR(""),
	    .assignment = MR_STR(""),
	    .consumer = view,
	};
}

static void describe_consumers(struct groups *groups, const struct consumer_group *g, struct group_view *out,
			       struct arena *arena)
{
	struct topic_names names = {0};
	learn_names(groups, &names);
	out->generation = g->epoch;
	out->assignment_epoch = g->assignment_epoch;
	out->protocol = consumer_assignor(g);
	out->members = arena_calloc(arena, g->members.len + 1, sizeof *out->members);
	size_t n = 0;
	mr_map_each (&g->members, entry)
		describe_consumer(&names, entry->value, &out->members[n++], arena);
	mr_map_release(&names.by_id);
}

int groups_describe(struct groups *groups, mr_str name, struct group_view *out, struct arena *arena)
{
	groups_enter(groups);
	const struct group *group = group_find(groups, name);
	int code = group && !group->deleting ? GROUP_OK : GROUP_NOT_FOUND;
	if (code == GROUP_OK) {
		const struct classic_group *g = &group->classic;
		*out = (struct group_view){
		    .protocol = copy(arena, g->state == CLASSIC_STABLE && g->protocol ? g->protocol : ""),
		    .leader = copy(arena, g->leader ? g->leader : ""),
		    .generation = g->generation,
		};
		summarize(group, &out->summary, arena);
		if (group->kind == GROUP_CONSUMER)
			describe_consumers(groups, &group->consumer, out, arena);
		else
			describe_members(g, out, arena);
	}
	groups_leave_lock(groups);
	return code;
}

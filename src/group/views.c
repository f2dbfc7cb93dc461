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
	    .members = group->classic.members.len,
	};
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
		describe_members(g, out, arena);
	}
	groups_leave_lock(groups);
	return code;
}

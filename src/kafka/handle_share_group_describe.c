/* ShareGroupDescribe (77), version 1: members of share groups and what they read; groups of another
 * kind are GROUP_ID_NOT_FOUND. */
#include "kafka/group_request.h"

static void fill_assignment(struct request *r, const struct share_member_view *m,
			    struct share_described_assignment *out)
{
	request_array(r, &out->topic_partitions, m->assigned_count);
	out->topic_partitions.count = 0;
	for (size_t i = 0; i < m->assigned_count;) {
		size_t end = i;
		while (end < m->assigned_count &&
		       memcmp(m->assigned[end].topic_id, m->assigned[i].topic_id, 16) == 0)
			end++;
		struct share_described_partitions *t =
		    &out->topic_partitions.items[out->topic_partitions.count++];
		memcpy(t->topic_id, m->assigned[i].topic_id, 16);
		t->topic_name = m->assigned[i].topic;
		request_array(r, &t->partitions, end - i);
		for (size_t k = 0; i < end; i++, k++)
			t->partitions.items[k] = m->assigned[i].partition;
	}
}

static void fill_member(struct request *r, const struct share_member_view *m,
			struct share_described_member *out)
{
	*out = (struct share_described_member){
	    .member_id = m->id,
	    .rack_id = m->rack_id,
	    .member_epoch = m->epoch,
	    .client_id = m->client_id,
	    .client_host = m->client_host,
	};
	request_array(r, &out->subscribed_topic_names, m->topic_count);
	for (size_t i = 0; i < m->topic_count; i++)
		out->subscribed_topic_names.items[i] = m->topics[i];
	fill_assignment(r, m, &out->assignment);
}

static void describe(struct request *r, mr_str name, struct share_described_group *out)
{
	const struct share_group_describe_request *in = r->in;
	struct share_group_view view;
	*out = (struct share_described_group){
	    .error_message = MR_STR_NULL,
	    .group_id = name,
	    .group_state = MR_STR(""),
	    .assignor_name = MR_STR(""),
	    .authorized_operations =
		request_operations(r, in->include_authorized_operations, ACL_GROUP, name),
	};
	if (!request_may_group(r, ACL_DESCRIBE, name)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return;
	}
	if (share_group_describe(request_core(r)->share, name, &view, &r->arena) != GROUP_OK) {
		out->error_code = request_code(r, KE_GROUP_ID_NOT_FOUND);
		out->error_message = arena_printf(&r->arena, "Group %.*s not found.", MR_FMT(name));
		return;
	}
	out->group_state = mr_str_from(view.state);
	out->group_epoch = out->assignment_epoch = view.epoch;
	out->assignor_name = MR_STR("simple");
	request_array(r, &out->members, view.member_count);
	for (size_t i = 0; i < view.member_count; i++)
		fill_member(r, &view.members[i], &out->members.items[i]);
}

enum step share_group_describe_step(struct request *r)
{
	const struct share_group_describe_request *in = r->in;
	struct share_group_describe_response *out = r->out;
	request_array(r, &out->groups, in->group_ids.count);
	for (int32_t i = 0; i < in->group_ids.count; i++)
		describe(r, in->group_ids.items[i], &out->groups.items[i]);
	return STEP_DONE;
}

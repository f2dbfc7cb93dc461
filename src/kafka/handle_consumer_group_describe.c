/* ConsumerGroupDescribe (69), versions 0-1: groups of the consumer protocol; others are
 * GROUP_ID_NOT_FOUND, and a client then asks DescribeGroups. Version 1 tells the members' type. */
#include "kafka/group_request.h"

#define MEMBER_TYPE_CLASSIC 0
#define MEMBER_TYPE_CONSUMER 1

static void fill_assignment(struct request *r, const struct group_topic_part *parts, size_t count,
			    struct consumer_described_assignment *out)
{
	request_array(r, &out->topic_partitions, count);
	out->topic_partitions.count = 0;
	for (size_t i = 0; i < count;) {
		size_t end = i;
		while (end < count && memcmp(parts[end].topic_id, parts[i].topic_id, 16) == 0)
			end++;
		struct consumer_described_partitions *t =
		    &out->topic_partitions.items[out->topic_partitions.count++];
		memcpy(t->topic_id, parts[i].topic_id, 16);
		t->topic_name = parts[i].topic;
		request_array(r, &t->partitions, end - i);
		for (size_t k = 0; i < end; i++, k++)
			t->partitions.items[k] = parts[i].partition;
	}
}

static void fill_member(struct request *r, const struct group_member_view *m,
			struct consumer_described_member *out)
{
	const struct consumer_member_view *c = m->consumer;
	*out = (struct consumer_described_member){
	    .member_id = m->id,
	    .instance_id = m->instance_id,
	    .rack_id = c->rack_id,
	    .member_epoch = c->epoch,
	    .client_id = m->client_id,
	    .client_host = m->client_host,
	    .subscribed_topic_regex = c->regex,
	    .member_type = c->classic ? MEMBER_TYPE_CLASSIC : MEMBER_TYPE_CONSUMER,
	};
	request_array(r, &out->subscribed_topic_names, c->topic_count);
	for (size_t i = 0; i < c->topic_count; i++)
		out->subscribed_topic_names.items[i] = c->topics[i];
	fill_assignment(r, c->assigned, c->assigned_count, &out->assignment);
	fill_assignment(r, c->target, c->target_count, &out->target_assignment);
}

static void describe(struct request *r, mr_str name, struct consumer_described_group *out)
{
	const struct consumer_group_describe_request *in = r->in;
	struct group_view view;
	*out = (struct consumer_described_group){
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
	int code = groups_describe(request_core(r)->groups, name, &view, &r->arena);
	if (code != GROUP_OK || view.summary.kind != GROUP_CONSUMER) {
		out->error_code = request_code(r, KE_GROUP_ID_NOT_FOUND);
		bool other = code == GROUP_OK || share_group_exists(request_core(r)->share, name);
		out->error_message = arena_printf(&r->arena, "Group %.*s %s.", MR_FMT(name),
						  other ? "is not a consumer group" : "not found");
		return;
	}
	out->group_state = mr_str_from(view.summary.state);
	out->group_epoch = view.generation;
	out->assignment_epoch = view.assignment_epoch;
	out->assignor_name = view.protocol;
	request_array(r, &out->members, view.summary.members);
	for (size_t i = 0; i < view.summary.members; i++)
		fill_member(r, &view.members[i], &out->members.items[i]);
}

enum step consumer_group_describe_step(struct request *r)
{
	const struct consumer_group_describe_request *in = r->in;
	struct consumer_group_describe_response *out = r->out;
	request_array(r, &out->groups, in->group_ids.count);
	for (int32_t i = 0; i < in->group_ids.count; i++)
		describe(r, in->group_ids.items[i], &out->groups.items[i]);
	return STEP_DONE;
}

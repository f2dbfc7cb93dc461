/* DescribeGroups (15), versions 0-6: state, members and what they were assigned.
 *
 * A group that is not there is "Dead" without an error before version 6, GROUP_ID_NOT_FOUND with a
 * message from then on. The authorized operations are told from version 3 on, when asked
 * for.
 */
#include "kafka/group_request.h"

static void describe_missing(struct request *r, int code, const char *why, struct describe_groups_group *out)
{
	out->group_state = MR_STR("Dead");
	if (r->header.version >= 6 || code != GROUP_NOT_FOUND) {
		out->error_code = request_code(r, kafka_group_error(code));
		out->error_message = arena_printf(&r->arena, "Group %.*s %s.", MR_FMT(out->group_id), why);
	}
}

static void describe(struct request *r, mr_str name, struct describe_groups_group *out)
{
	const struct describe_groups_request *in = r->in;
	struct group_view view;
	out->group_id = name;
	out->protocol_type = out->protocol_data = MR_STR("");
	out->authorized_operations =
	    request_operations(r, in->include_authorized_operations, ACL_GROUP, name);
	if (!request_may_group(r, ACL_DESCRIBE, name)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		out->group_state = MR_STR("");
		return;
	}
	int code = groups_describe(request_core(r)->groups, name, &view, &r->arena);
	bool other = code == GROUP_OK || share_group_exists(request_core(r)->share, name);
	const char *why = other ? "is not a classic group" : "not found";
	if (code == GROUP_OK && view.summary.kind != GROUP_CLASSIC)
		code = GROUP_NOT_FOUND;
	if (code != GROUP_OK) {
		describe_missing(r, code, why, out);
		return;
	}
	out->group_state = mr_str_from(view.summary.state);
	out->protocol_type = view.summary.protocol_type;
	out->protocol_data = view.protocol;
	request_array(r, &out->members, view.summary.members);
	for (size_t i = 0; i < view.summary.members; i++) {
		const struct group_member_view *m = &view.members[i];
		out->members.items[i] = (struct describe_groups_member){
		    .member_id = m->id,
		    .group_instance_id = m->instance_id,
		    .client_id = m->client_id,
		    .client_host = m->client_host,
		    .member_metadata = m->metadata,
		    .member_assignment = m->assignment,
		};
	}
}

enum step describe_groups_step(struct request *r)
{
	const struct describe_groups_request *in = r->in;
	struct describe_groups_response *out = r->out;
	request_array(r, &out->groups, in->groups.count);
	for (int32_t i = 0; i < in->groups.count; i++)
		describe(r, in->groups.items[i], &out->groups.items[i]);
	return STEP_DONE;
}

/* Heartbeat (12), versions 0-4: the member is alive; REBALANCE_IN_PROGRESS tells it to join again. */
#include "kafka/group_request.h"

enum step heartbeat_step(struct request *r)
{
	const struct heartbeat_request *in = r->in;
	struct heartbeat_response *out = r->out;
	struct group_member_ref member = {in->group_id, in->member_id, in->group_instance_id,
					  in->generation_id};
	if (!request_may_group(r, ACL_READ, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	int code = groups_heartbeat(request_core(r)->groups, &member);
	out->error_code = request_code(r, kafka_group_error(code));
	return STEP_DONE;
}

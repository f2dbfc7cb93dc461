/* JoinGroup (11), versions 0-9: answered when the rebalance that it starts or joins is complete.
 *
 * From version 4 a dynamic member without an id is told one and comes again (KIP-394); from 5
 * static members (KIP-345); 7 tells the protocol type; 8 takes the reason; 9 may tell the leader
 * not to assign (KIP-814). Version 0 has no rebalance timeout: the session's stands for it.
 * What a state answers is in docs/groups.md.
 */
#include "kafka/group_request.h"

static void ask(struct request *r)
{
	const struct join_group_request *in = r->in;
	int version = r->header.version;
	struct group_protocol *protocols =
	    arena_calloc(&r->arena, (size_t)in->protocols.count + 1, sizeof *protocols);
	for (int32_t i = 0; i < in->protocols.count; i++)
		protocols[i] =
		    (struct group_protocol){in->protocols.items[i].name, in->protocols.items[i].metadata};
	struct group_join join = {
	    .group = in->group_id,
	    .member_id = in->member_id,
	    .instance_id = in->group_instance_id,
	    .client_id = r->header.client_id.ptr ? r->header.client_id : MR_STR(""),
	    .client_host = request_client_host(r),
	    .protocol_type = in->protocol_type,
	    .protocols = protocols,
	    .protocol_count = (size_t)in->protocols.count,
	    .session_timeout_ms = in->session_timeout_ms,
	    .rebalance_timeout_ms = version >= 1 ? in->rebalance_timeout_ms : in->session_timeout_ms,
	    .require_known_id = version >= 4,
	    .skip_assignment = version >= 9,
	    .reason = in->reason,
	};
	struct group_ticket *ticket;
	groups_join(request_core(r)->groups, &join, &ticket);
	request_hold_ticket(r, ticket);
}

static void answer(struct request *r, int16_t code)
{
	const struct group_ticket *ticket = r->progress;
	struct join_group_response *out = r->out;
	out->error_code = request_code(r, code);
	out->member_id = ticket->member_id;
	out->protocol_name = r->header.version >= 7 ? MR_STR_NULL : MR_STR("");
	if (code != KE_NONE)
		return;
	out->generation_id = ticket->generation;
	out->protocol_type = ticket->protocol_type;
	out->protocol_name = ticket->protocol;
	out->leader = ticket->leader;
	out->skip_assignment = ticket->skip_assignment;
	request_array(r, &out->members, ticket->member_count);
	for (size_t i = 0; i < ticket->member_count; i++) {
		const struct group_join_member *m = &ticket->members[i];
		out->members.items[i] = (struct join_group_member){m->id, m->instance_id, m->metadata};
	}
}

enum step join_group_step(struct request *r)
{
	const struct join_group_request *in = r->in;
	struct join_group_response *out = r->out;
	int16_t code;
	if (!request_may_group(r, ACL_READ, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	if (!r->progress && share_group_exists(request_core(r)->share, in->group_id)) {
		out->error_code = request_code(r, KE_INCONSISTENT_GROUP_PROTOCOL);
		out->protocol_name = r->header.version >= 7 ? MR_STR_NULL : MR_STR("");
		return STEP_DONE;
	}
	if (!r->progress)
		ask(r);
	enum step step = request_await_ticket(r, &code);
	if (step == STEP_DONE)
		answer(r, code);
	return step;
}

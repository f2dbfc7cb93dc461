/* SyncGroup (14), versions 0-5: the leader brings the assignment, every member takes its own.
 *
 * Answered when the group's new generation is safe in the internal topic, so that a power cut
 * does not forget what members were told. When somebody joins while that write is under way, the
 * answer is REBALANCE_IN_PROGRESS, as Kafka's is: the assignment would be taken back at once.
 * From version 5 protocol type and name are compared.
 */
#include "kafka/group_request.h"

static void ask(struct request *r)
{
	const struct sync_group_request *in = r->in;
	struct group_sync_assignment *assignments =
	    arena_calloc(&r->arena, (size_t)in->assignments.count + 1, sizeof *assignments);
	for (int32_t i = 0; i < in->assignments.count; i++)
		assignments[i] = (struct group_sync_assignment){in->assignments.items[i].member_id,
								in->assignments.items[i].assignment};
	struct group_sync sync = {
	    .group = in->group_id,
	    .member_id = in->member_id,
	    .instance_id = in->group_instance_id,
	    .generation = in->generation_id,
	    .protocol_type = in->protocol_type,
	    .protocol = in->protocol_name,
	    .assignments = assignments,
	    .assignment_count = (size_t)in->assignments.count,
	};
	struct group_ticket *ticket;
	groups_sync(request_core(r)->groups, &sync, &ticket);
	request_hold_ticket(r, ticket);
}

static bool is_overtaken(struct request *r)
{
	const struct sync_group_request *in = r->in;
	struct group_member_ref member = {in->group_id, in->member_id, in->group_instance_id,
					  in->generation_id};
	return groups_heartbeat(request_core(r)->groups, &member) == GROUP_REBALANCE_IN_PROGRESS;
}

enum step sync_group_step(struct request *r)
{
	struct sync_group_response *out = r->out;
	const struct sync_group_request *in = r->in;
	int16_t code;
	if (!request_may_group(r, ACL_READ, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	if (!r->progress)
		ask(r);
	enum step step = request_await_ticket(r, &code);
	if (step != STEP_DONE)
		return step;
	const struct group_ticket *ticket = r->progress;
	if (code == KE_NONE && is_overtaken(r))
		code = KE_REBALANCE_IN_PROGRESS;
	out->error_code = request_code(r, code);
	if (code == KE_NONE) {
		out->protocol_type = ticket->protocol_type;
		out->protocol_name = ticket->protocol;
		out->assignment = ticket->assignment;
	}
	return STEP_DONE;
}

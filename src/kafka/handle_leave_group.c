/* LeaveGroup (13), versions 0-5: one member, from version 3 several, also by instance id alone.
 *
 * The others rebalance at once. Version 5 takes reasons. A tool names static members that are to
 * be removed by instance id with an empty member id.
 */
#include "kafka/group_request.h"

static int16_t leave(struct request *r, struct group_leaver *leavers, size_t count)
{
	const struct leave_group_request *in = r->in;
	struct group_write write;
	if (!request_may_group(r, ACL_READ, in->group_id))
		return KE_GROUP_AUTHORIZATION_FAILED;
	int code = groups_leave(request_core(r)->groups, in->group_id, leavers, count, &write);
	return kafka_group_error(code);
}

static void leave_one(struct request *r)
{
	const struct leave_group_request *in = r->in;
	struct leave_group_response *out = r->out;
	struct group_leaver leaver = {.member_id = in->member_id};
	int16_t code = leave(r, &leaver, 1);
	out->error_code = request_code(r, code != KE_NONE ? code : kafka_group_error(leaver.code));
}

static void leave_several(struct request *r)
{
	const struct leave_group_request *in = r->in;
	struct leave_group_response *out = r->out;
	size_t count = (size_t)in->members.count;
	struct group_leaver *leavers = arena_calloc(&r->arena, count + 1, sizeof *leavers);
	for (size_t i = 0; i < count; i++)
		leavers[i] = (struct group_leaver){
		    .member_id = in->members.items[i].member_id,
		    .instance_id = in->members.items[i].group_instance_id,
		    .reason = in->members.items[i].reason,
		};
	out->error_code = request_code(r, leave(r, leavers, count));
	if (out->error_code != KE_NONE)
		return;
	request_array(r, &out->members, count);
	for (size_t i = 0; i < count; i++)
		out->members.items[i] = (struct leave_group_member_reply){
		    .member_id = leavers[i].member_id,
		    .group_instance_id = leavers[i].instance_id,
		    .error_code = request_code(r, kafka_group_error(leavers[i].code)),
		};
}

enum step leave_group_step(struct request *r)
{
	if (r->header.version >= 3)
		leave_several(r);
	else
		leave_one(r);
	return STEP_DONE;
}

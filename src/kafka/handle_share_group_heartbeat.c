/* ShareGroupHeartbeat (76), version 1: membership of share groups (KIP-932).
 *
 * Epoch 0 joins, -1 leaves. Members name themselves. Membership is not written down: the answer
 * comes at once.
 */
#include "kafka/group_request.h"

static struct share_heartbeat_assignment *assignment(struct request *r, const struct share_answer *a)
{
	struct share_heartbeat_assignment *out = arena_calloc(&r->arena, 1, sizeof *out);
	request_array(r, &out->topic_partitions, a->assignment_count);
	out->topic_partitions.count = 0;
	for (size_t i = 0; i < a->assignment_count;) {
		size_t end = i;
		while (end < a->assignment_count &&
		       memcmp(a->assignment[end].topic_id, a->assignment[i].topic_id, 16) == 0)
			end++;
		struct consumer_topic_partitions *t =
		    &out->topic_partitions.items[out->topic_partitions.count++];
		memcpy(t->topic_id, a->assignment[i].topic_id, 16);
		request_array(r, &t->partitions, end - i);
		for (size_t k = 0; i < end; i++, k++)
			t->partitions.items[k] = a->assignment[i].partition;
	}
	return out;
}

enum step share_group_heartbeat_step(struct request *r)
{
	const struct share_group_heartbeat_request *in = r->in;
	struct share_group_heartbeat_response *out = r->out;
	struct share_answer answer;
	out->error_message = out->member_id = MR_STR_NULL;
	if (!request_may_group(r, ACL_READ, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	struct share_heartbeat beat = {
	    .group = in->group_id,
	    .member_id = in->member_id,
	    .rack_id = in->rack_id,
	    .client_id = r->header.client_id.ptr ? r->header.client_id : MR_STR(""),
	    .client_host = request_client_host(r),
	    .member_epoch = in->member_epoch,
	    .topics = in->subscribed_topic_names.items,
	    .topic_count = in->subscribed_topic_names.count,
	};
	int code = share_group_heartbeat(request_core(r)->share, &beat, &answer, &out->heartbeat_interval_ms,
					 &r->arena);
	out->error_code = request_code(r, kafka_share_error(code));
	out->error_message = mr_str_from(answer.message);
	if (out->error_code != KE_NONE)
		return STEP_DONE;
	out->member_id = in->member_id;
	out->member_epoch = answer.epoch;
	if (answer.assignment_told)
		out->assignment = assignment(r, &answer);
	return STEP_DONE;
}

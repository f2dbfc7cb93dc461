/* ShareAcknowledge (79), versions 1-2: what became of records that a share session had acquired. Version
 * 2 may renew their locks, when the request says so and share.renew.acknowledge.enable lets it. Answered when
 * the acknowledgements are safe; epoch -1 closes the session, which releases the rest. */
#include "kafka/share_request.h"

static void answer(struct request *r, const struct share_work *work)
{
	const struct share_acknowledge_request *in = r->in;
	struct share_acknowledge_response *out = r->out;
	const struct share_acked *acked = work->all;
	request_array(r, &out->responses, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		struct share_acknowledge_topic_reply *topic = &out->responses.items[i];
		memcpy(topic->topic_id, in->topics.items[i].topic_id, 16);
		request_array(r, &topic->partitions, in->topics.items[i].partitions.count);
		for (int32_t k = 0; k < topic->partitions.count; k++, acked++)
			topic->partitions.items[k] = (struct share_acknowledge_partition_reply){
			    .partition_index = acked->in->partition_index,
			    .error_code = request_code(r, acked->ack_code),
			    .error_message = MR_STR_NULL,
			    .current_leader = {KAFKA_NODE_ID, KAFKA_LEADER_EPOCH},
			};
	}
}

enum step share_acknowledge_step(struct request *r)
{
	const struct share_acknowledge_request *in = r->in;
	struct share_acknowledge_response *out = r->out;
	struct share_work *work = r->progress;
	if (!work) {
		struct share_ask ask = {.group = in->group_id,
					.member_id = in->member_id,
					.epoch = in->share_session_epoch,
					.acknowledging = true};
		work = r->progress = arena_calloc(&r->arena, 1, sizeof *work);
		out->error_message = MR_STR_NULL;
		out->error_code = request_code(
		    r, share_work_begin(r, &ask, in->topics.items, in->topics.count, in->is_renew_ack, work));
		if (out->error_code != KE_NONE)
			return STEP_DONE;
	}
	enum step step = share_work_settle(r, work);
	if (step != STEP_DONE)
		return step;
	out->acquisition_lock_timeout_ms = work->session.lock_ms;
	answer(r, work);
	if (work->session.closing)
		share_session_close(request_core(r)->share, in->group_id, in->member_id);
	return STEP_DONE;
}

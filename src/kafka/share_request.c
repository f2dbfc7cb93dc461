#include "kafka/share_request.h"

static void look_up(struct request *r, struct share_acked *acked)
{
	struct log_topic *topic = kafka_topic_by_id(request_core(r), acked->topic->topic_id);
	int32_t index = acked->in->partition_index;
	if (!topic)
		acked->code = KE_UNKNOWN_TOPIC_ID;
	else if (!request_may_topic(r, ACL_READ, log_topic_name(topic)))
		acked->code = KE_TOPIC_AUTHORIZATION_FAILED;
	else if (!log_partition_at(topic, index))
		acked->code = KE_UNKNOWN_TOPIC_OR_PARTITION;
	else
		acked->ref = (struct share_partition_ref){topic, index};
	acked->ack_code = acked->code;
}

static void plan(struct request *r, const struct share_request_topic *topics, int32_t topic_count,
		 struct share_work *work)
{
	size_t most = 0;
	for (int32_t i = 0; i < topic_count; i++)
		most += (size_t)topics[i].partitions.count;
	work->all = arena_calloc(&r->arena, most + 1, sizeof *work->all);
	for (int32_t i = 0; i < topic_count; i++) {
		for (int32_t k = 0; k < topics[i].partitions.count; k++) {
			struct share_acked *acked = &work->all[work->count++];
			acked->topic = &topics[i];
			acked->in = &topics[i].partitions.items[k];
			look_up(r, acked);
		}
	}
}

int16_t share_work_begin(struct request *r, const struct share_ask *ask,
			 const struct share_request_topic *topics, int32_t topic_count, bool may_renew,
			 struct share_work *work)
{
	struct kafka_core *core = request_core(r);
	struct share_ask full = *ask;
	full.conn = r->conn;
	*work = (struct share_work){.may_renew = may_renew};
	if (!ask->group.len || !ask->member_id.len)
		return KE_INVALID_REQUEST;
	if (!request_may_group(r, ACL_READ, ask->group))
		return KE_GROUP_AUTHORIZATION_FAILED;
	plan(r, topics, topic_count, work);
	struct share_partition_ref *add = arena_calloc(&r->arena, work->count + 1, sizeof *add);
	for (size_t i = 0; i < work->count && !ask->acknowledging; i++) {
		if (work->all[i].ref.topic)
			add[full.add_count++] = work->all[i].ref;
	}
	full.add = add;
	int code = share_session_enter(core->share, &full, &work->session, &r->arena);
	if (code != GROUP_OK)
		return kafka_share_error(code);
	r->conn->shares = true;
	for (size_t i = 0; i < work->count; i++) {
		if (work->all[i].ref.topic)
			work->all[i].part = share_part_find(core->share, ask->group, &work->all[i].ref);
	}
	return KE_NONE;
}

static bool renews(const struct share_request_partition *in)
{
	for (int32_t i = 0; i < in->acknowledgement_batches.count; i++) {
		const struct share_ack_types *batch = &in->acknowledgement_batches.items[i];
		for (int32_t k = 0; k < batch->acknowledge_types.count; k++) {
			if (batch->acknowledge_types.items[k] == SHARE_RENEW)
				return true;
		}
	}
	return false;
}

static void acknowledge(struct request *r, const struct share_work *work, struct share_acked *acked)
{
	size_t count = (size_t)acked->in->acknowledgement_batches.count;
	struct share_ack_batch *batches = arena_calloc(&r->arena, count + 1, sizeof *batches);
	for (size_t i = 0; i < count; i++) {
		const struct share_ack_types *in = &acked->in->acknowledgement_batches.items[i];
		batches[i] =
		    (struct share_ack_batch){in->first_offset, in->last_offset, in->acknowledge_types.items,
					     (size_t)mr_max_i64(in->acknowledge_types.count, 0)};
	}
	int code = SHARE_BAD_RECORD_STATE;
	if (!work->may_renew && renews(acked->in))
		code = SHARE_BAD_REQUEST;
	else if (acked->part)
		code = share_part_acknowledge(request_core(r)->share, acked->part, work->session.owner,
					      batches, count);
	acked->ack_code = kafka_share_error(code);
}

/* 0, or MR_ERR_BUSY. */
static int apply_one(struct request *r, const struct share_work *work, struct share_acked *acked)
{
	bool brings = acked->in->acknowledgement_batches.count > 0;
	if (!acked->applied && brings && acked->code == KE_NONE)
		acknowledge(r, work, acked);
	acked->applied = true;
	if (!brings || acked->ack_code != KE_NONE) {
		acked->settled = true;
		return 0;
	}
	int rc = share_part_flush(request_core(r)->share, acked->part, &acked->write, NULL);
	if (rc == MR_ERR_BUSY)
		return rc;
	acked->settled = rc < 0;
	if (rc < 0)
		acked->ack_code = kafka_error_of(rc, ON_APPEND);
	return 0;
}

enum step share_work_settle(struct request *r, struct share_work *work)
{
	for (size_t i = 0; i < work->count; i++) {
		struct share_acked *acked = &work->all[i];
		bool written = acked->settled || acked->write.partition;
		if (!written && apply_one(r, work, acked) == MR_ERR_BUSY)
			return STEP_BUSY;
		if (!acked->write.partition)
			acked->settled = true;
	}
	for (size_t i = 0; i < work->count; i++) {
		struct share_acked *acked = &work->all[i];
		if (acked->settled)
			continue;
		if (!request_wait_write(r, &acked->write))
			return STEP_WAIT;
		int state = groups_write_state(&acked->write, NULL);
		if (state < 0)
			acked->ack_code = kafka_error_of(state, ON_APPEND);
		acked->settled = true;
	}
	return STEP_DONE;
}

/* ConsumerGroupHeartbeat (68), versions 0-1: the whole of the consumer protocol (KIP-848).
 *
 * Epoch 0 joins, -1 leaves, -2 is a static member that will be back. In version 0 the broker names a
 * member that comes without an id; from 1 on clients name themselves, and may subscribe by a
 * regular expression. Answered when what the heartbeat changed is safe.
 */
#include "group/consumer.h"
#include "kafka/group_request.h"

struct heartbeat_progress {
	struct consumer_answer answer;
	struct group_write write;
	int code;
};

static struct topic_partition *owned_partitions(struct request *r, int64_t *count)
{
	const struct consumer_group_heartbeat_request *in = r->in;
	*count = in->topic_partitions.count;
	if (in->topic_partitions.count < 0)
		return NULL;
	size_t total = 0;
	for (int32_t i = 0; i < in->topic_partitions.count; i++)
		total += (size_t)in->topic_partitions.items[i].partitions.count;
	struct topic_partition *out = arena_calloc(&r->arena, total + 1, sizeof *out);
	*count = 0;
	for (int32_t i = 0; i < in->topic_partitions.count; i++) {
		const struct consumer_topic_partitions *t = &in->topic_partitions.items[i];
		for (int32_t k = 0; k < t->partitions.count; k++) {
			struct topic_partition *part = &out[(*count)++];
			memcpy(part->topic_id, t->topic_id, 16);
			part->partition = t->partitions.items[k];
		}
	}
	return out;
}

static mr_str member_id(struct request *r)
{
	const struct consumer_group_heartbeat_request *in = r->in;
	if (in->member_id.len || r->header.version > 0 || in->member_epoch != 0)
		return in->member_id;
	char uuid[37];
	rng_uuid(request_core(r)->env->rng, uuid);
	return arena_copy(&r->arena, mr_str_n(uuid, 36));
}

static struct heartbeat_progress *ask(struct request *r)
{
	const struct consumer_group_heartbeat_request *in = r->in;
	struct heartbeat_progress *p = arena_calloc(&r->arena, 1, sizeof *p);
	struct consumer_heartbeat beat = {
	    .group = in->group_id,
	    .member_id = member_id(r),
	    .instance_id = in->instance_id,
	    .rack_id = in->rack_id,
	    .assignor = in->server_assignor,
	    .regex = in->subscribed_topic_regex,
	    .client_id = r->header.client_id.ptr ? r->header.client_id : MR_STR(""),
	    .client_host = request_client_host(r),
	    .member_epoch = in->member_epoch,
	    .rebalance_timeout_ms = in->rebalance_timeout_ms,
	    .topics = in->subscribed_topic_names.items,
	    .topic_count = in->subscribed_topic_names.count,
	};
	beat.owned = owned_partitions(r, &beat.owned_count);
	p->code = groups_consumer_heartbeat(request_core(r)->groups, &beat, &p->answer, &p->write, &r->arena);
	return p;
}

/* The partitions come in the order of their topics. */
static struct consumer_heartbeat_assignment *assignment(struct request *r, const struct consumer_answer *a)
{
	struct consumer_heartbeat_assignment *out = arena_calloc(&r->arena, 1, sizeof *out);
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

enum step consumer_group_heartbeat_step(struct request *r)
{
	struct consumer_group_heartbeat_response *out = r->out;
	const struct consumer_group_heartbeat_request *in = r->in;
	struct heartbeat_progress *p = r->progress;
	if (!request_may_group(r, ACL_READ, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	if (!p && share_group_exists(request_core(r)->share, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_ID_NOT_FOUND);
		out->error_message =
		    arena_printf(&r->arena, "Group %.*s is not a consumer group.", MR_FMT(in->group_id));
		return STEP_DONE;
	}
	if (!p)
		p = r->progress = ask(r);
	int16_t code;
	enum step step = request_await_write(r, &p->write, &code);
	if (step != STEP_DONE)
		return step;
	out->error_code = request_code(r, code != KE_NONE ? code : kafka_group_error(p->code));
	out->error_message = mr_str_from(p->answer.message);
	if (out->error_code != KE_NONE)
		return STEP_DONE;
	out->member_id = p->answer.member_id;
	out->member_epoch = p->answer.epoch;
	out->heartbeat_interval_ms = groups_heartbeat_interval_ms(request_core(r)->groups, in->group_id);
	if (p->answer.assignment_told)
		out->assignment = assignment(r, &p->answer);
	return STEP_DONE;
}

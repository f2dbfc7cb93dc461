/* OffsetForLeaderEpoch (23), versions 2-4: where an epoch of the leader ends. There is one leader and
 * one epoch, which ends at the end of what is stable: a client learns that nothing was cut off. */
#include "kafka/handler.h"
#include "kafka/security.h"

static void find_end(struct request *r, mr_str topic, const struct offset_for_leader_epoch_partition *in,
		     struct epoch_end_offset *out)
{
	struct log_topic *found = log_topic_find(request_core(r)->store, topic);
	struct log_partition *partition = found ? log_partition_at(found, in->partition) : NULL;
	*out = (struct epoch_end_offset){.partition = in->partition, .leader_epoch = -1, .end_offset = -1};
	if (!request_may_topic(r, ACL_DESCRIBE, topic)) {
		out->error_code = request_code(r, KE_TOPIC_AUTHORIZATION_FAILED);
	} else if (!partition) {
		out->error_code = request_code(r, KE_UNKNOWN_TOPIC_OR_PARTITION);
	} else if (in->current_leader_epoch > KAFKA_LEADER_EPOCH) {
		out->error_code = request_code(r, KE_UNKNOWN_LEADER_EPOCH);
	} else if (in->leader_epoch == KAFKA_LEADER_EPOCH) {
		out->leader_epoch = KAFKA_LEADER_EPOCH;
		out->end_offset = log_stable_offset(partition);
	}
}

enum step offset_for_leader_epoch_step(struct request *r)
{
	const struct offset_for_leader_epoch_request *in = r->in;
	struct offset_for_leader_epoch_response *out = r->out;
	request_array(r, &out->topics, in->topics.count);
	for (int32_t t = 0; t < in->topics.count; t++) {
		const struct offset_for_leader_epoch_topic *topic = &in->topics.items[t];
		struct offset_for_leader_epoch_reply *reply = &out->topics.items[t];
		reply->topic = topic->topic;
		request_array(r, &reply->partitions, topic->partitions.count);
		for (int32_t i = 0; i < topic->partitions.count; i++)
			find_end(r, topic->topic, &topic->partitions.items[i], &reply->partitions.items[i]);
	}
	return STEP_DONE;
}

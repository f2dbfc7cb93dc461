/* DeleteRecords (21), versions 0-2: forget what comes before an offset (-1: all that is stable).
 * Durable when answered; the low watermark is the first offset that is left. */
#include "kafka/admin_job.h"
#include "kafka/handler.h"
#include "kafka/security.h"

static void read_partition(struct request *r, struct admin_op *op, mr_str name,
			   const struct delete_records_partition *in)
{
	struct log_topic *topic = log_topic_find(request_core(r)->store, name);
	struct log_partition *partition = topic ? log_partition_at(topic, in->partition) : NULL;
	struct log_topic_config config = {0};
	if (topic)
		log_topic_config(topic, &config);
	*op = (struct admin_op){.kind = ADMIN_DELETE_RECORDS, .partition = partition, .offset = in->offset};
	if (!request_may_topic(r, ACL_DELETE, name))
		admin_refuse(op, KE_TOPIC_AUTHORIZATION_FAILED, MR_STR_NULL);
	else if (!partition)
		admin_refuse(op, KE_UNKNOWN_TOPIC_OR_PARTITION, MR_STR_NULL);
	else if (kafka_topic_is_internal(name))
		admin_refuse(op, KE_INVALID_TOPIC_EXCEPTION, MR_STR_NULL);
	else if (!(config.cleanup_policy & LOG_CLEANUP_DELETE))
		admin_refuse(op, KE_POLICY_VIOLATION, MR_STR_NULL);
	else if (in->offset < -1)
		admin_refuse(op, KE_OFFSET_OUT_OF_RANGE, MR_STR_NULL);
}

static void answer(struct request *r, const struct admin_job *job)
{
	const struct delete_records_request *in = r->in;
	struct delete_records_response *out = r->out;
	const struct admin_op *op = job->ops;
	request_array(r, &out->topics, in->topics.count);
	for (int32_t t = 0; t < in->topics.count; t++) {
		const struct delete_records_topic *topic = &in->topics.items[t];
		struct delete_records_topic_reply *reply = &out->topics.items[t];
		reply->name = topic->name;
		request_array(r, &reply->partitions, topic->partitions.count);
		for (int32_t i = 0; i < topic->partitions.count; i++, op++)
			reply->partitions.items[i] = (struct delete_records_partition_reply){
			    topic->partitions.items[i].partition,
			    op->code == KE_NONE ? op->low_watermark : -1, request_code(r, op->code)};
	}
}

enum step delete_records_step(struct request *r)
{
	const struct delete_records_request *in = r->in;
	struct admin_job *job = r->progress;
	if (!job) {
		size_t count = 0;
		for (int32_t t = 0; t < in->topics.count; t++)
			count += (size_t)in->topics.items[t].partitions.count;
		job = admin_job_new(r, count);
		struct admin_op *op = job->ops;
		for (int32_t t = 0; t < in->topics.count; t++) {
			const struct delete_records_topic *topic = &in->topics.items[t];
			for (int32_t i = 0; i < topic->partitions.count; i++)
				read_partition(r, op++, topic->name, &topic->partitions.items[i]);
		}
	}
	enum step step = admin_job_await(r, job);
	if (step == STEP_DONE)
		answer(r, job);
	return step;
}

/* CreatePartitions (37), versions 0-3: more partitions for a topic, never fewer. Durable when answered.
 * An assignment is taken when it puts every new partition on this broker. */
#include "kafka/admin_job.h"
#include "kafka/handler.h"
#include "kafka/security.h"

static bool assignments_fit(const struct create_partitions_topic *in, int32_t have)
{
	if (in->assignments.count < 0)
		return true;
	for (int32_t i = 0; i < in->assignments.count; i++) {
		const struct create_partitions_assignment *a = &in->assignments.items[i];
		if (a->broker_ids.count != 1 || a->broker_ids.items[0] != KAFKA_NODE_ID)
			return false;
	}
	return in->assignments.count == in->count - have;
}

static void read_topic(struct request *r, struct admin_job *job, struct admin_op *op,
		       const struct create_partitions_topic *in)
{
	const struct create_partitions_request *request = r->in;
	*op = (struct admin_op){
	    .kind = ADMIN_WIDEN_TOPIC,
	    .topic = admin_job_copy(job, in->name),
	    .partitions = in->count,
	    .validate_only = request->validate_only,
	};
	struct log_topic *topic = log_topic_find(request_core(r)->store, in->name);
	if (!request_may_topic(r, ACL_ALTER, in->name))
		admin_refuse(op, KE_TOPIC_AUTHORIZATION_FAILED, MR_STR("Authorization failed."));
	else if (topic && in->count > log_topic_partition_count(topic) &&
		 !assignments_fit(in, log_topic_partition_count(topic)))
		admin_refuse(op, KE_INVALID_REPLICA_ASSIGNMENT,
			     MR_STR("an assignment names broker 1 once for each new partition"));
}

enum step create_partitions_step(struct request *r)
{
	const struct create_partitions_request *in = r->in;
	struct create_partitions_response *out = r->out;
	struct admin_job *job = r->progress;
	if (!job) {
		job = admin_job_new(r, (size_t)in->topics.count);
		for (int32_t i = 0; i < in->topics.count; i++)
			read_topic(r, job, &job->ops[i], &in->topics.items[i]);
	}
	enum step step = admin_job_await(r, job);
	if (step != STEP_DONE)
		return step;
	request_array(r, &out->results, job->count);
	for (size_t i = 0; i < job->count; i++)
		out->results.items[i] = (struct create_partitions_result){
		    job->ops[i].topic, request_code(r, job->ops[i].code), job->ops[i].message};
	return STEP_DONE;
}

/* DeleteTopics (20), versions 1-6: by name, from version 6 by name or id. Durable when answered;
 * the groups forget what they had committed for it. */
#include "kafka/admin_job.h"
#include "kafka/handler.h"
#include "kafka/security.h"

static void read_name(struct request *r, struct admin_job *job, struct admin_op *op, mr_str name)
{
	*op = (struct admin_op){.kind = ADMIN_DELETE_TOPIC, .topic = admin_job_copy(job, name)};
	bool known = log_topic_find(request_core(r)->store, name) != NULL;
	if (!request_may_topic(r, ACL_DESCRIBE, name) || (known && !request_may_topic(r, ACL_DELETE, name)))
		admin_refuse(op, KE_TOPIC_AUTHORIZATION_FAILED, MR_STR("Authorization failed."));
	else if (!known)
		admin_refuse(op, KE_UNKNOWN_TOPIC_OR_PARTITION,
			     MR_STR("This server does not host this topic-partition."));
}

/* An id tells nothing to those who may not describe its topic. */
static void read_state(struct request *r, struct admin_job *job, struct admin_op *op,
		       const struct delete_topics_topic *in)
{
	if (in->name.ptr) {
		read_name(r, job, op, in->name);
		return;
	}
	struct log_topic *topic = kafka_topic_by_id(request_core(r), in->topic_id);
	if (topic)
		read_name(r, job, op, log_topic_name(topic));
	if (!topic || !request_may_topic(r, ACL_DESCRIBE, log_topic_name(topic))) {
		op->topic = MR_STR_NULL;
		admin_refuse(op, KE_UNKNOWN_TOPIC_ID, MR_STR("This server does not host this topic ID."));
	}
}

static void read_all(struct request *r, struct admin_job *job, struct delete_topics_response *out)
{
	const struct delete_topics_request *in = r->in;
	bool by_state = r->header.version >= 6;
	for (size_t i = 0; i < job->count; i++) {
		if (by_state)
			read_state(r, job, &job->ops[i], &in->topics.items[i]);
		else
			read_name(r, job, &job->ops[i], in->topic_names.items[i]);
		struct delete_topics_reply *reply = &out->responses.items[i];
		struct log_topic *topic = log_topic_find(request_core(r)->store, job->ops[i].topic);
		if (topic)
			log_topic_id(topic, reply->topic_id);
		else if (by_state)
			memcpy(reply->topic_id, in->topics.items[i].topic_id, 16);
	}
}

enum step delete_topics_step(struct request *r)
{
	const struct delete_topics_request *in = r->in;
	struct delete_topics_response *out = r->out;
	struct admin_job *job = r->progress;
	if (!job) {
		bool by_state = r->header.version >= 6;
		job = admin_job_new(r, (size_t)(by_state ? in->topics.count : in->topic_names.count));
		request_array(r, &out->responses, job->count);
		read_all(r, job, out);
	}
	enum step step = admin_job_await(r, job);
	for (size_t i = 0; i < job->count && step == STEP_DONE; i++) {
		struct delete_topics_reply *reply = &out->responses.items[i];
		reply->name = job->ops[i].topic;
		reply->error_code = request_code(r, job->ops[i].code);
		reply->error_message = job->ops[i].message;
	}
	return step;
}

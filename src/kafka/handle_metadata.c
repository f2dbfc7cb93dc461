/* Metadata (3), versions 0-13: one broker, which leads every partition.
 *
 * No list (version 0: an empty one) asks for all topics. A topic that is missing is created
 * when the request (from version 4) and the broker both allow it, and the answer waits for that.
 * From version 10 a topic may be asked for by id. What the client may not describe is left out of a
 * list of all, and refused when it is asked for.
 */
#include "kafka/admin_job.h"
#include "kafka/handler.h"
#include "kafka/security.h"

#include <stdlib.h>

static void describe_partitions(struct request *r, struct log_topic *topic, struct metadata_topic *out)
{
	int32_t count = log_topic_partition_count(topic);
	int32_t *node = arena_alloc(&r->arena, sizeof *node);
	*node = KAFKA_NODE_ID;
	request_array(r, &out->partitions, count);
	for (int32_t i = 0; i < count; i++) {
		struct metadata_partition *p = &out->partitions.items[i];
		*p = (struct metadata_partition){
		    .partition = i,
		    .leader_id = KAFKA_NODE_ID,
		    .leader_epoch = KAFKA_LEADER_EPOCH,
		};
		p->replica_nodes.items = p->isr_nodes.items = node;
		p->replica_nodes.count = p->isr_nodes.count = 1;
	}
}

static void describe_topic(struct request *r, struct log_topic *topic, struct metadata_topic *out)
{
	const struct metadata_request *in = r->in;
	out->name = log_topic_name(topic);
	out->is_internal = kafka_topic_is_internal(out->name);
	log_topic_id(topic, out->topic_id);
	out->topic_authorized_operations =
	    request_operations(r, in->include_topic_authorized_operations, ACL_TOPIC, out->name);
	describe_partitions(r, topic, out);
}

static bool may_create(const struct request *r, mr_str name)
{
	return request_may_cluster(r, ACL_CREATE) || request_may_topic(r, ACL_CREATE, name);
}

/* One operation for each topic that is to be made; NULL when there is none. */
static struct admin_job *plan_creation(struct request *r)
{
	const struct metadata_request *in = r->in;
	struct kafka_core *core = request_core(r);
	struct admin_job *job = NULL;
	bool wanted = in->allow_auto_topic_creation && broker_auto_creates(core->broker);
	for (int32_t i = 0; i < in->topics.count && wanted; i++) {
		mr_str name = in->topics.items[i].name;
		if (!name.ptr || log_topic_find(core->store, name) || kafka_topic_is_internal(name) ||
		    !request_may_topic(r, ACL_DESCRIBE, name) || !may_create(r, name))
			continue;
		if (!job)
			job = admin_job_new(r, (size_t)in->topics.count);
		job->ops[i].kind = ADMIN_CREATE_TOPIC;
		job->ops[i].topic = admin_job_copy(job, name);
		job->ops[i].partitions = -1;
	}
	return job;
}

/* What became of the creation; another client's may have been first. */
static int16_t creation_code(const struct request *r, const struct metadata_request_topic *want)
{
	const struct metadata_request *in = r->in;
	const struct admin_job *job = r->progress;
	int16_t code = job ? job->ops[want - in->topics.items].code : KE_NONE;
	if (code == KE_NONE && broker_topic_name_check(want->name, NULL) < 0)
		return KE_INVALID_TOPIC_EXCEPTION;
	return code == KE_NONE || code == KE_TOPIC_ALREADY_EXISTS ? KE_UNKNOWN_TOPIC_OR_PARTITION : code;
}

static void describe_wanted(struct request *r, const struct metadata_request_topic *want,
			    struct metadata_topic *out)
{
	out->topic_authorized_operations = INT32_MIN;
	out->name = want->name;
	memcpy(out->topic_id, want->topic_id, 16);
	struct log_topic *topic = NULL;
	if (!want->name.ptr) {
		topic = kafka_topic_by_id(request_core(r), want->topic_id);
		if (!topic) {
			out->name = r->header.version >= 12 ? MR_STR_NULL : MR_STR("");
			out->error_code = request_code(r, KE_UNKNOWN_TOPIC_ID);
			return;
		}
		if (!request_may_topic(r, ACL_DESCRIBE, log_topic_name(topic))) {
			out->error_code = request_code(r, KE_UNKNOWN_TOPIC_ID);
			return;
		}
	} else {
		if (!request_may_topic(r, ACL_DESCRIBE, want->name)) {
			out->error_code = request_code(r, KE_TOPIC_AUTHORIZATION_FAILED);
			return;
		}
		topic = log_topic_find(request_core(r)->store, want->name);
		if (!topic) {
			out->error_code = request_code(r, creation_code(r, want));
			return;
		}
	}
	describe_topic(r, topic, out);
}

static void describe_all(struct request *r, struct metadata_response *out)
{
	size_t count;
	struct log_topic **all = log_topics(request_core(r)->store, &count);
	request_array(r, &out->topics, count);
	out->topics.count = 0;
	for (size_t i = 0; i < count; i++) {
		if (request_may_topic(r, ACL_DESCRIBE, log_topic_name(all[i])))
			describe_topic(r, all[i], &out->topics.items[out->topics.count++]);
	}
	free(all);
}

enum step metadata_step(struct request *r)
{
	const struct metadata_request *in = r->in;
	struct metadata_response *out = r->out;
	struct admin_job *job = r->progress ? r->progress : plan_creation(r);
	enum step step = job ? admin_job_await(r, job) : STEP_DONE;
	if (step != STEP_DONE)
		return step;
	request_array(r, &out->brokers, 1);
	out->brokers.items[0] = (struct metadata_broker){
	    .node_id = KAFKA_NODE_ID,
	    .host = conn_broker_host(r->conn),
	    .port = conn_broker_port(r->conn),
	};
	out->cluster_id = request_core(r)->cluster_id;
	out->controller_id = KAFKA_NODE_ID;
	out->cluster_authorized_operations =
	    request_operations(r, in->include_cluster_authorized_operations, ACL_CLUSTER, ACL_CLUSTER_NAME);
	if (in->topics.count < 0 || (in->topics.count == 0 && r->header.version == 0)) {
		describe_all(r, out);
		return STEP_DONE;
	}
	request_array(r, &out->topics, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++)
		describe_wanted(r, &in->topics.items[i], &out->topics.items[i]);
	return STEP_DONE;
}

/* CreateTopics (19), versions 2-7. Durable when answered.
 *
 * -1 partitions and -1 replicas mean the defaults; one replica is all there can be. An
 * assignment is taken when it puts every partition on this broker. Configurations are those of
 * broker/topic_config.h; from version 5 the answer lists them as they hold. validate_only says
 * what would become of it.
 */
#include "kafka/admin_job.h"
#include "kafka/handler.h"
#include "kafka/security.h"

static int16_t read_assignments(const struct create_topics_topic *in, struct admin_op *op, mr_str *message)
{
	if (in->num_partitions != -1 || in->replication_factor != -1) {
		*message = MR_STR("Both numPartitions or replicationFactor and replicasAssignments were set. "
				  "Both cannot be used at the same time.");
		return KE_INVALID_REQUEST;
	}
	*message = MR_STR("an assignment names partitions 0, 1, ... in order, each on broker 1");
	if (in->assignments.count > LOG_PARTITIONS_MAX)
		return KE_INVALID_REPLICA_ASSIGNMENT;
	for (int32_t i = 0; i < in->assignments.count; i++) {
		const struct create_topics_assignment *a = &in->assignments.items[i];
		if (a->partition != i || a->broker_ids.count != 1 || a->broker_ids.items[0] != KAFKA_NODE_ID)
			return KE_INVALID_REPLICA_ASSIGNMENT;
	}
	op->partitions = in->assignments.count;
	return KE_NONE;
}

static int16_t read_layout(struct admin_job *job, const struct create_topics_topic *in, struct admin_op *op,
			   mr_str *message)
{
	op->partitions = in->num_partitions;
	if (in->assignments.count > 0)
		return read_assignments(in, op, message);
	if (in->num_partitions != -1 && in->num_partitions < 1) {
		*message = MR_STR("Number of partitions was set to an invalid non-positive value.");
		return KE_INVALID_PARTITIONS;
	}
	if (in->num_partitions > LOG_PARTITIONS_MAX) {
		*message = MR_STR("a topic has at most 10000 partitions");
		return KE_INVALID_PARTITIONS;
	}
	if (in->replication_factor > 1) {
		*message = arena_printf(
		    &job->arena,
		    "Unable to replicate the partition %d time(s): The target replication factor "
		    "of %d cannot be reached because only 1 broker(s) are registered.",
		    in->replication_factor, in->replication_factor);
		return KE_INVALID_REPLICATION_FACTOR;
	}
	if (in->replication_factor != -1 && in->replication_factor < 1) {
		*message = MR_STR("Replication factor was set to an invalid non-positive value.");
		return KE_INVALID_REPLICATION_FACTOR;
	}
	return KE_NONE;
}

static bool is_twice(const struct create_topics_request *in, int32_t at)
{
	for (int32_t i = 0; i < in->topics.count; i++) {
		if (i != at && mr_str_eq(in->topics.items[i].name, in->topics.items[at].name))
			return true;
	}
	return false;
}

static void read_topic(struct request *r, struct admin_job *job, int32_t at)
{
	const struct create_topics_request *in = r->in;
	const struct create_topics_topic *topic = &in->topics.items[at];
	struct admin_op *op = &job->ops[at];
	op->kind = ADMIN_CREATE_TOPIC;
	op->topic = admin_job_copy(job, topic->name);
	op->validate_only = in->validate_only;
	op->change_count = (size_t)topic->configs.count;
	op->changes = arena_calloc(&job->arena, op->change_count + 1, sizeof *op->changes);
	for (int32_t i = 0; i < topic->configs.count; i++)
		op->changes[i] = (struct config_change){
		    admin_job_copy(job, topic->configs.items[i].name),
		    CONFIG_SET,
		    admin_job_copy(job, topic->configs.items[i].value),
		};
	mr_str message = MR_STR_NULL;
	int16_t code = read_layout(job, topic, op, &message);
	if (!request_may_cluster(r, ACL_CREATE) && !request_may_topic(r, ACL_CREATE, topic->name))
		admin_refuse(op, KE_TOPIC_AUTHORIZATION_FAILED, MR_STR("Authorization failed."));
	else if (is_twice(in, at))
		admin_refuse(op, KE_INVALID_REQUEST, MR_STR("Duplicate topic name."));
	else if (code != KE_NONE)
		admin_refuse(op, code, message);
}

static void show_configs(struct request *r, const struct admin_op *op, struct create_topics_reply *out)
{
	struct config_entry *entries;
	size_t count = broker_topic_entries(request_core(r)->broker, &op->config, &r->arena, &entries);
	request_array(r, &out->configs, count);
	for (size_t i = 0; i < count; i++)
		out->configs.items[i] = (struct create_topics_config_reply){
		    .name = mr_str_from(entries[i].key->name),
		    .value = entries[i].value,
		    .config_source = (int8_t)entries[i].source,
		};
}

static void answer(struct request *r, const struct admin_op *op, struct create_topics_reply *out)
{
	*out = (struct create_topics_reply){
	    .name = op->topic,
	    .error_code = request_code(r, op->code),
	    .error_message = op->message,
	    .num_partitions = -1,
	    .replication_factor = -1,
	    .configs = {NULL, -1},
	};
	if (op->code != KE_NONE)
		return;
	struct log_topic *topic = log_topic_find(request_core(r)->store, op->topic);
	if (topic)
		log_topic_id(topic, out->topic_id);
	if (!request_may_topic(r, ACL_DESCRIBE_CONFIGS, op->topic)) {
		out->topic_config_error_code = KE_TOPIC_AUTHORIZATION_FAILED;
		return;
	}
	out->num_partitions = op->config.partitions;
	out->replication_factor = 1;
	show_configs(r, op, out);
}

enum step create_topics_step(struct request *r)
{
	const struct create_topics_request *in = r->in;
	struct create_topics_response *out = r->out;
	struct admin_job *job = r->progress;
	if (!job) {
		job = admin_job_new(r, (size_t)in->topics.count);
		for (int32_t i = 0; i < in->topics.count; i++)
			read_topic(r, job, i);
	}
	enum step step = admin_job_await(r, job);
	if (step != STEP_DONE)
		return step;
	request_array(r, &out->topics, job->count);
	for (size_t i = 0; i < job->count; i++)
		answer(r, &job->ops[i], &out->topics.items[i]);
	return STEP_DONE;
}

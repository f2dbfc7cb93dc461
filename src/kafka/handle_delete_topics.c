/* DeleteTopics (20), versions 1-6: by name, from version 6 by name or id. Durable when answered. */
#include "kafka/handler.h"

static void delete_one(struct request *r, mr_str name, struct delete_topics_reply *out)
{
	struct mr_error err;
	out->name = name;
	struct log_topic *topic = log_topic_find(request_core(r)->store, name);
	if (topic)
		log_topic_id(topic, out->topic_id);
	int rc = log_topic_delete(request_core(r)->store, name, &err);
	if (rc == 0)
		rc = groups_topic_deleted(request_core(r)->groups, name, &err);
	out->error_code = request_code(r, kafka_error_of(rc, ON_TOPIC));
	if (rc < 0)
		out->error_message = arena_copy(&r->arena, mr_str_from(err.message));
}

static void delete_by_state(struct request *r, const struct delete_topics_topic *in,
			    struct delete_topics_reply *out)
{
	if (in->name.ptr) {
		delete_one(r, in->name, out);
		return;
	}
	struct log_topic *topic = kafka_topic_by_id(request_core(r), in->topic_id);
	if (topic) {
		delete_one(r, log_topic_name(topic), out);
		return;
	}
	memcpy(out->topic_id, in->topic_id, 16);
	out->error_code = request_code(r, KE_UNKNOWN_TOPIC_ID);
	out->error_message = MR_STR("no topic has this id");
}

enum step delete_topics_step(struct request *r)
{
	const struct delete_topics_request *in = r->in;
	struct delete_topics_response *out = r->out;
	bool by_state = r->header.version >= 6;
	int32_t count = by_state ? in->topics.count : in->topic_names.count;
	request_array(r, &out->responses, count);
	for (int32_t i = 0; i < count; i++) {
		if (by_state)
			delete_by_state(r, &in->topics.items[i], &out->responses.items[i]);
		else
			delete_one(r, in->topic_names.items[i], &out->responses.items[i]);
	}
	return STEP_DONE;
}

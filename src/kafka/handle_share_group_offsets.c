/* DescribeShareGroupOffsets (90), versions 0-1; AlterShareGroupOffsets (91) and DeleteShareGroupOffsets
 * (92), version 0: where share groups begin in each partition. Version 1 of the first tells the lag.
 * Changes need an empty group and are durable when answered. */
#include "kafka/group_request.h"

static mr_str not_found(struct request *r, mr_str group)
{
	return arena_printf(&r->arena, "Group %.*s not found.", MR_FMT(group));
}

/* ---- describe ---- */

static void show_offset(const struct share_offset *offset, struct described_share_offset *out)
{
	*out = (struct described_share_offset){
	    .partition_index = offset->ref.partition,
	    .start_offset = offset->start,
	    .leader_epoch = KAFKA_LEADER_EPOCH,
	    .lag = offset->lag,
	    .error_message = MR_STR_NULL,
	};
}

static void show_all(struct request *r, mr_str group, struct described_share_offsets_group *out)
{
	struct share_offset *offsets;
	size_t count = 0;
	int code =
	    share_offsets_describe(request_core(r)->share, group, NULL, 0, &offsets, &count, &r->arena);
	if (code != GROUP_OK) {
		out->error_code = request_code(r, kafka_share_error(code));
		out->error_message = not_found(r, group);
		return;
	}
	request_array(r, &out->topics, count);
	out->topics.count = 0;
	for (size_t i = 0; i < count;) {
		struct log_topic *topic = offsets[i].ref.topic;
		size_t end = i;
		while (end < count && offsets[end].ref.topic == topic)
			end++;
		struct described_share_offsets_topic *t = &out->topics.items[out->topics.count];
		t->topic_name = log_topic_name(topic);
		log_topic_id(topic, t->topic_id);
		request_array(r, &t->partitions, end - i);
		for (size_t k = 0; i < end; i++, k++)
			show_offset(&offsets[i], &t->partitions.items[k]);
		out->topics.count += request_may_topic(r, ACL_DESCRIBE, t->topic_name);
	}
}

static void show_topic(struct request *r, mr_str group, const struct describe_share_offsets_topic *in,
		       struct described_share_offsets_topic *out)
{
	struct log_topic *topic = log_topic_find(request_core(r)->store, in->topic_name);
	bool may = request_may_topic(r, ACL_DESCRIBE, in->topic_name);
	out->topic_name = in->topic_name;
	if (topic)
		log_topic_id(topic, out->topic_id);
	request_array(r, &out->partitions, in->partitions.count);
	for (int32_t i = 0; i < in->partitions.count; i++) {
		struct share_partition_ref ref = {topic, in->partitions.items[i]};
		struct share_offset offset = {.ref = ref, .start = -1, .lag = -1}, *found = &offset;
		bool there = topic && log_partition_at(topic, ref.partition);
		size_t count;
		if (there && may)
			(void)share_offsets_describe(request_core(r)->share, group, &ref, 1, &found, &count,
						     &r->arena);
		show_offset(found, &out->partitions.items[i]);
		if (!there || !may)
			out->partitions.items[i].error_code = request_code(
			    r, may ? KE_UNKNOWN_TOPIC_OR_PARTITION : KE_TOPIC_AUTHORIZATION_FAILED);
	}
}

enum step describe_share_group_offsets_step(struct request *r)
{
	const struct describe_share_group_offsets_request *in = r->in;
	struct describe_share_group_offsets_response *out = r->out;
	request_array(r, &out->groups, in->groups.count);
	for (int32_t i = 0; i < in->groups.count; i++) {
		const struct describe_share_offsets_group *ask = &in->groups.items[i];
		struct described_share_offsets_group *group = &out->groups.items[i];
		*group = (struct described_share_offsets_group){.group_id = ask->group_id,
								.error_message = MR_STR_NULL};
		if (!request_may_group(r, ACL_DESCRIBE, ask->group_id)) {
			group->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		} else if (ask->topics.count < 0) {
			show_all(r, ask->group_id, group);
		} else if (!share_group_exists(request_core(r)->share, ask->group_id)) {
			group->error_code = request_code(r, KE_GROUP_ID_NOT_FOUND);
			group->error_message = not_found(r, ask->group_id);
		} else {
			request_array(r, &group->topics, ask->topics.count);
			for (int32_t k = 0; k < ask->topics.count; k++)
				show_topic(r, ask->group_id, &ask->topics.items[k], &group->topics.items[k]);
		}
	}
	return STEP_DONE;
}

/* ---- alter ---- */

struct change {
	struct group_write write;
	int code;
	bool asked;
	struct share_offset *offsets;
	size_t count;
	int *codes;
};

static void plan_alter(struct request *r, struct change *c)
{
	const struct alter_share_group_offsets_request *in = r->in;
	size_t most = 0;
	for (int32_t i = 0; i < in->topics.count; i++)
		most += (size_t)in->topics.items[i].partitions.count;
	c->offsets = arena_calloc(&r->arena, most + 1, sizeof *c->offsets);
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct alter_share_offsets_topic *t = &in->topics.items[i];
		struct log_topic *topic = log_topic_find(request_core(r)->store, t->topic_name);
		bool may = request_may_topic(r, ACL_READ, t->topic_name);
		for (int32_t k = 0; k < t->partitions.count; k++) {
			struct share_offset *offset = &c->offsets[c->count++];
			offset->ref =
			    (struct share_partition_ref){topic, t->partitions.items[k].partition_index};
			offset->start = t->partitions.items[k].start_offset;
			if (!may)
				offset->code = KE_TOPIC_AUTHORIZATION_FAILED;
			else if (!topic || !log_partition_at(topic, offset->ref.partition))
				offset->code = KE_UNKNOWN_TOPIC_OR_PARTITION;
		}
	}
}

static void answer_alter(struct request *r, const struct change *c)
{
	const struct alter_share_group_offsets_request *in = r->in;
	struct alter_share_group_offsets_response *out = r->out;
	const struct share_offset *offset = c->offsets;
	request_array(r, &out->responses, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		struct altered_share_offsets_topic *t = &out->responses.items[i];
		struct log_topic *topic =
		    log_topic_find(request_core(r)->store, in->topics.items[i].topic_name);
		t->topic_name = in->topics.items[i].topic_name;
		if (topic)
			log_topic_id(topic, t->topic_id);
		request_array(r, &t->partitions, in->topics.items[i].partitions.count);
		for (int32_t k = 0; k < t->partitions.count; k++, offset++)
			t->partitions.items[k] = (struct altered_share_offset){
			    offset->ref.partition, request_code(r, (int16_t)offset->code), MR_STR_NULL};
	}
}

/* The request's code, once what was asked is safe. */
static enum step settle(struct request *r, struct change *c, int16_t *code)
{
	enum step step = request_await_write(r, &c->write, code);
	if (step == STEP_DONE && *code == KE_NONE)
		*code = kafka_share_error(c->code);
	return step;
}

static mr_str refusal(struct request *r, int16_t code, mr_str group)
{
	if (code == KE_GROUP_ID_NOT_FOUND)
		return not_found(r, group);
	if (code == KE_NON_EMPTY_GROUP)
		return arena_printf(&r->arena, "The group %.*s is not empty.", MR_FMT(group));
	return MR_STR_NULL;
}

enum step alter_share_group_offsets_step(struct request *r)
{
	const struct alter_share_group_offsets_request *in = r->in;
	struct alter_share_group_offsets_response *out = r->out;
	struct change *c = r->progress;
	out->error_message = MR_STR_NULL;
	if (!request_may_group(r, ACL_READ, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	if (!c) {
		c = r->progress = arena_calloc(&r->arena, 1, sizeof *c);
		plan_alter(r, c);
	}
	if (!c->asked)
		c->code = share_offsets_alter(request_core(r)->share, in->group_id, c->offsets, c->count,
					      &c->write, NULL);
	if (c->code == MR_ERR_BUSY)
		return STEP_BUSY;
	c->asked = true;
	enum step step = settle(r, c, &out->error_code);
	if (step != STEP_DONE)
		return step;
	out->error_message = refusal(r, request_code(r, out->error_code), in->group_id);
	if (out->error_code == KE_NONE)
		answer_alter(r, c);
	return STEP_DONE;
}

/* ---- delete ---- */

static void answer_delete(struct request *r, const struct change *c)
{
	const struct delete_share_group_offsets_request *in = r->in;
	struct delete_share_group_offsets_response *out = r->out;
	request_array(r, &out->responses, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		struct deleted_share_offsets_topic *t = &out->responses.items[i];
		mr_str name = in->topics.items[i].topic_name;
		struct log_topic *topic = log_topic_find(request_core(r)->store, name);
		*t = (struct deleted_share_offsets_topic){.topic_name = name, .error_message = MR_STR_NULL};
		if (topic)
			log_topic_id(topic, t->topic_id);
		int16_t code = request_may_topic(r, ACL_READ, name) ? kafka_share_error(c->codes[i])
								    : KE_TOPIC_AUTHORIZATION_FAILED;
		t->error_code = request_code(r, code);
		if (code == KE_UNKNOWN_TOPIC_OR_PARTITION && topic)
			t->error_message = MR_STR("There is no offset information to delete.");
	}
}

enum step delete_share_group_offsets_step(struct request *r)
{
	const struct delete_share_group_offsets_request *in = r->in;
	struct delete_share_group_offsets_response *out = r->out;
	struct change *c = r->progress;
	size_t count = (size_t)in->topics.count;
	out->error_message = MR_STR_NULL;
	if (!request_may_group(r, ACL_DELETE, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	if (!c) {
		c = r->progress = arena_calloc(&r->arena, 1, sizeof *c);
		c->codes = arena_calloc(&r->arena, count + 1, sizeof *c->codes);
	}
	if (!c->asked) {
		struct log_topic **topics = arena_calloc(&r->arena, count + 1, sizeof(struct log_topic *));
		for (size_t i = 0; i < count; i++) {
			mr_str name = in->topics.items[i].topic_name;
			if (request_may_topic(r, ACL_READ, name))
				topics[i] = log_topic_find(request_core(r)->store, name);
		}
		c->code = share_offsets_delete(request_core(r)->share, in->group_id, topics, count, c->codes,
					       &c->write, NULL);
	}
	if (c->code == MR_ERR_BUSY)
		return STEP_BUSY;
	c->asked = true;
	enum step step = settle(r, c, &out->error_code);
	if (step != STEP_DONE)
		return step;
	out->error_message = refusal(r, request_code(r, out->error_code), in->group_id);
	if (out->error_code == KE_NONE)
		answer_delete(r, c);
	return STEP_DONE;
}

/* OffsetDelete (47), version 0: committed offsets of topics that no member of the group reads;
 * GROUP_SUBSCRIBED_TO_TOPIC for the others. Durable when answered. */
#include "kafka/group_request.h"

struct offset_delete_progress {
	struct group_offset_entry *entries;
	size_t count;
	struct group_write write;
	int code;
	bool asked;
};

static struct offset_delete_progress *plan(struct request *r)
{
	const struct offset_delete_request *in = r->in;
	struct offset_delete_progress *p = arena_calloc(&r->arena, 1, sizeof *p);
	for (int32_t i = 0; i < in->topics.count; i++)
		p->count += (size_t)in->topics.items[i].partitions.count;
	p->entries = arena_calloc(&r->arena, p->count + 1, sizeof *p->entries);
	struct group_offset_entry *e = p->entries;
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct offset_delete_topic *t = &in->topics.items[i];
		struct log_topic *topic = log_topic_find(request_core(r)->store, t->name);
		for (int32_t k = 0; k < t->partitions.count; k++, e++) {
			int32_t partition = t->partitions.items[k].partition_index;
			bool known = topic && log_partition_at(topic, partition);
			*e = (struct group_offset_entry){.topic = t->name,
							 .partition = partition,
							 .code = known ? GROUP_OK : GROUP_UNKNOWN_TOPIC};
			if (known && !request_may_topic(r, ACL_READ, t->name))
				e->code = GROUP_TOPIC_REFUSED;
		}
	}
	return p;
}

static void answer(struct request *r, const struct offset_delete_progress *p)
{
	const struct offset_delete_request *in = r->in;
	struct offset_delete_response *out = r->out;
	out->error_code = request_code(r, kafka_group_error(p->code));
	if (out->error_code != KE_NONE)
		return;
	const struct group_offset_entry *e = p->entries;
	request_array(r, &out->topics, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct offset_delete_topic *t = &in->topics.items[i];
		out->topics.items[i].name = t->name;
		request_array(r, &out->topics.items[i].partitions, t->partitions.count);
		for (int32_t k = 0; k < t->partitions.count; k++, e++)
			out->topics.items[i].partitions.items[k] = (struct offset_delete_partition_reply){
			    e->partition, request_code(r, kafka_group_error(e->code))};
	}
}

enum step offset_delete_step(struct request *r)
{
	const struct offset_delete_request *in = r->in;
	struct offset_delete_response *out = r->out;
	struct offset_delete_progress *p = r->progress;
	if (!request_may_group(r, ACL_DELETE, in->group_id)) {
		out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	if (!p)
		p = r->progress = plan(r);
	if (!p->asked) {
		p->code = groups_delete_offsets(request_core(r)->groups, in->group_id, p->entries, p->count,
						&p->write, NULL);
		if (p->code == MR_ERR_BUSY)
			return STEP_BUSY;
		p->asked = true;
	}
	int16_t fault;
	enum step step = request_await_write(r, &p->write, &fault);
	if (step != STEP_DONE)
		return step;
	if (fault != KE_NONE)
		p->code = GROUP_NOT_AVAILABLE;
	answer(r, p);
	return STEP_DONE;
}

/* DescribeTopicPartitions (75), version 0: topics by name, in the order of their names, at most
 * response_partition_limit partitions at a time; the cursor says where the next answer begins (KIP-966).
 * No names: all topics that the client may describe. */
#include "kafka/handler.h"
#include "kafka/security.h"

#include <stdlib.h>

#define PARTITIONS_MAX 2000

static int by_text(const void *a, const void *b)
{
	const mr_str *x = a, *y = b;
	int order = memcmp(x->ptr, y->ptr, mr_min_size(x->len, y->len));
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static size_t all_names(struct request *r, mr_str **out)
{
	size_t count, kept = 0;
	struct log_topic **topics = log_topics(request_core(r)->store, &count);
	*out = arena_alloc(&r->arena, (count + 1) * sizeof **out);
	for (size_t i = 0; i < count; i++) {
		if (request_may_topic(r, ACL_DESCRIBE, log_topic_name(topics[i])))
			(*out)[kept++] = log_topic_name(topics[i]);
	}
	free(topics);
	return kept;
}

static size_t wanted_names(struct request *r, mr_str **out)
{
	const struct describe_topic_partitions_request *in = r->in;
	if (in->topics.count <= 0)
		return all_names(r, out);
	*out = arena_alloc(&r->arena, (size_t)in->topics.count * sizeof **out);
	size_t count = 0;
	for (int32_t i = 0; i < in->topics.count; i++)
		(*out)[count++] = in->topics.items[i].name;
	qsort(*out, count, sizeof **out, by_text);
	return count;
}

/* Partitions from `from` on, as many as `room`; returns how many. */
static int32_t describe(struct request *r, mr_str name, int32_t from, int32_t room,
			struct described_topic *out)
{
	struct log_topic *topic = log_topic_find(request_core(r)->store, name);
	*out = (struct described_topic){.name = name, .topic_authorized_operations = INT32_MIN};
	if (!request_may_topic(r, ACL_DESCRIBE, name)) {
		out->error_code = request_code(r, KE_TOPIC_AUTHORIZATION_FAILED);
		return 0;
	}
	if (!topic) {
		out->error_code = request_code(r, KE_UNKNOWN_TOPIC_OR_PARTITION);
		return 0;
	}
	int32_t end = (int32_t)mr_min_i64(log_topic_partition_count(topic), (int64_t)from + room);
	int32_t count = end > from ? end - from : 0;
	int32_t *node = arena_alloc(&r->arena, sizeof *node);
	*node = KAFKA_NODE_ID;
	log_topic_id(topic, out->topic_id);
	out->is_internal = kafka_topic_is_internal(name);
	out->topic_authorized_operations = request_operations(r, true, ACL_TOPIC, name);
	request_array(r, &out->partitions, count);
	for (int32_t i = 0; i < count; i++)
		out->partitions.items[i] = (struct described_partition){
		    .partition = from + i,
		    .leader_id = KAFKA_NODE_ID,
		    .leader_epoch = KAFKA_LEADER_EPOCH,
		    .replica_nodes = {node, 1},
		    .isr_nodes = {node, 1},
		};
	return count;
}

static void set_cursor(struct request *r, mr_str name, int32_t partition)
{
	struct describe_topic_partitions_response *out = r->out;
	out->next_cursor = arena_alloc(&r->arena, sizeof *out->next_cursor);
	*out->next_cursor = (struct topic_partition_cursor){name, partition};
}

enum step describe_topic_partitions_step(struct request *r)
{
	const struct describe_topic_partitions_request *in = r->in;
	struct describe_topic_partitions_response *out = r->out;
	mr_str *names;
	size_t count = wanted_names(r, &names);
	int32_t room = (int32_t)mr_max_i64(1, mr_min_i64(in->response_partition_limit, PARTITIONS_MAX));
	request_array(r, &out->topics, count);
	out->topics.count = 0;
	for (size_t i = 0; i < count; i++) {
		int32_t from = 0;
		if (in->cursor && by_text(&names[i], &in->cursor->topic_name) < 0)
			continue;
		if (in->cursor && mr_str_eq(names[i], in->cursor->topic_name))
			from = (int32_t)mr_max_i64(in->cursor->partition, 0);
		if (room == 0) {
			set_cursor(r, names[i], 0);
			break;
		}
		int32_t shown = describe(r, names[i], from, room, &out->topics.items[out->topics.count++]);
		room -= shown;
		struct log_topic *topic = log_topic_find(request_core(r)->store, names[i]);
		if (topic && room == 0 && from + shown < log_topic_partition_count(topic)) {
			set_cursor(r, names[i], from + shown);
			break;
		}
	}
	return STEP_DONE;
}

/* ListOffsets (2), versions 1-11.
 *
 *   timestamp        answer
 *   >= 0             the first record at or after it; -1 when there is none
 *   -1 latest        the high watermark; with read_committed the last stable offset
 *   -2 earliest      the log's start; also -4, earliest local: everything is local
 *   -3 max           the first record that bears the greatest timestamp
 *   -5, -6 tiered    -1: there is no tiered storage
 *
 * With read_committed, an offset past the last stable one is not told: -1.
 */
#include "kafka/handler.h"
#include "kafka/security.h"
#include "log/transactions.h"

enum { AT_LATEST = -1, AT_EARLIEST = -2, AT_MAX_TIMESTAMP = -3, AT_EARLIEST_LOCAL = -4 };
enum { READ_COMMITTED = 1 };

static int find_by_time(struct log_partition *partition, int64_t ms, struct list_offsets_partition_reply *out)
{
	int64_t offset, timestamp;
	int rc = log_find_time(partition, ms, &offset, &timestamp, NULL);
	if (rc == 0) {
		out->offset = offset;
		out->timestamp = timestamp;
		out->leader_epoch = KAFKA_LEADER_EPOCH;
	}
	return rc < 0 ? rc : 0;
}

static int find_offset(struct log_partition *partition, int64_t timestamp, int64_t end,
		       struct list_offsets_partition_reply *out)
{
	if (timestamp >= 0)
		return find_by_time(partition, timestamp, out);
	if (timestamp == AT_MAX_TIMESTAMP) {
		int64_t most = log_max_timestamp(partition);
		return most < 0 ? 0 : find_by_time(partition, most, out);
	}
	if (timestamp == AT_LATEST)
		out->offset = end;
	else if (timestamp == AT_EARLIEST || timestamp == AT_EARLIEST_LOCAL)
		out->offset = log_start_offset(partition);
	if (out->offset >= 0)
		out->leader_epoch = KAFKA_LEADER_EPOCH;
	return 0;
}

static int find_readable(struct request *r, struct log_partition *partition, int64_t timestamp,
			 struct list_offsets_partition_reply *out)
{
	const struct list_offsets_request *in = r->in;
	int64_t end = in->isolation_level == READ_COMMITTED ? log_last_stable_offset(partition)
							    : log_stable_offset(partition);
	int rc = find_offset(partition, timestamp, end, out);
	if (out->offset > end || (out->offset == end && out->timestamp >= 0))
		out->offset = out->timestamp = out->leader_epoch = -1;
	return rc;
}

static void answer_partition(struct request *r, struct log_topic *topic, bool may,
			     const struct list_offsets_partition *in,
			     struct list_offsets_partition_reply *out)
{
	*out = (struct list_offsets_partition_reply){
	    .partition = in->partition,
	    .timestamp = -1,
	    .offset = -1,
	    .leader_epoch = -1,
	};
	struct log_partition *partition = topic ? log_partition_at(topic, in->partition) : NULL;
	if (!may)
		out->error_code = request_code(r, KE_TOPIC_AUTHORIZATION_FAILED);
	else if (!partition)
		out->error_code = request_code(r, KE_UNKNOWN_TOPIC_OR_PARTITION);
	else if (in->current_leader_epoch != -1 && in->current_leader_epoch != KAFKA_LEADER_EPOCH)
		out->error_code = request_code(r, KE_UNKNOWN_LEADER_EPOCH);
	else
		out->error_code =
		    request_code(r, kafka_error_of(find_readable(r, partition, in->timestamp, out), ON_READ));
}

enum step list_offsets_step(struct request *r)
{
	const struct list_offsets_request *in = r->in;
	struct list_offsets_response *out = r->out;
	request_array(r, &out->topics, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct list_offsets_topic *t = &in->topics.items[i];
		struct list_offsets_topic_reply *reply = &out->topics.items[i];
		struct log_topic *topic = log_topic_find(request_core(r)->store, t->name);
		bool may = request_may_topic(r, ACL_DESCRIBE, t->name);
		reply->name = t->name;
		request_array(r, &reply->partitions, t->partitions.count);
		for (int32_t k = 0; k < t->partitions.count; k++)
			answer_partition(r, topic, may, &t->partitions.items[k], &reply->partitions.items[k]);
	}
	return STEP_DONE;
}

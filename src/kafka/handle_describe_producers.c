/* DescribeProducers (61), version 0: the producers that a partition knows: epochs, sequences, and
 * where a transaction under way began. Needs READ on the topic.
 */
#include "kafka/handler.h"
#include "kafka/security.h"

#include "log/transactions.h"

#include <stdlib.h>

static void describe(struct request *r, struct log_topic *topic, bool may,
		     struct describe_producers_partition *out)
{
	struct log_partition *partition = topic ? log_partition_at(topic, out->partition_index) : NULL;
	out->error_message = MR_STR_NULL;
	if (!may || !partition) {
		out->error_code =
		    request_code(r, may ? KE_UNKNOWN_TOPIC_OR_PARTITION : KE_TOPIC_AUTHORIZATION_FAILED);
		return;
	}
	struct log_producer *producers;
	size_t count = log_producers(partition, &producers);
	request_array(r, &out->active_producers, count);
	for (size_t i = 0; i < count; i++)
		out->active_producers.items[i] = (struct describe_producers_producer){
		    .producer_id = producers[i].id,
		    .producer_epoch = producers[i].epoch,
		    .last_sequence = producers[i].last_sequence,
		    .last_timestamp = producers[i].last_timestamp,
		    .coordinator_epoch = producers[i].coordinator_epoch,
		    .current_txn_start_offset = producers[i].txn_first_offset,
		};
	free(producers);
}

enum step describe_producers_step(struct request *r)
{
	const struct describe_producers_request *in = r->in;
	struct describe_producers_response *out = r->out;
	request_array(r, &out->topics, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct txn_topic *t = &in->topics.items[i];
		struct log_topic *topic = log_topic_find(request_core(r)->store, t->name);
		bool may = request_may_topic(r, ACL_READ, t->name);
		out->topics.items[i].name = t->name;
		request_array(r, &out->topics.items[i].partitions, t->partitions.count);
		for (int32_t k = 0; k < t->partitions.count; k++) {
			out->topics.items[i].partitions.items[k].partition_index = t->partitions.items[k];
			describe(r, topic, may, &out->topics.items[i].partitions.items[k]);
		}
	}
	return STEP_DONE;
}

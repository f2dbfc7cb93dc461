/* WriteTxnMarkers (27), versions 1-2: end a producer's transaction in these partitions, whatever the
 * coordinator says: what an operator does to a transaction that hangs (kafka-transactions abort).
 *
 * Needs ALTER on the cluster (Kafka: CLUSTER_ACTION or ALTER). Answered when the markers are safe.
 */
#include "kafka/txn_request.h"

#include "log/transactions.h"

struct marking {
	struct log_partition *partition;
	const struct write_txn_markers_marker *marker;
	struct txn_partition_result *out;
	int64_t next_offset; /* -1: not appended */
};

struct markings {
	struct marking *all;
	size_t count;
	size_t appended; /* those before it */
};

static void plan_marker(struct request *r, struct markings *p, const struct write_txn_markers_marker *marker,
			struct write_txn_markers_result *out)
{
	bool may = request_may_cluster(r, ACL_ALTER) || request_may_cluster(r, ACL_CLUSTER_ACTION);
	out->producer_id = marker->producer_id;
	txn_answer_topics(r, &marker->topics, &out->topics, may ? KE_NONE : KE_CLUSTER_AUTHORIZATION_FAILED);
	for (int32_t i = 0; i < out->topics.count && may; i++) {
		struct log_topic *topic = log_topic_find(request_core(r)->store, out->topics.items[i].name);
		for (int32_t k = 0; k < out->topics.items[i].partitions.count; k++) {
			struct txn_partition_result *result = &out->topics.items[i].partitions.items[k];
			struct log_partition *partition =
			    topic ? log_partition_at(topic, result->partition_index) : NULL;
			if (partition)
				p->all[p->count++] = (struct marking){partition, marker, result, -1};
			else
				result->error_code = request_code(r, KE_UNKNOWN_TOPIC_OR_PARTITION);
		}
	}
}

static struct markings *plan(struct request *r)
{
	const struct write_txn_markers_request *in = r->in;
	struct write_txn_markers_response *out = r->out;
	struct markings *p = arena_calloc(&r->arena, 1, sizeof *p);
	size_t most = 0;
	for (int32_t i = 0; i < in->markers.count; i++) {
		for (int32_t k = 0; k < in->markers.items[i].topics.count; k++)
			most += (size_t)in->markers.items[i].topics.items[k].partitions.count;
	}
	p->all = arena_calloc(&r->arena, most + 1, sizeof *p->all);
	request_array(r, &out->markers, in->markers.count);
	for (int32_t i = 0; i < in->markers.count; i++)
		plan_marker(r, p, &in->markers.items[i], &out->markers.items[i]);
	return p;
}

/* MR_ERR_BUSY, or 0 with the marker's fate noted. */
static int append_one(struct request *r, struct marking *m)
{
	struct log_append append;
	int rc =
	    log_append_marker(m->partition, m->marker->producer_id, m->marker->producer_epoch,
			      m->marker->transaction_result, m->marker->coordinator_epoch, &append, NULL);
	if (rc == MR_ERR_BUSY)
		return rc;
	if (rc == 0)
		m->next_offset = append.next_offset;
	else
		m->out->error_code = request_code(r, kafka_error_of(rc, ON_APPEND));
	return 0;
}

enum step write_txn_markers_step(struct request *r)
{
	struct markings *p = r->progress;
	if (!p)
		p = r->progress = plan(r);
	for (; p->appended < p->count; p->appended++) {
		if (append_one(r, &p->all[p->appended]) == MR_ERR_BUSY)
			return STEP_BUSY;
	}
	for (size_t i = 0; i < p->count; i++) {
		struct marking *m = &p->all[i];
		int state = m->next_offset < 0 ? 0 : log_append_state(m->partition, m->next_offset, NULL);
		if (state > 0) {
			request_wait_key(r, NULL, m->partition);
			state = log_append_state(m->partition, m->next_offset, NULL);
		}
		if (state > 0)
			return STEP_WAIT;
		if (state < 0)
			m->out->error_code = request_code(r, kafka_error_of(state, ON_APPEND));
		m->next_offset = -1;
	}
	return STEP_DONE;
}

/* DescribeTransactions (65), version 0: state, producer and partitions of transactional ids. Topics that
 * the user may not describe are left out. Needs DESCRIBE on the transactional id.
 */
#include "kafka/handler.h"
#include "kafka/security.h"

static struct txn_topic *topic_of(struct describe_transactions_state *out, mr_str name)
{
	for (int32_t i = 0; i < out->topics.count; i++) {
		if (mr_str_eq(out->topics.items[i].name, name))
			return &out->topics.items[i];
	}
	out->topics.items[out->topics.count] = (struct txn_topic){.name = name};
	return &out->topics.items[out->topics.count++];
}

static void put_partitions(struct request *r, const struct txn_view *view,
			   struct describe_transactions_state *out)
{
	request_array(r, &out->topics, view->partition_count);
	out->topics.count = 0;
	for (size_t i = 0; i < view->partition_count; i++) {
		const struct txn_partition_ref *p = &view->partitions[i];
		if (!request_may_topic(r, ACL_DESCRIBE, p->topic))
			continue;
		struct txn_topic *topic = topic_of(out, p->topic);
		if (!topic->partitions.items) {
			request_array(r, &topic->partitions, view->partition_count);
			topic->partitions.count = 0;
		}
		topic->partitions.items[topic->partitions.count++] = p->index;
	}
}

static void describe(struct request *r, struct describe_transactions_state *out)
{
	struct txn_view view;
	out->transaction_state = MR_STR("");
	if (!request_may(r, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, out->transactional_id)) {
		out->error_code = request_code(r, KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
		return;
	}
	int code = txns_describe(request_core(r)->txns, out->transactional_id, &view, &r->arena);
	out->error_code = request_code(r, kafka_txn_error(code));
	if (code != TXN_OK)
		return;
	out->transaction_state = mr_str_from(txn_state_word(view.state));
	out->transaction_timeout_ms = view.timeout_ms;
	out->transaction_start_time_ms = view.start_ms;
	out->producer_id = view.producer_id;
	out->producer_epoch = view.epoch;
	put_partitions(r, &view, out);
}

enum step describe_transactions_step(struct request *r)
{
	const struct describe_transactions_request *in = r->in;
	struct describe_transactions_response *out = r->out;
	request_array(r, &out->transaction_states, in->transactional_ids.count);
	for (int32_t i = 0; i < in->transactional_ids.count; i++) {
		out->transaction_states.items[i].transactional_id = in->transactional_ids.items[i];
		describe(r, &out->transaction_states.items[i]);
	}
	return STEP_DONE;
}

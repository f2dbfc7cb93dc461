/* AddPartitionsToTxn (24), versions 0-5: these partitions belong to the transaction; safe when answered.
 *
 * All or none: when a topic is unknown or may not be written, the others are answered with
 * OPERATION_NOT_ATTEMPTED, as Kafka does. Versions 4 and 5 carry several transactions at once (brokers
 * among themselves); each is answered for itself, and verify_only asks without adding.
 */
#include "kafka/txn_request.h"

enum { FIRST_THAT_KNOWS_FENCED = 2, FIRST_BATCHED = 4, FIRST_ABORTABLE = 5 };

struct adding {
	struct txn_ticket **tickets; /* by transaction; NULL: refused or verified */
	size_t count;
	struct txns *txns;
	const struct add_partitions_to_txn_transaction *transactions;
	struct txn_topic_result **results;
	size_t at; /* those before it are answered */
};

static void adding_release(struct request *r)
{
	struct adding *a = r->progress;
	for (size_t i = 0; i < a->count; i++)
		txn_ticket_drop(a->txns, a->tickets[i]);
}

static int16_t check_partition(struct request *r, mr_str name, int32_t index)
{
	struct log_topic *topic = log_topic_find(request_core(r)->store, name);
	if (!request_may_topic(r, ACL_WRITE, name))
		return KE_TOPIC_AUTHORIZATION_FAILED;
	return topic && log_partition_at(topic, index) ? KE_NONE : KE_UNKNOWN_TOPIC_OR_PARTITION;
}

/* Gives every partition that is wrong its code; returns how many partitions there are when none is,
 * else -1. */
static int64_t check_topics(struct request *r, const struct add_partitions_to_txn_transaction *t,
			    struct txn_topic_result *out)
{
	bool wrong = false;
	int64_t count = 0;
	for (int32_t i = 0; i < t->topics.count; i++) {
		for (int32_t k = 0; k < out[i].partitions.count; k++, count++) {
			struct txn_partition_result *result = &out[i].partitions.items[k];
			result->error_code = check_partition(r, out[i].name, result->partition_index);
			wrong |= result->error_code != KE_NONE;
		}
	}
	for (int32_t i = 0; i < t->topics.count && wrong; i++) {
		for (int32_t k = 0; k < out[i].partitions.count; k++) {
			struct txn_partition_result *result = &out[i].partitions.items[k];
			if (result->error_code == KE_NONE)
				result->error_code = request_code(r, KE_OPERATION_NOT_ATTEMPTED);
		}
	}
	return wrong ? -1 : count;
}

static void verify(struct request *r, const struct txn_producer *who, int32_t topics,
		   struct txn_topic_result *out)
{
	for (int32_t i = 0; i < topics; i++) {
		for (int32_t k = 0; k < out[i].partitions.count; k++) {
			struct txn_partition_result *result = &out[i].partitions.items[k];
			struct txn_partition_ref ref = {out[i].name, result->partition_index};
			int code = txns_verify(request_core(r)->txns, who, &ref);
			bool abortable = r->header.version >= FIRST_ABORTABLE;
			result->error_code = request_code(r, kafka_verify_error(code, abortable));
		}
	}
}

static void start_one(struct request *r, struct adding *a, size_t at)
{
	const struct add_partitions_to_txn_transaction *t = &a->transactions[at];
	struct txn_topic_result *out = a->results[at];
	if (!request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, t->transactional_id)) {
		txn_answer_topics_(r, t->topics.items, t->topics.count, out,
				   KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
		return;
	}
	txn_answer_topics_(r, t->topics.items, t->topics.count, out, KE_NONE);
	int64_t count = check_topics(r, t, out);
	struct txn_producer who = {t->transactional_id, t->producer_id, t->producer_epoch};
	if (count >= 0 && t->verify_only) {
		verify(r, &who, t->topics.count, out);
		return;
	}
	if (count < 0)
		return;
	struct txn_partition_ref *refs = arena_alloc(&r->arena, (size_t)(count + 1) * sizeof *refs);
	size_t n = 0;
	for (int32_t i = 0; i < t->topics.count; i++) {
		for (int32_t k = 0; k < t->topics.items[i].partitions.count; k++)
			refs[n++] = (struct txn_partition_ref){t->topics.items[i].name,
							       t->topics.items[i].partitions.items[k]};
	}
	txns_add(a->txns, &who, refs, n, &a->tickets[at]);
}

/* Both forms of the request as an array of transactions. */
static struct adding *plan(struct request *r)
{
	const struct add_partitions_to_txn_request *in = r->in;
	struct add_partitions_to_txn_response *out = r->out;
	bool batched = r->header.version >= FIRST_BATCHED;
	struct adding *a = arena_calloc(&r->arena, 1, sizeof *a);
	a->txns = request_core(r)->txns;
	a->count = batched ? (size_t)in->transactions.count : 1;
	a->tickets = arena_calloc(&r->arena, a->count + 1, sizeof *a->tickets);
	a->results = arena_calloc(&r->arena, a->count + 1, sizeof *a->results);
	if (batched) {
		a->transactions = in->transactions.items;
		request_array(r, &out->transactions, in->transactions.count);
		for (size_t i = 0; i < a->count; i++) {
			struct add_partitions_to_txn_result *result = &out->transactions.items[i];
			result->transactional_id = a->transactions[i].transactional_id;
			request_array(r, &result->topics, a->transactions[i].topics.count);
			a->results[i] = result->topics.items;
		}
	} else {
		struct add_partitions_to_txn_transaction *only = arena_calloc(&r->arena, 1, sizeof *only);
		only->transactional_id = in->transactional_id;
		only->producer_id = in->producer_id;
		only->producer_epoch = in->producer_epoch;
		memcpy(&only->topics, &in->topics, sizeof only->topics);
		a->transactions = only;
		request_array(r, &out->topics, in->topics.count);
		a->results[0] = out->topics.items;
	}
	r->progress = a;
	r->release = adding_release;
	for (size_t i = 0; i < a->count; i++)
		start_one(r, a, i);
	request_deadline(r, TXN_MARKERS_WAIT_MS * 1000LL);
	return a;
}

enum step add_partitions_to_txn_step(struct request *r)
{
	struct adding *a = r->progress ? r->progress : plan(r);
	for (; a->at < a->count; a->at++) {
		struct txn_ticket *ticket = a->tickets[a->at];
		int16_t code;
		if (!ticket)
			continue;
		if (request_await_txn(r, ticket, &code) == STEP_WAIT)
			return STEP_WAIT;
		if (code == KE_PRODUCER_FENCED && r->header.version < FIRST_THAT_KNOWS_FENCED)
			code = KE_INVALID_PRODUCER_EPOCH;
		const struct add_partitions_to_txn_transaction *t = &a->transactions[a->at];
		txn_answer_topics_(r, t->topics.items, t->topics.count, a->results[a->at], code);
	}
	return STEP_DONE;
}

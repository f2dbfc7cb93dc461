#include "kafka/txn_request.h"

static void ticket_release(struct request *r)
{
	txn_ticket_drop(request_core(r)->txns, r->progress);
}

void request_hold_txn(struct request *r, struct txn_ticket *ticket)
{
	r->progress = ticket;
	r->release = ticket_release;
	request_deadline(r, TXN_MARKERS_WAIT_MS * 1000LL);
}

/* Whoever answers wakes the loop, which is this thread: what comes between the look and the wait
 * is not missed. */
enum step request_await_txn(struct request *r, struct txn_ticket *ticket, int16_t *code)
{
	struct txns *txns = request_core(r)->txns;
	if (!txn_ticket_done(txns, ticket)) {
		if (!r->expired) {
			request_wait_key(r, ticket, NULL);
			return STEP_WAIT;
		}
		if (!txn_ticket_decided(txns, ticket)) {
			*code = KE_COORDINATOR_NOT_AVAILABLE;
			return STEP_DONE;
		}
	}
	*code = kafka_txn_error(ticket->code);
	return STEP_DONE;
}

void txn_answer_topics_(struct request *r, const struct txn_topic *in, int32_t count,
			struct txn_topic_result *out, int16_t code)
{
	for (int32_t i = 0; i < count; i++) {
		out[i].name = in[i].name;
		request_array(r, &out[i].partitions, in[i].partitions.count);
		for (int32_t k = 0; k < in[i].partitions.count; k++)
			out[i].partitions.items[k] =
			    (struct txn_partition_result){in[i].partitions.items[k], request_code(r, code)};
	}
}

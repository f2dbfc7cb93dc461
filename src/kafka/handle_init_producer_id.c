/* InitProducerId (22), versions 0-5: a producer id, and for a transactional id the next epoch.
 *
 * Without a transactional id each call gives a new id at epoch 0, also when the client names the one
 * it had: its old sequence numbers then count for nothing, which is what it asks for.
 *
 * With one, the mapping and the raised epoch are safe before they are told. An earlier producer's
 * transaction is aborted first: CONCURRENT_TRANSACTIONS till that is done; clients ask again.
 */
#include "kafka/txn_request.h"

enum { FIRST_THAT_KNOWS_FENCED = 4 };

static enum step start_idempotent(struct request *r, struct init_producer_id_response *out)
{
	int64_t id;
	int rc = log_next_producer_id(request_core(r)->store, &id, NULL);
	if (rc < 0) {
		out->error_code = request_code(r, kafka_error_of(rc, ON_TOPIC));
		return STEP_DONE;
	}
	out->producer_id = id;
	out->producer_epoch = 0;
	return STEP_DONE;
}

enum step init_producer_id_step(struct request *r)
{
	const struct init_producer_id_request *in = r->in;
	struct init_producer_id_response *out = r->out;
	out->producer_epoch = -1;
	if (!in->transactional_id.ptr)
		return start_idempotent(r, out);
	if (!request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id)) {
		out->error_code = request_code(r, KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	if (!r->progress) {
		struct txn_producer who = {in->transactional_id, in->producer_id, in->producer_epoch};
		struct txn_ticket *ticket;
		txns_start(request_core(r)->txns, &who, in->transaction_timeout_ms, &ticket);
		request_hold_txn(r, ticket);
	}
	const struct txn_ticket *ticket = r->progress;
	int16_t code;
	if (request_await_txn(r, r->progress, &code) == STEP_WAIT)
		return STEP_WAIT;
	if (code == KE_PRODUCER_FENCED && r->header.version < FIRST_THAT_KNOWS_FENCED)
		code = KE_INVALID_PRODUCER_EPOCH;
	out->error_code = request_code(r, code);
	if (code == KE_NONE) {
		out->producer_id = ticket->producer_id;
		out->producer_epoch = ticket->epoch;
	}
	return STEP_DONE;
}

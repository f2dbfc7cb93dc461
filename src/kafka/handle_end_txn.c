/* EndTxn (26), versions 0-5: commit or abort; answered when every marker is safe, so that what a
 * commit that returned has written can be read.
 *
 * The decision is safe earlier: after TXN_MARKERS_WAIT_MS (a disk that takes no markers) it is
 * answered as it stands, and the markers follow when they can. From version 5 on the answer carries
 * the producer's next epoch, or its next id (KIP-890).
 */
#include "kafka/txn_request.h"

enum { FIRST_THAT_BUMPS = 5, FIRST_THAT_KNOWS_FENCED = 2 };

enum step end_txn_step(struct request *r)
{
	const struct end_txn_request *in = r->in;
	struct end_txn_response *out = r->out;
	if (!request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id)) {
		out->error_code = request_code(r, KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	if (!r->progress) {
		struct txn_producer who = {in->transactional_id, in->producer_id, in->producer_epoch};
		struct txn_ticket *ticket;
		txns_end(request_core(r)->txns, &who, in->committed, r->header.version >= FIRST_THAT_BUMPS,
			 &ticket);
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

/* AddOffsetsToTxn (25), versions 0-4: the transaction will commit offsets of a group: adds the
 * partition of the internal topic that holds the group. Safe when answered. Clients of KIP-890 do
 * not ask: TxnOffsetCommit does it for them.
 */
#include "kafka/txn_request.h"

enum { FIRST_THAT_KNOWS_FENCED = 2 };

static int16_t start(struct request *r)
{
	const struct add_offsets_to_txn_request *in = r->in;
	struct groups *groups = request_core(r)->groups;
	if (!request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id))
		return KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	if (!request_may(r, ACL_READ, ACL_GROUP, in->group_id))
		return KE_GROUP_AUTHORIZATION_FAILED;
	if (in->group_id.len == 0)
		return KE_INVALID_GROUP_ID;
	if (groups_prepare(groups, NULL) < 0)
		return KE_COORDINATOR_NOT_AVAILABLE;
	struct txn_producer who = {in->transactional_id, in->producer_id, in->producer_epoch};
	struct txn_partition_ref ref = {MR_STR(GROUP_TOPIC),
					log_partition_index(groups_partition_of(groups, in->group_id))};
	struct txn_ticket *ticket;
	txns_add(request_core(r)->txns, &who, &ref, 1, &ticket);
	request_hold_txn(r, ticket);
	return KE_NONE;
}

enum step add_offsets_to_txn_step(struct request *r)
{
	struct add_offsets_to_txn_response *out = r->out;
	int16_t code = r->progress ? KE_NONE : start(r);
	if (code == KE_NONE && request_await_txn(r, r->progress, &code) == STEP_WAIT)
		return STEP_WAIT;
	if (code == KE_PRODUCER_FENCED && r->header.version < FIRST_THAT_KNOWS_FENCED)
		code = KE_INVALID_PRODUCER_EPOCH;
	out->error_code = request_code(r, code);
	return STEP_DONE;
}

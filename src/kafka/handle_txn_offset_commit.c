/* TxnOffsetCommit (28), versions 0-5: offsets that count when the transaction commits.
 *
 * They are written as a batch of the producer's and stay pending until its marker. The partition of
 * the internal topic must be part of the transaction; from version 5 on (KIP-890) it is added here.
 * When it is not, version 4 is told TRANSACTION_ABORTABLE, older ones INVALID_TXN_STATE.
 * Answered when the offsets are safe.
 */
#include "kafka/group_request.h"
#include "kafka/txn_request.h"

#include "log/transactions.h"

enum { FIRST_ABORTABLE = 4, FIRST_THAT_ADDS = 5 };

struct txn_commit {
	struct txn_ticket *ticket; /* of the partition that is added */
	struct txns *txns;
	struct group_commit commit;
	struct group_write write;
	int16_t code; /* of the whole request */
	bool entered; /* the partition is part of the transaction */
	bool appended;
};

static void txn_commit_release(struct request *r)
{
	struct txn_commit *c = r->progress;
	txn_ticket_drop(c->txns, c->ticket);
}

static void collect(struct request *r, struct txn_commit *c)
{
	const struct txn_offset_commit_request *in = r->in;
	for (int32_t i = 0; i < in->topics.count; i++)
		c->commit.count += (size_t)in->topics.items[i].partitions.count;
	c->commit.entries = arena_calloc(&r->arena, c->commit.count + 1, sizeof *c->commit.entries);
	c->commit.member =
	    (struct group_member_ref){in->group_id, in->member_id, in->group_instance_id, in->generation_id};
	struct group_offset_entry *e = c->commit.entries;
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct txn_offset_commit_topic *t = &in->topics.items[i];
		struct log_topic *topic = log_topic_find(request_core(r)->store, t->name);
		bool may = request_may_topic(r, ACL_READ, t->name);
		for (int32_t k = 0; k < t->partitions.count; k++, e++) {
			const struct txn_offset_commit_partition *o = &t->partitions.items[k];
			bool known = may && topic && log_partition_at(topic, o->partition_index);
			*e = (struct group_offset_entry){
			    .topic = t->name,
			    .partition = o->partition_index,
			    .offset = o->committed_offset,
			    .leader_epoch = o->committed_leader_epoch,
			    .metadata = o->committed_metadata.ptr ? o->committed_metadata : MR_STR(""),
			    .code = known ? GROUP_OK : GROUP_UNKNOWN_TOPIC,
			};
		}
	}
}

static int16_t begin(struct request *r, struct txn_commit *c)
{
	const struct txn_offset_commit_request *in = r->in;
	struct kafka_core *core = request_core(r);
	if (!request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, in->transactional_id))
		return KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	if (!request_may(r, ACL_READ, ACL_GROUP, in->group_id))
		return KE_GROUP_AUTHORIZATION_FAILED;
	if (in->group_id.len == 0)
		return KE_INVALID_GROUP_ID;
	if (share_group_exists(core->share, in->group_id))
		return KE_GROUP_ID_NOT_FOUND;
	if (groups_prepare(core->groups, NULL) < 0)
		return KE_COORDINATOR_NOT_AVAILABLE;
	struct log_partition *partition = groups_partition_of(core->groups, in->group_id);
	c->entered = log_in_transaction(partition, in->producer_id, in->producer_epoch);
	if (c->entered)
		return KE_NONE;
	struct txn_producer who = {in->transactional_id, in->producer_id, in->producer_epoch};
	struct txn_partition_ref ref = {MR_STR(GROUP_TOPIC), log_partition_index(partition)};
	if (r->header.version >= FIRST_THAT_ADDS) {
		txns_add(core->txns, &who, &ref, 1, &c->ticket);
		request_deadline(r, TXN_MARKERS_WAIT_MS * 1000LL);
		return KE_NONE;
	}
	c->entered = true;
	return kafka_verify_error(txns_verify(core->txns, &who, &ref), r->header.version >= FIRST_ABORTABLE);
}

static void answer(struct request *r, const struct txn_commit *c)
{
	const struct txn_offset_commit_request *in = r->in;
	struct txn_offset_commit_response *out = r->out;
	const struct group_offset_entry *e = c->commit.entries;
	request_array(r, &out->topics, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct txn_offset_commit_topic *t = &in->topics.items[i];
		out->topics.items[i].name = t->name;
		request_array(r, &out->topics.items[i].partitions, t->partitions.count);
		for (int32_t k = 0; k < t->partitions.count; k++, e++) {
			int16_t code = c->code != KE_NONE ? c->code : kafka_group_error(e->code);
			out->topics.items[i].partitions.items[k] = (struct txn_partition_result){
			    t->partitions.items[k].partition_index, request_code(r, code)};
		}
	}
}

static enum step commit(struct request *r, struct txn_commit *c)
{
	const struct txn_offset_commit_request *in = r->in;
	if (!c->appended) {
		int rc = group_txn_offset_commit(request_core(r)->groups, &c->commit, in->producer_id,
						 in->producer_epoch, &c->write, NULL);
		if (rc == MR_ERR_BUSY)
			return STEP_BUSY;
		c->appended = true;
		if (rc != 0)
			c->code = rc == MR_ERR_INVALID ? KE_INVALID_PRODUCER_EPOCH : kafka_group_error(rc);
		if (rc != 0)
			return STEP_DONE;
	}
	int16_t fault;
	enum step step = request_await_write(r, &c->write, &fault);
	if (step == STEP_DONE && fault != KE_NONE)
		c->code = KE_COORDINATOR_NOT_AVAILABLE;
	return step;
}

enum step txn_offset_commit_step(struct request *r)
{
	struct txn_commit *c = r->progress;
	if (!c) {
		c = r->progress = arena_calloc(&r->arena, 1, sizeof *c);
		c->txns = request_core(r)->txns;
		r->release = txn_commit_release;
		collect(r, c);
		c->code = begin(r, c);
	}
	if (c->code == KE_NONE && !c->entered) {
		if (request_await_txn(r, c->ticket, &c->code) == STEP_WAIT)
			return STEP_WAIT;
		c->entered = true;
	}
	if (c->code == KE_NONE && !(c->appended && !c->write.partition)) {
		enum step step = commit(r, c);
		if (step != STEP_DONE)
			return step;
	}
	answer(r, c);
	return STEP_DONE;
}

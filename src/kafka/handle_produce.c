/* Produce (0), versions 0-13: append, and answer when what was appended is stable.
 *
 * One whole batch of magic 2 a partition. Versions 0 to 2 are advertised because librdkafka
 * stops compressing otherwise; they take magic 2 too, and every version refuses the older
 * message formats with UNSUPPORTED_FOR_MESSAGE_FORMAT. acks=1 means acks=all here: there is
 * one copy, and it is safe or it is not. acks=0 gets no reply; when its append fails the
 * connection is closed, as Kafka does, since there is no other way to tell.
 *
 * A transactional batch enters a partition only as part of its producer's transaction: versions
 * before 12 must have added the partition (else INVALID_TXN_STATE, for 11 TRANSACTION_ABORTABLE), later
 * ones add it here (KIP-890), and are told CONCURRENT_TRANSACTIONS while the transaction before is being
 * ended. What older clients would not try again after is NOT_ENOUGH_REPLICAS for them, as Kafka has it.
 *
 * A full log (MR_ERR_BUSY) holds the request where it is: the partitions before have been
 * appended and are not appended again. The request's timeout ends both kinds of waiting, with
 * REQUEST_TIMED_OUT.
 */
#include "kafka/handler.h"
#include "kafka/txn_request.h"
#include "log/transactions.h"

#define ATTRIBUTES_AT 21
#define MAGIC_AT 16
#define PRODUCER_ID_AT 43
#define PRODUCER_EPOCH_AT 51

enum { FIRST_ABORTABLE = 11, FIRST_THAT_ADDS = 12 };

struct produce_part { /* one partition of the request */
	const struct produce_partition *in;
	struct produce_partition_reply *out;
	struct log_partition *partition;
	struct broker_ack ack;
	bool waits; /* for stability */
};

struct produce_progress {
	struct produce_part *parts;
	size_t count;
	size_t appended; /* parts before this one had their append */
	bool waiting;
	struct txns *txns;
	struct txn_ticket *ticket; /* of the partitions that join the transaction */
	bool entered;              /* each part is of its transaction, or refused */
};

static void refuse(struct request *r, struct produce_part *part, int16_t code, mr_str message)
{
	part->out->error_code = request_code(r, code);
	part->out->base_offset = -1;
	part->out->error_message = message;
}

static bool request_may_transact(const struct request *r, mr_str id)
{
	return id.ptr && id.len > 0 && request_may(r, ACL_WRITE, ACL_TRANSACTIONAL_ID, id);
}

/* What may be refused by the request or the batch header alone. */
static void check_part(struct request *r, struct produce_part *part)
{
	const struct produce_request *in = r->in;
	mr_str batch = part->in->records;
	if (in->acks < -1 || in->acks > 1) {
		refuse(r, part, KE_INVALID_REQUIRED_ACKS, MR_STR("acks is -1, 0 or 1"));
	} else if (batch.len == 0) {
		refuse(r, part, KE_INVALID_RECORD, MR_STR("a partition without a record batch"));
	} else if (batch.len > MAGIC_AT && batch.ptr[MAGIC_AT] < 2) {
		refuse(r, part, KE_UNSUPPORTED_FOR_MESSAGE_FORMAT, MR_STR("only record batches of magic 2"));
	} else if (batch.len < BATCH_HEADER_SIZE) {
		refuse(r, part, KE_CORRUPT_MESSAGE, MR_STR("the record batch is cut short"));
	} else {
		int attributes = (int16_t)mr_get_be16(batch.ptr + ATTRIBUTES_AT);
		if (attributes & BATCH_CONTROL)
			refuse(r, part, KE_INVALID_RECORD, MR_STR("control batches are the broker's own"));
		else if ((attributes & BATCH_TRANSACTIONAL) && !request_may_transact(r, in->transactional_id))
			refuse(r, part, KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, MR_STR_NULL);
		else if ((attributes & BATCH_CODEC_MASK) > BATCH_ZSTD ||
			 ((attributes & BATCH_CODEC_MASK) == BATCH_ZSTD && r->header.version < 7))
			refuse(r, part, KE_UNSUPPORTED_COMPRESSION_TYPE,
			       MR_STR("zstd needs Produce version 7"));
	}
}

static void plan_topic(struct request *r, const struct produce_topic *in, struct produce_topic_reply *out,
		       struct produce_part *parts)
{
	bool by_id = r->header.version >= 13;
	struct log_topic *topic = kafka_topic_of(request_core(r), in->name, in->topic_id, by_id);
	memcpy(out->topic_id, in->topic_id, 16);
	out->name = topic ? log_topic_name(topic) : arena_copy(&r->arena, in->name);
	bool may = request_may_topic(r, ACL_WRITE, out->name);
	request_array(r, &out->partitions, in->partitions.count);
	for (int32_t i = 0; i < in->partitions.count; i++) {
		struct produce_part *part = &parts[i];
		part->in = &in->partitions.items[i];
		part->out = &out->partitions.items[i];
		*part->out = (struct produce_partition_reply){
		    .index = part->in->index,
		    .log_append_time_ms = -1,
		    .log_start_offset = -1,
		    .current_leader = {-1, -1},
		};
		part->partition = topic ? log_partition_at(topic, part->in->index) : NULL;
		if (!may)
			refuse(r, part, KE_TOPIC_AUTHORIZATION_FAILED, MR_STR_NULL);
		else if (!part->partition)
			refuse(r, part, by_id && !topic ? KE_UNKNOWN_TOPIC_ID : KE_UNKNOWN_TOPIC_OR_PARTITION,
			       MR_STR_NULL);
		else if (kafka_topic_is_internal(out->name))
			refuse(r, part, KE_INVALID_TOPIC_EXCEPTION,
			       MR_STR("the broker alone writes this topic"));
		else
			check_part(r, part);
	}
}

static struct produce_progress *plan(struct request *r)
{
	const struct produce_request *in = r->in;
	struct produce_response *out = r->out;
	struct produce_progress *p = arena_calloc(&r->arena, 1, sizeof *p);
	for (int32_t i = 0; i < in->topics.count; i++)
		p->count += (size_t)in->topics.items[i].partitions.count;
	p->parts = arena_calloc(&r->arena, mr_max_size(p->count, 1), sizeof *p->parts);
	request_array(r, &out->topics, in->topics.count);
	struct produce_part *parts = p->parts;
	for (int32_t i = 0; i < in->topics.count; i++) {
		plan_topic(r, &in->topics.items[i], &out->topics.items[i], parts);
		parts += in->topics.items[i].partitions.count;
	}
	return p;
}

static void refuse_append(struct request *r, struct produce_part *part, int rc, const struct mr_error *err)
{
	int16_t code = kafka_error_of(rc, ON_APPEND);
	if (rc == BROKER_INVALID_RECORD || rc == BROKER_INVALID_TIMESTAMP) {
		mr_str reason = arena_copy(&r->arena, mr_str_from(part->ack.reason));
		refuse(r, part, code, reason);
		request_array(r, &part->out->record_errors, 1);
		part->out->record_errors.items[0] =
		    (struct produce_record_error){part->ack.bad_record, reason};
		return;
	}
	refuse(r, part, code, rc < 0 ? arena_copy(&r->arena, mr_str_from(err->message)) : MR_STR_NULL);
}

/* MR_ERR_BUSY, or 0 with the part's fate noted. */
static int append_part(struct request *r, struct produce_part *part)
{
	struct mr_error err;
	int rc =
	    broker_produce(request_core(r)->broker, part->partition, part->in->records, &part->ack, &err);
	if (rc == MR_ERR_BUSY && !r->expired)
		return rc;
	if (rc != 0) {
		refuse_append(r, part, rc, &err);
		return 0;
	}
	part->out->base_offset = part->ack.main.base_offset;
	part->out->log_append_time_ms = part->ack.main.base_offset < 0 ? -1 : part->ack.main.append_time_ms;
	part->out->log_start_offset = log_start_offset(part->partition);
	part->waits = true;
	return 0;
}

/* 0 stable, 1 not yet, negative: taken back. */
static int ack_state(const struct broker_ack *ack, struct mr_error *err)
{
	int main =
	    ack->main.base_offset < 0 ? 0 : log_append_state(ack->partition, ack->main.next_offset, err);
	if (main < 0 || !ack->dlq)
		return main;
	int dlq = log_append_state(ack->dlq, ack->dlq_next_offset, err);
	return dlq != 0 ? dlq : main;
}

/* True when no part waits any more. */
static bool settle(struct request *r, struct produce_progress *p)
{
	bool all = true;
	for (size_t i = 0; i < p->count; i++) {
		struct produce_part *part = &p->parts[i];
		struct mr_error err;
		int state = part->waits ? ack_state(&part->ack, &err) : 0;
		part->waits = state > 0;
		if (state < 0)
			refuse_append(r, part, state, &err);
		if (part->waits && r->expired) {
			refuse(r, part, KE_REQUEST_TIMED_OUT, MR_STR("appended, not yet safe"));
			part->waits = false;
		}
		all = all && !part->waits;
	}
	return all;
}

static void wait_for_parts(struct request *r, struct produce_progress *p)
{
	struct log_partition **waited = arena_alloc(&r->arena, (2 * p->count + 1) * sizeof *waited);
	size_t count = 0;
	for (size_t i = 0; i < p->count; i++) {
		struct produce_part *part = &p->parts[i];
		if (part->waits)
			waited[count++] = part->partition;
		if (part->waits && part->ack.dlq)
			waited[count++] = part->ack.dlq;
	}
	request_wait(r, waited, count);
	p->waiting = true;
}

static void throttle(struct request *r, const struct produce_progress *p)
{
	size_t bytes = 0;
	for (size_t i = 0; i < p->count; i++)
		bytes += p->parts[i].in->records.len;
	((struct produce_response *)r->out)->throttle_time_ms = request_throttle(r, QUOTA_PRODUCE, bytes);
}

/* ---- transactions ---- */

static void produce_release(struct request *r)
{
	struct produce_progress *p = r->progress;
	txn_ticket_drop(p->txns, p->ticket);
}

/* Of a transaction that the partition does not know of yet? */
static bool must_enter(const struct produce_part *part, struct txn_producer *who)
{
	if (part->out->error_code != KE_NONE)
		return false;
	const char *batch = part->in->records.ptr;
	if (!(mr_get_be16(batch + ATTRIBUTES_AT) & BATCH_TRANSACTIONAL))
		return false;
	who->producer_id = (int64_t)mr_get_be64(batch + PRODUCER_ID_AT);
	who->epoch = (int16_t)mr_get_be16(batch + PRODUCER_EPOCH_AT);
	return !log_in_transaction(part->partition, who->producer_id, who->epoch);
}

/* Why a batch is not of its transaction, in words that producers know. */
static void refuse_entry(struct request *r, struct produce_part *part, int16_t code)
{
	bool adds = r->header.version >= FIRST_THAT_ADDS;
	if (code == KE_PRODUCER_FENCED)
		code = KE_INVALID_PRODUCER_EPOCH;
	else if (code == KE_COORDINATOR_NOT_AVAILABLE || (code == KE_CONCURRENT_TRANSACTIONS && !adds))
		code = KE_NOT_ENOUGH_REPLICAS;
	mr_str reason = MR_STR_NULL;
	if (code == KE_INVALID_TXN_STATE || code == KE_TRANSACTION_ABORTABLE)
		reason = MR_STR("the partition was not added to the transaction");
	if (code != KE_NONE)
		refuse(r, part, code, reason);
}

static struct txn_partition_ref ref_of(const struct produce_part *part)
{
	return (struct txn_partition_ref){log_topic_name(log_partition_topic(part->partition)),
					  log_partition_index(part->partition)};
}

/* Clients of KIP-890 leave it to Produce to add partitions; all its batches are of one producer. */
static void add_parts(struct request *r, struct produce_progress *p, struct txn_producer *who)
{
	struct txn_partition_ref *refs = arena_alloc(&r->arena, (p->count + 1) * sizeof *refs);
	size_t count = 0;
	for (size_t i = 0; i < p->count; i++) {
		if (must_enter(&p->parts[i], who))
			refs[count++] = ref_of(&p->parts[i]);
	}
	if (count > 0)
		txns_add(p->txns, who, refs, count, &p->ticket);
}

/* Older ones have added them: a batch that comes after its transaction's end must not begin another
 * that nobody ends. */
static void verify_part(struct request *r, struct produce_progress *p, struct produce_part *part)
{
	const struct produce_request *in = r->in;
	struct txn_producer who = {.id = in->transactional_id};
	if (!must_enter(part, &who))
		return;
	struct txn_partition_ref ref = ref_of(part);
	bool abortable = r->header.version >= FIRST_ABORTABLE;
	refuse_entry(r, part, kafka_verify_error(txns_verify(p->txns, &who, &ref), abortable));
}

static enum step enter_transaction(struct request *r, struct produce_progress *p)
{
	const struct produce_request *in = r->in;
	struct txn_producer who = {.id = in->transactional_id};
	if (r->header.version < FIRST_THAT_ADDS || !in->transactional_id.ptr)
		return STEP_DONE;
	if (!p->ticket)
		add_parts(r, p, &who);
	int16_t code;
	if (!p->ticket)
		return STEP_DONE;
	if (request_await_txn(r, p->ticket, &code) == STEP_WAIT)
		return STEP_WAIT;
	for (size_t i = 0; i < p->count && code != KE_NONE; i++) {
		if (must_enter(&p->parts[i], &who))
			refuse_entry(r, &p->parts[i], code);
	}
	return STEP_DONE;
}

enum step produce_step(struct request *r)
{
	struct produce_progress *p = r->progress;
	if (!p) {
		const struct produce_request *in = r->in;
		p = r->progress = plan(r);
		p->txns = request_core(r)->txns;
		r->release = produce_release;
		r->silent = in->acks == 0;
		request_deadline(r, mr_max_i64(in->timeout_ms, 0) * 1000);
	}
	if (!p->entered && enter_transaction(r, p) == STEP_WAIT)
		return STEP_WAIT;
	p->entered = true;
	for (; p->appended < p->count; p->appended++) {
		struct produce_part *part = &p->parts[p->appended];
		if (r->header.version < FIRST_THAT_ADDS)
			verify_part(r, p, part);
		if (part->out->error_code == KE_NONE && append_part(r, part) == MR_ERR_BUSY)
			return STEP_BUSY;
	}
	if (!p->waiting)
		throttle(r, p);
	if (r->silent) {
		r->hang_up = r->failed;
		return STEP_DONE;
	}
	if (settle(r, p))
		return STEP_DONE;
	if (!p->waiting)
		wait_for_parts(r, p);
	return STEP_WAIT;
}

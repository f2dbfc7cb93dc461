/* Batches of transactions by the codes that Kafka answers, and which transaction they end up in. */
#include "base/crc32c.h"
#include "base/varint.h"
#include "kafka/bench.h"
#include "log/transactions.h"

#include <stdlib.h>

struct tx {
	struct bench b;
	struct log_topic *topic;
	int64_t producer_id;
	int16_t epoch;
	int32_t sequence;
};

static void *ask(struct tx *t, enum api_index index, int version, const void *request)
{
	conn_feed(&t->b.conn, bench_frame(&t->b, index, version, request));
	void *reply = NULL;
	for (int round = 0; round < 10 && !(reply = bench_reply(&t->b, index, version)); round++)
		bench_commit(&t->b);
	CHECK(reply);
	return reply;
}

static void tx_open(struct tx *t)
{
	*t = (struct tx){0};
	bench_open(&t->b, 0);
	t->topic = bench_topic(&t->b, "t");
	struct init_producer_id_request in = {MR_STR("x"), 60000, -1, -1};
	const struct init_producer_id_response *r = ask(t, API_InitProducerId, 4, &in);
	CHECK_INT(r->error_code, KE_NONE);
	t->producer_id = r->producer_id;
	t->epoch = r->producer_epoch;
}

static mr_str produce(struct tx *t, int version)
{
	struct mr_error err;
	mr_str batch;
	struct batch_header header = {
	    .attributes = BATCH_TRANSACTIONAL,
	    .producer_id = t->producer_id,
	    .producer_epoch = t->epoch,
	    .base_sequence = t->sequence,
	};
	batch_writer_start(&t->b.writer);
	batch_writer_add(&t->b.writer, 1000, MR_STR_NULL, MR_STR("v"), NULL, 0);
	CHECK_OK(batch_writer_finish(&t->b.writer, BATCH_NONE, &batch, &err), err);
	batch_writer_inherit(&t->b.writer, &header, batch);
	struct produce_partition partition = {.records = batch};
	struct produce_topic topic = {.name = MR_STR("t"), .partitions = {&partition, 1}};
	log_topic_id(t->topic, topic.topic_id);
	struct produce_request r = {
	    .transactional_id = MR_STR("x"), .acks = -1, .timeout_ms = 5000, .topics = {&topic, 1}};
	return bench_frame(&t->b, API_Produce, version, &r);
}

/* The code of one batch; it counts for the sequence when it was taken. */
static int16_t put(struct tx *t, int version)
{
	conn_feed(&t->b.conn, produce(t, version));
	const struct produce_response *r = NULL;
	for (int round = 0; round < 10 && !(r = bench_reply(&t->b, API_Produce, version)); round++)
		bench_commit(&t->b);
	CHECK(r);
	int16_t code = r->topics.items[0].partitions.items[0].error_code;
	t->sequence += code == KE_NONE;
	return code;
}

static void end(struct tx *t, bool commit)
{
	struct end_txn_request in = {MR_STR("x"), t->producer_id, t->epoch, commit};
	const struct end_txn_response *r = ask(t, API_EndTxn, 5, &in);
	CHECK_INT(r->error_code, KE_NONE);
	CHECK_INT(r->producer_epoch, t->epoch + 1);
	t->epoch = r->producer_epoch;
	t->sequence = 0;
}

TEST(produce_adds_its_partition_from_version_12)
{
	struct tx t;
	tx_open(&t);
	CHECK_INT(put(&t, 10), KE_INVALID_TXN_STATE);
	CHECK_INT(put(&t, 11), KE_TRANSACTION_ABORTABLE);
	CHECK_INT(put(&t, 12), KE_NONE);
	CHECK_INT(put(&t, 11), KE_NONE); /* it is part of it now */
	end(&t, true);
	CHECK_INT(put(&t, 13), KE_NONE);
	end(&t, false);
	t.epoch--;
	CHECK_INT(put(&t, 12), KE_INVALID_PRODUCER_EPOCH);
	t.epoch++;
	t.producer_id++;
	CHECK_INT(put(&t, 12), KE_INVALID_PRODUCER_ID_MAPPING);
	bench_close(&t.b);
}

/* The producer has its next epoch as soon as the end is decided; the marker is on its way. What it sends
 * then is of the next transaction, and must not be ended with the last one. */
TEST(produce_of_the_next_transaction_waits_for_the_markers_of_the_last)
{
	struct tx t;
	tx_open(&t);
	struct log_partition *p = log_partition_at(t.topic, 0);
	CHECK_INT(put(&t, 12), KE_NONE);
	struct end_txn_request in = {MR_STR("x"), t.producer_id, t.epoch, false};
	conn_feed(&t.b.conn, bench_frame(&t.b, API_EndTxn, 5, &in));
	struct mr_error err;
	CHECK_OK(log_store_commit(t.b.store, &err), err); /* decided; the coordinator has not looked */
	struct conn second;
	conn_init(&second, &t.b.core, bench_on_output);
	t.epoch++;
	t.sequence = 0;
	int64_t before = log_end_offset(p);
	conn_feed(&second, produce(&t, 12));
	CHECK_INT(log_end_offset(p), before);
	while (!bench_reply(&t.b, API_EndTxn, 5))
		bench_commit(&t.b);
	conn_release(&second);
	CHECK_INT(put(&t, 12), KE_NONE);
	CHECK(log_in_transaction(p, t.producer_id, t.epoch));
	struct log_aborted *aborted;
	CHECK_INT(log_aborted(p, 0, INT64_MAX, &aborted), 1);
	CHECK_INT(aborted[0].last_offset, before); /* the marker came next */
	free(aborted);
	end(&t, true);
	bench_close(&t.b);
}

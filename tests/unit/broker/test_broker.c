#include "fixture.h"

#include "broker/partitioner.h"

#include <stdio.h>

static const char *const good[] = {"{\"n\":1}", "{\"n\":2}", "{\"n\":3}"};
static const char *const mixed[] = {"{\"n\":1}", "{\"n\":\"x\"}", "{\"n\":3}", "[", NULL};

/* Known answers of Kafka's own tests for its murmur2. */
TEST(broker_partitions_keys_as_kafka_does)
{
	static const struct {
		const char *key;
		int32_t hash;
	} known[] = {
	    {"21", -973932308},
	    {"foobar", -790332482},
	    {"a-little-bit-long-string", -985981536},
	    {"a-little-bit-longer-string", -1486304829},
	    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
	    {"abc", 479470107},
	};
	for (size_t i = 0; i < MR_COUNT(known); i++) {
		mr_str key = mr_str_from(known[i].key);
		CHECK_INT((int32_t)partitioner_murmur2(key), known[i].hash);
		CHECK_INT(partitioner_pick(key, 1000), (known[i].hash & INT32_MAX) % 1000);
	}
	CHECK(partitioner_pick(MR_STR(""), 7) >= 0);
}

TEST(broker_creates_topics_with_legal_names_only)
{
	struct fixture f;
	struct log_topic *topic;
	fixture_open(&f, 0, false);
	CHECK_OK(broker_topic_get(f.broker, MR_STR("a.B_c-9"), true, &topic, &f.err), f.err);
	CHECK_STR(log_topic_name(topic), "a.B_c-9");
	CHECK_INT(broker_topic_get(f.broker, MR_STR("other"), false, &topic, &f.err), MR_ERR_NOT_FOUND);
	char longest[251];
	memset(longest, 'x', sizeof longest);
	static const char *const bad[] = {"", ".", "..", "a b", "a/b", "é", "a\n"};
	for (size_t i = 0; i < MR_COUNT(bad); i++)
		CHECK_INT(broker_topic_get(f.broker, mr_str_from(bad[i]), true, &topic, &f.err),
			  MR_ERR_INVALID);
	CHECK_OK(broker_topic_name_check(mr_str_n(longest, 249), &f.err), f.err);
	CHECK_INT(broker_topic_name_check(mr_str_n(longest, 250), &f.err), MR_ERR_INVALID);
	fixture_close(&f);
}

TEST(broker_declare_alters_and_replaces_the_contract)
{
	struct fixture f;
	fixture_open(&f, 0, false);
	struct log_topic *topic = fixture_topic(&f, "t", 1, NULL, ON_INVALID_DLQ);
	CHECK(!log_topic_find(f.store, MR_STR("t.dlq"))); /* nothing can be invalid */
	CHECK(!broker_topic_schema(f.broker, MR_STR("t")));
	CHECK(fixture_topic(&f, "t", 3, EVENT_SCHEMA, ON_INVALID_DLQ) == topic);
	CHECK_INT(log_topic_partition_count(topic), 3);
	const struct json_schema *first = broker_topic_schema(f.broker, MR_STR("t"));
	CHECK(first != NULL);
	CHECK(log_topic_find(f.store, MR_STR("t.dlq")) != NULL);
	fixture_topic(&f, "t", 3, "{\"type\":\"array\"}", ON_INVALID_REJECT);
	CHECK(broker_topic_schema(f.broker, MR_STR("t")) != first);
	CHECK(!broker_topic_schema(f.broker, MR_STR("nowhere")));
	fixture_close(&f);
}

static int produce(struct fixture *f, struct log_topic *topic, mr_str wire, struct broker_ack *ack)
{
	int rc = broker_produce(f->broker, log_partition_at(topic, 0), wire, ack, &f->err);
	if (rc)
		return rc;
	if (ack->main.next_offset >= 0)
		CHECK_OK(log_wait_stable(ack->partition, ack->main.next_offset, 5000, &f->err), f->err);
	if (ack->dlq)
		CHECK_OK(log_wait_stable(ack->dlq, ack->dlq_next_offset, 5000, &f->err), f->err);
	CHECK(broker_ack_stable(ack));
	return 0;
}

static void check_topic(struct fixture *f, const char *topic, const char *want)
{
	struct mr_buf got = {0};
	fixture_read(f, topic, 0, &got);
	CHECK_STR(mr_buf_view(&got), want);
	mr_buf_release(&got);
}

TEST(broker_without_a_contract_passes_bytes_through)
{
	struct fixture f;
	struct batch_writer w;
	struct broker_ack ack;
	mr_str wire;
	fixture_open(&f, 0, false);
	batch_writer_init(&w, 0);
	struct log_topic *topic = fixture_topic(&f, "t", 1, EVENT_SCHEMA, ON_INVALID_OFF);
	fixture_batch(&w, mixed, MR_COUNT(mixed), BATCH_ZSTD, &wire);
	CHECK_OK(produce(&f, topic, wire, &ack), f.err);
	CHECK_INT(ack.valid, 5);
	CHECK(!ack.dlq);
	struct mr_buf bytes = {0};
	CHECK_OK(log_read(log_partition_at(topic, 0), 0, 1 << 20, true, &bytes, NULL, &f.err), f.err);
	CHECK(mr_str_eq(mr_str_tail(mr_buf_view(&bytes), 16), mr_str_tail(wire, 16)));
	mr_buf_release(&bytes);
	batch_writer_release(&w);
	fixture_close(&f);
}

TEST(broker_rejects_the_whole_batch_with_index_and_reason)
{
	struct fixture f;
	struct batch_writer w;
	struct broker_ack ack;
	mr_str wire;
	fixture_open(&f, 0, false);
	batch_writer_init(&w, 0);
	struct log_topic *topic = fixture_topic(&f, "t", 1, EVENT_SCHEMA, ON_INVALID_REJECT);
	for (int codec = 0; codec < BATCH_CODEC_COUNT; codec++) {
		fixture_batch(&w, mixed, MR_COUNT(mixed), codec, &wire);
		CHECK_INT(produce(&f, topic, wire, &ack), BROKER_INVALID_RECORD);
		CHECK_INT(ack.bad_record, 1);
		CHECK_STR(mr_str_from(ack.reason), "/n is \"x\", expected integer");
	}
	CHECK_INT(log_end_offset(log_partition_at(topic, 0)), 0);
	fixture_batch(&w, good, MR_COUNT(good), BATCH_GZIP, &wire);
	CHECK_OK(produce(&f, topic, wire, &ack), f.err);
	check_topic(&f, "t", "0 k={\"n\":1}{h:v};1 k={\"n\":2}{h:v};2 k={\"n\":3}{h:v};");
	struct broker_topic_stats stats;
	broker_topic_stats(f.broker, MR_STR("t"), &stats);
	CHECK_INT(stats.records_in, 3);
	CHECK_INT(stats.invalid, BATCH_CODEC_COUNT);
	batch_writer_release(&w);
	fixture_close(&f);
}

TEST(broker_splits_a_batch_between_topic_and_dead_letters)
{
	for (int codec = 0; codec < BATCH_CODEC_COUNT; codec++) {
		struct fixture f;
		struct batch_writer w;
		struct broker_ack ack;
		mr_str wire;
		fixture_open(&f, 0, false);
		batch_writer_init(&w, 0);
		struct log_topic *topic = fixture_topic(&f, "t", 1, EVENT_SCHEMA, ON_INVALID_DLQ);
		fixture_batch(&w, mixed, MR_COUNT(mixed), codec, &wire);
		CHECK_OK(produce(&f, topic, wire, &ack), f.err);
		CHECK_INT(ack.valid, 2);
		CHECK_INT(ack.invalid, 3);
		check_topic(&f, "t", "0 k={\"n\":1}{h:v};1 k={\"n\":3}{h:v};");
		struct mr_buf dead = {0};
		fixture_read(&f, "t.dlq", 0, &dead);
		CHECK(strstr(dead.ptr, "0 k={\"n\":\"x\"}{h:v,dlq.topic:t,dlq.partition:0,dlq.pointer:/n,"
				       "dlq.reason:is \"x\", expected integer};1 k=[{") == dead.ptr);
		CHECK(strstr(dead.ptr, "2 k=NULL{h:v,dlq.topic:t,dlq.partition:0,dlq.pointer:,"
				       "dlq.reason:is null, expected a JSON document};"));
		mr_buf_release(&dead);
		/* nothing valid: nothing is appended to the topic */
		fixture_batch(&w, &mixed[3], 1, codec, &wire);
		CHECK_OK(produce(&f, topic, wire, &ack), f.err);
		CHECK_INT(ack.main.base_offset, -1);
		CHECK_INT(log_end_offset(log_partition_at(topic, 0)), 2);
		CHECK_INT(ack.dlq_next_offset, 4);
		struct broker_topic_stats stats;
		broker_topic_stats(f.broker, MR_STR("t"), &stats);
		CHECK_INT(stats.records_in, 6);
		CHECK_INT(stats.invalid, 4);
		batch_writer_release(&w);
		fixture_close(&f);
	}
}

/* The codec of a large batch is kept, and the split keeps timestamps. */
TEST(broker_split_keeps_codec_and_timestamps)
{
	struct fixture f;
	struct batch_writer w;
	struct broker_ack ack;
	mr_str wire;
	fixture_open(&f, 0, false);
	batch_writer_init(&w, 0);
	struct log_topic *topic = fixture_topic(&f, "t", 1, EVENT_SCHEMA, ON_INVALID_DLQ);
	for (int i = 0; i < 500; i++)
		batch_writer_add(&w, 7000 + i, MR_STR_NULL,
				 i % 3 ? MR_STR("{\"n\":12345}") : MR_STR("{\"n\":null,\"x\":1}"), NULL, 0);
	CHECK_OK(batch_writer_finish(&w, BATCH_LZ4, &wire, &f.err), f.err);
	CHECK_OK(produce(&f, topic, wire, &ack), f.err);
	static const char *const topics[] = {"t", "t.dlq"};
	for (int dead = 0; dead < 2; dead++) {
		struct mr_buf bytes = {0};
		struct batch_iter it = {0};
		struct record record;
		struct log_topic *from = log_topic_find(f.store, mr_str_from(topics[dead]));
		CHECK_OK(log_read(log_partition_at(from, 0), 0, 1 << 20, true, &bytes, NULL, &f.err), f.err);
		CHECK_OK(batch_iter_start(&it, mr_buf_view(&bytes), &f.err), f.err);
		CHECK_INT(batch_codec_of(&it.header), BATCH_LZ4);
		CHECK_INT(it.header.record_count, dead ? 167 : 333);
		int at = 0;
		while (batch_iter_next(&it, &record, &f.err) == 1) {
			while ((at % 3 == 0) != dead)
				at++;
			CHECK_INT(record.timestamp, 7000 + at++);
		}
		batch_iter_release(&it);
		mr_buf_release(&bytes);
	}
	batch_writer_release(&w);
	fixture_close(&f);
}

static void number_batch(struct batch_writer *w, mr_str wire, int32_t sequence)
{
	struct batch_header numbers = {.producer_id = 41, .producer_epoch = 0, .base_sequence = sequence};
	batch_writer_inherit(w, &numbers, wire);
}

TEST(broker_split_keeps_a_numbered_producer_going)
{
	struct fixture f;
	struct batch_writer w;
	struct broker_ack ack, again;
	mr_str wire;
	fixture_open(&f, 0, false);
	batch_writer_init(&w, 0);
	struct log_topic *topic = fixture_topic(&f, "t", 1, EVENT_SCHEMA, ON_INVALID_DLQ);
	fixture_batch(&w, mixed, 5, BATCH_NONE, &wire);
	number_batch(&w, wire, 0);
	CHECK_OK(produce(&f, topic, wire, &ack), f.err);
	CHECK_INT(ack.main.next_offset, 5); /* record i has base_offset + i */
	/* a retry is told the first try's offsets, and adds no dead letter */
	CHECK_OK(produce(&f, topic, wire, &again), f.err);
	CHECK(again.main.duplicate);
	CHECK_INT(again.dlq_next_offset, ack.dlq_next_offset);
	/* all invalid: an empty batch keeps the numbers */
	fixture_batch(&w, &mixed[3], 2, BATCH_NONE, &wire);
	number_batch(&w, wire, 5);
	CHECK_OK(produce(&f, topic, wire, &ack), f.err);
	CHECK_INT(ack.main.base_offset, 5);
	fixture_batch(&w, good, 3, BATCH_NONE, &wire);
	number_batch(&w, wire, 7);
	CHECK_OK(produce(&f, topic, wire, &ack), f.err);
	CHECK_INT(ack.main.base_offset, 7);
	number_batch(&w, wire, 17);
	CHECK_INT(produce(&f, topic, wire, &ack), LOG_BAD_SEQUENCE);
	check_topic(&f, "t",
		    "0 k={\"n\":1}{h:v};2 k={\"n\":3}{h:v};7 k={\"n\":1}{h:v};8 k={\"n\":2}{h:v};9 "
		    "k={\"n\":3}{h:v};");
	CHECK_INT(log_end_offset(log_partition_at(log_topic_find(f.store, MR_STR("t.dlq")), 0)), 5);
	batch_writer_release(&w);
	fixture_close(&f);
}

TEST(broker_refuses_batches_that_no_producer_may_send)
{
	struct fixture f;
	struct batch_writer w;
	struct broker_ack ack;
	mr_str wire;
	fixture_open(&f, 0, false);
	batch_writer_init(&w, 0);
	struct log_topic *plain = fixture_topic(&f, "plain", 1, NULL, ON_INVALID_OFF);
	struct log_topic *checked = fixture_topic(&f, "checked", 1, EVENT_SCHEMA, ON_INVALID_DLQ);
	struct batch_header control = {.attributes = BATCH_CONTROL, .producer_id = -1};
	fixture_batch(&w, good, 3, BATCH_NONE, &wire);
	batch_writer_inherit(&w, &control, wire);
	CHECK_INT(produce(&f, plain, wire, &ack), MR_ERR_INVALID);
	batch_writer_start(&w);
	batch_writer_skip(&w);
	CHECK_OK(batch_writer_finish(&w, BATCH_NONE, &wire, &f.err), f.err);
	CHECK_INT(produce(&f, plain, wire, &ack), MR_ERR_INVALID);
	fixture_batch(&w, good, 3, BATCH_SNAPPY, &wire);
	((char *)(uintptr_t)wire.ptr)[wire.len - 1] ^= 1;
	CHECK_INT(produce(&f, plain, wire, &ack), MR_ERR_CORRUPT);
	CHECK_INT(produce(&f, checked, wire, &ack), MR_ERR_CORRUPT);
	CHECK_INT(broker_produce(f.broker, log_partition_at(plain, 0), MR_STR("short"), &ack, &f.err),
		  MR_ERR_CORRUPT);
	batch_writer_release(&w);
	fixture_close(&f);
}

TEST(broker_ack_is_stable_only_when_topic_and_dead_letters_are)
{
	struct fixture f;
	struct batch_writer w;
	struct broker_ack ack;
	mr_str wire;
	fixture_open(&f, 0, true);
	batch_writer_init(&w, 0);
	struct log_topic *topic = fixture_topic(&f, "t", 1, EVENT_SCHEMA, ON_INVALID_DLQ);
	fixture_batch(&w, mixed, 5, BATCH_NONE, &wire);
	CHECK_OK(broker_produce(f.broker, log_partition_at(topic, 0), wire, &ack, &f.err), f.err);
	CHECK_INT(broker_ack_state(&ack, &f.err), 1);
	struct broker_ack later_dead = ack;
	later_dead.dlq_next_offset++;
	CHECK_OK(log_store_commit(f.store, &f.err), f.err);
	CHECK_INT(broker_ack_state(&ack, &f.err), 0);
	CHECK_INT(broker_ack_state(&later_dead, &f.err), 1);
	batch_writer_release(&w);
	fixture_close(&f);
}

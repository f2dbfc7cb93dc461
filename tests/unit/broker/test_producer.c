#include "fixture.h"

#include "broker/partitioner.h"
#include "env/disk_sim.h"
#include "env/rng.h"

#include <stdio.h>

static struct producer *make(struct fixture *f, struct producer_options options)
{
	struct producer *producer;
	CHECK_OK(producer_new(f->broker, &options, &producer, &f->err), f->err);
	return producer;
}

static int add(struct fixture *f, struct producer *p, const char *topic, mr_str key, const char *value,
	       uint64_t token)
{
	return producer_add(p, mr_str_from(topic), key, mr_str_from(value), NULL, 0, 1000, token, &f->err);
}

/* The values alone, without offsets: those of appends that were taken back are skipped. */
static void read_values(struct fixture *f, const char *topic, struct mr_buf *out)
{
	struct mr_buf text = {0};
	fixture_read(f, topic, 0, &text);
	for (char *at = text.ptr; (at = strstr(at, "=v")); at++)
		mr_buf_printf(out, "%.*s;", (int)strcspn(at + 1, "{"), at + 1);
	mr_buf_release(&text);
}

TEST(producer_puts_keys_where_kafka_would)
{
	struct fixture f;
	fixture_open(&f, 0, false);
	fixture_topic(&f, "t", 7, NULL, ON_INVALID_OFF);
	struct producer *p = make(&f, (struct producer_options){.codec = BATCH_ZSTD});
	char key[16], value[16];
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof key, "key%d", i);
		snprintf(value, sizeof value, "v%d", i);
		CHECK_OK(add(&f, p, "t", mr_str_from(key), value, (uint64_t)i + 1), f.err);
	}
	CHECK_OK(producer_drain(p, 5000, &f.err), f.err);
	CHECK_INT(producer_safe_token(p), 200);
	struct mr_buf text[7] = {0};
	for (int i = 0; i < 7; i++)
		fixture_read(&f, "t", i, &text[i]);
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof key, "key%d", i);
		char want[48];
		snprintf(want, sizeof want, " %s=v%d{};", key, i);
		CHECK(strstr(text[partitioner_pick(mr_str_from(key), 7)].ptr, want));
	}
	for (int i = 0; i < 7; i++)
		mr_buf_release(&text[i]);
	producer_free(p);
	fixture_close(&f);
}

TEST(producer_sticks_to_a_partition_for_a_batch)
{
	struct fixture f;
	fixture_open(&f, 0, false);
	struct log_topic *topic = fixture_topic(&f, "t", 4, NULL, ON_INVALID_OFF);
	struct producer *p = make(&f, (struct producer_options){.batch_bytes = 1000});
	for (uint64_t i = 1; i <= 400; i++)
		CHECK_OK(add(&f, p, "t", MR_STR_NULL, "0123456789012345678901234567890123456789", i), f.err);
	CHECK_OK(producer_drain(p, 5000, &f.err), f.err);
	int64_t total = 0;
	struct log_stats stats;
	for (int i = 0; i < 4; i++) {
		int64_t n = log_stable_offset(log_partition_at(topic, i));
		CHECK(n >= 60); /* all take their turn */
		total += n;
	}
	CHECK_INT(total, 400);
	log_store_stats(f.store, &stats);
	CHECK(stats.appended_batches >= 18 && stats.appended_batches <= 40);
	producer_free(p);
	fixture_close(&f);
}

TEST(producer_token_is_safe_only_after_the_commit)
{
	struct fixture f;
	fixture_open(&f, 0, true);
	fixture_topic(&f, "a", 1, NULL, ON_INVALID_OFF);
	fixture_topic(&f, "b", 1, NULL, ON_INVALID_OFF);
	struct producer *p = make(&f, (struct producer_options){0});
	CHECK_INT(producer_safe_token(p), 0);
	CHECK_OK(add(&f, p, "a", MR_STR_NULL, "1", 1), f.err);
	CHECK_OK(producer_flush(p, &f.err), f.err);
	CHECK_OK(add(&f, p, "b", MR_STR_NULL, "2", 2), f.err); /* collected, not sent */
	CHECK_INT(producer_safe_token(p), 0);
	CHECK_OK(log_store_commit(f.store, &f.err), f.err);
	CHECK_INT(producer_safe_token(p), 1);
	CHECK_OK(add(&f, p, "a", MR_STR_NULL, "3", 5), f.err);
	CHECK_OK(producer_flush(p, &f.err), f.err);
	CHECK_INT(producer_safe_token(p), 1);
	CHECK_OK(log_store_commit(f.store, &f.err), f.err);
	CHECK_INT(producer_safe_token(p), 5);
	CHECK_INT(producer_drain(p, 0, &f.err), 0); /* nothing left */
	CHECK_OK(add(&f, p, "a", MR_STR_NULL, "4", 6), f.err);
	CHECK_INT(producer_drain(p, 10, &f.err), MR_ERR_TIMEOUT); /* nobody commits */
	producer_free(p);
	fixture_close(&f);
}

/* Against an oracle that remembers where every record went: at no time is a token called safe
 * that covers a record which is not stable. */
TEST(producer_tokens_never_run_ahead)
{
	struct fixture f;
	struct mr_rng rng;
	rng_seed(&rng, 11);
	fixture_open(&f, 0, true);
	static const char *const topics[] = {"a", "b", "c"};
	for (int i = 0; i < 3; i++)
		fixture_topic(&f, topics[i], 3, i == 1 ? EVENT_SCHEMA : NULL, ON_INVALID_DLQ);
	struct producer *p = make(&f, (struct producer_options){.batch_bytes = 300});
	uint64_t token = 0, sent = 0;
	for (int i = 0; i < test_rounds(3000); i++) {
		token += rng_below(&rng, 3) == 0 ? 0 : 1;
		token += token == 0;
		mr_str key = rng_below(&rng, 2) ? MR_STR_NULL : mr_str_n(&"abcdefgh"[rng_below(&rng, 8)], 1);
		CHECK_OK(add(&f, p, topics[rng_below(&rng, 3)], key,
			     rng_below(&rng, 4) ? "{\"n\":1}" : "{\"n\":\"bad\"}", token),
			 f.err);
		sent++;
		if (rng_below(&rng, 20) == 0)
			CHECK_OK(producer_poll(p, &f.err), f.err);
		if (rng_below(&rng, 25) == 0)
			CHECK_OK(log_store_commit(f.store, &f.err), f.err);
		uint64_t safe = producer_safe_token(p);
		CHECK(safe <= token);
		int64_t stable = 0;
		size_t count;
		struct log_topic **all = log_topics(f.store, &count);
		for (size_t t = 0; t < count; t++)
			for (int32_t n = 0; n < log_topic_partition_count(all[t]); n++)
				stable += log_stable_offset(log_partition_at(all[t], n));
		free(all);
		CHECK((uint64_t)stable <= sent && safe <= (uint64_t)stable);
	}
	CHECK_OK(producer_flush(p, &f.err), f.err);
	CHECK_OK(log_store_commit(f.store, &f.err), f.err);
	CHECK_INT(producer_safe_token(p), token);
	producer_free(p);
	fixture_close(&f);
}

TEST(producer_enforces_the_contract_record_by_record)
{
	struct fixture f;
	struct mr_buf text = {0};
	struct record_header header = {MR_STR("src"), MR_STR("x")};
	fixture_open(&f, 0, false);
	fixture_topic(&f, "strict", 1, EVENT_SCHEMA, ON_INVALID_REJECT);
	fixture_topic(&f, "lenient", 2, EVENT_SCHEMA, ON_INVALID_DLQ);
	struct producer *p = make(&f, (struct producer_options){.codec = BATCH_SNAPPY});
	CHECK_OK(add(&f, p, "strict", MR_STR_NULL, "{\"n\":1}", 1), f.err);
	CHECK_INT(add(&f, p, "strict", MR_STR_NULL, "{}", 2), BROKER_INVALID_RECORD);
	CHECK_STR(mr_str_from(f.err.message),
		  "the record breaks the contract of topic strict: lacks the required member \"n\"");
	CHECK_OK(add(&f, p, "lenient", MR_STR("21"), "{\"n\":2}", 3), f.err);
	CHECK_OK(
	    producer_add(p, MR_STR("lenient"), MR_STR("21"), MR_STR("{\"n\":[]}"), &header, 1, 77, 4, &f.err),
	    f.err);
	CHECK_OK(producer_drain(p, 5000, &f.err), f.err);
	fixture_read(&f, "strict", 0, &text);
	CHECK_STR(mr_buf_view(&text), "0 NULL={\"n\":1}{};");
	int32_t home = partitioner_pick(MR_STR("21"), 2);
	fixture_read(&f, "lenient", home, &text);
	CHECK_STR(mr_buf_view(&text), "0 21={\"n\":2}{};");
	char want[200];
	snprintf(want, sizeof want,
		 "0 21={\"n\":[]}{src:x,dlq.topic:lenient,dlq.partition:%d,dlq.pointer:/n,"
		 "dlq.reason:is an array of 0, expected integer};",
		 home);
	fixture_read(&f, "lenient.dlq", 0, &text);
	CHECK_STR(mr_buf_view(&text), want);
	CHECK_INT(producer_safe_token(p), 4);
	struct broker_topic_stats stats;
	broker_topic_stats(f.broker, MR_STR("lenient"), &stats);
	CHECK_INT(stats.records_in, 2);
	CHECK_INT(stats.invalid, 1);
	mr_buf_release(&text);
	producer_free(p);
	fixture_close(&f);
}

TEST(producer_says_busy_and_goes_on_after_a_commit)
{
	struct fixture f;
	fixture_open(&f, 64 * 1024, true); /* the log takes 64 KiB between commits */
	struct log_topic *topic = fixture_topic(&f, "t", 1, NULL, ON_INVALID_OFF);
	struct producer *p = make(&f, (struct producer_options){.batch_bytes = 16 * 1024});
	char *value = mr_calloc(1, 8001);
	memset(value, 'v', 8000);
	uint64_t token = 0;
	int rc;
	while ((rc = add(&f, p, "t", MR_STR_NULL, value, token + 1)) == 0)
		CHECK(++token < 100000);
	CHECK_INT(rc, MR_ERR_BUSY); /* 64 MiB are held */
	CHECK_INT(producer_flush(p, &f.err), MR_ERR_BUSY);
	for (int i = 0; producer_safe_token(p) < token; i++) {
		CHECK(i < 3000);
		CHECK_OK(log_store_commit(f.store, &f.err), f.err);
		rc = producer_flush(p, &f.err);
		CHECK(rc == 0 || rc == MR_ERR_BUSY);
	}
	CHECK_INT(log_stable_offset(log_partition_at(topic, 0)), token);
	CHECK_OK(add(&f, p, "t", MR_STR_NULL, value, token + 1), f.err);
	free(value);
	producer_free(p);
	fixture_close(&f);
}

TEST(producer_refuses_too_large_and_unknown)
{
	struct fixture f;
	fixture_open(&f, 0, false);
	struct producer *p = make(&f, (struct producer_options){0});
	char *value = mr_calloc(1, 2 << 20);
	memset(value, 'v', (2 << 20) - 1);
	CHECK_INT(add(&f, p, "t", MR_STR_NULL, value, 1), MR_ERR_LIMIT);
	CHECK_INT(add(&f, p, "not legal", MR_STR_NULL, "x", 1), MR_ERR_INVALID);
	value[1 << 19] = 0; /* larger than the batch size: a batch of its own */
	CHECK_OK(add(&f, p, "t", MR_STR_NULL, value, 1), f.err);
	CHECK_OK(add(&f, p, "t", MR_STR_NULL, value, 2), f.err);
	CHECK_OK(producer_drain(p, 5000, &f.err), f.err);
	CHECK_INT(producer_safe_token(p), 2);
	free(value);
	producer_free(p);
	fixture_close(&f);
}

TEST(producer_outlives_the_deletion_of_its_topic)
{
	struct fixture f;
	struct mr_buf text = {0};
	fixture_open(&f, 0, false);
	fixture_topic(&f, "t", 3, NULL, ON_INVALID_OFF);
	struct producer *p = make(&f, (struct producer_options){0});
	CHECK_OK(add(&f, p, "t", MR_STR("a"), "before", 1), f.err);
	CHECK_OK(producer_drain(p, 5000, &f.err), f.err);
	CHECK_OK(add(&f, p, "t", MR_STR("a"), "after", 2), f.err);
	CHECK_OK(log_topic_delete(f.store, MR_STR("t"), &f.err), f.err);
	CHECK_OK(producer_drain(p, 5000, &f.err), f.err); /* made again, with one partition */
	CHECK_INT(producer_safe_token(p), 2);
	fixture_read(&f, "t", 0, &text);
	CHECK_STR(mr_buf_view(&text), "0 a=after{};");
	mr_buf_release(&text);
	producer_free(p);
	fixture_close(&f);
}

/* A sync that fails takes appends back: the producer sends them again, in order, and calls no
 * token safe before. */
TEST(producer_sends_again_what_a_fault_took_back)
{
	for (int nth = 1; nth <= 6; nth++) {
		struct fixture f;
		struct env env = *env_linux();
		struct mr_buf text = {0}, want = {0};
		env.disk = sim_disk_new((uint64_t)nth);
		fixture_open_env(&f, &env, 0, true);
		fixture_topic(&f, "t", 1, NULL, ON_INVALID_OFF);
		struct producer *p = make(&f, (struct producer_options){0});
		char value[16];
		uint64_t token = 0, faults = 0;
		sim_disk_fail_sync(env.disk, nth);
		for (int round = 0; round < 40; round++) {
			for (int i = 0; i < 3; i++) {
				snprintf(value, sizeof value, "v%d", (int)++token);
				CHECK_OK(add(&f, p, "t", MR_STR_NULL, value, token), f.err);
			}
			faults += producer_poll(p, &f.err) != 0;
			faults += log_store_commit(f.store, &f.err) != 0;
			int64_t stable =
			    log_stable_offset(log_partition_at(log_topic_find(f.store, MR_STR("t")), 0));
			CHECK(producer_safe_token(p) <= (uint64_t)stable);
		}
		CHECK(faults > 0);
		for (int round = 0; producer_safe_token(p) < token; round++) {
			CHECK(round < 20);
			CHECK(producer_poll(p, &f.err) <= 0);
			CHECK(log_store_commit(f.store, &f.err) <= 0);
		}
		read_values(&f, "t", &text);
		for (uint64_t i = 1; i <= token; i++)
			mr_buf_printf(&want, "v%d;", (int)i);
		CHECK_STR(mr_buf_view(&text), want.ptr);
		mr_buf_release(&text);
		mr_buf_release(&want);
		producer_free(p);
		fixture_close(&f);
		sim_disk_free(env.disk);
	}
}

/* librdkafka's transactional producer and its read_committed consumer against the server. */
#include "kafka/kafka_fixture.h"

#include "base/buf.h"
#include "base/mem.h"
#include "test.h"

#include <librdkafka/rdkafka.h>

#define TIMEOUT_MS 20000

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char why[256];
	if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK)
		test_fail(__FILE__, __LINE__, "%s=%s: %s", key, value, why);
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char why[256];
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk)
		test_fail(__FILE__, __LINE__, "rd_kafka_new: %s", why);
	return rk;
}

static void check_ok(rd_kafka_error_t *error, int line)
{
	if (error)
		test_fail(__FILE__, line, "%s: %s", rd_kafka_error_name(error), rd_kafka_error_string(error));
}
#define CHECK_TXN(error) check_ok(error, __LINE__)

static rd_kafka_t *transactional(const struct kafka_fixture *f, const char *id)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", f->address);
	set(conf, "transactional.id", id);
	set(conf, "linger.ms", "1");
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf);
	CHECK_TXN(rd_kafka_init_transactions(rk, TIMEOUT_MS));
	return rk;
}

static void write_one(rd_kafka_t *rk, const char *topic, int32_t partition, const char *value)
{
	CHECK_INT(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
				    RD_KAFKA_V_VALUE((void *)value, strlen(value)),
				    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
		  RD_KAFKA_RESP_ERR_NO_ERROR);
}

static rd_kafka_t *consumer(const struct kafka_fixture *f, const char *isolation)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", f->address);
	set(conf, "group.id", "readers");
	set(conf, "isolation.level", isolation);
	set(conf, "enable.partition.eof", "true");
	set(conf, "enable.auto.commit", "false");
	rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(rk);
	return rk;
}

/* The values of partition 0 to its end: "a b ". */
static void expect(const struct kafka_fixture *f, const char *topic, const char *isolation, const char *want)
{
	rd_kafka_t *rk = consumer(f, isolation);
	struct mr_buf seen = {0};
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	CHECK_INT(rd_kafka_assign(rk, list), 0);
	rd_kafka_topic_partition_list_destroy(list);
	for (bool end = false; !end;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, TIMEOUT_MS);
		CHECK(m);
		end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
		CHECK(end || m->err == 0);
		if (!end) {
			mr_buf_append(&seen, m->payload, m->len);
			mr_buf_char(&seen, ' ');
		}
		rd_kafka_message_destroy(m);
	}
	CHECK_STR(mr_buf_view(&seen), want);
	mr_buf_release(&seen);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

TEST(librdkafka_transactions)
{
	struct kafka_fixture f;
	kafka_fixture_start(&f, test_folder());
	kafka_fixture_topic(&f, "t", 2);
	rd_kafka_t *rk = transactional(&f, "tx");
	CHECK_TXN(rd_kafka_begin_transaction(rk));
	write_one(rk, "t", 0, "a");
	write_one(rk, "t", 1, "b");
	CHECK_TXN(rd_kafka_commit_transaction(rk, TIMEOUT_MS));
	CHECK_TXN(rd_kafka_begin_transaction(rk));
	write_one(rk, "t", 0, "aborted");
	CHECK_INT(rd_kafka_flush(rk, TIMEOUT_MS), 0);
	expect(&f, "t", "read_committed", "a ");
	CHECK_TXN(rd_kafka_abort_transaction(rk, TIMEOUT_MS));
	for (int i = 0; i < 20; i++) {
		CHECK_TXN(rd_kafka_begin_transaction(rk));
		write_one(rk, "t", 0, i % 2 ? "odd" : "even");
		CHECK_TXN(i % 2 ? rd_kafka_commit_transaction(rk, TIMEOUT_MS)
				: rd_kafka_abort_transaction(rk, TIMEOUT_MS));
	}
	rd_kafka_destroy(rk);
	expect(&f, "t", "read_committed", "a odd odd odd odd odd odd odd odd odd odd ");
	kafka_fixture_stop(&f);
}

TEST(librdkafka_a_second_producer_fences_the_first)
{
	struct kafka_fixture f;
	kafka_fixture_start(&f, test_folder());
	kafka_fixture_topic(&f, "t", 1);
	rd_kafka_t *first = transactional(&f, "tx");
	CHECK_TXN(rd_kafka_begin_transaction(first));
	write_one(first, "t", 0, "late");
	CHECK_INT(rd_kafka_flush(first, TIMEOUT_MS), 0);
	rd_kafka_t *second = transactional(&f, "tx");
	rd_kafka_error_t *error = rd_kafka_commit_transaction(first, TIMEOUT_MS);
	CHECK(error && rd_kafka_error_is_fatal(error));
	CHECK_INT(rd_kafka_error_code(error), RD_KAFKA_RESP_ERR__FENCED);
	rd_kafka_error_destroy(error);
	CHECK_TXN(rd_kafka_begin_transaction(second));
	write_one(second, "t", 0, "good");
	CHECK_TXN(rd_kafka_commit_transaction(second, TIMEOUT_MS));
	rd_kafka_destroy(first);
	rd_kafka_destroy(second);
	expect(&f, "t", "read_committed", "good ");
	expect(&f, "t", "read_uncommitted", "late good ");
	kafka_fixture_stop(&f);
}

/* Consume, transform, produce: the offsets are part of the transaction. */
TEST(librdkafka_offsets_in_transactions)
{
	struct kafka_fixture f;
	kafka_fixture_start(&f, test_folder());
	kafka_fixture_topic(&f, "t", 1);
	rd_kafka_t *reader = consumer(&f, "read_committed");
	rd_kafka_t *rk = transactional(&f, "tx");
	rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata_new("readers");
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *position = rd_kafka_topic_partition_list_add(list, "t", 0);
	for (int commit = 0; commit < 2; commit++) {
		position->offset = 41 + commit;
		CHECK_TXN(rd_kafka_begin_transaction(rk));
		write_one(rk, "t", 0, "x");
		CHECK_TXN(rd_kafka_send_offsets_to_transaction(rk, list, group, TIMEOUT_MS));
		CHECK_TXN(commit ? rd_kafka_commit_transaction(rk, TIMEOUT_MS)
				 : rd_kafka_abort_transaction(rk, TIMEOUT_MS));
		CHECK_INT(rd_kafka_committed(reader, list, TIMEOUT_MS), 0);
		CHECK_INT(position->offset, commit ? 42 : RD_KAFKA_OFFSET_INVALID);
	}
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_consumer_group_metadata_destroy(group);
	rd_kafka_destroy(rk);
	rd_kafka_consumer_close(reader);
	rd_kafka_destroy(reader);
	kafka_fixture_stop(&f);
}

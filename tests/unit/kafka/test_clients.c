/* Other people's clients against the server: librdkafka in this process, kcat beside it. */
#include "kafka/kafka_fixture.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/varint.h"
#include "codec/batch.h"
#include "test.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>

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

struct delivery {
	int ok, failed;
	rd_kafka_resp_err_t last;
};

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct delivery *d = opaque;
	if (m->err) {
		d->failed++;
		d->last = m->err;
	} else {
		d->ok++;
	}
}

static rd_kafka_t *producer(const struct kafka_fixture *f, const char *codec, const char *idempotent,
			    struct delivery *d)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", f->address);
	set(conf, "compression.codec", codec);
	set(conf, "enable.idempotence", idempotent);
	set(conf, "linger.ms", "2");
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rd_kafka_conf_set_opaque(conf, d);
	return client(RD_KAFKA_PRODUCER, conf);
}

static void send_numbers(rd_kafka_t *rk, const char *topic, int32_t partition, int from, int to)
{
	for (int i = from; i < to; i++) {
		char value[160];
		int len = snprintf(value, sizeof value, "message %d %0100d", i, i);
		rd_kafka_resp_err_t e = rd_kafka_producev(
		    rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
		    RD_KAFKA_V_VALUE(value, (size_t)len),
		    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK), RD_KAFKA_V_END);
		CHECK_INT(e, RD_KAFKA_RESP_ERR_NO_ERROR);
	}
}

static void expect_numbers(const struct kafka_fixture *f, const char *topic, int count)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", f->address);
	set(conf, "group.id", "unused");
	set(conf, "enable.auto.commit", "false"); /* there are no groups to commit to */
	set(conf, "auto.offset.reset", "error");
	set(conf, "check.crcs", "true");
	rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
	CHECK_INT(rd_kafka_assign(rk, list), 0);
	rd_kafka_topic_partition_list_destroy(list);
	for (int i = 0; i < count; i++) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
		if (!m)
			test_fail(__FILE__, __LINE__, "message %d of %d does not come", i, count);
		CHECK_INT(m->err, 0);
		CHECK_INT(m->offset, i);
		char want[32];
		int len = snprintf(want, sizeof want, "message %d ", i);
		CHECK(m->len > (size_t)len && memcmp(m->payload, want, (size_t)len) == 0);
		rd_kafka_message_destroy(m);
	}
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

TEST(librdkafka_round_trip_in_every_codec)
{
	static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
	struct kafka_fixture f;
	kafka_fixture_start(&f, test_folder());
	for (size_t i = 0; i < MR_COUNT(codecs); i++) {
		struct delivery d = {0};
		char *topic = test_path("codec-%s", codecs[i]);
		kafka_fixture_topic(&f, topic, 1);
		rd_kafka_t *rk = producer(&f, codecs[i], i % 2 ? "true" : "false", &d);
		send_numbers(rk, topic, 0, 0, 500);
		CHECK_INT(rd_kafka_flush(rk, 15000), 0);
		CHECK_INT(d.ok, 500);
		rd_kafka_destroy(rk);
		/* What the client asked for is what is stored: it found zstd and the rest usable. */
		struct mr_buf bytes = {0};
		struct mr_error err;
		struct log_partition *p = log_partition_at(log_topic_find(f.store, mr_str_from(topic)), 0);
		CHECK_OK(log_read(p, 0, 1, true, &bytes, NULL, &err), err);
		CHECK_INT(mr_get_be16(bytes.ptr + 21) & BATCH_CODEC_MASK, i);
		mr_buf_release(&bytes);
		expect_numbers(&f, topic, 500);
	}
	kafka_fixture_stop(&f);
}

TEST(librdkafka_creates_topics_by_producing)
{
	struct kafka_fixture f;
	struct delivery d = {0};
	kafka_fixture_start(&f, test_folder());
	rd_kafka_t *rk = producer(&f, "lz4", "true", &d);
	send_numbers(rk, "made-by-producing", RD_KAFKA_PARTITION_UA, 0, 300);
	CHECK_INT(rd_kafka_flush(rk, 15000), 0);
	CHECK_INT(d.ok, 300);
	const struct rd_kafka_metadata *meta;
	CHECK_INT(rd_kafka_metadata(rk, 1, NULL, &meta, 5000), 0);
	CHECK_INT(meta->topic_cnt, 1);
	CHECK_INT(meta->topics[0].partition_cnt, 3);
	CHECK_INT(meta->broker_cnt, 1);
	CHECK_INT(meta->brokers[0].port, kafka_server_port(f.server));
	rd_kafka_metadata_destroy(meta);
	char *cluster = rd_kafka_clusterid(rk, 5000);
	CHECK_STR(mr_str_from(cluster), FIXTURE_CLUSTER_ID);
	rd_kafka_mem_free(rk, cluster);
	int64_t low, high, sum = 0;
	for (int32_t i = 0; i < 3; i++) {
		CHECK_INT(rd_kafka_query_watermark_offsets(rk, "made-by-producing", i, &low, &high, 5000), 0);
		CHECK_INT(low, 0);
		sum += high;
	}
	CHECK_INT(sum, 300);
	rd_kafka_destroy(rk);
	kafka_fixture_stop(&f);
}

static char *run(const char *command, int *status)
{
	FILE *pipe = popen(command, "r");
	CHECK(pipe);
	struct mr_buf out = {0};
	char chunk[4096];
	size_t n;
	while ((n = fread(chunk, 1, sizeof chunk, pipe)) > 0)
		mr_buf_append(&out, chunk, n);
	*status = pclose(pipe);
	return mr_buf_take(&out);
}

TEST(kcat_lists_produces_and_consumes)
{
	struct kafka_fixture f;
	int status;
	kafka_fixture_start(&f, test_folder());
	free(run(test_path("seq 1 1000 | kcat -P -b %s -t numbers -p 1 -z gzip 2>&1", f.address), &status));
	CHECK_INT(status, 0);
	char *out = run(
	    test_path("kcat -C -b %s -t numbers -p 1 -o beginning -e -q 2>&1 | md5sum", f.address), &status);
	char *want = run("seq 1 1000 | md5sum", &status);
	CHECK_STR(mr_str_from(out), want);
	free(out);
	out = run(test_path("kcat -C -b %s -t numbers -p 1 -o -3 -e -q -f '%%o %%s\\n' 2>&1", f.address),
		  &status);
	CHECK_STR(mr_str_from(out), "997 998\n998 999\n999 1000\n");
	free(out);
	free(want);
	out = run(test_path("kcat -L -b %s 2>&1", f.address), &status);
	CHECK_INT(status, 0);
	CHECK(strstr(out, "topic \"numbers\" with 3 partitions:"));
	CHECK(strstr(out, "partition 2, leader 1, replicas: 1, isrs: 1"));
	free(out);
	kafka_fixture_stop(&f);
}

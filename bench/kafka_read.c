/* bench/kafka_read.c - a Kafka consumer for benches, over librdkafka.
 *
 *   kafka_read -b HOST:PORT -t TOPIC -n COUNT [-p PARTITIONS]
 *   kafka_read -b HOST:PORT -t TOPIC -n COUNT -l [-s BYTES]
 *
 * Reads COUNT messages of partitions 0 .. PARTITIONS-1 from their start, without a group. With -l it
 * measures the way there and back instead: one message of BYTES at a time is produced with acks=all and
 * awaited by a consumer; COUNT times, after a tenth as many that do not count. Prints one JSON line:
 * messages, bytes, seconds, or p50, p99 and max in ms.
 */
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options {
	const char *brokers, *topic;
	long count;
	int partitions, size, latency;
};

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "kafka_read: %s: %s\n", what, why);
	exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char why[256];
	if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK)
		die(key, why);
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char why[256];
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk)
		die("client", why);
	return rk;
}

static rd_kafka_t *consumer(const struct options *o, int64_t offset)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", o->brokers);
	set(conf, "group.id", "bench");
	set(conf, "enable.auto.commit", "false");
	set(conf, "fetch.wait.max.ms", "500");
	set(conf, "queued.min.messages", "1000000");
	rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(o->partitions);
	for (int i = 0; i < o->partitions; i++)
		rd_kafka_topic_partition_list_add(parts, o->topic, i)->offset = offset;
	rd_kafka_resp_err_t e = rd_kafka_assign(rk, parts);
	if (e)
		die("assign", rd_kafka_err2str(e));
	rd_kafka_topic_partition_list_destroy(parts);
	return rk;
}

static void read_all(const struct options *o)
{
	rd_kafka_t *rk = consumer(o, RD_KAFKA_OFFSET_BEGINNING);
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
	static rd_kafka_message_t *batch[10000];
	int64_t start = 0, bytes = 0;
	long seen = 0;
	while (seen < o->count) {
		ssize_t n = rd_kafka_consume_batch_queue(queue, 10000, batch, sizeof batch / sizeof *batch);
		if (n <= 0)
			die("read", "nothing came for ten seconds");
		if (!start)
			start = now_us();
		for (ssize_t i = 0; i < n; i++) {
			if (!batch[i]->err) {
				seen++;
				bytes += (int64_t)batch[i]->len;
			}
			rd_kafka_message_destroy(batch[i]);
		}
	}
	double seconds = (double)(now_us() - start) / 1e6;
	printf("{\"messages\":%ld,\"bytes\":%lld,\"seconds\":%.3f}\n", seen, (long long)bytes, seconds);
	rd_kafka_queue_destroy(queue);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int64_t there_and_back(rd_kafka_t *out, rd_kafka_t *in, const struct options *o, char *value)
{
	int64_t start = now_us();
	rd_kafka_resp_err_t e = rd_kafka_producev(out, RD_KAFKA_V_TOPIC(o->topic), RD_KAFKA_V_PARTITION(0),
						  RD_KAFKA_V_VALUE(value, (size_t)o->size),
						  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
	if (e)
		die("produce", rd_kafka_err2str(e));
	for (;;) {
		rd_kafka_message_t *m = rd_kafka_consumer_poll(in, 10000);
		if (!m)
			die("read", "nothing came for ten seconds");
		int failed = m->err != 0;
		rd_kafka_message_destroy(m);
		rd_kafka_poll(out, 0);
		if (!failed)
			return now_us() - start;
	}
}

static void measure_latency(struct options *o)
{
	o->partitions = 1;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", o->brokers);
	set(conf, "acks", "all");
	set(conf, "linger.ms", "0");
	rd_kafka_t *out = client(RD_KAFKA_PRODUCER, conf), *in = consumer(o, RD_KAFKA_OFFSET_END);
	char *value = malloc((size_t)o->size);
	int64_t *took = malloc(sizeof *took * (size_t)o->count);
	memset(value, 'v', (size_t)o->size);
	rd_kafka_message_t *none = rd_kafka_consumer_poll(in, 2000); /* until it stands at the end */
	if (none)
		rd_kafka_message_destroy(none);
	for (long i = 0; i < o->count / 10; i++)
		there_and_back(out, in, o, value);
	for (long i = 0; i < o->count; i++)
		took[i] = there_and_back(out, in, o, value);
	qsort(took, (size_t)o->count, sizeof *took, by_value);
	printf("{\"messages\":%ld,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n", o->count,
	       (double)took[o->count / 2] / 1000, (double)took[o->count * 99 / 100] / 1000,
	       (double)took[o->count - 1] / 1000);
	free(took);
	free(value);
	rd_kafka_consumer_close(in);
	rd_kafka_destroy(in);
	rd_kafka_destroy(out);
}

int main(int argc, char **argv)
{
	struct options o = {.partitions = 1, .size = 100};
	for (int c; (c = getopt(argc, argv, "b:t:n:p:s:l")) != -1;) {
		switch (c) {
		case 'b':
			o.brokers = optarg;
			break;
		case 't':
			o.topic = optarg;
			break;
		case 'n':
			o.count = atol(optarg);
			break;
		case 'p':
			o.partitions = (int)atol(optarg);
			break;
		case 's':
			o.size = (int)atol(optarg);
			break;
		case 'l':
			o.latency = 1;
			break;
		default:
			return 2;
		}
	}
	if (!o.brokers || !o.topic || o.count < 10 || o.partitions < 1 || o.size < 1)
		die("usage", "-b HOST:PORT -t TOPIC -n COUNT [-p PARTITIONS] [-l [-s BYTES]]");
	if (o.latency)
		measure_latency(&o);
	else
		read_all(&o);
	return 0;
}

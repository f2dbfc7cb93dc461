/* bench/kafka_load.c - a Kafka producer for benches and crash tests, over librdkafka.
 *
 *   kafka_load -b HOST:PORT -t TOPIC [-n COUNT] [-s BYTES] [-r PER_SECOND] [-p PARTITIONS]
 *              [-a ACKED_FILE] [-f LINES_FILE] [-i FIRST_ID] [-w SECONDS] [-e]
 *
 * Sends COUNT messages to partitions in turn: the lines of LINES_FILE over and over, or, without
 * it, JSON objects {"id":N,"pad":"…"} of about BYTES. -e makes the producer idempotent. With -a
 * the id of each message that the broker acknowledged is appended to ACKED_FILE as it is, so
 * that the file says what must survive. It keeps trying through broker restarts for -w seconds
 * after the last message (default 60). Prints one JSON line: messages, acked, failed, seconds,
 * MB/s, and the latency from send to acknowledgement (p50, p99, max in ms).
 */
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LATENCY_BUCKETS 40000 /* of 10 us up to 400 ms, the last is the rest */

struct load {
	const char *brokers, *topic, *acked_path, *lines_path;
	long long count, first_id;
	int size, partitions, wait_s, idempotent;
	double rate;
	FILE *acked;
	long long acked_count, failed, bytes;
	uint32_t latency[LATENCY_BUCKETS];
	double latency_max_ms;
	char *lines; /* NUL-separated */
	size_t lines_len, lines_at;
};

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct sent {
	int64_t at_us;
	long long id;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk;
	struct load *load = opaque;
	struct sent *sent = message->_private;
	if (message->err) {
		load->failed++;
	} else {
		int64_t us = now_us() - sent->at_us;
		int64_t bucket = us / 10;
		load->latency[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
		if ((double)us / 1000 > load->latency_max_ms)
			load->latency_max_ms = (double)us / 1000;
		load->acked_count++;
		if (load->acked)
			fprintf(load->acked, "%lld\n", sent->id);
	}
	free(sent);
}

static double percentile(const struct load *load, double part)
{
	long long want = (long long)((double)load->acked_count * part), seen = 0;
	for (int i = 0; i < LATENCY_BUCKETS; i++) {
		seen += load->latency[i];
		if (seen > want)
			return (i + 0.5) / 100;
	}
	return 0;
}

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "kafka_load: %s: %s\n", what, detail);
	exit(1);
}

static void read_lines(struct load *load)
{
	FILE *f = fopen(load->lines_path, "r");
	if (!f)
		die("cannot open", load->lines_path);
	size_t cap = 0;
	for (char block[65536];;) {
		size_t n = fread(block, 1, sizeof block, f);
		if (n == 0)
			break;
		if (load->lines_len + n + 1 > cap) {
			cap = (load->lines_len + n) * 2;
			load->lines = realloc(load->lines, cap);
			if (!load->lines)
				die("no memory for", load->lines_path);
		}
		memcpy(load->lines + load->lines_len, block, n);
		load->lines_len += n;
	}
	fclose(f);
	if (!load->lines_len)
		die("empty", load->lines_path);
}

static size_t next_message(struct load *load, long long id, char *buffer, size_t size, const char **out)
{
	if (!load->lines) {
		int n = snprintf(buffer, size, "{\"id\":%lld,\"pad\":\"", id);
		while (n < load->size - 2 && n < (int)size - 3)
			buffer[n] = (char)('a' + n % 26), n++;
		memcpy(buffer + n, "\"}", 2);
		*out = buffer;
		return (size_t)n + 2;
	}
	if (load->lines_at >= load->lines_len)
		load->lines_at = 0;
	char *start = load->lines + load->lines_at;
	char *end = memchr(start, '\n', load->lines_len - load->lines_at);
	size_t len = end ? (size_t)(end - start) : load->lines_len - load->lines_at;
	load->lines_at += len + 1;
	*out = start;
	return len;
}

static void send_one(struct load *load, rd_kafka_t *rk, long long n)
{
	char buffer[65536];
	const char *text;
	size_t len = next_message(load, load->first_id + n, buffer, sizeof buffer, &text);
	struct sent *sent = malloc(sizeof *sent);
	if (!sent)
		die("no memory", "");
	*sent = (struct sent){now_us(), load->first_id + n};
	load->bytes += (long long)len;
	for (;;) {
		rd_kafka_resp_err_t rc = rd_kafka_producev(
		    rk, RD_KAFKA_V_TOPIC(load->topic), RD_KAFKA_V_PARTITION((int32_t)(n % load->partitions)),
		    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE((void *)text, len),
		    RD_KAFKA_V_OPAQUE(sent), RD_KAFKA_V_END);
		if (rc == RD_KAFKA_RESP_ERR_NO_ERROR)
			return;
		if (rc != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("produce", rd_kafka_err2str(rc));
		rd_kafka_poll(rk, 10);
	}
}

static void run(struct load *load, rd_kafka_t *rk)
{
	int64_t start = now_us();
	for (long long n = 0; n < load->count; n++) {
		if (load->rate > 0) {
			int64_t due = start + (int64_t)((double)n * 1e6 / load->rate);
			/* In naps: a spinning client would take a core from the server. */
			while (due > now_us())
				rd_kafka_poll(rk, 1);
		}
		send_one(load, rk, n);
		if (n % 256 == 0)
			rd_kafka_poll(rk, 0);
	}
	rd_kafka_flush(rk, load->wait_s * 1000);
	double seconds = (double)(now_us() - start) / 1e6;
	printf(
	    "{\"messages\":%lld,\"acked\":%lld,\"failed\":%lld,\"seconds\":%.3f,\"per_s\":%.0f,\"mb_s\":%.1f,"
	    "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.1f}\n",
	    load->count, load->acked_count, load->failed, seconds, (double)load->acked_count / seconds,
	    (double)load->bytes / 1e6 / seconds, percentile(load, 0.5), percentile(load, 0.99),
	    load->latency_max_ms);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char text[256];
	if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
		die(name, text);
}

static void parse(struct load *load, int argc, char **argv)
{
	for (int c; (c = getopt(argc, argv, "b:t:n:s:r:p:a:f:i:w:e")) != -1;) {
		switch (c) {
		case 'b':
			load->brokers = optarg;
			break;
		case 't':
			load->topic = optarg;
			break;
		case 'n':
			load->count = strtoll(optarg, NULL, 10);
			break;
		case 's':
			load->size = (int)strtol(optarg, NULL, 10);
			break;
		case 'r':
			load->rate = strtod(optarg, NULL);
			break;
		case 'p':
			load->partitions = (int)strtol(optarg, NULL, 10);
			break;
		case 'a':
			load->acked_path = optarg;
			break;
		case 'f':
			load->lines_path = optarg;
			break;
		case 'i':
			load->first_id = strtoll(optarg, NULL, 10);
			break;
		case 'w':
			load->wait_s = (int)strtol(optarg, NULL, 10);
			break;
		case 'e':
			load->idempotent = 1;
			break;
		default:
			exit(2);
		}
	}
	if (!load->brokers || !load->topic || load->partitions < 1)
		die("usage",
		    "-b HOST:PORT -t TOPIC are needed; the head of bench/kafka_load.c says the rest");
}

int main(int argc, char **argv)
{
	static struct load load = {.count = 100000, .size = 100, .partitions = 1, .wait_s = 60};
	parse(&load, argc, argv);
	if (load.lines_path)
		read_lines(&load);
	if (load.acked_path && !(load.acked = fopen(load.acked_path, "a")))
		die("cannot open", load.acked_path);
	if (load.acked)
		setvbuf(load.acked, NULL, _IOLBF, 0);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", load.brokers);
	set(conf, "linger.ms", load.rate > 0 ? "0" : "5");
	set(conf, "acks", "all");
	set(conf, "batch.num.messages", "10000");
	set(conf, "queue.buffering.max.messages", "200000");
	set(conf, "reconnect.backoff.ms", "20");
	set(conf, "reconnect.backoff.max.ms", "100");
	set(conf, "retry.backoff.ms", "20");
	set(conf, "log_level", "2");
	set(conf, "enable.idempotence", load.idempotent ? "true" : "false");
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_opaque(conf, &load);
	char text[256];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (!rk)
		die("librdkafka", text);
	run(&load, rk);
	rd_kafka_destroy(rk);
	if (load.acked)
		fclose(load.acked);
	free(load.lines);
	return load.failed || load.acked_count != load.count;
}

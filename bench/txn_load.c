/* bench/txn_load.c - transactions without end, for tests that kill the broker under them.
 *
 *   txn_load -b BROKER -t TOPIC -i TRANSACTIONAL-ID -o FILE [-p PARTITIONS] [-s SECONDS]
 *
 * Each transaction writes its number to every partition, as {"txn": N, "part": P}, and is committed, or one
 * in five aborted. FILE gets a line once the outcome is known: "c N", "a N". What a fault left open gets
 * none: it must be there as a whole, or not at all. After a fault the producer is made anew with the same
 * id, which fences what is left of it.
 */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct load {
	const char *broker, *topic, *id;
	int partitions;
	FILE *out;
	time_t until;
	long next;
};

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char error[256];
	if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
		fprintf(stderr, "%s\n", error);
		exit(2);
	}
}

static int is_over(const struct load *load)
{
	return time(NULL) >= load->until;
}

/* NULL when the time is over before the broker is there. */
static rd_kafka_t *open_producer(const struct load *load)
{
	while (!is_over(load)) {
		char error[256];
		rd_kafka_conf_t *conf = rd_kafka_conf_new();
		set(conf, "bootstrap.servers", load->broker);
		set(conf, "transactional.id", load->id);
		set(conf, "log_level", "0");
		set(conf, "reconnect.backoff.max.ms", "200");
		set(conf, "linger.ms", "0");
		set(conf, "transaction.timeout.ms", "5000"); /* what it leaves open hides what comes after */
		rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
		rd_kafka_error_t *fault = rd_kafka_init_transactions(producer, 10000);
		if (!fault)
			return producer;
		rd_kafka_error_destroy(fault);
		rd_kafka_destroy(producer);
	}
	return NULL;
}

/* 1 when it went well. */
static int settled(rd_kafka_error_t *fault)
{
	if (fault)
		rd_kafka_error_destroy(fault);
	return fault == NULL;
}

static int send_all(const struct load *load, rd_kafka_t *producer, long txn)
{
	for (int p = 0; p < load->partitions; p++) {
		char text[64];
		int n = snprintf(text, sizeof text, "{\"txn\": %ld, \"part\": %d}", txn, p);
		rd_kafka_resp_err_t rc =
		    rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(load->topic), RD_KAFKA_V_PARTITION(p),
				      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				      RD_KAFKA_V_VALUE(text, (size_t)n), RD_KAFKA_V_END);
		if (rc)
			return 0;
	}
	return 1;
}

/* 0: the producer is of no use any more. */
static int transaction(struct load *load, rd_kafka_t *producer)
{
	long txn = load->next++;
	int aborts = txn % 5 == 4;
	if (!settled(rd_kafka_begin_transaction(producer)) || !send_all(load, producer, txn))
		return 0;
	if (aborts ? !settled(rd_kafka_flush(producer, 10000) ? rd_kafka_error_new(-1, "flush") : NULL) ||
			 !settled(rd_kafka_abort_transaction(producer, 10000))
		   : !settled(rd_kafka_commit_transaction(producer, 10000)))
		return 0;
	fprintf(load->out, "%c %ld\n", aborts ? 'a' : 'c', txn);
	fflush(load->out);
	return 1;
}

int main(int argc, char **argv)
{
	struct load load = {.partitions = 1};
	long seconds = 3600;
	for (int option; (option = getopt(argc, argv, "b:t:i:o:p:s:")) != -1;) {
		if (option == 'b')
			load.broker = optarg;
		else if (option == 't')
			load.topic = optarg;
		else if (option == 'i')
			load.id = optarg;
		else if (option == 'o')
			load.out = fopen(optarg, "w");
		else if (option == 'p')
			load.partitions = (int)strtol(optarg, NULL, 10);
		else if (option == 's')
			seconds = strtol(optarg, NULL, 10);
	}
	if (!load.broker || !load.topic || !load.id || !load.out)
		return 2;
	load.until = time(NULL) + seconds;
	while (!is_over(&load)) {
		rd_kafka_t *producer = open_producer(&load);
		while (producer && !is_over(&load) && transaction(&load, producer))
			;
		if (producer)
			rd_kafka_destroy(producer);
	}
	fclose(load.out);
	return 0;
}

/* bench/ingest_bench.c - a topic of web-request events into a Delta table, in one process.
 *
 *   ingest_bench [COUNT]        default 2,000,000; four partitions; table partitioned by date
 *
 * A child process fills the topic; what is measured is the parent's: opening aside, from the
 * first step to the last commit. Prints stages, then one line of JSON. Works in a folder of its
 * own below the working directory and removes it.
 */
#include "ingest_events.h"

#include "base/mem.h"
#include "broker/broker.h"
#include "codec/jsonschema.h"
#include "env/disk_linux.h"
#include "ingest/event_scan.h"
#include "ingest/ingest.h"
#include "ingest/topic_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOPIC "requests"
#define PARTITIONS 4

struct platform {
	struct log_store *store;
	struct broker *broker;
	struct sql_engine *engine;
	struct topic_source *source;
	struct ingest *ingest;
};

static void must(int rc, const struct mr_error *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "ingest_bench: %s\n%s\n", err->message, err->hint);
	exit(1);
}

static double cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double now(void)
{
	return (double)clock_mono_us(env_linux()->clock) / 1e6;
}

static void open_log(struct platform *platform, const char *folder)
{
	struct mr_error err;
	struct log_store_options store = {.env = env_linux(), .dir = folder};
	must(log_store_open(&store, &platform->store, &err), &err);
	struct broker_options broker = {.env = env_linux(), .store = platform->store};
	must(broker_new(&broker, &platform->broker, &err), &err);
	struct broker_topic_options topic = {.on_invalid = ON_INVALID_OFF, .schema_path = "requests.json"};
	log_topic_config_default(&topic.log);
	topic.log.partitions = PARTITIONS;
	must(json_schema_compile(mr_str_from(event_schema_json()), "requests.json", &topic.schema, &err),
	     &err);
	must(broker_topic_declare(platform->broker, MR_STR(TOPIC), &topic, &err), &err);
}

static void close_log(struct platform *platform)
{
	broker_free(platform->broker);
	log_store_close(platform->store);
}

/* In a child, so that its memory and time are not counted. */
static void fill(const char *folder, uint64_t count)
{
	struct platform platform = {0};
	struct mr_error err;
	struct producer *producer;
	struct producer_options options = {0};
	struct event_maker maker;
	struct mr_buf event = {0};
	open_log(&platform, folder);
	must(producer_new(platform.broker, &options, &producer, &err), &err);
	event_maker_init(&maker, 1, count);
	for (uint64_t i = 0; i < count; i++) {
		event_maker_next(&maker, &event);
		int64_t ms = maker.start_ms + (int64_t)i / 1000;
		int rc;
		while ((rc = producer_add(producer, MR_STR(TOPIC), MR_STR_NULL, mr_buf_view(&event), NULL, 0,
					  ms, i + 1, &err)) == MR_ERR_BUSY)
			must(producer_drain(producer, 60000, &err), &err);
		must(rc, &err);
	}
	must(producer_drain(producer, 60000, &err), &err);
	producer_free(producer);
	mr_buf_release(&event);
	close_log(&platform);
}

static void fill_in_child(const char *folder, uint64_t count)
{
	pid_t child = fork();
	if (child == 0) {
		fill(folder, count);
		_exit(0);
	}
	int status = 0;
	waitpid(child, &status, 0);
	if (status)
		exit(1);
}

/* How long the decoder alone takes: the same scan with nobody behind it. */
static double decode_seconds(struct platform *platform)
{
	struct mr_error err;
	struct event_scan *scan;
	struct columns batch;
	struct topic_range ranges[PARTITIONS];
	const struct event_layout *layout = ingest_layout(platform->ingest);
	struct log_topic *topic = log_topic_find(platform->store, MR_STR(TOPIC));
	for (int32_t p = 0; p < PARTITIONS; p++)
		ranges[p] = (struct topic_range){p, 0, log_stable_offset(log_partition_at(topic, p))};
	must(event_scan_open(platform->store, layout, ranges, PARTITIONS, NULL, &scan, &err), &err);
	columns_init(&batch, layout->columns, layout->column_count);
	double start = cpu_seconds();
	int rc;
	while ((rc = event_scan_next(scan, &batch, &err)) == 1)
		columns_clear(&batch);
	must(rc, &err);
	double took = cpu_seconds() - start;
	event_scan_close(scan);
	columns_release(&batch);
	return took;
}

static void open_ingest(struct platform *platform, const char *folder)
{
	static mr_str date[] = {{"date", 4}};
	static const struct conf_ingest conf = {.topic = {TOPIC, sizeof TOPIC - 1},
						.table = {"bronze.requests", 15},
						.partition_by = date,
						.partition_count = 1};
	struct mr_error err;
	char *temp = mr_asprintf("%s/tmp", folder), *tables = mr_asprintf("%s/tables", folder);
	must(disk_mkdir_all(disk_linux(), temp, &err), &err);
	struct sql_engine_options engine = {.threads = 1, .temp_dir = temp};
	must(sql_engine_open(&engine, &platform->engine, &err), &err);
	must(topic_source_register(platform->engine, platform->broker, &platform->source, &err), &err);
	struct ingest_options options = {.env = env_linux(),
					 .broker = platform->broker,
					 .engine = platform->engine,
					 .conf = &conf,
					 .tables_dir = tables};
	must(ingest_open(&options, &platform->ingest, &err), &err);
	topic_source_add_ingest(platform->source, platform->ingest);
	free(temp);
	free(tables);
}

static void measure(struct platform *platform, uint64_t count)
{
	struct mr_error err;
	struct ingest_stats stats;
	struct rusage usage;
	double start = now(), cpu = cpu_seconds();
	must(ingest_drain(platform->ingest, &err), &err);
	double seconds = now() - start;
	cpu = cpu_seconds() - cpu;
	getrusage(RUSAGE_SELF, &usage);
	ingest_stats(platform->ingest, &stats);
	if (stats.rows != count) {
		fprintf(stderr, "ingest_bench: %llu rows of %llu\n", (unsigned long long)stats.rows,
			(unsigned long long)count);
		exit(1);
	}
	double decode = decode_seconds(platform), millions = (double)count / 1e6;
	printf("%llu events, %llu bytes of log, %llu commits in %.2f s; decoding alone %.2f CPU-s\n",
	       (unsigned long long)count, (unsigned long long)stats.bytes, (unsigned long long)stats.commits,
	       seconds, decode);
	printf("{\"rows_per_s\": %.0f, \"cpu_s_per_million\": %.3f, \"peak_rss_mb\": %.0f, "
	       "\"decode_cpu_s_per_million\": %.3f}\n",
	       (double)count / seconds, cpu / millions, (double)usage.ru_maxrss / 1024, decode / millions);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
	char folder[] = "./ingest-bench-XXXXXX";
	struct mr_error err;
	struct platform platform = {0};
	if (!mkdtemp(folder)) {
		perror(folder);
		return 1;
	}
	fill_in_child(folder, count);
	open_log(&platform, folder);
	open_ingest(&platform, folder);
	measure(&platform, count);
	ingest_close(platform.ingest);
	sql_engine_close(platform.engine);
	topic_source_free(platform.source);
	close_log(&platform);
	must(disk_remove_all(disk_linux(), folder, &err), &err);
	return 0;
}

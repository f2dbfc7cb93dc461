/* bench/log_designs.c - what an acknowledgement costs, by durability design and partition count.
 *
 *   log_designs DIR [seconds]
 *
 * One producer thread per 16 partitions (at least one, at most four) appends batches and keeps a
 * bounded number unacknowledged; the latency is from append to stable, taken per batch. Designs:
 *   journal   one shared journal, one sync a round (the store as built)
 *   direct    every dirty segment file synced in each round
 *   relaxed   page cache only
 * One JSON line per case.
 */
#include "base/mem.h"
#include "base/vec.h"
#include "codec/batch.h"
#include "env/env.h"
#include "log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES_MAX = 1 << 20 };

struct load {
	struct log_store *store;
	struct log_topic *topic;
	int32_t partitions;
	int threads;
	mr_str batch;
	int64_t until_us;
	_Atomic int next_thread;
	_Atomic uint64_t acked_bytes, acked;
	double *samples[4];
	size_t sample_count[4];
};

static void die(const char *what, const struct mr_error *err)
{
	fprintf(stderr, "%s: %s\n", what, err->message);
	exit(1);
}

static int64_t now_us(void)
{
	return clock_mono_us(env_linux()->clock);
}

/* A window of appends over this thread's partitions, then wait for all of them. */
static void *produce(void *arg)
{
	struct load *load = arg;
	int self = load->next_thread++;
	struct mr_error err;
	int64_t ends[256];
	while (now_us() < load->until_us) {
		int64_t start = now_us();
		int count = 0;
		for (int32_t p = self; p < load->partitions; p += load->threads) {
			struct log_append out;
			if (log_append(log_partition_at(load->topic, p), load->batch, &out, &err) != 0)
				die("append", &err);
			ends[count++] = out.next_offset;
		}
		int n = 0;
		for (int32_t p = self; p < load->partitions; p += load->threads) {
			if (log_wait_stable(log_partition_at(load->topic, p), ends[n++], 60000, &err) != 0)
				die("wait", &err);
			if (load->sample_count[self] < SAMPLES_MAX)
				load->samples[self][load->sample_count[self]++] = (double)(now_us() - start);
		}
		load->acked += (uint64_t)count;
		load->acked_bytes += (uint64_t)count * load->batch.len;
	}
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void report(const struct load *load, const char *design, double seconds, const struct log_stats *stats)
{
	MR_VEC(double) all = {0};
	for (int t = 0; t < load->threads; t++) {
		for (size_t i = 0; i < load->sample_count[t]; i++)
			mr_vec_push(&all, load->samples[t][i]);
	}
	if (all.len == 0)
		return;
	qsort(all.items, all.len, sizeof(double), by_value);
	printf("{\"design\":\"%s\",\"partitions\":%d,\"threads\":%d,\"batch_bytes\":%zu,\"mb_per_s\":%.1f,"
	       "\"batches_per_s\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"rounds\":%llu,\"syncs\":%llu}\n",
	       design, (int)load->partitions, load->threads, load->batch.len,
	       (double)load->acked_bytes / 1e6 / seconds, (double)load->acked / seconds,
	       all.items[all.len / 2] / 1000, all.items[all.len * 99 / 100] / 1000,
	       (unsigned long long)stats->rounds, (unsigned long long)stats->syncs);
	fflush(stdout);
	mr_vec_release(&all);
}

static void run_case(const char *dir, const char *design, int32_t partitions, mr_str batch, double seconds)
{
	struct mr_error err;
	struct log_store_options options = {.env = env_linux(),
					    .dir = dir,
					    .journal = strcmp(design, "direct") == 0 ? LOG_JOURNAL_NEVER
										     : LOG_JOURNAL_ALWAYS};
	if (strcmp(design, "auto") == 0)
		options.journal = LOG_JOURNAL_AUTO;
	struct load load = {.partitions = partitions, .batch = batch};
	load.threads = partitions >= 64 ? 4 : partitions >= 16 ? 2 : 1;
	disk_remove_all(options.env->disk, dir, &err) < 0 ? die("remove", &err) : (void)0;
	if (log_store_open(&options, &load.store, &err) < 0)
		die("open", &err);
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.partitions = partitions;
	config.durability = strcmp(design, "relaxed") == 0 ? LOG_RELAXED : LOG_DURABLE;
	if (log_topic_create(load.store, MR_STR("bench"), &config, &load.topic, &err) < 0)
		die("create", &err);
	pthread_t threads[4];
	struct log_stats before, after;
	log_store_stats(load.store, &before);
	int64_t start = now_us();
	load.until_us = start + (int64_t)(seconds * 1e6);
	for (int t = 0; t < load.threads; t++)
		load.samples[t] = mr_alloc(SAMPLES_MAX * sizeof(double));
	for (int t = 0; t < load.threads; t++)
		pthread_create(&threads[t], NULL, produce, &load);
	for (int t = 0; t < load.threads; t++)
		pthread_join(threads[t], NULL);
	double took = (double)(now_us() - start) / 1e6;
	log_store_stats(load.store, &after);
	after.rounds -= before.rounds;
	after.syncs -= before.syncs;
	report(&load, design, took, &after);
	for (int t = 0; t < load.threads; t++)
		free(load.samples[t]);
	log_store_close(load.store);
	(void)!disk_remove_all(options.env->disk, dir, &err);
}

static mr_str make_batch(struct batch_writer *writer, size_t bytes)
{
	struct mr_error err;
	mr_str batch;
	char value[1000];
	memset(value, 'v', sizeof value);
	batch_writer_init(writer, 4 << 20);
	batch_writer_start(writer);
	for (size_t left = bytes; left > 0; left -= mr_min_size(left, sizeof value))
		batch_writer_add(writer, 1, MR_STR_NULL, mr_str_n(value, mr_min_size(left, sizeof value)),
				 NULL, 0);
	if (batch_writer_finish(writer, BATCH_NONE, &batch, &err) < 0)
		die("batch", &err);
	return batch;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "use: log_designs DIR [seconds]\n");
		return 2;
	}
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
	static const char *const designs[] = {"journal", "direct", "auto", "relaxed"};
	static const int32_t partitions[] = {1, 16, 256};
	static const size_t sizes[] = {4 << 10, 64 << 10, 1 << 20};
	char *dir = mr_asprintf("%s/log-designs", argv[1]);
	for (size_t s = 0; s < MR_COUNT(sizes); s++) {
		struct batch_writer writer;
		mr_str batch = make_batch(&writer, sizes[s] - sizes[s] / 50);
		for (size_t p = 0; p < MR_COUNT(partitions); p++) {
			if (sizes[s] * (size_t)partitions[p] > (size_t)32 << 20)
				continue;
			for (size_t d = 0; d < MR_COUNT(designs); d++)
				run_case(dir, designs[d], partitions[p], batch, seconds);
		}
		batch_writer_release(&writer);
	}
	free(dir);
	return 0;
}

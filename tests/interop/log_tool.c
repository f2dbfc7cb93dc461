/* tests/interop/log_tool.c - writes a log store for other programs to read: `log_tool DIR`.
 *
 *   DIR/log/plain-0     every codec, plain and idempotent batches, several segments
 *   DIR/log/compact-0   the same keys again and again, compacted
 */
#include "codec/batch.h"
#include "env/env.h"
#include "log/log.h"

#include <stdio.h>

static int fail(const struct mr_error *err)
{
	fprintf(stderr, "log_tool: %s\n", err->message);
	return 1;
}

static int append(struct log_partition *partition, struct batch_writer *writer, int i, struct mr_error *err)
{
	char key[32], value[600];
	batch_writer_start(writer);
	for (int r = 0; r < 1 + i % 5; r++) {
		snprintf(key, sizeof key, "key-%d", (i * 7 + r) % 50);
		int len = snprintf(value, sizeof value, "value %d.%d %*d", i, r, 100 + i % 400, i);
		bool tombstone = (i + r) % 17 == 0;
		batch_writer_add(writer, 1700000000000 + i, mr_str_from(key),
				 tombstone ? MR_STR_NULL : mr_str_n(value, (size_t)len),
				 &(struct record_header){MR_STR("h"), MR_STR("1")}, 1);
	}
	mr_str batch;
	int rc = batch_writer_finish(writer, (enum batch_codec)(i % BATCH_CODEC_COUNT), &batch, err);
	if (rc == 0 && i % 3 == 0) {
		struct batch_header from = {.producer_id = 4000 + i, .producer_epoch = 2};
		batch_writer_inherit(writer, &from, batch);
	}
	struct log_append out;
	return rc < 0 ? rc : log_append(partition, batch, &out, err);
}

static int fill(struct log_store *store, const char *name, int cleanup, struct mr_error *err)
{
	struct log_topic_config config;
	struct log_topic *topic;
	struct batch_writer writer;
	log_topic_config_default(&config);
	config.segment_bytes = 200 << 10;
	config.cleanup_policy = cleanup;
	config.retention_ms = -1;
	config.min_cleanable_dirty_ppm = 0;
	int rc = log_topic_create(store, mr_str_from(name), &config, &topic, err);
	batch_writer_init(&writer, 1 << 20);
	for (int i = 0; i < 3000 && rc == 0; i++) {
		rc = append(log_partition_at(topic, 0), &writer, i, err);
		if (rc == 0 && i % 100 == 99)
			rc = log_wait_stable(log_partition_at(topic, 0),
					     log_end_offset(log_partition_at(topic, 0)), 60000, err);
	}
	batch_writer_release(&writer);
	return rc;
}

int main(int argc, char **argv)
{
	struct mr_error err;
	struct log_store *store;
	struct log_store_options options = {.env = env_linux(), .dir = argc > 1 ? argv[1] : "log"};
	if (log_store_open(&options, &store, &err) < 0)
		return fail(&err);
	int rc = fill(store, "plain", LOG_CLEANUP_DELETE, &err);
	if (rc == 0)
		rc = fill(store, "compact", LOG_CLEANUP_COMPACT, &err);
	if (rc == 0)
		rc = log_store_compact(store, &err);
	log_store_close(store);
	return rc == 0 ? 0 : fail(&err);
}

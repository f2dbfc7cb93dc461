#include "ingest_kit.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

struct log_store *kit_store(const char *dir)
{
	struct log_store_options options = {.env = env_linux(), .dir = dir};
	struct log_store *store;
	struct mr_error err;
	CHECK_OK(log_store_open(&options, &store, &err), err);
	return store;
}

struct log_topic *kit_make_topic(struct log_store *store, const char *name, int32_t partitions)
{
	struct log_topic_config config;
	struct log_topic *topic;
	struct mr_error err;
	log_topic_config_default(&config);
	config.partitions = partitions;
	CHECK_OK(log_topic_create(store, mr_str_from(name), &config, &topic, &err), err);
	return topic;
}

void kit_put(struct log_topic *topic, int32_t partition, enum batch_codec codec,
	     const struct kit_record *records, size_t count)
{
	struct batch_writer writer;
	struct mr_error err;
	batch_writer_init(&writer, 64 << 20);
	batch_writer_start(&writer);
	for (size_t i = 0; i < count; i++)
		batch_writer_add(&writer, records[i].timestamp_ms, mr_str_from(records[i].key),
				 mr_str_from(records[i].value), NULL, 0);
	mr_str batch;
	CHECK_OK(batch_writer_finish(&writer, codec, &batch, &err), err);
	struct log_partition *p = log_partition_at(topic, partition);
	struct log_append appended;
	CHECK_OK(log_append(p, batch, &appended, &err), err);
	CHECK_OK(log_wait_stable(p, appended.next_offset, 10000, &err), err);
	batch_writer_release(&writer);
}

void kit_put_numbered(struct log_topic *topic, int32_t partition, enum batch_codec codec, const char *fmt,
		      int from, int count)
{
	struct kit_record *records = mr_calloc((size_t)count, sizeof *records);
	for (int i = 0; i < count; i++) {
		struct mr_buf text = {0};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		mr_buf_printf(&text, fmt, from + i);
#pragma GCC diagnostic pop
		records[i] = (struct kit_record){NULL, mr_buf_take(&text), 1700000000000 + from + i};
	}
	kit_put(topic, partition, codec, records, (size_t)count);
	for (int i = 0; i < count; i++)
		free((char *)records[i].value);
	free(records);
}

/* tests/unit/ingest/ingest_kit.h - small words for ingest's tests: a log with records in it. */
#pragma once

#include "codec/batch.h"
#include "log/log.h"
#include "test.h"

struct log_store *kit_store(const char *dir);
struct log_topic *kit_make_topic(struct log_store *store, const char *name, int32_t partitions);

struct kit_record {
	const char *key, *value; /* NULL: null */
	int64_t timestamp_ms;
};
/* One batch, made stable. */
void kit_put(struct log_topic *topic, int32_t partition, enum batch_codec codec,
	     const struct kit_record *records, size_t count);
/* count records with values of fmt, which takes their running number from `from` on. */
void kit_put_numbered(struct log_topic *topic, int32_t partition, enum batch_codec codec, const char *fmt,
		      int from, int count);

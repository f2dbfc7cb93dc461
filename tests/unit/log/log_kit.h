/* tests/unit/log/log_kit.h - small words for the log's tests: batches, topics, reading back. */
#pragma once

#include "codec/batch.h"
#include "log/log.h"
#include "test.h"

#include <stdlib.h>

struct kit_producer {
	int64_t id;
	int16_t epoch;
	int32_t sequence;
};

/* One batch of `count` records with values "<tag>.<i>", at timestamp + i. Released by the caller. */
struct mr_buf kit_batch(const char *tag, int count, int64_t timestamp, size_t padding);
struct mr_buf kit_batch_of(const struct kit_producer *producer, const char *tag, int count);

struct log_store *kit_open(const char *dir);
struct log_topic *kit_topic(struct log_store *store, const char *name, int32_t partitions);
/* Append one batch of count records; returns its base offset. */
int64_t kit_append(struct log_partition *partition, const char *tag, int count);
int64_t kit_append_wait(struct log_partition *partition, const char *tag, int count);
/* "a.0 a.1 b.0": the values from `offset` on; offsets are checked to grow by one when contiguous. */
struct mr_buf kit_values(struct log_partition *partition, int64_t offset);
char *kit_read_file(const char *path, size_t *len);
void kit_write_file(const char *path, const char *bytes, size_t len);

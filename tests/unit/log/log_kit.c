#include "log_kit.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "env/disk_linux.h"

static void patch_producer(char *batch, size_t size, const struct kit_producer *producer)
{
	mr_put_be64(batch + 43, (uint64_t)producer->id);
	mr_put_be16(batch + 51, (uint16_t)producer->epoch);
	mr_put_be32(batch + 53, (uint32_t)producer->sequence);
	mr_put_be32(batch + 17, mr_crc32c(0, batch + 21, size - 21));
}

struct mr_buf kit_batch(const char *tag, int count, int64_t timestamp, size_t padding)
{
	struct mr_error err;
	struct batch_writer writer;
	batch_writer_init(&writer, 64 << 20);
	batch_writer_start(&writer);
	char *pad = mr_calloc(1, padding + 1);
	memset(pad, 'x', padding);
	for (int i = 0; i < count; i++) {
		char value[64];
		snprintf(value, sizeof value, "%s.%d", tag, i);
		batch_writer_add(&writer, timestamp + i, padding ? mr_str_n(pad, padding) : MR_STR_NULL,
				 mr_str_from(value), NULL, 0);
	}
	free(pad);
	mr_str bytes;
	CHECK_OK(batch_writer_finish(&writer, BATCH_NONE, &bytes, &err), err);
	struct mr_buf out = {0};
	mr_buf_str(&out, bytes);
	batch_writer_release(&writer);
	return out;
}

struct mr_buf kit_batch_of(const struct kit_producer *producer, const char *tag, int count)
{
	struct mr_buf batch = kit_batch(tag, count, 1000, 0);
	patch_producer(batch.ptr, batch.len, producer);
	return batch;
}

struct log_store *kit_open(const char *dir)
{
	struct mr_error err;
	struct log_store *store;
	struct log_store_options options = {.env = env_linux(), .dir = dir, .journal_bytes = 4 << 20};
	CHECK_OK(log_store_open(&options, &store, &err), err);
	return store;
}

struct log_topic *kit_topic(struct log_store *store, const char *name, int32_t partitions)
{
	struct mr_error err;
	struct log_topic_config config;
	struct log_topic *topic;
	log_topic_config_default(&config);
	config.partitions = partitions;
	CHECK_OK(log_topic_create(store, mr_str_from(name), &config, &topic, &err), err);
	return topic;
}

int64_t kit_append(struct log_partition *partition, const char *tag, int count)
{
	struct mr_error err;
	struct log_append appended;
	struct mr_buf batch = kit_batch(tag, count, 1000, 0);
	CHECK_OK(log_append(partition, mr_buf_view(&batch), &appended, &err), err);
	mr_buf_release(&batch);
	return appended.base_offset;
}

int64_t kit_append_wait(struct log_partition *partition, const char *tag, int count)
{
	struct mr_error err;
	int64_t offset = kit_append(partition, tag, count);
	CHECK_OK(log_wait_stable(partition, offset + count, 10000, &err), err);
	return offset;
}

static void add_values(struct mr_buf *out, mr_str batch, int64_t from, int64_t *expect)
{
	struct mr_error err;
	struct batch_iter it = {0};
	struct record record;
	int rc;
	CHECK_OK(batch_iter_start(&it, batch, &err), err);
	while ((rc = batch_iter_next(&it, &record, &err)) == 1) {
		if (record.offset < from)
			continue;
		CHECK_INT(record.offset, *expect);
		*expect += 1;
		mr_buf_printf(out, "%s%.*s", out->len ? " " : "", MR_FMT(record.value));
	}
	CHECK_INT(rc, 0);
	batch_iter_release(&it);
}

struct mr_buf kit_values(struct log_partition *partition, int64_t offset)
{
	struct mr_error err;
	struct mr_buf out = {0}, bytes = {0};
	int64_t expect = offset, stable = log_stable_offset(partition), next = offset;
	while (next < stable) {
		mr_buf_clear(&bytes);
		CHECK_OK(log_read(partition, next, 1 << 16, true, &bytes, &next, &err), err);
		CHECK(bytes.len > 0);
		for (mr_str rest = mr_buf_view(&bytes); rest.len;) {
			int64_t size = batch_size(rest, &err);
			CHECK(size > 0);
			CHECK(batch_crc_ok((mr_str){rest.ptr, (size_t)size}));
			add_values(&out, (mr_str){rest.ptr, (size_t)size}, offset, &expect);
			rest = mr_str_tail(rest, (size_t)size);
		}
	}
	mr_buf_release(&bytes);
	return out;
}

char *kit_read_file(const char *path, size_t *len)
{
	struct mr_error err;
	struct mr_buf bytes = {0};
	CHECK_OK(disk_read_file(disk_linux(), path, 1 << 30, &bytes, &err), err);
	*len = bytes.len;
	return mr_buf_take(&bytes);
}

void kit_write_file(const char *path, const char *bytes, size_t len)
{
	struct mr_error err;
	struct mr_file *file;
	CHECK_OK(disk_open(disk_linux(), path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file, &err), err);
	CHECK_OK(file_write_at(file, bytes, len, 0, &err), err);
	file_close(file);
}

/* DeleteRecords: a start inside a segment, what reading, times and restarts make of it. */
#include "log_kit.h"

static struct log_topic *small_segments(struct log_store *store, const char *name)
{
	struct mr_error err;
	struct log_topic_config config;
	struct log_topic *topic;
	log_topic_config_default(&config);
	config.segment_bytes = 64 << 10;
	CHECK_OK(log_topic_create(store, mr_str_from(name), &config, &topic, &err), err);
	return topic;
}

static struct log_partition *reopen(struct log_store **store, const char *dir, bool crash)
{
	if (crash)
		log_store_abandon(*store);
	else
		log_store_close(*store);
	*store = kit_open(dir);
	return log_partition_at(log_topic_find(*store, MR_STR("t")), 0);
}

TEST(log_delete_records_inside_a_segment)
{
	struct mr_error err;
	struct mr_buf bytes = {0};
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(small_segments(store, "t"), 0);
	kit_append_wait(p, "a", 3);
	kit_append_wait(p, "b", 3);
	int64_t low = -1;
	CHECK_OK(log_delete_records(p, 4, &low, &err), err);
	CHECK_INT(low, 4);
	for (int life = 0; life < 3; life++) {
		CHECK_INT(log_start_offset(p), 4);
		CHECK_INT(log_stable_offset(p), 6);
		CHECK_INT(log_read(p, 3, 1000, true, &bytes, NULL, &err), MR_ERR_LIMIT);
		struct mr_buf values = kit_values(p, 4);
		CHECK_STR(mr_buf_view(&values), "b.1 b.2");
		mr_buf_release(&values);
		int64_t offset, timestamp;
		CHECK_INT(log_find_time(p, 0, &offset, &timestamp, &err), 0);
		CHECK_INT(offset, 4);
		CHECK_INT(timestamp, 1001);
		p = reopen(&store, dir, life == 0);
	}
	CHECK_OK(log_delete_records(p, 2, &low, &err), err); /* nothing to do, as Kafka answers it */
	CHECK_INT(low, 4);
	CHECK_INT(log_delete_records(p, 7, &low, &err), MR_ERR_LIMIT);
	CHECK_OK(log_delete_records(p, -1, &low, &err), err);
	CHECK_INT(low, 6);
	p = reopen(&store, dir, true);
	CHECK_INT(log_start_offset(p), 6);
	CHECK_INT(kit_append_wait(p, "c", 1), 6);
	struct mr_buf values = kit_values(p, 6);
	CHECK_STR(mr_buf_view(&values), "c.0");
	mr_buf_release(&values);
	mr_buf_release(&bytes);
	log_store_close(store);
}

/* A topic of the same name is another one: the old start is not its. */
TEST(log_delete_records_does_not_outlive_its_topic)
{
	struct mr_error err;
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(small_segments(store, "t"), 0);
	kit_append_wait(p, "a", 9);
	CHECK_OK(log_delete_records(p, 8, NULL, &err), err);
	CHECK_OK(log_topic_delete(store, MR_STR("t"), &err), err);
	p = log_partition_at(small_segments(store, "t"), 0);
	kit_append_wait(p, "n", 10);
	p = reopen(&store, dir, false);
	CHECK_INT(log_start_offset(p), 0);
	struct mr_buf values = kit_values(p, 9);
	CHECK_STR(mr_buf_view(&values), "n.9");
	mr_buf_release(&values);
	log_store_close(store);
}

TEST(log_bytes_after_counts_from_the_batch)
{
	struct mr_error err;
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(small_segments(store, "t"), 0);
	struct mr_buf batch = kit_batch("x", 2, 1000, 3000);
	struct log_append out = {0};
	for (int i = 0; i < 40; i++) /* some 240 KiB: several segments */
		CHECK_OK(log_append(p, mr_buf_view(&batch), &out, &err), err);
	CHECK_OK(log_wait_stable(p, out.next_offset, 10000, &err), err);
	for (int64_t offset = 0; offset <= 80; offset++)
		CHECK_INT(log_bytes_after(p, offset), (40 - offset / 2) * (int64_t)batch.len);
	int64_t before = log_size_bytes(p);
	CHECK_OK(log_delete_records(p, 70, NULL, &err), err);
	CHECK(log_size_bytes(p) < before / 2);
	CHECK_INT(log_bytes_after(p, 0), 5 * (int64_t)batch.len);
	mr_buf_release(&batch);
	log_store_close(store);
}

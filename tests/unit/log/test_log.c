/* The log as its callers see it: append, read, reopen, topics, producers. */
#include "log_kit.h"

#define CHECK_VALUES(partition, offset, want) \
	do { \
		struct mr_buf values_ = kit_values(partition, offset); \
		CHECK_STR(mr_buf_view(&values_), want); \
		mr_buf_release(&values_); \
	} while (0)

TEST(log_append_and_read)
{
	struct mr_error err;
	struct log_store *store = kit_open(test_folder());
	struct log_topic *topic = kit_topic(store, "events", 2);
	struct log_partition *p = log_partition_at(topic, 0);
	CHECK_INT(kit_append_wait(p, "a", 3), 0);
	CHECK_INT(kit_append_wait(p, "b", 1), 3);
	CHECK_INT(kit_append_wait(p, "c", 2), 4);
	CHECK_VALUES(p, 0, "a.0 a.1 a.2 b.0 c.0 c.1");
	CHECK_VALUES(p, 3, "b.0 c.0 c.1");
	CHECK_VALUES(p, 5, "c.1");
	CHECK_VALUES(log_partition_at(topic, 1), 0, "");
	CHECK_INT(log_stable_offset(p), 6);
	CHECK_INT(log_max_timestamp(p), 1002);
	CHECK(log_partition_at(topic, 2) == NULL);
	struct mr_buf out = {0};
	CHECK_INT(log_read(p, 7, 100, true, &out, NULL, &err), MR_ERR_LIMIT);
	CHECK_INT(log_read(p, -1, 100, true, &out, NULL, &err), MR_ERR_LIMIT);
	CHECK_OK(log_read(p, 6, 100, true, &out, NULL, &err), err);
	CHECK_INT(out.len, 0);
	CHECK_OK(log_read(p, 0, 10, false, &out, NULL, &err), err);
	CHECK_INT(out.len, 0); /* a batch does not fit in 10 bytes */
	CHECK_OK(log_read(p, 0, 10, true, &out, NULL, &err), err);
	CHECK(out.len > 61);
	mr_buf_release(&out);
	log_store_close(store);
}

static void check_reopened(const char *dir, void (*end)(struct log_store *))
{
	struct mr_error err;
	struct log_store *store = kit_open(dir);
	struct log_topic *topic = log_topic_find(store, MR_STR("events"));
	CHECK(topic != NULL);
	struct log_partition *p = log_partition_at(topic, 0);
	CHECK_OK(log_partition_health(p, &err), err);
	CHECK_VALUES(p, 0, "a.0 a.1 b.0");
	CHECK_INT(log_end_offset(p), 3);
	end(store);
}

TEST(log_survives_close_and_crash)
{
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(kit_topic(store, "events", 1), 0);
	kit_append_wait(p, "a", 2);
	kit_append_wait(p, "b", 1);
	log_store_abandon(store);
	check_reopened(dir, log_store_abandon);
	check_reopened(dir, log_store_close);
	check_reopened(dir, log_store_close);
	store = kit_open(dir);
	p = log_partition_at(log_topic_find(store, MR_STR("events")), 0);
	CHECK_INT(kit_append_wait(p, "c", 1), 3);
	CHECK_VALUES(p, 2, "b.0 c.0");
	log_store_close(store);
}

TEST(log_refuses_bad_batches)
{
	struct mr_error err;
	struct log_store *store = kit_open(test_folder());
	struct log_partition *p = log_partition_at(kit_topic(store, "events", 1), 0);
	struct mr_buf batch = kit_batch("a", 3, 1, 0);
	struct log_append out;
	batch.ptr[70] ^= 1;
	CHECK_INT(log_append(p, mr_buf_view(&batch), &out, &err), MR_ERR_CORRUPT);
	batch.ptr[70] ^= 1;
	CHECK_INT(log_append(p, (mr_str){batch.ptr, batch.len - 1}, &out, &err), MR_ERR_CORRUPT);
	CHECK_INT(log_append(p, (mr_str){batch.ptr, 20}, &out, &err), MR_ERR_CORRUPT);
	batch.ptr[16] = 1;
	CHECK_INT(log_append(p, mr_buf_view(&batch), &out, &err), MR_ERR_CORRUPT);
	mr_buf_release(&batch);
	batch = kit_batch("a", 1, 1, 2 << 20);
	CHECK_INT(log_append(p, mr_buf_view(&batch), &out, &err), MR_ERR_LIMIT);
	mr_buf_release(&batch);
	CHECK_INT(log_end_offset(p), 0);
	log_store_close(store);
}

TEST(log_topics_live_and_die)
{
	struct mr_error err;
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_topic *topic = kit_topic(store, "a.b-c_1", 3);
	uint8_t id[16], again[16];
	log_topic_id(topic, id);
	struct log_topic_config config;
	log_topic_config(topic, &config);
	CHECK_INT(log_topic_create(store, MR_STR("a.b-c_1"), &config, NULL, &err), MR_ERR_EXISTS);
	CHECK_INT(log_topic_create(store, MR_STR("no/way"), &config, NULL, &err), MR_ERR_INVALID);
	CHECK_INT(log_topic_create(store, MR_STR(".."), &config, NULL, &err), MR_ERR_INVALID);
	config.partitions = 5;
	config.retention_ms = -1;
	CHECK_OK(log_topic_alter(topic, &config, &err), err);
	config.partitions = 4;
	CHECK_INT(log_topic_alter(topic, &config, &err), MR_ERR_INVALID);
	kit_append_wait(log_partition_at(topic, 4), "x", 1);
	kit_topic(store, "gone", 2);
	CHECK_OK(log_topic_delete(store, MR_STR("gone"), &err), err);
	CHECK_INT(log_topic_delete(store, MR_STR("gone"), &err), MR_ERR_NOT_FOUND);
	log_store_close(store);

	store = kit_open(dir);
	size_t count;
	struct log_topic **topics = log_topics(store, &count);
	CHECK_INT(count, 1);
	CHECK_STR(log_topic_name(topics[0]), "a.b-c_1");
	CHECK_INT(log_topic_partition_count(topics[0]), 5);
	log_topic_id(topics[0], again);
	CHECK(memcmp(id, again, 16) == 0);
	log_topic_config(topics[0], &config);
	CHECK_INT(config.retention_ms, -1);
	CHECK_VALUES(log_partition_at(topics[0], 4), 0, "x.0");
	free(topics);
	log_store_close(store);
}

TEST(log_deleted_topic_answers_not_found)
{
	struct mr_error err;
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(kit_topic(store, "events", 1), 0);
	kit_append_wait(p, "old", 1);
	CHECK_OK(log_topic_delete(store, MR_STR("events"), &err), err);
	struct mr_buf batch = kit_batch("a", 1, 1, 0);
	struct log_append out;
	struct mr_buf bytes = {0};
	CHECK_INT(log_append(p, mr_buf_view(&batch), &out, &err), MR_ERR_NOT_FOUND);
	CHECK_INT(log_read(p, 0, 100, true, &bytes, NULL, &err), MR_ERR_NOT_FOUND);
	mr_buf_release(&batch);
	/* A new topic of the name has nothing of the old one, also after a crash with a journal. */
	struct log_partition *fresh = log_partition_at(kit_topic(store, "events", 1), 0);
	CHECK_INT(kit_append_wait(fresh, "new", 1), 0);
	log_store_abandon(store);
	store = kit_open(dir);
	CHECK_VALUES(log_partition_at(log_topic_find(store, MR_STR("events")), 0), 0, "new.0");
	log_store_close(store);
}

static int append_of(struct log_partition *p, struct kit_producer producer, const char *tag, int count,
		     struct log_append *out)
{
	struct mr_error err;
	struct mr_buf batch = kit_batch_of(&producer, tag, count);
	int rc = log_append(p, mr_buf_view(&batch), out, &err);
	mr_buf_release(&batch);
	return rc;
}

static void check_producers(struct log_partition *p)
{
	struct log_append out;
	CHECK_INT(append_of(p, (struct kit_producer){7, 0, 2}, "b", 3, &out), 0);
	CHECK(out.duplicate);
	CHECK_INT(out.base_offset, 2);
	CHECK_INT(out.next_offset, 5);
	CHECK_INT(append_of(p, (struct kit_producer){7, 0, 6}, "hole", 1, &out), LOG_BAD_SEQUENCE);
	CHECK_INT(append_of(p, (struct kit_producer){7, -1, 5}, "old", 1, &out), LOG_BAD_EPOCH);
	CHECK_INT(append_of(p, (struct kit_producer){7, 1, 5}, "new epoch, not 0", 1, &out),
		  LOG_BAD_SEQUENCE);
}

TEST(log_idempotent_producers)
{
	const char *dir = test_folder();
	struct mr_error err;
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(kit_topic(store, "events", 1), 0);
	struct log_append out;
	CHECK_INT(append_of(p, (struct kit_producer){7, 0, 0}, "a", 2, &out), 0);
	CHECK_INT(append_of(p, (struct kit_producer){7, 0, 2}, "b", 3, &out), 0);
	CHECK_OK(log_wait_stable(p, 5, 10000, &err), err);
	check_producers(p);
	log_store_abandon(store);
	store = kit_open(dir);
	p = log_partition_at(log_topic_find(store, MR_STR("events")), 0);
	check_producers(p);
	log_store_close(store);
	store = kit_open(dir); /* now from the checkpoint */
	p = log_partition_at(log_topic_find(store, MR_STR("events")), 0);
	check_producers(p);
	CHECK_INT(append_of(p, (struct kit_producer){7, 1, 0}, "c", 1, &out), 0);
	CHECK_INT(out.base_offset, 5);
	CHECK_INT(append_of(p, (struct kit_producer){7, 0, 5}, "fenced", 1, &out), LOG_BAD_EPOCH);
	log_store_close(store);
}

TEST(log_producer_ids_are_never_given_twice)
{
	struct mr_error err;
	const char *dir = test_folder();
	int64_t last = -1;
	for (int round = 0; round < 3; round++) {
		struct log_store *store = kit_open(dir);
		for (int i = 0; i < 1500; i++) {
			int64_t id;
			CHECK_OK(log_next_producer_id(store, &id, &err), err);
			CHECK(id > last);
			last = id;
		}
		log_store_abandon(store);
	}
}

TEST(log_stamps_append_time)
{
	struct mr_error err;
	struct log_store *store = kit_open(test_folder());
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.log_append_time = true;
	struct log_topic *topic;
	CHECK_OK(log_topic_create(store, MR_STR("events"), &config, &topic, &err), err);
	struct log_partition *p = log_partition_at(topic, 0);
	int64_t before = clock_wall_ms(env_linux()->clock);
	kit_append_wait(p, "a", 2);
	CHECK_VALUES(p, 0, "a.0 a.1");
	CHECK(log_max_timestamp(p) >= before);
	int64_t offset, timestamp;
	CHECK_OK(log_find_time(p, before, &offset, &timestamp, &err), err);
	CHECK_INT(offset, 0);
	log_store_close(store);
}

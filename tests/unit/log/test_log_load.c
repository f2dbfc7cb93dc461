/* Many partitions, many threads, retention, a full disk. */
#include "log_kit.h"

#include "base/mem.h"
#include "env/disk_sim.h"

#include <dirent.h>
#include <pthread.h>

TEST(log_one_sync_for_256_partitions)
{
	struct mr_error err;
	struct log_store *store = kit_open(test_folder());
	struct log_topic *topic = kit_topic(store, "wide", 256);
	struct log_stats before, after;
	enum { ROUNDS = 20 };
	log_store_stats(store, &before);
	for (int round = 0; round < ROUNDS; round++) {
		for (int32_t p = 0; p < 256; p++)
			CHECK_INT(kit_append(log_partition_at(topic, p), "v", 1), round);
		for (int32_t p = 0; p < 256; p++)
			CHECK_OK(log_wait_stable(log_partition_at(topic, p), round + 1, 10000, &err), err);
	}
	log_store_stats(store, &after);
	CHECK_INT(after.appended_batches - before.appended_batches, 256 * ROUNDS);
	CHECK(after.syncs - before.syncs < 256 * ROUNDS / 10);
	log_store_close(store);
}

struct writer {
	pthread_t thread;
	struct log_partition *partition;
	char tag[8];
	int64_t last;
};

static void *write_some(void *arg)
{
	struct writer *writer = arg;
	writer->last = -1;
	for (int i = 0; i < 200; i++) {
		char tag[32];
		snprintf(tag, sizeof tag, "%s%d", writer->tag, i);
		int64_t offset = i % 10 == 9 ? kit_append_wait(writer->partition, tag, 1)
					     : kit_append(writer->partition, tag, 1);
		CHECK(offset > writer->last);
		writer->last = offset;
	}
	return NULL;
}

static void *read_all(void *arg)
{
	struct log_partition *partition = arg;
	struct mr_error err;
	struct mr_buf out = {0};
	int64_t next = 0;
	while (next < 800) {
		mr_buf_clear(&out);
		CHECK_OK(log_read(partition, next, 5000, true, &out, &next, &err), err);
		if (next < 800)
			CHECK_OK(log_wait_stable(partition, next + 1, 10000, &err), err);
	}
	mr_buf_release(&out);
	return NULL;
}

static void count_moves(void *arg, struct log_partition *const *moved, size_t count)
{
	(void)moved;
	*(_Atomic int *)arg += (int)count;
}

TEST(log_four_threads_append_while_one_reads)
{
	struct log_store *store = kit_open(test_folder());
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	_Atomic int moves = 0;
	struct log_listener listener = {count_moves, &moves, NULL};
	log_listen(store, &listener);
	struct writer writers[4];
	pthread_t reader;
	pthread_create(&reader, NULL, read_all, p);
	for (int i = 0; i < 4; i++) {
		writers[i].partition = p;
		snprintf(writers[i].tag, sizeof writers[i].tag, "w%d-", i);
		pthread_create(&writers[i].thread, NULL, write_some, &writers[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(writers[i].thread, NULL);
	pthread_join(reader, NULL);
	log_unlisten(store, &listener);
	CHECK(moves > 0);
	CHECK_INT(log_end_offset(p), 800);
	struct mr_buf values = kit_values(p, 0);
	for (int i = 0; i < 4; i++) { /* each thread's values in its order */
		const char *at = values.ptr;
		for (int n = 0; n < 200; n++) {
			char value[32];
			snprintf(value, sizeof value, "w%d-%d.0", i, n);
			at = strstr(at, value);
			CHECK(at != NULL);
		}
	}
	mr_buf_release(&values);
	log_store_close(store);
}

static struct log_partition *small_topic(struct log_store *store, int64_t retention_ms,
					 int64_t retention_bytes)
{
	struct mr_error err;
	struct log_topic_config config;
	struct log_topic *topic;
	log_topic_config_default(&config);
	config.segment_bytes = 64 << 10;
	config.retention_ms = retention_ms;
	config.retention_bytes = retention_bytes;
	CHECK_OK(log_topic_create(store, MR_STR("t"), &config, &topic, &err), err);
	return log_partition_at(topic, 0);
}

static void append_at(struct log_partition *p, int64_t timestamp, size_t padding)
{
	struct mr_error err;
	struct log_append out;
	struct mr_buf batch = kit_batch("v", 1, timestamp, padding);
	CHECK_OK(log_append(p, mr_buf_view(&batch), &out, &err), err);
	CHECK_OK(log_wait_stable(p, out.next_offset, 10000, &err), err);
	mr_buf_release(&batch);
}

TEST(log_retention_by_size)
{
	struct mr_error err;
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = small_topic(store, -1, 150 << 10);
	for (int i = 0; i < 60; i++)
		append_at(p, 1000, 10000);
	CHECK_OK(log_store_retain(store, &err), err);
	int64_t start = log_start_offset(p);
	CHECK(start > 30 && start < 50);
	CHECK(log_size_bytes(p) >= 150 << 10);
	CHECK(log_size_bytes(p) <= 220 << 10);
	struct mr_buf out = {0};
	CHECK_INT(log_read(p, start - 1, 100, true, &out, NULL, &err), MR_ERR_LIMIT);
	CHECK_OK(log_read(p, start, 100, true, &out, NULL, &err), err);
	mr_buf_release(&out);
	log_store_abandon(store);
	store = kit_open(dir);
	p = log_partition_at(log_topic_find(store, MR_STR("t")), 0);
	CHECK_INT(log_start_offset(p), start);
	CHECK_INT(log_end_offset(p), 60);
	log_store_close(store);
}

static void check_time_retention(const char *dir, bool reopen)
{
	struct mr_error err;
	struct log_store *store = kit_open(dir);
	struct log_partition *p = small_topic(store, 3600 * 1000, -1);
	int64_t now = clock_wall_ms(env_linux()->clock);
	for (int i = 0; i < 20; i++)
		append_at(p, now - 7200 * 1000, 10000);
	for (int i = 0; i < 20; i++)
		append_at(p, now, 10000);
	if (reopen) { /* then the segments' times come from their indexes */
		log_store_close(store);
		store = kit_open(dir);
		p = log_partition_at(log_topic_find(store, MR_STR("t")), 0);
	}
	CHECK_OK(log_store_retain(store, &err), err);
	CHECK(log_start_offset(p) > 10 && log_start_offset(p) <= 20);
	CHECK_INT(log_end_offset(p), 40);
	log_store_close(store);
}

TEST(log_retention_by_time)
{
	check_time_retention(test_folder(), false);
	check_time_retention(test_folder(), true);
}

/* -- a disk that is full or fails -- */

struct sick {
	struct mr_disk *disk;
	struct mr_rng rng;
	struct env env;
	struct log_store *store;
	struct log_partition *p, *other;
};

static void sick_open(struct sick *sick)
{
	struct mr_error err;
	sick->disk = sim_disk_new(7);
	rng_seed(&sick->rng, 7);
	sick->env = (struct env){.clock = env_linux()->clock, .disk = sick->disk, .rng = &sick->rng};
	struct log_store_options options = {
	    .env = &sick->env, .dir = "data", .journal_bytes = 1 << 20, .manual = true};
	CHECK_OK(log_store_open(&options, &sick->store, &err), err);
	struct log_topic *topic = kit_topic(sick->store, "t", 2);
	sick->p = log_partition_at(topic, 0);
	sick->other = log_partition_at(topic, 1);
	kit_append(sick->p, "a", 2);
	kit_append(sick->other, "o", 1);
	CHECK_OK(log_store_commit(sick->store, &err), err);
}

static int try_append(struct log_partition *p, const char *tag, struct mr_error *err)
{
	struct log_append out;
	struct mr_buf batch = kit_batch(tag, 1, 1000, 0);
	int rc = log_append(p, mr_buf_view(&batch), &out, err);
	mr_buf_release(&batch);
	return rc;
}

TEST(log_full_disk_fences_and_recovers)
{
	struct mr_error err;
	struct sick sick;
	sick_open(&sick);
	_Atomic int told = 0;
	struct log_listener listener = {count_moves, &told, NULL};
	log_listen(sick.store, &listener);
	sim_disk_set_space(sick.disk, 10);
	kit_append(sick.p, "lost", 3);
	CHECK_INT(log_store_commit(sick.store, &err), MR_ERR_NO_SPACE);
	CHECK_INT(told, 1); /* or who waits for the lost ones would wait for ever */
	log_unlisten(sick.store, &listener);
	CHECK_INT(log_append_state(sick.p, 5, &err), MR_ERR_NO_SPACE);
	CHECK(strstr(err.message, "no space"));
	CHECK_INT(log_wait_stable(sick.p, 5, 10, &err), MR_ERR_NO_SPACE);
	CHECK_INT(log_partition_health(sick.p, &err), MR_ERR_NO_SPACE);
	CHECK_INT(try_append(sick.p, "refused", &err), MR_ERR_NO_SPACE);
	CHECK_INT(log_append_state(sick.p, 2, &err), 0);
	struct mr_buf values = kit_values(sick.p, 0); /* reads go on */
	CHECK_STR(mr_buf_view(&values), "a.0 a.1");
	mr_buf_release(&values);
	CHECK_OK(log_partition_health(sick.other, &err), err);

	CHECK_INT(log_store_commit(sick.store, &err) <= 0,
		  1); /* asked for by the refused append; still full */
	CHECK_INT(try_append(sick.p, "refused", &err), MR_ERR_NO_SPACE);
	sim_disk_set_space(sick.disk, -1);
	CHECK_OK(log_store_commit(sick.store, &err), err);
	CHECK_OK(log_partition_health(sick.p, &err), err);
	CHECK_INT(kit_append(sick.p, "b", 1), 5); /* the lost offsets are not given again */
	CHECK_OK(log_store_commit(sick.store, &err), err);
	CHECK_INT(log_append_state(sick.p, 6, &err), 0);
	CHECK_INT(log_append_state(sick.p, 5, &err), MR_ERR_NO_SPACE); /* and never look stable */
	struct mr_buf out = {0};
	int64_t next;
	CHECK_OK(log_read(sick.p, 2, 1000, true, &out, &next, &err), err);
	CHECK_INT(mr_get_be64(out.ptr), 5);
	CHECK_INT(next, 6);
	mr_buf_release(&out);
	log_store_close(sick.store);
	sim_disk_free(sick.disk);
}

TEST(log_full_disk_is_trimmed)
{
	struct mr_error err;
	struct sick sick;
	struct log_topic *topic;
	struct log_topic_config config;
	sick_open(&sick);
	log_topic_config_default(&config);
	config.segment_bytes = 64 << 10;
	CHECK_OK(log_topic_create(sick.store, MR_STR("small"), &config, &topic, &err), err);
	struct log_partition *p = log_partition_at(topic, 0);
	for (int i = 0; i < 200; i++)
		kit_append(p, "some records, of which there are many", 20);
	CHECK_OK(log_store_commit(sick.store, &err), err);
	sim_disk_set_space(sick.disk, 0);
	int64_t low = 0, end = log_stable_offset(p);
	CHECK_INT(log_delete_records(p, 1, &low, &err), MR_ERR_NO_SPACE); /* no whole segment goes */
	CHECK_INT(log_start_offset(p), 0);
	CHECK_OK(log_delete_records(p, end - 1, &low, &err), err);
	CHECK_INT(low, end - 1);
	CHECK_INT(log_start_offset(p), end - 1);
	CHECK(log_size_bytes(p) < 64 << 10);
	log_store_close(sick.store);
	sim_disk_free(sick.disk);
}

TEST(log_failed_journal_sync_acknowledges_nothing)
{
	struct mr_error err;
	struct sick sick;
	sick_open(&sick);
	kit_append(sick.p, "lost", 1);
	sim_disk_fail_sync(sick.disk, 1);
	CHECK_INT(log_store_commit(sick.store, &err), MR_ERR_IO);
	CHECK_INT(log_append_state(sick.p, 3, &err), MR_ERR_IO);
	CHECK_INT(log_stable_offset(sick.p), 2);
	CHECK_INT(try_append(sick.p, "refused", &err), MR_ERR_IO);
	CHECK_OK(log_store_commit(sick.store, &err), err);
	CHECK_OK(log_partition_health(sick.p, &err), err);
	CHECK_INT(kit_append(sick.p, "b", 1), 3);
	CHECK_OK(log_store_commit(sick.store, &err), err);
	CHECK_INT(log_append_state(sick.p, 4, &err), 0);
	log_store_abandon(sick.store);
	sim_disk_crash(sick.disk);
	struct log_store_options options = {
	    .env = &sick.env, .dir = "data", .journal_bytes = 1 << 20, .manual = true};
	CHECK_OK(log_store_open(&options, &sick.store, &err), err);
	struct log_partition *p = log_partition_at(log_topic_find(sick.store, MR_STR("t")), 0);
	CHECK_INT(log_stable_offset(p), 4);
	log_store_close(sick.store);
	sim_disk_free(sick.disk);
}

TEST(log_too_much_pending_is_busy)
{
	struct mr_error err;
	struct log_store *store;
	struct log_store_options options = {
	    .env = env_linux(), .dir = test_folder(), .pending_bytes_max = 10000, .manual = true};
	CHECK_OK(log_store_open(&options, &store, &err), err);
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	int rc = 0, count = 0;
	while ((rc = try_append(p, "v", &err)) == 0 && count < 1000)
		count++;
	CHECK_INT(rc, MR_ERR_BUSY);
	CHECK(count > 50);
	CHECK_OK(log_store_commit(store, &err), err);
	CHECK_OK(try_append(p, "v", &err), err);
	log_store_close(store);
}

/* Relaxed: stable without any sync. */
TEST(log_relaxed_topics_do_not_sync)
{
	struct mr_error err;
	struct log_store *store = kit_open(test_folder());
	struct log_topic_config config;
	struct log_topic *topic;
	log_topic_config_default(&config);
	config.durability = LOG_RELAXED;
	CHECK_OK(log_topic_create(store, MR_STR("t"), &config, &topic, &err), err);
	struct log_stats before, after;
	log_store_stats(store, &before);
	for (int i = 0; i < 50; i++)
		kit_append_wait(log_partition_at(topic, 0), "v", 1);
	log_store_stats(store, &after);
	CHECK_INT(after.syncs, before.syncs);
	/* Made durable later: what the sync had not covered goes with the first durable batch. */
	config.durability = LOG_DURABLE;
	CHECK_OK(log_topic_alter(topic, &config, &err), err);
	kit_append_wait(log_partition_at(topic, 0), "v", 1);
	log_store_stats(store, &after);
	CHECK(after.syncs > before.syncs);
	log_store_close(store);
}

static int open_descriptors(void)
{
	int count = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

/* A file a partition while it is written to, none after the next checkpoint; and it is opened again. */
TEST(log_idle_partitions_hold_no_file)
{
	struct mr_error err;
	struct log_store *store;
	struct log_store_options options = {
	    .env = env_linux(), .dir = test_folder(), .journal_bytes = 1 << 20, .manual = true};
	CHECK_OK(log_store_open(&options, &store, &err), err);
	int before = open_descriptors();
	struct log_topic *idle = kit_topic(store, "idle", 300);
	struct log_partition *busy = log_partition_at(kit_topic(store, "busy", 1), 0);
	for (int32_t i = 0; i < 300; i++)
		kit_append(log_partition_at(idle, i), "a", 1);
	CHECK_OK(log_store_commit(store, &err), err);
	CHECK(open_descriptors() >= before + 300);
	struct log_stats stats;
	log_store_stats(store, &stats);
	for (uint64_t first = stats.checkpoints; stats.checkpoints < first + 2;) {
		struct mr_buf batch = kit_batch("b", 1, 1, 100 << 10);
		struct log_append out;
		CHECK_OK(log_append(busy, mr_buf_view(&batch), &out, &err), err);
		mr_buf_release(&batch);
		CHECK_OK(log_store_commit(store, &err), err);
		log_store_stats(store, &stats);
	}
	CHECK(open_descriptors() <= before + 4);
	for (int32_t i = 0; i < 300; i++)
		kit_append(log_partition_at(idle, i), "c", 1);
	CHECK_OK(log_store_commit(store, &err), err);
	for (int32_t i = 0; i < 300; i++) {
		struct mr_buf values = kit_values(log_partition_at(idle, i), 0);
		CHECK_STR(mr_buf_view(&values), "a.0 c.0");
		mr_buf_release(&values);
	}
	log_store_close(store);
}

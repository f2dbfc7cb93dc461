/* Batches that the journal has and their segment's file has not yet (log/write_back.c). */
#include "log_kit.h"

#include "base/mem.h"
#include "env/disk_sim.h"
#include "env/disk_linux.h"
#include "env/env.h"
#include "log/view.h"

#include <unistd.h>

#define LOG_FILE "%s/log/t-0/00000000000000000000.log"

static int64_t file_bytes(struct mr_disk *disk, const char *path)
{
	struct mr_error err;
	struct file_info info = {0};
	CHECK_OK(disk_stat(disk, path, &info, &err), err);
	return info.size;
}

static struct log_store *open_manual(const struct env *env, const char *dir)
{
	struct mr_error err;
	struct log_store *store;
	struct log_store_options options = {.env = env, .dir = dir, .journal_bytes = 8 << 20, .manual = true};
	CHECK_OK(log_store_open(&options, &store, &err), err);
	return store;
}

static void commit(struct log_store *store)
{
	struct mr_error err;
	CHECK_OK(log_store_commit(store, &err), err);
}

/* What readers of every kind are told must not depend on how much is in the file. */
static void check_reads(struct log_partition *p, int batches)
{
	struct mr_error err;
	for (int64_t offset = 0; offset < batches; offset++) {
		struct mr_buf bytes = {0};
		int64_t next, found, timestamp;
		CHECK_OK(log_read(p, offset, 8 << 20, true, &bytes, &next, &err), err);
		CHECK_INT(mr_get_be64(bytes.ptr), offset);
		CHECK_INT(next, batches);
		mr_buf_release(&bytes);
		for (int in_memory = 0; in_memory < 2; in_memory++) {
			struct log_view view;
			int64_t at = offset;
			struct log_view_request request = {
			    .offset = at, .max_bytes = 8 << 20, .min_one = true, .in_memory = in_memory};
			for (; at < batches;
			     request.offset = at = view.next_offset, log_view_release(&view)) {
				CHECK_OK(log_view(p, &request, &view, &err), err);
				CHECK(view.length > 0 && view.next_offset > at);
				CHECK_OK(log_view_load(&view, &err), err);
				CHECK_INT(mr_get_be64(view.bytes), at);
			}
		}
		CHECK_OK(log_find_time(p, 1000 + offset, &found, &timestamp, &err), err);
		CHECK_INT(found, offset);
	}
	int64_t all = log_bytes_after(p, 0);
	CHECK_INT(all, log_size_bytes(p));
	CHECK_INT(log_bytes_after(p, batches - 1) * batches, all);
}

static void put(struct log_partition *p, int number, size_t padding)
{
	struct mr_error err;
	struct log_append out;
	struct mr_buf batch = kit_batch("v", 1, 1000 + number, padding);
	CHECK_OK(log_append(p, mr_buf_view(&batch), &out, &err), err);
	CHECK_INT(out.base_offset, number);
	mr_buf_release(&batch);
}

TEST(log_reads_what_is_not_in_the_file_yet)
{
	const char *dir = test_folder();
	struct log_store *store = open_manual(env_linux(), dir);
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	for (int i = 0; i < 40; i++) {
		put(p, i, 3000);
		commit(store);
		int64_t in_file = file_bytes(disk_linux(), test_path(LOG_FILE, dir));
		if (i % 10 == 9) {
			CHECK(in_file < log_size_bytes(p));
			check_reads(p, i + 1);
			log_store_write_back(store);
			CHECK_INT(file_bytes(disk_linux(), test_path(LOG_FILE, dir)), log_size_bytes(p));
			check_reads(p, i + 1);
		} else {
			CHECK_INT(in_file, log_size_bytes(p) / (i + 1) * (i / 10 * 10));
		}
	}
	log_store_close(store);
}

/* The tail's limit is a megabyte: more than that waits here, and none of it may be forgotten. */
TEST(log_keeps_in_memory_what_only_the_journal_has)
{
	const char *dir = test_folder();
	struct mr_error err;
	struct log_store *store;
	struct log_store_options options = {
	    .env = env_linux(), .dir = dir, .journal_bytes = 64 << 20, .manual = true};
	CHECK_OK(log_store_open(&options, &store, &err), err);
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	for (int i = 0; i < 60; i++) {
		put(p, i, 60000);
		commit(store);
	}
	CHECK_INT(file_bytes(disk_linux(), test_path(LOG_FILE, dir)), 0);
	check_reads(p, 60);
	log_store_abandon(store); /* and the journal brings it back */
	CHECK_OK(log_store_open(&options, &store, &err), err);
	p = log_partition_at(log_topic_find(store, MR_STR("t")), 0);
	check_reads(p, 60);
	log_store_close(store);
}

TEST(log_writes_a_segment_before_it_rolls)
{
	struct mr_error err;
	const char *dir = test_folder();
	struct log_store *store = open_manual(env_linux(), dir);
	struct log_topic *topic;
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.segment_bytes = 64 << 10;
	CHECK_OK(log_topic_create(store, MR_STR("t"), &config, &topic, &err), err);
	struct log_partition *p = log_partition_at(topic, 0);
	for (int i = 0; i < 10; i++) {
		put(p, i, 10000);
		commit(store);
	}
	struct mr_buf batch = kit_batch("v", 1, 1000, 10000);
	CHECK_INT(file_bytes(disk_linux(), test_path(LOG_FILE, dir)), 6 * batch.len);
	CHECK_INT(file_bytes(disk_linux(), test_path("%s/log/t-0/00000000000000000006.log", dir)), 0);
	mr_buf_release(&batch);
	check_reads(p, 10);
	log_store_close(store);
}

/* A large batch is written at once, and what waits before it. */
TEST(log_large_batches_do_not_wait)
{
	const char *dir = test_folder();
	struct log_store *store = open_manual(env_linux(), dir);
	struct log_topic *topic = kit_topic(store, "t", 3);
	struct log_partition *p = log_partition_at(topic, 0);
	for (int i = 0; i < 5; i++) {
		put(p, i, i == 3 ? 200000 : 100);
		for (int other = 1; other < 3; other++) /* with two partitions it would be synced in place */
			kit_append(log_partition_at(topic, other), "o", 1);
		int64_t before = log_size_bytes(p);
		commit(store);
		int64_t in_file = file_bytes(disk_linux(), test_path(LOG_FILE, dir));
		CHECK_INT(in_file, i < 3 ? 0 : i == 3 ? log_size_bytes(p) : before);
	}
	log_store_close(store);
}

/* A thread does it within a second or so. */
TEST(log_files_are_written_a_second_later)
{
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	kit_append_wait(p, "a", 2);
	int64_t size = log_size_bytes(p), in_file = 0;
	for (int tries = 0; tries < 2000 && in_file < size; tries++) {
		usleep(5000);
		in_file = file_bytes(disk_linux(), test_path(LOG_FILE, dir));
	}
	CHECK_INT(in_file, size);
	log_store_close(store);
}

static void count_faults(void *arg, struct log_partition *partition, const struct mr_error *fault)
{
	int *faults = arg;
	(void)partition;
	*faults += fault ? 1 : -1;
}

/* A disk that fills up after batches were acknowledged and before their file has them. */
TEST(log_fences_what_it_cannot_write_later)
{
	struct mr_error err;
	struct mr_rng rng;
	rng_seed(&rng, 7);
	struct mr_disk *disk = sim_disk_new(7);
	struct env env = {.clock = env_linux()->clock, .disk = disk, .rng = &rng};
	int faults = 0;
	struct log_store *store;
	struct log_store_options options = {.env = &env,
					    .dir = "data",
					    .journal_bytes = 1 << 20,
					    .manual = true,
					    .health = count_faults,
					    .health_arg = &faults};
	CHECK_OK(log_store_open(&options, &store, &err), err);
	struct log_topic *topic = kit_topic(store, "t", 2);
	struct log_partition *p = log_partition_at(topic, 0), *other = log_partition_at(topic, 1);
	put(p, 0, 500);
	commit(store);
	sim_disk_set_space(disk, 10);
	log_store_write_back(store);
	(void)!log_store_commit(store, &err);
	CHECK_INT(log_partition_health(p, &err), MR_ERR_NO_SPACE);
	CHECK_OK(log_partition_health(other, &err), err);
	CHECK_INT(log_append_state(p, 1, &err), 0);
	check_reads(p, 1);
	sim_disk_set_space(disk, -1);
	CHECK_INT(faults, 1);
	CHECK_OK(log_store_retain(store, &err), err); /* every minute: nobody has to append */
	commit(store);
	CHECK_OK(log_partition_health(p, &err), err);
	CHECK_INT(faults, 0);
	CHECK_INT(file_bytes(disk, "data/log/t-0/00000000000000000000.log"), log_size_bytes(p));
	put(p, 1, 500);
	commit(store);
	check_reads(p, 2);
	log_store_abandon(store);
	sim_disk_crash(disk);
	store = open_manual(&env, "data");
	check_reads(log_partition_at(log_topic_find(store, MR_STR("t")), 0), 2);
	log_store_close(store);
	sim_disk_free(disk);
}

/* A deleted topic owes nothing, and does not keep others from forgetting. */
TEST(log_deleted_topics_owe_nothing)
{
	struct mr_error err;
	struct log_store *store = open_manual(env_linux(), test_folder());
	put(log_partition_at(kit_topic(store, "t", 1), 0), 0, 5000);
	commit(store);
	CHECK_OK(log_topic_delete(store, MR_STR("t"), &err), err);
	log_store_write_back(store);
	commit(store);
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	put(p, 0, 5000);
	commit(store);
	CHECK_OK(log_partition_health(p, &err), err);
	check_reads(p, 1);
	log_store_close(store);
}

/* The log's files as recovery finds them: any of them replaced by anything. */
#include "fuzz.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/varint.h"
#include "codec/batch.h"
#include "env/disk_sim.h"
#include "env/env.h"
#include "log/journal.h"
#include "log/log.h"

#include <stdlib.h>

#define BATCHES 60

static const char *const names[] = {
    "d/log/t-0/00000000000000000000.log",
    "d/log/t-0/00000000000000000000.index",
    "d/log/t-0/00000000000000000000.timeindex",
    "d/checkpoint",
    "d/journal/0.wal",
    "d/journal/1.wal",
    "d/topics/t",
    "d/marks",
    "d/producer-ids",
};

struct store_files {
	struct sim_clock clock;
	struct mr_rng rng;
	struct mr_disk *disk;
	struct env env;
	struct mr_buf good[MR_COUNT(names)];
};

static struct log_store *open_store(struct store_files *f, struct mr_error *err)
{
	struct log_store *store;
	struct log_store_options options = {
	    .env = &f->env, .dir = "d", .journal_bytes = 32 << 10, .manual = true};
	return log_store_open(&options, &store, err) == 0 ? store : NULL;
}

static void append(struct log_partition *partition, int number)
{
	struct mr_error err;
	struct batch_writer writer;
	char value[200];
	mr_str batch;
	struct log_append out;
	batch_writer_init(&writer, 1 << 20);
	batch_writer_start(&writer);
	memset(value, 'a' + number % 26, sizeof value);
	batch_writer_add(&writer, 1000 + number, MR_STR("key"), mr_str_n(value, sizeof value), NULL, 0);
	CHECK_OK(batch_writer_finish(&writer, BATCH_NONE, &batch, &err), err);
	CHECK_OK(log_append(partition, batch, &out, &err), err);
	batch_writer_release(&writer);
}

static void *start_recovery(void)
{
	struct store_files *f = mr_calloc(1, sizeof *f);
	struct mr_error err;
	struct log_topic *topic;
	struct log_topic_config config;
	sim_clock_init(&f->clock, 1700000000000000);
	rng_seed(&f->rng, 1);
	f->disk = sim_disk_new(1);
	f->env = (struct env){&f->clock.base, f->disk, &f->rng};
	struct log_store *store = open_store(f, &err);
	CHECK(store);
	log_topic_config_default(&config);
	CHECK_OK(log_topic_create(store, MR_STR("t"), &config, &topic, &err), err);
	for (int i = 0; i < BATCHES; i++) {
		append(log_partition_at(topic, 0), i);
		CHECK_OK(log_store_commit(store, &err), err);
	}
	log_store_abandon(store);
	for (size_t i = 0; i < MR_COUNT(names); i++)
		if (disk_exists(f->disk, names[i]))
			CHECK_OK(disk_read_file(f->disk, names[i], 1 << 24, &f->good[i], &err), err);
	return f;
}

static void put_file(struct mr_disk *disk, const char *path, mr_str bytes)
{
	struct mr_error err;
	struct mr_file *file;
	CHECK_OK(disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file, &err), err);
	CHECK_OK(file_write_at(file, bytes.ptr, bytes.len, 0, &err), err);
	file_close(file);
}

static void make_disk(struct store_files *f)
{
	struct mr_error err;
	f->disk = sim_disk_new(1);
	f->env.disk = f->disk;
	CHECK_OK(disk_mkdir_all(f->disk, "d/log/t-0", &err), err);
	CHECK_OK(disk_mkdir_all(f->disk, "d/journal", &err), err);
	CHECK_OK(disk_mkdir_all(f->disk, "d/topics", &err), err);
}

/* Reads all there is; damage must be told, never be handed out. */
static void read_all(struct log_partition *partition)
{
	struct mr_buf bytes = {0};
	int64_t next = log_start_offset(partition), stable = log_stable_offset(partition);
	int64_t found, timestamp;
	(void)!log_find_time(partition, 1030, &found, &timestamp, NULL);
	CHECK(next <= stable);
	while (next < stable) {
		int64_t after = next;
		mr_buf_clear(&bytes);
		if (log_read(partition, next, 8192, true, &bytes, &after, NULL) != 0 || after <= next)
			break;
		for (mr_str rest = mr_buf_view(&bytes); rest.len;) {
			int64_t size = batch_size(rest, NULL);
			CHECK(size > 0);
			rest = mr_str_tail(rest, (size_t)size);
		}
		next = after;
	}
	mr_buf_release(&bytes);
}

static void recover_with(struct store_files *f, size_t which, mr_str bytes)
{
	struct mr_error err;
	sim_disk_free(f->disk);
	make_disk(f);
	for (size_t i = 0; i < MR_COUNT(names); i++)
		if (i == which || f->good[i].len)
			put_file(f->disk, names[i], i == which ? bytes : mr_buf_view(&f->good[i]));
	for (int life = 0; life < 2; life++) { /* what a start left behind, the next one reads */
		struct log_store *store = open_store(f, &err);
		if (!store) {
			CHECK(err.message[0]);
			return;
		}
		struct log_topic *topic = log_topic_find(store, MR_STR("t"));
		if (topic && log_partition_at(topic, 0)) {
			read_all(log_partition_at(topic, 0));
			if (log_partition_health(log_partition_at(topic, 0), &err) == 0 && life == 0) {
				append(log_partition_at(topic, 0), 0);
				(void)!log_store_commit(store, &err);
			}
		}
		log_store_close(store);
	}
}

/* Whole batches get the CRC that they would have; so damage reaches what is behind it. */
static void mend_batches(struct mr_buf *log)
{
	size_t at = 0;
	while (log->len - at >= BATCH_HEADER_SIZE) {
		size_t size = BATCH_LENGTH_PREFIX + (size_t)mr_get_be32(log->ptr + at + 8);
		if (size < BATCH_HEADER_SIZE || size > log->len - at)
			return;
		mr_put_be32(log->ptr + at + 17, mr_crc32c(0, log->ptr + at + 21, size - 21));
		at += size;
	}
}

/* The first byte says which file, and whether its checksum is to be made good. */
static void feed_recovery(void *state, mr_str input)
{
	struct mr_buf bytes = {0};
	if (input.len == 0)
		return;
	size_t which = (uint8_t)input.ptr[0] % 16 % MR_COUNT(names);
	mr_buf_str(&bytes, mr_str_tail(input, 1));
	if (input.ptr[0] & 16 && which == 0)
		mend_batches(&bytes);
	if (input.ptr[0] & 16 && which == 3 && bytes.len >= 16)
		mr_put_be32(bytes.ptr + 8, mr_crc32c(0, bytes.ptr + 12, bytes.len - 12));
	recover_with(state, which, mr_buf_view(&bytes));
	mr_buf_release(&bytes);
}

static bool seed_recovery(void *state, size_t n, struct mr_buf *out)
{
	struct store_files *f = state;
	if (n >= 2 * MR_COUNT(names))
		return false;
	mr_buf_char(out, (char)(n % MR_COUNT(names) + (n >= MR_COUNT(names) ? 16 : 0)));
	mr_buf_str(out, mr_buf_view(&f->good[n % MR_COUNT(names)]));
	return true;
}

static void stop_recovery(void *state)
{
	struct store_files *f = state;
	for (size_t i = 0; i < MR_COUNT(names); i++)
		mr_buf_release(&f->good[i]);
	sim_disk_free(f->disk);
	free(f);
}

const struct fuzz_target fuzz_log_recovery = {.name = "log_recovery",
					      .rounds = 600,
					      .seed = seed_recovery,
					      .start = start_recovery,
					      .feed = feed_recovery,
					      .stop = stop_recovery};

/* ---- the journal alone: frames are mended, so that entries are looked at ---- */

static int note_entry(void *arg, const struct journal_entry *entry, struct mr_error *err)
{
	uint32_t *sum = arg;
	*sum = mr_crc32c(*sum, entry->bytes.ptr, entry->bytes.len); /* touches every byte */
	return 0;
}

static void mend_frames(struct mr_buf *file)
{
	if (file->len < 512)
		return;
	mr_put_be32(file->ptr + 8, mr_crc32c(0, file->ptr + 12, 512 - 12));
	for (size_t at = 4096; at + 32 <= file->len; at += 512) {
		size_t size = mr_get_be32(file->ptr + at + 20);
		if (memcmp(file->ptr + at, "MRJF", 4) == 0 && size >= 32 && size <= file->len - at)
			mr_put_be32(file->ptr + at + 4, mr_crc32c(0, file->ptr + at + 8, size - 8));
	}
}

static void feed_journal(void *state, mr_str input)
{
	struct store_files *f = state;
	struct mr_buf bytes = {0};
	struct journal *journal;
	uint32_t sum = 0;
	mr_buf_str(&bytes, input);
	mend_frames(&bytes);
	sim_disk_free(f->disk);
	make_disk(f);
	put_file(f->disk, "d/journal/0.wal", mr_buf_view(&bytes));
	if (journal_open(&f->env, "d/journal", 32 << 10, &journal, NULL) == 0) {
		(void)!journal_replay(journal, note_entry, &sum, NULL);
		journal_close(journal);
	}
	mr_buf_release(&bytes);
}

static bool seed_journal(void *state, size_t n, struct mr_buf *out)
{
	struct store_files *f = state;
	if (n < 2)
		mr_buf_str(out, mr_buf_view(&f->good[4 + n]));
	return n < 2;
}

const struct fuzz_target fuzz_journal = {.name = "journal",
					 .rounds = 1500,
					 .seed = seed_journal,
					 .start = start_recovery,
					 .feed = feed_journal,
					 .stop = stop_recovery};

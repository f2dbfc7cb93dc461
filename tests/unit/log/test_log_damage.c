/* What a crash, a careless hand or a bad medium does to the files, and what the log makes of it. */
#include "log_kit.h"

#include "base/mem.h"
#include "env/disk_linux.h"

#define CHECK_VALUES(partition, offset, want) \
	do { \
		struct mr_buf values_ = kit_values(partition, offset); \
		CHECK_STR(mr_buf_view(&values_), want); \
		mr_buf_release(&values_); \
	} while (0)

static struct log_partition *first_partition(struct log_store *store, const char *topic)
{
	return log_partition_at(log_topic_find(store, mr_str_from(topic)), 0);
}

/* What only the segment can say: neither journal nor checkpoint. */
static void forget_journal(const char *dir)
{
	struct mr_error err;
	CHECK_OK(disk_unlink(disk_linux(), test_path("%s/journal/0.wal", dir), &err), err);
	CHECK_OK(disk_unlink(disk_linux(), test_path("%s/journal/1.wal", dir), &err), err);
}

static size_t size_of_batch(const char *tag, int count)
{
	struct mr_buf batch = kit_batch(tag, count, 1000, 0);
	size_t size = batch.len;
	mr_buf_release(&batch);
	return size;
}

/* Three batches in a store that then "crashed", and its segment's bytes. */
static char *crashed_store(const char *dir, size_t *len)
{
	struct log_store *store = kit_open(dir);
	kit_topic(store, "t", 1);
	kit_append_wait(first_partition(store, "t"), "a", 2);
	kit_append_wait(first_partition(store, "t"), "b", 1);
	kit_append_wait(first_partition(store, "t"), "c", 3);
	log_store_write_back(store);
	log_store_abandon(store);
	return kit_read_file(test_path("%s/log/t-0/00000000000000000000.log", dir), len);
}

TEST(log_cut_at_every_byte_of_the_last_batch)
{
	struct mr_error err;
	const char *dir = test_folder();
	size_t len, last = size_of_batch("c", 3);
	char *bytes = crashed_store(dir, &len);
	char *checkpoint = NULL;
	size_t checkpoint_len;
	checkpoint = kit_read_file(test_path("%s/checkpoint", dir), &checkpoint_len);
	for (size_t cut = 1; cut <= last; cut++) {
		forget_journal(dir);
		kit_write_file(test_path("%s/checkpoint", dir), checkpoint, checkpoint_len);
		kit_write_file(test_path("%s/log/t-0/00000000000000000000.log", dir), bytes, len - cut);
		struct log_store *store = kit_open(dir);
		struct log_partition *p = first_partition(store, "t");
		CHECK_VALUES(p, 0, "a.0 a.1 b.0");
		CHECK_OK(log_partition_health(p, &err), err);
		CHECK_INT(kit_append_wait(p, "d", 1), 3);
		CHECK_VALUES(p, 2, "b.0 d.0");
		log_store_close(store);
	}
	free(checkpoint);
	free(bytes);
}

TEST(log_journal_brings_back_a_cut_segment)
{
	const char *dir = test_folder();
	size_t len;
	char *bytes = crashed_store(dir, &len);
	for (size_t keep = 0; keep < len; keep += 7) {
		kit_write_file(test_path("%s/log/t-0/00000000000000000000.log", dir), bytes, keep);
		struct log_store *store = kit_open(dir);
		CHECK_VALUES(first_partition(store, "t"), 0, "a.0 a.1 b.0 c.0 c.1 c.2");
		log_store_close(store);
		if (keep == 0) {
			/* The clean shutdown emptied the journal; what is lost now was acknowledged. */
			struct mr_error err;
			kit_write_file(test_path("%s/log/t-0/00000000000000000000.log", dir), bytes, len - 1);
			store = kit_open(dir);
			CHECK_INT(log_partition_health(first_partition(store, "t"), &err), MR_ERR_CORRUPT);
			CHECK(strstr(err.message, "t-0"));
			CHECK_VALUES(first_partition(store, "t"), 0, "a.0 a.1 b.0");
			log_store_close(store);
			break;
		}
	}
	free(bytes);
}

TEST(log_ignores_a_tail_of_zeros)
{
	const char *dir = test_folder();
	size_t len;
	char *bytes = crashed_store(dir, &len);
	bytes = mr_realloc(bytes, len + 5000);
	memset(bytes + len, 0, 5000);
	kit_write_file(test_path("%s/log/t-0/00000000000000000000.log", dir), bytes, len + 5000);
	struct log_store *store = kit_open(dir);
	struct log_partition *p = first_partition(store, "t");
	CHECK_VALUES(p, 0, "a.0 a.1 b.0 c.0 c.1 c.2");
	CHECK_INT(log_size_bytes(p), len);
	kit_append_wait(p, "d", 1);
	CHECK_VALUES(p, 5, "c.2 d.0");
	log_store_close(store);
	free(bytes);
}

/* A topic of small segments with some hundred batches; every value is told by its offset. */
static void fill_segments(struct log_store *store, const char *name)
{
	struct mr_error err;
	struct log_topic_config config;
	struct log_topic *topic;
	log_topic_config_default(&config);
	config.segment_bytes = 64 << 10;
	config.retention_ms = -1;
	CHECK_OK(log_topic_create(store, mr_str_from(name), &config, &topic, &err), err);
	struct log_partition *p = log_partition_at(topic, 0);
	struct log_append out;
	for (int i = 0; i < 300; i++) {
		struct mr_buf batch = kit_batch("v", 2, 10000 + 10 * i, 150 + (size_t)(i % 7) * 100);
		CHECK_OK(log_append(p, mr_buf_view(&batch), &out, &err), err);
		mr_buf_release(&batch);
	}
	CHECK_OK(log_wait_stable(p, out.next_offset, 10000, &err), err);
}

struct listing {
	int64_t bases[64];
	size_t count;
};

static int add_base(void *arg, const char *name, const struct file_info *info)
{
	struct listing *listing = arg;
	(void)info;
	if (strstr(name, ".log"))
		listing->bases[listing->count++] = strtoll(name, NULL, 10);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static struct listing segments_of(const char *dir, const char *partition)
{
	struct mr_error err;
	struct listing listing = {0};
	CHECK_OK(disk_list(disk_linux(), test_path("%s/log/%s", dir, partition), add_base, &listing, &err),
		 err);
	qsort(listing.bases, listing.count, sizeof(int64_t), by_value);
	return listing;
}

TEST(log_names_a_flipped_bit_in_a_sealed_segment)
{
	struct mr_error err;
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	fill_segments(store, "t");
	log_store_close(store);
	struct listing segments = segments_of(dir, "t-0");
	CHECK(segments.count >= 3);
	char *path = test_path("%s/log/t-0/%020lld.log", dir, (long long)segments.bases[1]);
	size_t len;
	char *bytes = kit_read_file(path, &len);
	bytes[len / 2] ^= 4;
	kit_write_file(path, bytes, len);

	store = kit_open(dir);
	struct log_partition *p = first_partition(store, "t");
	CHECK_INT(log_end_offset(p), 600);
	struct mr_buf out = {0};
	int64_t next = 0, bad = -1;
	while (next < 600) {
		mr_buf_clear(&out);
		int rc = log_read(p, next, 4096, true, &out, &next, &err);
		if (rc == MR_ERR_CORRUPT) {
			CHECK(bad < 0);
			bad = next;
			CHECK(strstr(err.message, "t-0") &&
			      strstr(err.message, test_path("offset %lld", (long long)bad)));
			CHECK(strstr(err.message, path));
			next += 2; /* the batch's two records */
			continue;
		}
		CHECK_OK(rc, err);
	}
	CHECK(bad > segments.bases[1] && bad < segments.bases[2]);
	log_store_close(store);
	/* Without the checkpoint everything is scanned: the damage is named, nothing is cut. */
	CHECK_OK(disk_unlink(disk_linux(), test_path("%s/checkpoint", dir), &err), err);
	store = kit_open(dir);
	p = first_partition(store, "t");
	CHECK_INT(log_end_offset(p), 600);
	CHECK_INT(log_partition_health(p, &err), MR_ERR_CORRUPT);
	mr_buf_clear(&out);
	CHECK_OK(log_read(p, bad + 2, 4096, true, &out, &next, &err), err);
	CHECK(out.len > 0);
	mr_buf_release(&out);
	log_store_close(store);
	free(bytes);
}

static void check_answers(struct log_partition *p)
{
	struct mr_error err;
	struct mr_buf out = {0};
	for (int64_t offset = 0; offset < 600; offset += 37) {
		mr_buf_clear(&out);
		CHECK_OK(log_read(p, offset, 1, true, &out, NULL, &err), err);
		CHECK_INT(mr_get_be64(out.ptr), offset & ~1LL);
		int64_t found, timestamp;
		CHECK_OK(
		    log_find_time(p, 10000 + 5 * (offset & ~1LL) + (offset & 1), &found, &timestamp, &err),
		    err);
		CHECK_INT(found, offset);
		CHECK_INT(timestamp, 10000 + 5 * (offset & ~1LL) + (offset & 1));
	}
	int64_t found, timestamp;
	CHECK_INT(log_find_time(p, 20000, &found, &timestamp, &err), 1);
	CHECK_OK(log_find_time(p, -1, &found, &timestamp, &err), err);
	CHECK_INT(found, 0);
	mr_buf_release(&out);
}

enum index_harm { HARM_NONE, HARM_DELETE, HARM_ZERO, HARM_GARBLE, HARM_SHORTEN, HARM_SWAP, HARM_COUNT };

static void harm(const char *dir, const struct listing *segments, const char *ending, enum index_harm how)
{
	for (size_t i = 0; i < segments->count; i++) {
		char *path = test_path("%s/log/t-0/%020lld%s", dir, (long long)segments->bases[i], ending);
		size_t other = (i + 1) % segments->count;
		char *from =
		    test_path("%s/log/t-0/%020lld%s", dir, (long long)segments->bases[other], ending);
		if (!disk_exists(disk_linux(), path) || !disk_exists(disk_linux(), from))
			continue;
		size_t len;
		char *bytes = kit_read_file(how == HARM_SWAP ? from : path, &len);
		if (how == HARM_ZERO)
			memset(bytes, 0, len);
		for (size_t b = 0; b < len && how == HARM_GARBLE; b++)
			bytes[b] = (char)(bytes[b] * 37 + (int)b);
		if (how == HARM_DELETE)
			CHECK_INT(disk_unlink(disk_linux(), path, NULL), 0);
		else
			kit_write_file(path, bytes, how == HARM_SHORTEN ? len / 2 + 1 : len);
		free(bytes);
	}
}

TEST(log_answers_the_same_without_its_indexes)
{
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	fill_segments(store, "t");
	check_answers(first_partition(store, "t"));
	log_store_close(store);
	struct listing segments = segments_of(dir, "t-0");
	for (enum index_harm how = HARM_NONE; how < HARM_COUNT; how++) {
		for (int which = 0; which < 3; which++) {
			if (which != 1)
				harm(dir, &segments, ".index", how);
			if (which != 0)
				harm(dir, &segments, ".timeindex", how);
			store = kit_open(dir);
			check_answers(first_partition(store, "t"));
			check_answers(first_partition(store, "t"));
			log_store_close(store);
		}
	}
}

/* Kafka's rule, which kafka-dump-log checks: an entry names the last offset of the batch it
 * points at, and the time index ends with the segment's largest timestamp. */
TEST(log_writes_indexes_as_kafka_does)
{
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	fill_segments(store, "t");
	log_store_close(store);
	struct listing segments = segments_of(dir, "t-0");
	for (size_t s = 0; s < segments.count; s++) {
		long long base = segments.bases[s];
		size_t len, index_len, times_len;
		char *bytes = kit_read_file(test_path("%s/log/t-0/%020lld.log", dir, base), &len);
		char *index = kit_read_file(test_path("%s/log/t-0/%020lld.index", dir, base), &index_len);
		char *times = kit_read_file(test_path("%s/log/t-0/%020lld.timeindex", dir, base), &times_len);
		CHECK_INT(mr_get_be64(bytes), base);
		CHECK_INT(index_len % 8, 0);
		CHECK_INT(times_len % 12, 0);
		CHECK(index_len / 8 >= len / 8192 - 1 && index_len / 8 <= len / 4096);
		for (size_t i = 0; i < index_len; i += 8) {
			uint32_t position = mr_get_be32(index + i + 4);
			CHECK(position < len);
			CHECK_INT(mr_get_be64(bytes + position) + mr_get_be32(bytes + position + 23) -
				      (uint64_t)base,
				  mr_get_be32(index + i));
		}
		int64_t largest = -1;
		for (size_t at = 0; at < len; at += mr_get_be32(bytes + at + 8) + 12)
			largest = mr_max_i64(largest, (int64_t)mr_get_be64(bytes + at + 35));
		if (s + 1 < segments.count)
			CHECK_INT(mr_get_be64(times + times_len - 12), largest);
		free(bytes);
		free(index);
		free(times);
	}
}

TEST(log_garbled_checkpoint_costs_nothing_but_time)
{
	struct mr_error err;
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	fill_segments(store, "t");
	log_store_close(store);
	size_t len;
	char *path = test_path("%s/checkpoint", dir);
	char *bytes = kit_read_file(path, &len);
	for (size_t at = 0; at < len; at += 5) {
		bytes[at] ^= 0x10;
		kit_write_file(path, bytes, at % 2 ? len : at);
		store = kit_open(dir);
		CHECK_INT(log_end_offset(first_partition(store, "t")), 600);
		CHECK_OK(log_partition_health(first_partition(store, "t"), &err), err);
		log_store_abandon(store);
		bytes[at] ^= 0x10;
	}
	free(bytes);
}

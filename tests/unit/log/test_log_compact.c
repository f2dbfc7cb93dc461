/* Compaction: for every key the last value stays, nothing else is invented, and a crash at any step
 * of the exchange loses nothing. */
#include "log_kit.h"

#include "../../sim/power_cut.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "env/env.h"
#include "env/rng.h"
#include "log/clean_map.h"

enum { KEYS = 40, DAY_MS = 24 * 3600 * 1000 };

struct world {
	struct mr_rng rng, store_rng;
	struct sim_clock clock;
	struct mr_disk *sim;
	struct power_cut *cut;
	struct env env;
	struct log_store *store;
	struct log_partition *partition;
	struct batch_writer writer;
	int64_t last[KEYS]; /* value's number; -1 a tombstone, -2 never written */
	int64_t last_offset[KEYS];
	int32_t sequence;
	int64_t written;
};

static void open_world(struct world *w)
{
	struct mr_error err;
	struct log_store_options options = {
	    .env = &w->env, .dir = "/data", .journal_bytes = 128 << 10, .manual = true};
	CHECK_OK(log_store_open(&options, &w->store, &err), err);
	struct log_topic *topic = log_topic_find(w->store, MR_STR("t"));
	if (topic)
		w->partition = log_partition_at(topic, 0);
}

static void start_world(struct world *w, uint64_t seed)
{
	struct mr_error err;
	*w = (struct world){0};
	rng_seed(&w->rng, seed);
	rng_seed(&w->store_rng, seed + 1);
	sim_clock_init(&w->clock, 1700000000000000);
	w->sim = sim_disk_new(seed + 2);
	w->cut = power_cut_new(w->sim);
	w->env = (struct env){.clock = &w->clock.base, .disk = power_cut_disk(w->cut), .rng = &w->store_rng};
	batch_writer_init(&w->writer, 1 << 20);
	for (int i = 0; i < KEYS; i++)
		w->last[i] = -2;
	open_world(w);
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.segment_bytes = 64 << 10;
	config.retention_ms = 1; /* does not count: the policy is compact */
	config.cleanup_policy = LOG_CLEANUP_COMPACT;
	config.min_cleanable_dirty_ppm = 100000;
	config.delete_retention_ms = DAY_MS;
	struct log_topic *topic;
	CHECK_OK(log_topic_create(w->store, MR_STR("t"), &config, &topic, &err), err);
	w->partition = log_partition_at(topic, 0);
}

static void end_world(struct world *w)
{
	log_store_close(w->store);
	batch_writer_release(&w->writer);
	power_cut_free(w->cut);
	sim_disk_free(w->sim);
}

static void append_bytes(struct world *w, mr_str batch)
{
	struct mr_error err;
	struct log_append out;
	CHECK_OK(log_append(w->partition, batch, &out, &err), err);
}

/* Some records with the given producer (-1: none); what aborted ones say does not count. */
static void append_records(struct world *w, int64_t producer, int16_t attributes, bool counts)
{
	struct mr_error err;
	char value[300], key[16];
	int count = 1 + (int)rng_below(&w->rng, 5);
	batch_writer_start(&w->writer);
	for (int i = 0; i < count; i++) {
		int k = (int)rng_below(&w->rng, KEYS);
		bool tombstone = rng_below(&w->rng, 6) == 0;
		snprintf(key, sizeof key, "key-%d", k);
		for (size_t j = 0; j < sizeof value; j++)
			value[j] = (char)rng_next(&w->rng);
		int n = snprintf(value, 24, "%lld", (long long)w->written);
		memset(value + n, ' ', (size_t)(24 - n));
		size_t len = 30 + (size_t)rng_below(&w->rng, 270);
		batch_writer_add(&w->writer, 1700000000000 + w->written, mr_str_from(key),
				 tombstone ? MR_STR_NULL : mr_str_n(value, len), NULL, 0);
		if (counts) {
			w->last[k] = tombstone ? -1 : w->written;
			w->last_offset[k] = log_end_offset(w->partition) + i;
		}
		w->written++;
	}
	mr_str batch;
	enum batch_codec codec = (enum batch_codec)rng_below(&w->rng, BATCH_CODEC_COUNT);
	CHECK_OK(batch_writer_finish(&w->writer, codec, &batch, &err), err);
	struct batch_header from = {.attributes = attributes,
				    .producer_id = producer,
				    .producer_epoch = (int16_t)(producer < 0 ? -1 : 0),
				    .base_sequence = producer < 0 ? -1 : w->sequence};
	if (producer >= 0) {
		batch_writer_inherit(&w->writer, &from, batch);
		w->sequence += count;
	}
	append_bytes(w, batch);
}

static void append_marker(struct world *w, int64_t producer, bool commit)
{
	struct mr_error err;
	char key[4] = {0, 0, 0, (char)commit}, value[6] = {0};
	batch_writer_start(&w->writer);
	batch_writer_add(&w->writer, 1700000000000 + w->written, mr_str_n(key, 4), mr_str_n(value, 6), NULL,
			 0);
	mr_str batch;
	CHECK_OK(batch_writer_finish(&w->writer, BATCH_NONE, &batch, &err), err);
	struct batch_header from = {.attributes = BATCH_CONTROL | BATCH_TRANSACTIONAL,
				    .producer_id = producer,
				    .base_sequence = w->sequence};
	batch_writer_inherit(&w->writer, &from, batch);
	append_bytes(w, batch);
}

/* Plain, idempotent and transactional batches; stable on return. */
static void fill(struct world *w, int batches, bool transactions)
{
	struct mr_error err;
	for (int i = 0; i < batches; i++) {
		uint64_t dice = rng_below(&w->rng, 10);
		if (dice < 6) {
			append_records(w, -1, 0, true);
		} else if (dice < 8 || !transactions) {
			append_records(w, 77, 0, true);
		} else {
			bool commit = rng_below(&w->rng, 2);
			int32_t kept = w->sequence;
			w->sequence = 0;
			/* A producer for each transaction: its sequence starts anew. */
			int64_t producer = 1000 + w->written;
			append_records(w, producer, BATCH_TRANSACTIONAL, commit);
			append_records(w, producer, BATCH_TRANSACTIONAL, commit);
			append_marker(w, producer, commit);
			w->sequence = kept;
		}
		if (rng_below(&w->rng, 3) == 0)
			CHECK_OK(log_store_commit(w->store, &err), err);
	}
	CHECK_OK(log_store_commit(w->store, &err), err);
}

struct seen {
	int64_t last[KEYS], last_offset[KEYS];
	int records, tombstones, markers, empty;
};

static void see_batch(struct seen *seen, mr_str batch, struct batch_iter *it)
{
	struct mr_error err;
	struct record record;
	CHECK(batch_crc_ok(batch));
	CHECK_OK(batch_iter_start(it, batch, &err), err);
	bool control = it->header.attributes & BATCH_CONTROL;
	seen->markers += control && it->header.record_count;
	seen->empty += it->header.record_count == 0;
	while (batch_iter_next(it, &record, &err) == 1) {
		if (control)
			continue;
		int k;
		long long number = -1;
		CHECK_INT(sscanf(record.key.ptr, "key-%d", &k), 1);
		if (record.value.ptr) {
			CHECK_INT(sscanf(record.value.ptr, "%lld", &number), 1);
			CHECK_INT(record.timestamp, 1700000000000 + number);
		}
		CHECK(record.offset > seen->last_offset[k] || seen->last[k] == -2);
		seen->last[k] = number;
		seen->last_offset[k] = record.offset;
		seen->records++;
		seen->tombstones += !record.value.ptr;
	}
}

static struct seen look(struct world *w)
{
	struct mr_error err = {0};
	struct mr_buf bytes = {0};
	struct batch_iter it = {0};
	struct seen seen = {0};
	for (int i = 0; i < KEYS; i++)
		seen.last[i] = -2;
	CHECK_OK(log_partition_health(w->partition, &err), err);
	int64_t next = log_start_offset(w->partition), stable = log_stable_offset(w->partition);
	while (next < stable) {
		mr_buf_clear(&bytes);
		int64_t from = next;
		CHECK_OK(log_read(w->partition, next, 30000, true, &bytes, &next, &err), err);
		CHECK(next > from);
		for (mr_str rest = mr_buf_view(&bytes); rest.len;) {
			int64_t size = batch_size(rest, &err);
			CHECK(size > 0);
			see_batch(&seen, (mr_str){rest.ptr, (size_t)size}, &it);
			rest = mr_str_tail(rest, (size_t)size);
		}
	}
	CHECK_INT(next, stable);
	batch_iter_release(&it);
	mr_buf_release(&bytes);
	return seen;
}

/* Every key's last value, at its offset; a tombstone may have gone with its key. Aborted records
 * are in the log until they are cleaned, so this is asked of logs without them. */
static void check_last(const struct world *w, const struct seen *seen)
{
	for (int k = 0; k < KEYS; k++) {
		if (w->last[k] == -1 && seen->last[k] == -2)
			continue;
		CHECK_INT(seen->last[k], w->last[k]);
		if (w->last[k] != -2)
			CHECK_INT(seen->last_offset[k], w->last_offset[k]);
	}
}

static void compact(struct world *w)
{
	struct mr_error err;
	CHECK_OK(log_store_compact(w->store, &err), err);
}

TEST(log_compaction_keeps_the_last_value_of_each_key)
{
	for (uint64_t seed = 1; seed <= (uint64_t)test_rounds(20); seed++) {
		struct world w;
		start_world(&w, seed);
		for (int round = 0; round < 4; round++) {
			fill(&w, 600, false);
			int before = look(&w).records;
			int64_t size = log_size_bytes(w.partition), end = log_stable_offset(w.partition);
			compact(&w);
			struct seen seen = look(&w);
			check_last(&w, &seen);
			CHECK(seen.records < before * 3 / 4);
			CHECK(log_size_bytes(w.partition) < size);
			CHECK_INT(log_stable_offset(w.partition), end);
			if (round % 2) {
				log_store_close(w.store);
				open_world(&w);
				seen = look(&w);
				check_last(&w, &seen);
			}
		}
		end_world(&w);
	}
}

TEST(log_compaction_of_transactions)
{
	for (uint64_t seed = 100; seed < 100 + (uint64_t)test_rounds(20); seed++) {
		struct world w;
		start_world(&w, seed);
		fill(&w, 400, true);
		/* The active segment is not cleaned: have the aborted records before it. */
		for (int i = 0; i < 250; i++)
			append_records(&w, -1, 0, true);
		struct mr_error err;
		CHECK_OK(log_store_commit(w.store, &err), err);
		compact(&w);
		struct seen seen = look(&w);
		check_last(&w, &seen);
		CHECK(seen.markers > 0);
		end_world(&w);
	}
}

TEST(log_compaction_drops_tombstones_after_their_time)
{
	struct world w;
	struct mr_error err;
	start_world(&w, 5);
	fill(&w, 300, true);
	compact(&w);
	struct seen first = look(&w);
	CHECK(first.tombstones > 0);
	sim_clock_advance(&w.clock, 1000LL * (DAY_MS - 1000));
	for (int i = 0; i < 400; i++)
		append_records(&w, -1, 0, true);
	CHECK_OK(log_store_commit(w.store, &err), err);
	compact(&w); /* not yet: they have a second left */
	struct seen second = look(&w);
	check_last(&w, &second);
	sim_clock_advance(&w.clock, 1000LL * 2000);
	for (int k = 0; k < KEYS; k++) { /* every key once more, so that the old ones go */
		char key[16];
		mr_str batch;
		snprintf(key, sizeof key, "other-%d", k);
		batch_writer_start(&w.writer);
		for (int i = 0; i < 50; i++)
			batch_writer_add(&w.writer, 1700000000000, MR_STR("key-0"),
					 MR_STR("0 xxxxxxxxxxxxxxxxxxxxx"), NULL, 0);
		CHECK_OK(batch_writer_finish(&w.writer, BATCH_NONE, &batch, &err), err);
		append_bytes(&w, batch);
	}
	w.last[0] = 0;
	w.last_offset[0] = log_end_offset(w.partition) - 1;
	CHECK_OK(log_store_commit(w.store, &err), err);
	compact(&w);
	struct seen third = look(&w);
	check_last(&w, &third);
	CHECK(third.markers <= second.markers);
	CHECK(third.tombstones < second.tombstones || second.tombstones == 0);
	end_world(&w);
}

/* A retry of the producer's last batch is known although its records were compacted away. */
TEST(log_compaction_keeps_sequences)
{
	struct world w;
	struct mr_error err;
	start_world(&w, 9);
	append_records(&w, 77, 0, true);
	for (int i = 0; i < 600; i++)
		append_records(&w, -1, 0, true);
	CHECK_OK(log_store_commit(w.store, &err), err);
	compact(&w);
	struct seen seen = look(&w);
	check_last(&w, &seen);
	CHECK_INT(seen.empty, 1);
	end_world(&w);
}

TEST(log_compaction_power_cut_at_every_call)
{
	bool ended = false;
	for (uint64_t call = 1; !ended; call++) {
		struct world w;
		start_world(&w, 4000 + call % 7);
		fill(&w, 300, false);
		power_cut_after(w.cut, call);
		struct mr_error err;
		(void)!log_store_compact(w.store, &err);
		ended = !power_cut_happened(w.cut);
		log_store_abandon(w.store);
		power_cut_restore(w.cut);
		open_world(&w);
		struct seen seen = look(&w);
		check_last(&w, &seen);
		compact(&w);
		seen = look(&w);
		check_last(&w, &seen);
		fill(&w, 20, false);
		seen = look(&w);
		check_last(&w, &seen);
		end_world(&w);
		CHECK(call < 2000);
		CHECK(!ended || call > 12);
	}
}

TEST(clean_map_is_bounded_and_exact)
{
	struct clean_map map;
	clean_map_init(&map, 100000);
	char key[24];
	int count = 0;
	for (;; count++) {
		int len = snprintf(key, sizeof key, "key-%d", count);
		if (!clean_map_put(&map, mr_str_n(key, (size_t)len), count))
			break;
	}
	CHECK(count > 1000 && count < 10000);
	CHECK(clean_map_put(&map, MR_STR("key-3"), 1 << 20)); /* a known key needs no room */
	for (int i = 0; i < count; i++) {
		int len = snprintf(key, sizeof key, "key-%d", i);
		CHECK_INT(clean_map_get(&map, mr_str_n(key, (size_t)len)), i == 3 ? 1 << 20 : i);
	}
	CHECK_INT(clean_map_get(&map, MR_STR("other")), -1);
	clean_map_release(&map);
}

/* The log on a disk that loses power: from a seed, random work on several partitions, a crash at
 * a random moment, a new start, and the questions that matter:
 *   - is everything that was stable there, in order, exactly once, byte for byte?
 *   - is nothing there that was never appended?
 *   - do offsets go on without a hole?
 * A failed seed is printed; MR_TEST_SEED=<n> replays that one alone. */
#include "codec/batch.h"
#include "env/disk_sim.h"
#include "env/env.h"
#include "log/log.h"
#include "test.h"

#include "base/mem.h"
#include "base/vec.h"

#include <stdlib.h>

enum { TOPICS = 3, PARTITIONS = 2, LIVES = 3, STEPS = 45 };

/* What the test knows of one partition. */
struct model {
	MR_VEC(mr_str) batches;  /* every append that may still be there, by offset; owned */
	MR_VEC(int64_t) offsets; /* its base offset */
	MR_VEC(int64_t) ends;
	int64_t stable; /* acknowledged up to here */
	int64_t start;
	bool relaxed;
	int32_t sequence;
};

struct world {
	uint64_t seed;
	struct mr_rng rng;
	struct sim_clock clock;
	struct mr_disk *disk;
	struct env env;
	struct log_store *store;
	struct model models[TOPICS][PARTITIONS];
	uint64_t appended;
};

#define WORLD_CHECK(world, condition) \
	((condition) ? (void)0 \
		     : test_fail(__FILE__, __LINE__, "seed %llu: %s is false", \
				 (unsigned long long)(world)->seed, #condition))

static void open_store(struct world *w)
{
	struct mr_error err = {0};
	struct log_store_options options = {
	    .env = &w->env, .dir = "/data", .journal_bytes = 96 << 10, .manual = true};
	if (rng_below(&w->rng, 3) == 0) /* both ways must leave files that the other goes on with */
		options.journal = LOG_JOURNAL_NEVER;
	int rc = log_store_open(&options, &w->store, &err);
	if (rc < 0)
		test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)w->seed, err.message);
}

static struct log_partition *partition_of(struct world *w, int topic, int index)
{
	char name[16];
	snprintf(name, sizeof name, "t%d", topic);
	struct log_topic *found = log_topic_find(w->store, mr_str_from(name));
	return found ? log_partition_at(found, index) : NULL;
}

static void create_topics(struct world *w)
{
	for (int t = 0; t < TOPICS; t++) {
		struct mr_error err;
		struct log_topic_config config;
		log_topic_config_default(&config);
		config.partitions = PARTITIONS;
		config.segment_bytes = 64 << 10;
		config.durability = t == TOPICS - 1 ? LOG_RELAXED : LOG_DURABLE;
		config.retention_bytes = t == 1 ? 100 << 10 : -1;
		char name[16];
		snprintf(name, sizeof name, "t%d", t);
		CHECK_OK(log_topic_create(w->store, mr_str_from(name), &config, NULL, &err), err);
		for (int p = 0; p < PARTITIONS; p++)
			w->models[t][p].relaxed = config.durability == LOG_RELAXED;
	}
}

static void append(struct world *w, struct batch_writer *writer)
{
	int t = (int)rng_below(&w->rng, TOPICS), p = (int)rng_below(&w->rng, PARTITIONS);
	struct model *model = &w->models[t][p];
	struct mr_error err;
	int count = 1 + (int)rng_below(&w->rng, 4);
	size_t size = (size_t)rng_below(&w->rng, rng_below(&w->rng, 4) == 0 ? 9000 : 300);
	char *value = mr_alloc(size + 32);
	batch_writer_start(writer);
	for (int i = 0; i < count; i++) {
		int n = snprintf(value, 32, "%llu.%d ", (unsigned long long)w->appended, i);
		memset(value + n, 'a' + (char)(w->appended % 26), size);
		batch_writer_add(writer, 1000 + (int64_t)w->appended, MR_STR_NULL,
				 mr_str_n(value, (size_t)n + size), NULL, 0);
	}
	free(value);
	w->appended++;
	mr_str batch;
	CHECK_OK(batch_writer_finish(writer, BATCH_NONE, &batch, &err), err);
	struct log_append out;
	int rc = log_append(partition_of(w, t, p), batch, &out, &err);
	if (rc != 0)
		return; /* fenced */
	char *copy = mr_strndup(batch);
	batch_patch_offset(copy, out.base_offset, 0);
	mr_vec_push(&model->batches, (mr_str){copy, batch.len});
	mr_vec_push(&model->offsets, out.base_offset);
	mr_vec_push(&model->ends, out.next_offset);
}

static void forget(struct model *model, size_t at)
{
	free((char *)model->batches.items[at].ptr);
	mr_vec_remove(&model->batches, at);
	mr_vec_remove(&model->offsets, at);
	mr_vec_remove(&model->ends, at);
}

/* What a fault took back may yet turn up after a crash, until its offset is passed. */
static void note_stable(struct world *w)
{
	for (int t = 0; t < TOPICS; t++) {
		for (int p = 0; p < PARTITIONS; p++) {
			struct log_partition *partition = partition_of(w, t, p);
			struct model *model = &w->models[t][p];
			model->stable = log_stable_offset(partition);
			model->start = log_start_offset(partition);
			for (size_t i = 0; i < model->ends.len;) {
				int state = log_append_state(partition, model->ends.items[i], NULL);
				if (state < 0 && model->stable >= model->ends.items[i])
					forget(model, i);
				else
					i++;
			}
		}
	}
}

static int find_offset(const struct model *model, int64_t offset)
{
	for (size_t i = 0; i < model->offsets.len; i++) {
		if (model->offsets.items[i] == offset)
			return (int)i;
	}
	return -1;
}

/* Read a partition from its start and hold it against the model. */
static void check_partition(struct world *w, struct model *model, struct log_partition *partition,
			    int64_t need)
{
	struct mr_error err = {0};
	struct mr_buf bytes = {0};
	int64_t next = log_start_offset(partition), stable = log_stable_offset(partition);
	if (log_partition_health(partition, &err) != 0)
		test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)w->seed, err.message);
	if (stable < need)
		test_fail(__FILE__, __LINE__, "seed %llu: %s-%d ends at %lld, %lld had been acknowledged",
			  (unsigned long long)w->seed, log_topic_name(log_partition_topic(partition)).ptr,
			  (int)log_partition_index(partition), (long long)stable, (long long)need);
	while (next < stable) {
		int64_t after = next;
		mr_buf_clear(&bytes);
		if (log_read(partition, next, 20000, true, &bytes, &after, &err) < 0)
			test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)w->seed,
				  err.message);
		WORLD_CHECK(w, after > next);
		for (mr_str rest = mr_buf_view(&bytes); rest.len;) {
			struct batch_header header;
			int64_t size = batch_size(rest, &err);
			WORLD_CHECK(w, size > 0 && batch_read_header((mr_str){rest.ptr, (size_t)size},
								     &header, &err) == 0);
			int at = find_offset(model, header.base_offset);
			WORLD_CHECK(w, at >= 0);
			WORLD_CHECK(w, mr_str_eq((mr_str){rest.ptr, (size_t)size}, model->batches.items[at]));
			WORLD_CHECK(w, header.base_offset >= next);
			while (next < header.base_offset) { /* only what a fault took back may be skipped */
				int skipped = find_offset(model, next);
				WORLD_CHECK(w, skipped < 0 || model->ends.items[skipped] > need);
				if (skipped >= 0)
					forget(model, (size_t)skipped);
				next++;
			}
			next = model->ends.items[find_offset(model, header.base_offset)];
			rest = mr_str_tail(rest, (size_t)size);
		}
		WORLD_CHECK(w, next == after);
	}
	WORLD_CHECK(w, next == stable);
	mr_buf_release(&bytes);
}

static void forget_from(struct model *model, int64_t offset)
{
	for (size_t i = 0; i < model->offsets.len;) {
		if (model->offsets.items[i] < offset)
			i++;
		else
			forget(model, i);
	}
}

static void check_all(struct world *w, bool crashed)
{
	for (int t = 0; t < TOPICS; t++) {
		for (int p = 0; p < PARTITIONS; p++) {
			struct model *model = &w->models[t][p];
			struct log_partition *partition = partition_of(w, t, p);
			WORLD_CHECK(w, partition != NULL);
			bool may_lose = crashed && model->relaxed;
			check_partition(w, model, partition, may_lose ? 0 : model->stable);
			model->stable = log_stable_offset(partition);
			forget_from(model, model->stable);
		}
	}
}

static void one_step(struct world *w, struct batch_writer *writer, bool faults)
{
	struct mr_error err;
	sim_clock_advance(&w->clock, 1000 * (int64_t)rng_below(&w->rng, 100000));
	uint64_t dice = rng_below(&w->rng, 100);
	if (dice < 60) {
		for (int i = (int)rng_below(&w->rng, 4); i >= 0; i--)
			append(w, writer);
	} else if (dice < 66) {
		log_store_write_back(w->store);
	} else if (dice < 93) {
		int rc = log_store_commit(w->store, &err);
		WORLD_CHECK(w, rc == 0 || faults);
		note_stable(w);
	} else if (dice < 95) {
		int rc = log_store_retain(w->store, &err);
		WORLD_CHECK(w, rc == 0 || faults);
		note_stable(w);
	} else if (faults && dice < 97) {
		sim_disk_fail_sync(w->disk, 1 + (int)rng_below(&w->rng, 4));
	} else if (faults) {
		bool full = rng_below(&w->rng, 2);
		sim_disk_set_space(w->disk, full ? (int64_t)rng_below(&w->rng, 20000) : -1);
	}
}

static void live_once(struct world *w, struct batch_writer *writer, bool faults)
{
	int steps = (int)rng_below(&w->rng, STEPS);
	for (int i = 0; i < steps; i++)
		one_step(w, writer, faults);
	sim_disk_set_space(w->disk, -1);
	sim_disk_fail_sync(w->disk, 0);
	if (rng_below(&w->rng, 5) == 0) {
		struct mr_error err;
		(void)!log_store_commit(w->store, &err);
		note_stable(w);
		log_store_close(w->store);
		open_store(w);
		check_all(w, false);
		return;
	}
	/* Appended and perhaps written, never acknowledged: may be there or not. */
	log_store_abandon(w->store);
	sim_disk_crash(w->disk);
	open_store(w);
	check_all(w, true);
}

static void run_seed(uint64_t seed, bool faults)
{
	struct world w = {.seed = seed};
	rng_seed(&w.rng, seed);
	sim_clock_init(&w.clock, 1700000000000000);
	struct mr_rng store_rng;
	rng_seed(&store_rng, seed + 1);
	w.disk = sim_disk_new(seed + 2);
	sim_disk_set_clock(w.disk, &w.clock.base);
	w.env = (struct env){.clock = &w.clock.base, .disk = w.disk, .rng = &store_rng};
	struct batch_writer writer;
	batch_writer_init(&writer, 1 << 20);
	open_store(&w);
	create_topics(&w);
	for (int life = 0; life < LIVES; life++)
		live_once(&w, &writer, faults);
	log_store_close(w.store);
	batch_writer_release(&writer);
	for (int t = 0; t < TOPICS; t++) {
		for (int p = 0; p < PARTITIONS; p++) {
			forget_from(&w.models[t][p], 0);
			mr_vec_release(&w.models[t][p].batches);
			mr_vec_release(&w.models[t][p].offsets);
			mr_vec_release(&w.models[t][p].ends);
		}
	}
	sim_disk_free(w.disk);
}

static void run_seeds(int rounds, bool faults)
{
	const char *one = getenv("MR_TEST_SEED");
	if (one) {
		run_seed(strtoull(one, NULL, 10), faults);
		return;
	}
	for (int i = 0; i < rounds; i++) {
		run_seed((uint64_t)i, faults);
		test_progress(faults ? "seeds with faults and power loss" : "seeds with power loss", i + 1,
			      rounds);
	}
}

TEST(plain_power_loss_log)
{
	run_seeds(test_rounds(1000), false);
}

TEST(disk_faults_and_power_loss_log)
{
	run_seeds(test_rounds(500), true);
}

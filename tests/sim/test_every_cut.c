/* The log loses power before each single disk call of everything it does beside appending: a roll,
 * retention, DeleteRecords, a topic made, widened and deleted, a journal full and started again with the
 * checkpoint that this takes, producer ids, a clean stop, and recovery itself. (Compaction:
 * unit/log/test_log_compact.c.) What must hold after the next start:
 *   - every acknowledged batch is there, byte for byte, above a start that the work may have moved to;
 *   - what was answered with success has happened, and anything else has happened wholly or not at all;
 *   - the work can be done again, appends go on, and a clean restart finds the same. */
#include "power_cut.h"

#include "base/mem.h"
#include "base/vec.h"
#include "codec/batch.h"
#include "env/env.h"
#include "log/log.h"
#include "test.h"

#include <stdlib.h>

struct model {
	const char *topic;
	int32_t index;
	MR_VEC(mr_str) batches; /* owned */
	MR_VEC(int64_t) offsets;
	MR_VEC(int64_t) ends;
	MR_VEC(bool) acked;
	int64_t start_least, start_most;
};

enum { T_0, T_1, OLD, DOOMED, WIDE, MODELS };

struct world {
	struct sim_clock clock;
	struct mr_rng rng;
	struct mr_disk *sim;
	struct power_cut *cut;
	struct env env;
	struct log_store *store; /* NULL: a stop or a start was cut */
	struct model models[MODELS];
	struct batch_writer writer;
	uint64_t call; /* the cut is before this one */
	int64_t last_producer_id;
	int written;
};

struct event {
	const char *name;
	int (*run)(struct world *w, struct mr_error *err);
	/* Whether it has happened, after a restart. `answered`: it must have. NULL: nothing to see. */
	void (*check)(struct world *w, bool answered);
	int least_calls; /* fewer would mean that the test does not reach what it is for */
};

static const struct event *at_event; /* for messages */

#define HOLDS(w, condition) \
	((condition) ? (void)0 \
		     : test_fail(__FILE__, __LINE__, "%s, cut before call %llu: %s is false", \
				 at_event->name, (unsigned long long)(w)->call, #condition))

static int open_store(struct world *w, struct mr_error *err)
{
	struct log_store_options options = {
	    .env = &w->env, .dir = "/data", .journal_bytes = 96 << 10, .manual = true};
	struct log_store *store;
	int rc = log_store_open(&options, &store, err);
	w->store = rc < 0 ? NULL : store;
	return rc;
}

static struct log_partition *partition_of(struct world *w, const struct model *model)
{
	struct log_topic *topic = log_topic_find(w->store, mr_str_from(model->topic));
	return topic ? log_partition_at(topic, model->index) : NULL;
}

static void put(struct world *w, int at, size_t size)
{
	struct model *model = &w->models[at];
	struct mr_error err;
	struct log_append out;
	mr_str batch;
	char *value = mr_alloc(size);
	memset(value, 'a' + w->written % 26, size);
	int n = snprintf(value, size, "%d", w->written++);
	value[n] = ' ';
	batch_writer_start(&w->writer);
	batch_writer_add(&w->writer, 1000 + w->written, MR_STR_NULL, mr_str_n(value, size), NULL, 0);
	free(value);
	CHECK_OK(batch_writer_finish(&w->writer, BATCH_NONE, &batch, &err), err);
	if (log_append(partition_of(w, model), batch, &out, &err) != 0)
		return; /* the power is off */
	char *copy = mr_strndup(batch);
	batch_patch_offset(copy, out.base_offset, 0);
	mr_vec_push(&model->batches, ((mr_str){copy, batch.len}));
	mr_vec_push(&model->offsets, out.base_offset);
	mr_vec_push(&model->ends, out.next_offset);
	mr_vec_push(&model->acked, false);
}

static int commit(struct world *w, struct mr_error *err)
{
	int rc = log_store_commit(w->store, err);
	for (int m = 0; m < MODELS; m++) {
		struct model *model = &w->models[m];
		struct log_partition *partition = partition_of(w, model);
		for (size_t i = 0; partition && i < model->ends.len; i++) {
			if (!model->acked.items[i])
				model->acked.items[i] =
				    log_append_state(partition, model->ends.items[i], NULL) == 0;
		}
	}
	return rc;
}

/* ---- what is done ---- */

static int do_roll(struct world *w, struct mr_error *err)
{
	for (int i = 0; i < 4; i++)
		put(w, T_0, 30000);
	return commit(w, err);
}

static int do_retention(struct world *w, struct mr_error *err)
{
	return log_store_retain(w->store, err);
}

static int do_delete_records(struct world *w, struct mr_error *err)
{
	return log_delete_records(partition_of(w, &w->models[T_0]), 3, NULL, err);
}

static void check_deleted_records(struct world *w, bool answered)
{
	int64_t start = log_start_offset(partition_of(w, &w->models[T_0]));
	HOLDS(w, start == 3 || (start == 0 && !answered));
}

static int create(struct world *w, const char *name, int32_t partitions, int64_t retention_bytes,
		  struct mr_error *err)
{
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.partitions = partitions;
	config.segment_bytes = 64 << 10;
	config.retention_bytes = retention_bytes;
	config.settings = "a=b\n";
	return log_topic_create(w->store, mr_str_from(name), &config, NULL, err);
}

static int do_create(struct world *w, struct mr_error *err)
{
	return create(w, "fresh", 2, -1, err);
}

static void check_created(struct world *w, bool answered)
{
	struct log_topic *topic = log_topic_find(w->store, MR_STR("fresh"));
	HOLDS(w, topic || !answered);
	if (topic) {
		struct log_topic_config config;
		log_topic_config(topic, &config);
		HOLDS(w, log_topic_partition_count(topic) == 2 && config.segment_bytes == 64 << 10);
	}
}

static int do_delete(struct world *w, struct mr_error *err)
{
	return log_topic_delete(w->store, MR_STR("doomed"), err);
}

static void check_deleted(struct world *w, bool answered)
{
	bool there = log_topic_find(w->store, MR_STR("doomed")) != NULL;
	HOLDS(w, !there || !answered);
	if (!there) {
		HOLDS(w, !disk_exists(w->sim, "/data/topics/doomed"));
		HOLDS(w, !disk_exists(w->sim, "/data/log/doomed-0"));
	}
}

static int do_widen(struct world *w, struct mr_error *err)
{
	struct log_topic *topic = log_topic_find(w->store, MR_STR("wide"));
	struct log_topic_config config;
	log_topic_config(topic, &config);
	config.partitions = 3;
	return log_topic_alter(topic, &config, err);
}

static void check_widened(struct world *w, bool answered)
{
	int32_t count = log_topic_partition_count(log_topic_find(w->store, MR_STR("wide")));
	HOLDS(w, count == 3 || (count == 1 && !answered));
}

/* Both journal files are filled and begun again. */
static int do_journal(struct world *w, struct mr_error *err)
{
	for (int i = 0; i < 14; i++) {
		put(w, T_0, 9000);
		put(w, T_1, 9000);
		put(w, WIDE, 300);
		int rc = commit(w, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int do_producer_id(struct world *w, struct mr_error *err)
{
	int64_t id;
	int rc = log_next_producer_id(w->store, &id, err);
	if (rc == 0) {
		HOLDS(w, id > w->last_producer_id);
		w->last_producer_id = id;
	}
	return rc;
}

static void check_producer_id(struct world *w, bool answered)
{
	struct mr_error err = {0};
	HOLDS(w, do_producer_id(w, &err) == 0);
}

static int do_close(struct world *w, struct mr_error *err)
{
	put(w, T_1, 5000);
	put(w, WIDE, 5000);
	log_store_close(w->store);
	w->store = NULL;
	return 0;
}

/* The plug was pulled before; then it is pulled while the log recovers. */
static int do_recover(struct world *w, struct mr_error *err)
{
	put(w, T_0, 20000);
	put(w, WIDE, 700);
	(void)!commit(w, err);
	log_store_abandon(w->store);
	power_cut_restore(w->cut);
	power_cut_after(w->cut, w->call);
	return open_store(w, err);
}

static const struct event events[] = {
    {"roll", do_roll, NULL, 5},
    {"retention", do_retention, NULL, 6},
    {"delete records", do_delete_records, check_deleted_records, 3},
    {"create topic", do_create, check_created, 8},
    {"delete topic", do_delete, check_deleted, 6},
    {"add partitions", do_widen, check_widened, 6},
    {"journal switch and checkpoint", do_journal, NULL, 40},
    {"producer ids", do_producer_id, check_producer_id, 3},
    {"clean stop", do_close, NULL, 8},
    {"recovery", do_recover, NULL, 10},
};

/* ---- one life ---- */

static void start_world(struct world *w, uint64_t seed)
{
	static const struct model models[MODELS] = {
	    {.topic = "t", .index = 0}, {.topic = "t", .index = 1}, {.topic = "old"},
	    {.topic = "doomed"},        {.topic = "wide"},
	};
	struct mr_error err;
	*w = (struct world){.last_producer_id = -1};
	memcpy(w->models, models, sizeof models);
	rng_seed(&w->rng, seed);
	sim_clock_init(&w->clock, 1700000000000000);
	w->sim = sim_disk_new(seed + 1);
	w->cut = power_cut_new(w->sim);
	w->env = (struct env){.clock = &w->clock.base, .disk = power_cut_disk(w->cut), .rng = &w->rng};
	batch_writer_init(&w->writer, 1 << 20);
	CHECK_OK(open_store(w, &err), err);
	CHECK_OK(create(w, "t", 2, -1, &err), err);
	CHECK_OK(create(w, "old", 1, 70000, &err), err);
	CHECK_OK(create(w, "doomed", 1, -1, &err), err);
	CHECK_OK(create(w, "wide", 1, -1, &err), err);
	for (int i = 0; i < 7; i++) {
		put(w, T_0, 3000);
		put(w, T_1, 400);
		put(w, OLD, 30000);
		put(w, DOOMED, 12000);
		put(w, WIDE, 100);
		CHECK_OK(commit(w, &err), err);
	}
}

static void end_world(struct world *w)
{
	log_store_close(w->store);
	batch_writer_release(&w->writer);
	for (int m = 0; m < MODELS; m++) {
		struct model *model = &w->models[m];
		for (size_t i = 0; i < model->batches.len; i++)
			free((char *)model->batches.items[i].ptr);
		mr_vec_release(&model->batches);
		mr_vec_release(&model->offsets);
		mr_vec_release(&model->ends);
		mr_vec_release(&model->acked);
	}
	power_cut_free(w->cut);
	sim_disk_free(w->sim);
}

/* Whole batches from `start` on; marks those that were seen. */
static void read_partition(struct world *w, const struct model *model, struct log_partition *partition,
			   bool *seen)
{
	struct mr_buf bytes = {0};
	struct mr_error err;
	int64_t next = log_start_offset(partition), stable = log_stable_offset(partition);
	while (next < stable) {
		int64_t after = next;
		mr_buf_clear(&bytes);
		if (log_read(partition, next, 20000, true, &bytes, &after, &err) < 0)
			test_fail(__FILE__, __LINE__, "%s, cut before call %llu: %s", at_event->name,
				  (unsigned long long)w->call, err.message);
		HOLDS(w, after > next);
		for (mr_str rest = mr_buf_view(&bytes); rest.len;) {
			int64_t size = batch_size(rest, &err), base = (int64_t)mr_get_be64(rest.ptr);
			HOLDS(w, size > 0);
			size_t at = 0;
			while (at < model->offsets.len && (model->offsets.items[at] != base || seen[at]))
				at++;
			HOLDS(w, at < model->offsets.len);
			HOLDS(w, mr_str_eq(mr_str_n(rest.ptr, (size_t)size), model->batches.items[at]));
			seen[at] = true;
			rest = mr_str_tail(rest, (size_t)size);
		}
		next = after;
	}
	mr_buf_release(&bytes);
}

static void check_model(struct world *w, const struct model *model)
{
	struct log_partition *partition = partition_of(w, model);
	struct mr_error err;
	if (!partition) {
		HOLDS(w, strcmp(model->topic, "doomed") == 0 && strcmp(at_event->name, "delete topic") == 0);
		return;
	}
	CHECK_OK(log_partition_health(partition, &err), err);
	int64_t start = log_start_offset(partition);
	HOLDS(w, start >= model->start_least && start <= model->start_most);
	bool *seen = mr_calloc(model->batches.len, sizeof *seen);
	read_partition(w, model, partition, seen);
	for (size_t i = 0; i < model->batches.len; i++)
		HOLDS(w, seen[i] || !model->acked.items[i] || model->ends.items[i] <= start);
	free(seen);
}

static void check_all(struct world *w)
{
	for (int m = 0; m < MODELS; m++)
		check_model(w, &w->models[m]);
}

/* A batch that was not acknowledged and is gone leaves its offset to a later one. */
static void forget_lost(struct world *w)
{
	for (int m = 0; m < MODELS; m++) {
		struct model *model = &w->models[m];
		struct log_partition *partition = partition_of(w, model);
		for (size_t i = 0; partition && i < model->batches.len;) {
			if (model->ends.items[i] <= log_stable_offset(partition)) {
				model->acked.items[i++] = true; /* it is there: and stays */
				continue;
			}
			free((char *)model->batches.items[i].ptr);
			mr_vec_remove(&model->batches, i);
			mr_vec_remove(&model->offsets, i);
			mr_vec_remove(&model->ends, i);
			mr_vec_remove(&model->acked, i);
		}
	}
}

static void go_on(struct world *w)
{
	struct mr_error err;
	for (int m = 0; m < MODELS; m++)
		if (partition_of(w, &w->models[m]))
			put(w, m, 500);
	CHECK_OK(commit(w, &err), err);
	check_all(w);
	log_store_close(w->store);
	CHECK_OK(open_store(w, &err), err);
	check_all(w);
}

/* True when the work ended before the cut. starts: where partitions begin once it is done. */
static bool run_cut(const struct event *event, uint64_t call, uint64_t seed, const int64_t starts[MODELS])
{
	struct world w;
	struct mr_error err;
	start_world(&w, seed);
	for (int m = 0; m < MODELS; m++)
		w.models[m].start_most = starts[m];
	w.call = call;
	power_cut_after(w.cut, call);
	int rc = event->run(&w, &err);
	bool answered = rc == 0 && !(power_cut_happened(w.cut) && !w.store);
	bool ended = !power_cut_happened(w.cut);
	if (w.store)
		log_store_abandon(w.store);
	power_cut_restore(w.cut);
	CHECK_OK(open_store(&w, &err), err);
	check_all(&w);
	if (event->check)
		event->check(&w, answered);
	forget_lost(&w);
	go_on(&w);
	end_world(&w);
	return ended;
}

static void learn_starts(const struct event *event, int64_t starts[MODELS])
{
	struct world w;
	struct mr_error err;
	start_world(&w, 1);
	CHECK_OK(event->run(&w, &err), err);
	if (!w.store)
		CHECK_OK(open_store(&w, &err), err);
	for (int m = 0; m < MODELS; m++) {
		struct log_partition *partition = partition_of(&w, &w.models[m]);
		starts[m] = partition ? log_start_offset(partition) : 0;
	}
	end_world(&w);
}

static void cut_everywhere(const struct event *event)
{
	int64_t starts[MODELS];
	at_event = event;
	learn_starts(event, starts);
	if (event->run == do_retention)
		CHECK(starts[OLD] > 0);
	uint64_t call = 0;
	for (bool ended = false; !ended; call++) {
		CHECK(call < 2000);
		for (int i = 0; i < test_rounds(3); i++)
			ended = run_cut(event, call + 1, call * 1000 + (uint64_t)i, starts);
	}
	if ((int)call <= event->least_calls)
		test_fail(__FILE__, __LINE__, "%s makes %d calls only", event->name, (int)call - 1);
}

TEST(log_power_cut_at_every_call_of_topics)
{
	for (size_t i = 2; i < 6; i++)
		cut_everywhere(&events[i]);
}

TEST(log_power_cut_at_every_call_of_segments)
{
	for (size_t i = 0; i < 2; i++)
		cut_everywhere(&events[i]);
}

TEST(log_power_cut_at_every_call_of_checkpoints)
{
	for (size_t i = 6; i < MR_COUNT(events); i++)
		cut_everywhere(&events[i]);
}

/* Power fails at random calls of the disk while records are appended, committed and ingested.
 *
 * After the last life, everything is ingested, and then for each seed:
 *   - the table holds exactly the rows that the log holds, each offset once;
 *   - every acknowledged record is in the log, and so in the table or in the dead letters;
 *   - no record is there twice, but for dead letters, which their offset tells apart.
 * No engine: rows are written as text by a writer of the test's own.
 */
#include "test.h"

#include "base/mem.h"
#include "base/vec.h"
#include "codec/jsonschema.h"
#include "ingest/event_scan.h"
#include "ingest/ingest.h"
#include "ingest/layout.h"
#include "ingest/reader.h"
#include "power_cut.h"

#include <stdlib.h>

#define TABLE "data/tables/bronze/t"
#define PARTITIONS 2
#define RECORDS_MAX 600

enum fate { NOT_SENT, SENT, ACKED };

struct pending { /* appended, not known to be stable */
	struct log_partition *partition;
	int64_t next_offset;
	int first, count;
};

struct world {
	uint64_t seed;
	struct mr_disk *sim;
	struct power_cut *cut;
	struct sim_clock clock;
	struct mr_rng rng;
	struct env env;
	struct log_store *store;
	struct broker *broker;
	struct ingest *ingest;
	uint64_t file_number;
	int sent; /* records so far; each has a number of its own, odd tens are no rows */
	enum fate fate[RECORDS_MAX];
	MR_VEC(struct pending) pending;
	uint64_t cuts;
};

#define FAIL(world, ...) test_fail(__FILE__, __LINE__, "seed %llu: " __VA_ARGS__)

static bool is_bad(int number)
{
	return number % 7 == 3;
}

/* ---- the writer: a row a line ---- */

static int put_rows(struct event_scan *scan, struct columns *batch, struct mr_buf *text, int64_t *rows,
		    struct mr_error *err)
{
	int rc;
	while ((rc = event_scan_next(scan, batch, err)) == 1) {
		for (size_t row = 0; row < batch->rows; row++)
			mr_buf_printf(text, "%d %lld %lld\n", ((int32_t *)batch->columns[2].values)[row],
				      (long long)((int64_t *)batch->columns[3].values)[row],
				      (long long)((int64_t *)batch->columns[0].values)[row]);
		*rows += (int64_t)batch->rows;
		columns_clear(batch);
	}
	return rc;
}

static int put_file(struct mr_disk *disk, const char *path, mr_str text, struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_write_at(file, text.ptr, text.len, 0, err);
	if (rc == 0)
		rc = file_sync(file, err);
	file_close(file);
	return rc < 0 ? rc : disk_sync_dir(disk, TABLE, err);
}

static int write_text(void *arg, struct ingest *ingest, const struct delta_snapshot *snapshot, mr_str ranges,
		      struct arena *arena, struct delta_file **files, size_t *count, struct mr_error *err)
{
	struct world *world = arg;
	struct topic_range *parsed;
	size_t parsed_count;
	struct event_scan *scan;
	struct columns batch;
	struct mr_buf text = {0};
	int64_t rows = 0;
	int rc = ranges_parse(ranges, arena, &parsed, &parsed_count, err);
	if (rc == 0)
		rc = event_scan_open(world->store, ingest_layout(ingest), parsed, parsed_count,
				     ingest_rejects(ingest), &scan, err);
	if (rc < 0)
		return rc;
	columns_init(&batch, ingest_layout(ingest)->columns, ingest_layout(ingest)->column_count);
	rc = put_rows(scan, &batch, &text, &rows, err);
	columns_release(&batch);
	event_scan_close(scan);
	struct delta_file file = {
	    .path = arena_printf(arena, "rows-%llu.txt", (unsigned long long)world->file_number++),
	    .size = (int64_t)text.len,
	    .rows = rows};
	char *path = mr_asprintf(TABLE "/%.*s", MR_FMT(file.path));
	if (rc == 0 && rows)
		rc = put_file(world->env.disk, path, mr_buf_view(&text), err);
	free(path);
	mr_buf_release(&text);
	if (rc < 0)
		return rc;
	*files = arena_calloc(arena, 1, sizeof file);
	**files = file;
	*count = rows > 0;
	return 0;
}

/* ---- lives ---- */

static int declare(struct world *world, struct mr_error *err)
{
	struct broker_topic_options topic = {.on_invalid = ON_INVALID_OFF};
	log_topic_config_default(&topic.log);
	topic.log.partitions = PARTITIONS;
	topic.log.segment_bytes = 64 << 10;
	const char *schema = "{\"properties\":{\"n\":{\"type\":\"integer\"}}}";
	int rc = json_schema_compile(mr_str_from(schema), "t.json", &topic.schema, err);
	return rc < 0 ? rc : broker_topic_declare(world->broker, MR_STR("t"), &topic, err);
}

/* 0, or an error when the power failed on the way. */
static int begin(struct world *world, struct mr_error *err)
{
	static const struct conf_ingest conf = {
	    .topic = {"t", 1}, .table = {"bronze.t", 8}, .commit_rows = 40};
	struct ingest_writer writer = {write_text, world};
	struct log_store_options store = {
	    .env = &world->env, .dir = "data", .journal_bytes = 1 << 20, .manual = true};
	world->store = NULL;
	world->broker = NULL;
	world->ingest = NULL;
	int rc = log_store_open(&store, &world->store, err);
	struct broker_options broker = {.env = &world->env, .store = world->store};
	log_topic_config_default(&broker.topic_default);
	if (rc == 0)
		rc = broker_new(&broker, &world->broker, err);
	if (rc == 0)
		rc = declare(world, err);
	struct ingest_options options = {.env = &world->env,
					 .broker = world->broker,
					 .conf = &conf,
					 .tables_dir = "data/tables",
					 .writer = &writer,
					 .manual = true};
	return rc < 0 ? rc : ingest_open(&options, &world->ingest, err);
}

static void end(struct world *world)
{
	ingest_close(world->ingest);
	broker_free(world->broker);
	if (world->store)
		log_store_abandon(world->store);
	world->pending.len = 0;
}

static void append(struct world *world)
{
	struct batch_writer writer;
	int count = 1 + (int)rng_below(&world->rng, 5);
	if (world->sent + count > RECORDS_MAX)
		return;
	batch_writer_init(&writer, 1 << 20);
	batch_writer_start(&writer);
	for (int i = 0; i < count; i++) {
		char value[64];
		int n = world->sent + i;
		snprintf(value, sizeof value, is_bad(n) ? "{\"n\":\"%d\"}" : "{\"n\":%d}", n);
		batch_writer_add(&writer, 1000 + n, MR_STR_NULL, mr_str_from(value), NULL, 0);
		world->fate[n] = SENT;
	}
	mr_str batch;
	struct mr_error err;
	struct log_append appended;
	CHECK_OK(batch_writer_finish(&writer, BATCH_NONE, &batch, &err), err);
	struct log_topic *topic = log_topic_find(world->store, MR_STR("t"));
	struct log_partition *partition =
	    log_partition_at(topic, (int32_t)rng_below(&world->rng, PARTITIONS));
	if (log_append(partition, batch, &appended, &err) == 0)
		mr_vec_push(&world->pending,
			    (struct pending){partition, appended.next_offset, world->sent, count});
	world->sent += count;
	batch_writer_release(&writer);
}

/* A commit round; what it made stable is acknowledged. */
static void commit(struct world *world)
{
	struct mr_error err;
	(void)!log_store_commit(world->store, &err);
	for (size_t i = 0; i < world->pending.len; i++) {
		struct pending *p = &world->pending.items[i];
		if (log_append_state(p->partition, p->next_offset, NULL) != 0)
			continue;
		for (int n = p->first; n < p->first + p->count; n++)
			world->fate[n] = ACKED;
		p->count = 0;
	}
}

static void live(struct world *world)
{
	struct mr_error err;
	power_cut_after(world->cut, 1 + rng_below(&world->rng, 400));
	if (begin(world, &err) == 0) {
		for (int turn = 0; turn < 60 && !power_cut_happened(world->cut); turn++) {
			sim_clock_advance(&world->clock, 1000);
			switch (rng_below(&world->rng, 6)) {
			case 0:
			case 1:
			case 2:
				append(world);
				break;
			case 3:
			case 4:
				commit(world);
				break;
			default:
				(void)!ingest_step(world->ingest, &err);
			}
		}
	} else if (!power_cut_happened(world->cut)) {
		FAIL(world, "does not open: %s", (unsigned long long)world->seed, err.message);
	}
	world->cuts += power_cut_happened(world->cut);
	end(world);
	power_cut_restore(world->cut);
}

/* ---- judgement ---- */

struct verdict {
	int in_table[RECORDS_MAX], in_log[RECORDS_MAX], in_letters[RECORDS_MAX];
	int64_t table_offset[RECORDS_MAX], log_offset[RECORDS_MAX];
};

static int number_of(mr_str value)
{
	const char *digits = value.ptr + strcspn(value.ptr, "0123456789");
	return (int)strtol(digits, NULL, 10);
}

static void read_log(struct world *world, struct verdict *verdict)
{
	for (int32_t p = 0; p < PARTITIONS; p++) {
		struct log_topic *topic = log_topic_find(world->store, MR_STR("t"));
		struct topic_range range = {p, 0, log_stable_offset(log_partition_at(topic, p))};
		struct mr_buf bytes = {0};
		struct mr_error err;
		CHECK_OK(log_read(log_partition_at(topic, p), 0, 64 << 20, true, &bytes, NULL, &err), err);
		struct batch_iter it = {0};
		for (mr_str rest = mr_buf_view(&bytes); rest.len;) {
			int64_t size = batch_size(rest, &err);
			struct record record;
			CHECK(size > 0);
			CHECK_OK(batch_iter_start(&it, mr_str_n(rest.ptr, (size_t)size), &err), err);
			while (batch_iter_next(&it, &record, &err) == 1) {
				int n = number_of(record.value);
				verdict->in_log[n]++;
				verdict->log_offset[n] = record.offset * PARTITIONS + p;
				CHECK(record.offset < range.to);
			}
			rest = mr_str_tail(rest, (size_t)size);
		}
		batch_iter_release(&it);
		mr_buf_release(&bytes);
	}
}

static void read_letters(struct world *world, struct verdict *verdict)
{
	struct log_topic *topic = log_topic_find(world->store, MR_STR("t.dlq"));
	struct topic_reader *reader;
	struct mr_error err;
	struct arena arena = {0};
	if (!topic)
		return;
	struct topic_range range = {0, 0, log_stable_offset(log_partition_at(topic, 0))};
	CHECK_OK(topic_reader_open(world->store, MR_STR("t.dlq"), &range, 1, &reader, &err), err);
	struct record record;
	int32_t partition;
	int rc;
	while ((rc = topic_reader_next(reader, &arena, &record, &partition, &err)) > 0) {
		if (rc == READER_RECORD)
			verdict->in_letters[number_of(record.value)]++;
	}
	CHECK_INT(rc, 0);
	topic_reader_close(reader);
	arena_release(&arena);
}

static void read_file(struct world *world, const char *name, struct verdict *verdict)
{
	struct mr_buf text = {0};
	struct mr_error err;
	char *path = mr_asprintf(TABLE "/%s", name);
	CHECK_OK(disk_read_file(world->env.disk, path, 1 << 20, &text, &err), err);
	free(path);
	char *at = text.ptr;
	while (*at) {
		int64_t partition = strtoll(at, &at, 10), offset = strtoll(at, &at, 10);
		int n = (int)strtoll(at, &at, 10);
		CHECK(n >= 0 && n < RECORDS_MAX && *at == '\n');
		at++;
		verdict->in_table[n]++;
		verdict->table_offset[n] = offset * PARTITIONS + partition;
	}
	mr_buf_release(&text);
}

/* The files that the newest snapshot names. */
static void read_table(struct world *world, struct verdict *verdict)
{
	struct delta_snapshot *snapshot;
	struct mr_buf sql = {0};
	struct mr_error err;
	CHECK_OK(delta_snapshot(ingest_table(world->ingest), &snapshot, &err), err);
	delta_scan_sql(snapshot, &sql);
	int64_t found = 0;
	for (uint64_t i = 0; i < world->file_number; i++) {
		char name[64];
		snprintf(name, sizeof name, "rows-%llu.txt", (unsigned long long)i);
		if (sql.len && strstr(sql.ptr, name)) {
			read_file(world, name, verdict);
			found++;
		}
	}
	CHECK_INT(found, delta_file_count(snapshot));
	delta_snapshot_unref(snapshot);
	mr_buf_release(&sql);
}

static void judge(struct world *world)
{
	struct verdict *v = mr_calloc(1, sizeof *v);
	read_log(world, v);
	read_letters(world, v);
	read_table(world, v);
	unsigned long long seed = world->seed;
	for (int n = 0; n < world->sent; n++) {
		bool row = v->in_log[n] && !is_bad(n);
		if (world->fate[n] == ACKED && !v->in_log[n])
			FAIL(world, "acknowledged record %d is not in the log", seed, n);
		if (v->in_log[n] > 1)
			FAIL(world, "record %d is in the log %d times", seed, n, v->in_log[n]);
		if (v->in_table[n] != row)
			FAIL(world, "record %d is in the table %d times, in the log %d", seed, n,
			     v->in_table[n], v->in_log[n]);
		if (row && v->table_offset[n] != v->log_offset[n])
			FAIL(world, "record %d has another offset in the table", seed, n);
		if (v->in_log[n] && is_bad(n) && !v->in_letters[n])
			FAIL(world, "record %d is neither row nor dead letter", seed, n);
	}
	free(v);
}

static uint64_t run(uint64_t seed)
{
	struct world world = {.seed = seed};
	struct mr_error err;
	rng_seed(&world.rng, seed);
	sim_clock_init(&world.clock, INT64_C(1767225600000000));
	world.sim = sim_disk_new(seed);
	sim_disk_set_clock(world.sim, &world.clock.base);
	world.cut = power_cut_new(world.sim);
	world.env = (struct env){&world.clock.base, power_cut_disk(world.cut), &world.rng};
	for (uint64_t lives = 1 + rng_below(&world.rng, 4); lives > 0; lives--)
		live(&world);
	if (begin(&world, &err) < 0)
		FAIL(&world, "does not open: %s", (unsigned long long)seed, err.message);
	commit(&world);
	if (ingest_drain(world.ingest, &err) < 0)
		FAIL(&world, "does not drain: %s", (unsigned long long)seed, err.message);
	judge(&world);
	end(&world);
	mr_vec_release(&world.pending);
	power_cut_free(world.cut);
	sim_disk_free(world.sim);
	return world.cuts;
}

TEST(ingest_survives_power_loss)
{
	const char *one = getenv("MR_TEST_SEED");
	if (one) {
		run(strtoull(one, NULL, 10));
		return;
	}
	uint64_t cuts = 0;
	int rounds = test_rounds(1000);
	for (int seed = 1; seed <= rounds; seed++)
		cuts += run((uint64_t)seed);
	CHECK(cuts >= (uint64_t)rounds / 2);
}

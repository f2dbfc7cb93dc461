/* The tables' chores: when they are due, and what a table looks like after an hour of them. */
#include "test.h"

#include "base/mem.h"
#include "delta/stream.h"
#include "upkeep/upkeep.h"

#include <stdlib.h>
#include <time.h>

#define TARGET_BYTES (64 << 10)

TEST(policy_says_which_chore_is_due)
{
	struct upkeep_policy policy = {
	    .target_file_bytes = 1 << 20, .optimize_at = 10, .vacuum_every_ms = 1000};
	struct upkeep_state state = {.files_at_look = -1};
	struct upkeep_figures figures = {.now_ms = 500};
	CHECK_INT(upkeep_choose(&policy, &state, &figures), CHORE_PROPERTIES);
	state.properties_done = true;
	CHECK_INT(upkeep_choose(&policy, &state, &figures), CHORE_NONE);
	figures.now_ms = 1000;
	CHECK_INT(upkeep_choose(&policy, &state, &figures), CHORE_VACUUM);
	figures.looked = true;
	figures.mergeable = 9;
	CHECK_INT(upkeep_choose(&policy, &state, &figures), CHORE_VACUUM);
	figures.mergeable = 10;
	CHECK_INT(upkeep_choose(&policy, &state, &figures), CHORE_OPTIMIZE);
	figures.derived = true;
	CHECK_INT(upkeep_choose(&policy, &state, &figures), CHORE_VACUUM);
	policy.vacuum_every_ms = -1;
	CHECK_INT(upkeep_choose(&policy, &state, &figures), CHORE_NONE);
	/* Files are counted when enough of them came since. */
	CHECK(!upkeep_looks(&policy, &state, 9));
	CHECK(upkeep_looks(&policy, &state, 10));
	state.files_at_look = 10;
	CHECK(!upkeep_looks(&policy, &state, 14));
	CHECK(upkeep_looks(&policy, &state, 15));
	policy.optimize_at = 0;
	CHECK(!upkeep_looks(&policy, &state, 1000));
	/* Failures wait longer and longer. */
	upkeep_failed(&state, 0);
	CHECK_INT(state.retry_ms, 1000);
	upkeep_failed(&state, 1000);
	CHECK_INT(state.retry_ms, 3000);
}

struct house {
	struct sim_clock clock;
	struct env env;
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct lake *lake;
	struct lake_session *session;
	struct delta_table *table;
	struct upkeep *upkeep;
	struct mr_error err;
};

static int as_it_is(void *arg, mr_str spark, struct arena *arena, mr_str *out, struct mr_error *err)
{
	(void)arg, (void)arena, (void)err;
	*out = spark;
	return 0;
}

static void say(struct house *h, const char *statement)
{
	struct mr_buf report = {0};
	if (lake_execute(h->session, mr_str_from(statement), &report, &h->err) != 1)
		test_fail(__FILE__, __LINE__, "%s: %s", statement, h->err.message);
	lake_session_reset(h->session);
	mr_buf_release(&report);
}

static void house_open(struct house *h, const char *create, const struct upkeep_policy *policy)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	*h = (struct house){.env = *env_linux()};
	sim_clock_init(&h->clock, now.tv_sec * 1000000);
	h->env.clock = &h->clock.base;
	struct sql_engine_options engine = {.threads = 1, .memory_bytes_max = 256 << 20};
	CHECK_OK(sql_engine_open(&engine, &h->engine, &h->err), h->err);
	CHECK_OK(sql_connect(h->engine, &h->conn, &h->err), h->err);
	struct lake_options lake = {.env = &h->env, .engine = h->engine, .tables_dir = test_folder()};
	lake_new(&lake, &h->lake);
	h->session = lake_session_new(h->lake, h->conn, as_it_is, NULL);
	say(h, create);
	CHECK_OK(lake_find(h->lake, MR_STR("s.t"), &h->table, &h->err), h->err);
	struct upkeep_table table = {.name = "s.t", .table = h->table, .policy = *policy};
	struct upkeep_options options = {.env = &h->env, .lake = h->lake, .tables = &table, .table_count = 1};
	upkeep_new(&options, &h->upkeep);
}

static void house_close(struct house *h)
{
	upkeep_free(h->upkeep);
	lake_session_free(h->session);
	lake_free(h->lake);
	sql_disconnect(h->conn);
	sql_engine_close(h->engine);
}

static void append(struct house *h, int64_t id, int rows)
{
	char query[200];
	struct arena arena = {0};
	struct delta_file *files;
	struct delta_snapshot *now;
	struct delta_commit commit = {.operation = "STREAMING UPDATE"};
	int64_t version;
	snprintf(query, sizeof query,
		 "SELECT CAST(%lld AS BIGINT) AS id, hash(range, %lld)::VARCHAR AS s FROM range(%d)",
		 (long long)id, (long long)id, rows);
	CHECK_OK(delta_snapshot(h->table, &now, &h->err), h->err);
	CHECK_OK(delta_write_files(h->table, now, h->conn, mr_str_from(query), &arena, &files,
				   &commit.file_count, &h->err),
		 h->err);
	commit.files = files;
	CHECK_OK(delta_commit(h->table, &commit, &version, &h->err), h->err);
	delta_snapshot_unref(now);
	arena_release(&arena);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = ((const struct delta_data_file *)a)->size, y = ((const struct delta_data_file *)b)->size;
	return (x > y) - (x < y);
}

static int64_t median_bytes(struct house *h, size_t *count, int64_t *largest)
{
	struct arena arena = {0};
	struct delta_data_file *files;
	struct delta_snapshot *now;
	CHECK_OK(delta_snapshot(h->table, &now, &h->err), h->err);
	*count = delta_files(now, &arena, &files);
	qsort(files, *count, sizeof *files, by_size);
	int64_t median = files[*count / 2].size;
	*largest = files[*count - 1].size;
	delta_snapshot_unref(now);
	arena_release(&arena);
	return median;
}

/* What a stream sees that follows the table while its files are packed. */
static int64_t stream_rows(struct house *h, struct delta_stream_offset *at)
{
	static const struct delta_stream_read read = {.max_files = INT64_MAX, .max_bytes = INT64_MAX};
	struct delta_stream_batch batch;
	struct delta_snapshot *now;
	struct mr_buf sql = {0};
	struct sql_result *r;
	CHECK_OK(delta_snapshot(h->table, &now, &h->err), h->err);
	mr_buf_cstr(&sql, "SELECT count(*) FROM ");
	CHECK_OK(delta_stream_sql(h->table, now, &read, at, &sql, &batch, &h->err), h->err);
	CHECK_OK(sql_query(h->conn, mr_buf_view(&sql), &r, &h->err), h->err);
	CHECK_INT(sql_next(r, &h->err), 1);
	int64_t rows = sql_int(r, 0);
	sql_result_free(r);
	mr_buf_release(&sql);
	delta_snapshot_unref(now);
	*at = batch.end;
	return rows;
}

/* An hour in which a version comes each second (a tenth of it in the ordinary run). */
TEST(an_hour_of_one_second_commits_leaves_large_files)
{
	struct house h;
	struct upkeep_policy policy = {.target_file_bytes = TARGET_BYTES,
				       .optimize_at = 20,
				       .vacuum_every_ms = 600000,
				       .retain_ms = 60000};
	house_open(&h, "CREATE TABLE s.t (id BIGINT, s STRING) USING delta", &policy);
	struct delta_stream_offset at = {.version = -1};
	int seconds = test_rounds(360);
	int64_t streamed = 0, put = 0;
	for (int i = 0; i < seconds; i++) {
		append(&h, i, 150);
		put += 150;
		sim_clock_advance(&h.clock, 1000000);
		int rc;
		while ((rc = upkeep_step(h.upkeep, 0, &h.err)) == 1)
			;
		CHECK_OK(rc, h.err);
		if (i % 7 == 0)
			streamed += stream_rows(&h, &at);
	}
	streamed += stream_rows(&h, &at);
	CHECK_INT(streamed, put);
	size_t count;
	int64_t largest, median = median_bytes(&h, &count, &largest);
	printf("    %d versions: %zu files, median %lld bytes, largest %lld, target %d\n", seconds, count,
	       (long long)median, (long long)largest, TARGET_BYTES);
	CHECK(median >= TARGET_BYTES / 2);
	CHECK(largest <= TARGET_BYTES * 5 / 4);
	struct upkeep_record *records = mr_calloc(UPKEEP_RECORDS_MAX, sizeof *records);
	size_t n = upkeep_records(h.upkeep, records, UPKEEP_RECORDS_MAX), optimized = 0;
	for (size_t i = 0; i < n; i++) {
		CHECK_INT(records[i].error.code, 0);
		if (records[i].chore != CHORE_OPTIMIZE)
			continue;
		optimized++;
		CHECK(records[i].files_after < records[i].files_before && records[i].version > 0);
	}
	CHECK(n > 0 && records[0].chore == CHORE_PROPERTIES);
	CHECK(optimized >= (size_t)seconds / 40);
	free(records);
	house_close(&h);
}

TEST(upkeep_sets_properties_vacuums_and_reports_failures)
{
	struct house h;
	struct upkeep_policy policy = {.target_file_bytes = TARGET_BYTES,
				       .optimize_at = 4,
				       .vacuum_every_ms = 60000,
				       .retain_ms = 1000,
				       .checkpoint_every = 7};
	house_open(&h, "CREATE TABLE s.t (id BIGINT, s STRING) USING delta", &policy);
	CHECK_INT(upkeep_step(h.upkeep, 0, &h.err), 1);
	CHECK_INT(upkeep_step(h.upkeep, 0, &h.err), 0);
	struct delta_snapshot *now;
	CHECK_OK(delta_snapshot(h.table, &now, &h.err), h.err);
	CHECK_STR(delta_property(now, "delta.checkpointInterval"), "7");
	CHECK_INT(delta_property_ms(now, "delta.deletedFileRetentionDuration", -1), 1000);
	delta_snapshot_unref(now);
	for (int i = 0; i < 4; i++)
		append(&h, i, 10);
	CHECK_INT(upkeep_step(h.upkeep, 0, &h.err), 1);
	struct upkeep_record records[8];
	CHECK_INT(upkeep_records(h.upkeep, records, 8), 2);
	CHECK_INT(records[1].chore, CHORE_OPTIMIZE);
	CHECK_INT(records[1].files_before, 4);
	CHECK_INT(records[1].files_after, 1);
	/* Files that were packed go once they are old enough. */
	sim_clock_advance(&h.clock, (int64_t)120 * 1000000);
	CHECK_INT(upkeep_step(h.upkeep, 0, &h.err), 1);
	CHECK_INT(upkeep_records(h.upkeep, records, 8), 3);
	CHECK_INT(records[2].chore, CHORE_VACUUM);
	say(&h, "VACUUM s.t RETAIN 0 HOURS DRY RUN");
	/* A file that is not there: the chore fails, is recorded, and waits. */
	for (int i = 0; i < 4; i++)
		append(&h, i, 10);
	struct arena arena = {0};
	struct delta_data_file *files;
	CHECK_OK(delta_snapshot(h.table, &now, &h.err), h.err);
	CHECK_INT(delta_files(now, &arena, &files), 5);
	char *path = mr_asprintf("%s/%.*s", delta_path(h.table), MR_FMT(files[2].path));
	CHECK_INT(remove(path), 0);
	free(path);
	delta_snapshot_unref(now);
	arena_release(&arena);
	CHECK(upkeep_step(h.upkeep, 0, &h.err) < 0);
	CHECK_INT(upkeep_step(h.upkeep, 0, &h.err), 0);
	CHECK_INT(upkeep_records(h.upkeep, records, 8), 4);
	CHECK(records[3].error.code != 0);
	sim_clock_advance(&h.clock, 2000000);
	CHECK(upkeep_step(h.upkeep, 0, &h.err) < 0);
	house_close(&h);
}

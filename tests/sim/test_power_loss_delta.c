/* Delta tables, each statement ended before a disk call that chance chooses: by a power cut, or by the
 * process's death. What must hold after the next start:
 *   - the rows are those before the statement or those after it, and those after it when it was answered;
 *   - versions that the retention time covers can be read, each with the rows that it had;
 *   - checkpoints say what the commits say; the table can be written.
 * The oracle is a table of DuckDB's, changed by plain SQL. From a seed, which replays. */
#include "real_cut.h"
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "env/env.h"
#include "lake/lake.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define HOUR_US ((int64_t)3600 * 1000000)
#define RETAIN_HOURS 6
#define CUTS_A_TABLE 12
#define CALLS_MAX 40

struct version {
	int64_t number, at_us;
	char *rows;
};

struct world {
	uint64_t seed;
	struct mr_rng rng;
	struct sim_clock clock;
	struct real_cut *cut;
	struct env env;
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct lake *lake;
	struct lake_session *session;
	struct delta_table *table;
	MR_VEC(struct version) versions;
	char *root, *now; /* the rows that the table has */
	int64_t next_id;
	struct mr_error err;
	char statement[500], model[900];
};

static MR_NORETURN void fail(const struct world *w, const char *what, const char *detail)
{
	test_fail(__FILE__, __LINE__, "seed %llu: %s: %s: %s", (unsigned long long)w->seed, w->statement,
		  what, detail);
}

static uint64_t chance(struct world *w, uint64_t n)
{
	return rng_below(&w->rng, n);
}

/* ---- rows, as one text ---- */

static char *ask(struct world *w, mr_str relation)
{
	struct mr_buf sql = {0};
	struct sql_result *r = NULL;
	char *text = NULL;
	mr_buf_printf(
	    &sql,
	    "SELECT count(*) || ' rows, ' || coalesce(sum(id * 31 + p * 7 + v * 1009), 0) || ' ' || "
	    "coalesce(bit_xor(hash(id, p, v)), 0) FROM %.*s",
	    MR_FMT(relation));
	int rc = sql_query(w->conn, mr_buf_view(&sql), &r, &w->err);
	if (rc == 0 && (rc = sql_next(r, &w->err)) == 1)
		text = mr_strndup(sql_str(r, 0));
	sql_result_free(r);
	mr_buf_release(&sql);
	return text;
}

static char *rows_of(struct world *w, const struct delta_snapshot *snapshot)
{
	struct mr_buf relation = {0};
	delta_scan_sql(snapshot, &relation);
	char *rows = ask(w, mr_buf_view(&relation));
	mr_buf_release(&relation);
	if (!rows)
		fail(w, "rows cannot be read", w->err.message);
	return rows;
}

/* ---- starting and ending ---- */

static int as_it_is(void *arg, mr_str spark, struct arena *arena, mr_str *out, struct mr_error *err)
{
	(void)arg, (void)err;
	*out = arena_copy(arena, spark);
	return 0;
}

static void start(struct world *w)
{
	struct lake_options options = {.env = &w->env, .engine = w->engine, .tables_dir = w->root};
	lake_new(&options, &w->lake);
	w->session = lake_session_new(w->lake, w->conn, as_it_is, NULL);
	w->table = NULL;
}

static void stop(struct world *w)
{
	lake_session_free(w->session);
	lake_free(w->lake);
}

static int say(struct world *w)
{
	struct mr_buf report = {0};
	int rc = lake_execute(w->session, mr_str_from(w->statement), &report, &w->err);
	mr_buf_release(&report);
	lake_session_reset(w->session);
	return rc;
}

static void find(struct world *w)
{
	if (lake_find(w->lake, MR_STR("s.t"), &w->table, &w->err) < 0)
		fail(w, "the table is gone", w->err.message);
}

/* ---- statements, and what they do to the model ---- */

static void put_insert(struct world *w)
{
	long long first = (long long)w->next_id, count = (long long)chance(w, 40) + 1;
	w->next_id += count;
	snprintf(w->statement, sizeof w->statement,
		 "INSERT INTO s.t SELECT range AS id, CAST(range %% 3 AS INT) AS p, range * 7 AS v FROM "
		 "range(%lld, %lld)",
		 first, first + count);
	snprintf(w->model, sizeof w->model,
		 "INSERT INTO after SELECT range, range %% 3, range * 7 FROM range(%lld, %lld)", first,
		 first + count);
}

static void put_overwrite(struct world *w)
{
	snprintf(w->statement, sizeof w->statement,
		 "INSERT INTO s.t REPLACE WHERE p = 1 SELECT range AS id, CAST(1 AS INT) AS p, range AS v "
		 "FROM range(5)");
	snprintf(w->model, sizeof w->model,
		 "DELETE FROM after WHERE p = 1; INSERT INTO after SELECT range, 1, range FROM range(5)");
}

static void put_delete(struct world *w)
{
	int k = 3 + (int)chance(w, 5);
	snprintf(w->statement, sizeof w->statement, "DELETE FROM s.t WHERE id %% %d = 1", k);
	snprintf(w->model, sizeof w->model, "DELETE FROM after WHERE id %% %d = 1", k);
}

static void put_update(struct world *w)
{
	int k = 2 + (int)chance(w, 5);
	snprintf(w->statement, sizeof w->statement, "UPDATE s.t SET v = v + 1 WHERE id %% %d = 0", k);
	snprintf(w->model, sizeof w->model, "UPDATE after SET v = v + 1 WHERE id %% %d = 0", k);
}

static void put_merge(struct world *w)
{
	long long first = (long long)w->next_id - 10;
	w->next_id += 10;
	snprintf(w->statement, sizeof w->statement,
		 "MERGE INTO s.t t USING (SELECT range AS id, CAST(range %% 3 AS INT) AS p, 5 AS v FROM "
		 "range(%lld, %lld)) s "
		 "ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = t.v + 5 WHEN NOT MATCHED THEN INSERT *",
		 first, first + 20);
	snprintf(w->model, sizeof w->model,
		 "CREATE OR REPLACE TABLE fresh AS SELECT range AS id, range %% 3 AS p, 5 AS v FROM "
		 "range(%lld, %lld) "
		 "WHERE range NOT IN (SELECT id FROM after); UPDATE after SET v = v + 5 WHERE id BETWEEN "
		 "%lld AND %lld; "
		 "INSERT INTO after SELECT * FROM fresh",
		 first, first + 20, first, first + 19);
}

static void put_optimize(struct world *w)
{
	static const char *const how[] = {"", " ZORDER BY (v)"};
	snprintf(w->statement, sizeof w->statement, "OPTIMIZE s.t%s", how[chance(w, 2)]);
}

static void put_vacuum(struct world *w)
{
	snprintf(w->statement, sizeof w->statement, "VACUUM s.t");
}

static void put_property(struct world *w)
{
	snprintf(w->statement, sizeof w->statement, "ALTER TABLE s.t SET TBLPROPERTIES ('a' = '%d')",
		 (int)chance(w, 1000));
}

static void (*const statements[])(struct world *w) = {
    put_insert, put_insert,   put_insert,   put_overwrite, put_delete, put_delete,  put_update,
    put_merge,  put_optimize, put_optimize, put_vacuum,    put_vacuum, put_property};

/* ---- one step ---- */

static void note_version(struct world *w)
{
	struct delta_snapshot *snapshot;
	if (delta_snapshot(w->table, &snapshot, &w->err) < 0)
		fail(w, "no snapshot", w->err.message);
	struct version version = {delta_version(snapshot), clock_wall_us(w->env.clock), rows_of(w, snapshot)};
	if (w->versions.len && w->versions.items[w->versions.len - 1].number >= version.number)
		free(version.rows);
	else
		mr_vec_push(&w->versions, version);
	delta_snapshot_unref(snapshot);
}

/* Versions that were the newest at some time within the retention. */
static void check_versions(struct world *w)
{
	int64_t limit_us = clock_wall_us(w->env.clock) - RETAIN_HOURS * HOUR_US;
	for (size_t i = 0; i + 1 < w->versions.len; i++) {
		struct version *version = &w->versions.items[i];
		struct delta_snapshot *snapshot;
		if (w->versions.items[i + 1].at_us <= limit_us)
			continue;
		if (delta_snapshot_at(w->table, version->number, &snapshot, &w->err) < 0)
			fail(w, "an old version is gone", w->err.message);
		char *rows = rows_of(w, snapshot);
		if (strcmp(rows, version->rows) != 0)
			fail(w, "an old version has other rows", rows);
		free(rows);
		delta_snapshot_unref(snapshot);
	}
}

static void say_fault(void *arg, int64_t version, mr_str what)
{
	(void)version;
	fail(arg, "a checkpoint", what.ptr);
}

static char *table_rows(struct world *w)
{
	struct delta_snapshot *snapshot;
	find(w);
	if (delta_snapshot(w->table, &snapshot, &w->err) < 0)
		fail(w, "the table cannot be read", w->err.message);
	char *rows = rows_of(w, snapshot);
	delta_snapshot_unref(snapshot);
	return rows;
}

/* After the next start. `after` is taken. */
static void check(struct world *w, bool answered, char *after)
{
	char *rows = table_rows(w);
	bool is_after = strcmp(rows, after) == 0;
	if (!is_after && (answered || strcmp(rows, w->now) != 0)) {
		char *both = mr_asprintf("%s, not %s as before or %s as after", rows, w->now, after);
		fail(w, answered ? "answered, and not done" : "between old and new", both);
	}
	if (is_after)
		CHECK_OK(sql_exec(w->conn, MR_STR("CREATE OR REPLACE TABLE before AS FROM after"), &w->err),
			 w->err);
	free(is_after ? w->now : after);
	w->now = is_after ? after : w->now;
	free(rows);
	if (delta_audit_checkpoints(w->table, say_fault, w, &w->err) < 0)
		fail(w, "checkpoints cannot be read", w->err.message);
	note_version(w);
	check_versions(w);
}

static char *run_model(struct world *w)
{
	CHECK_OK(sql_exec(w->conn, MR_STR("CREATE OR REPLACE TABLE after AS FROM before"), &w->err), w->err);
	if (w->model[0])
		CHECK_OK(sql_exec(w->conn, mr_str_from(w->model), &w->err), w->err);
	return ask(w, MR_STR("after"));
}

/* RESTORE to one of the versions that can be read. */
static char *put_restore(struct world *w)
{
	size_t n = w->versions.len, back = 1 + (size_t)chance(w, 3);
	const struct version *version = &w->versions.items[n - mr_min_size(n, back)];
	struct delta_snapshot *snapshot;
	struct mr_buf sql = {0};
	find(w);
	snprintf(w->statement, sizeof w->statement, "RESTORE TABLE s.t TO VERSION AS OF %lld",
		 (long long)version->number);
	CHECK_OK(sql_exec(w->conn, MR_STR("CREATE OR REPLACE TABLE after AS FROM before"), &w->err), w->err);
	if (delta_snapshot_at(w->table, version->number, &snapshot, NULL) < 0)
		return ask(w, MR_STR("after"));
	mr_buf_cstr(&sql, "CREATE OR REPLACE TABLE after AS SELECT * FROM ");
	delta_scan_sql(snapshot, &sql);
	int rc = sql_exec(w->conn, mr_buf_view(&sql), NULL); /* its files may be gone, and it is refused */
	(void)rc;
	delta_snapshot_unref(snapshot);
	mr_buf_release(&sql);
	return ask(w, MR_STR("after"));
}

static void step(struct world *w)
{
	bool restores = chance(w, 10) == 0 && w->versions.len;
	char *after;
	w->model[0] = 0;
	sim_clock_advance(&w->clock, (chance(w, 8) ? 1 + (int64_t)chance(w, 3) : 30) * HOUR_US);
	if (restores) {
		after = put_restore(w);
	} else {
		statements[chance(w, MR_COUNT(statements))](w);
		after = run_model(w);
	}
	stop(w); /* a handle that knows nothing yet */
	start(w);
	real_cut_after(w->cut, 1 + chance(w, CALLS_MAX), chance(w, 3) > 0);
	int rc = say(w);
	if (rc < 0 && !real_cut_happened(w->cut) && !restores)
		fail(w, "refused", w->err.message);
	stop(w);
	real_cut_restore(w->cut);
	start(w);
	check(w, rc >= 0, after);
}

/* ---- a folder of Parquet files becomes a table ---- */

static void convert(struct world *w)
{
	struct mr_buf sql = {0};
	char *log = mr_asprintf("%s/plain/_delta_log", w->root), *before;
	int rc = disk_mkdir_all(env_linux()->disk, log, NULL) < 0 ||
		 disk_remove_all(env_linux()->disk, log, NULL) < 0;
	CHECK(rc == 0);
	for (int i = 0; i < 3; i++) {
		mr_buf_clear(&sql);
		mr_buf_printf(&sql,
			      "COPY (SELECT range AS id, range %% 3 AS p, %d::BIGINT AS v FROM range(%d)) TO "
			      "'%s/plain/%d.parquet' (FORMAT parquet)",
			      i, 10 + i, w->root, i);
		CHECK_OK(sql_exec(w->conn, mr_buf_view(&sql), &w->err), w->err);
	}
	mr_buf_clear(&sql);
	mr_buf_printf(&sql, "read_parquet('%s/plain/*.parquet')", w->root);
	before = ask(w, mr_buf_view(&sql));
	snprintf(w->statement, sizeof w->statement, "CONVERT TO DELTA parquet.`%s/plain`", w->root);
	real_cut_after(w->cut, 1 + chance(w, 15), chance(w, 2) == 0);
	int answered = say(w);
	if (answered < 0 && !real_cut_happened(w->cut))
		fail(w, "refused", w->err.message);
	stop(w);
	real_cut_restore(w->cut);
	start(w);
	char *path = mr_asprintf("%s/plain", w->root);
	struct delta_table *table;
	struct delta_snapshot *snapshot;
	CHECK_OK(lake_at_path(w->lake, mr_str_from(path), &table, &w->err), w->err);
	rc = delta_snapshot(table, &snapshot, &w->err);
	if (rc < 0 && (answered >= 0 || rc != MR_ERR_NOT_FOUND))
		fail(w, "no table", w->err.message);
	if (rc == 0) {
		char *rows = rows_of(w, snapshot);
		if (strcmp(rows, before) != 0)
			fail(w, "other rows", rows);
		free(rows);
		delta_snapshot_unref(snapshot);
	}
	stop(w);
	CHECK(disk_remove_all(env_linux()->disk, path, NULL) == 0);
	start(w);
	free(before);
	free(path);
	free(log);
	mr_buf_release(&sql);
}

/* ---- worlds ---- */

static void create(struct world *w)
{
	snprintf(w->statement, sizeof w->statement,
		 "CREATE TABLE s.t (id BIGINT, p INT, v BIGINT) USING delta %s TBLPROPERTIES ("
		 "'delta.enableInCommitTimestamps' = 'true', 'delta.checkpointInterval' = '%d', "
		 "'delta.deletedFileRetentionDuration' = 'interval %d hours', "
		 "'delta.logRetentionDuration' = 'interval 1 day', 'delta.enableDeletionVectors' = '%s'%s)",
		 chance(w, 2) ? "PARTITIONED BY (p)" : "", 1 + (int)chance(w, 4), RETAIN_HOURS,
		 chance(w, 3) ? "true" : "false", chance(w, 3) ? "" : ", 'delta.checkpointPolicy' = 'v2'");
	if (say(w) != 1)
		fail(w, "refused", w->err.message);
	CHECK_OK(
	    sql_exec(w->conn, MR_STR("CREATE OR REPLACE TABLE before (id BIGINT, p INT, v BIGINT)"), &w->err),
	    w->err);
	w->now = ask(w, MR_STR("before"));
	find(w);
	note_version(w);
}

static void play(struct sql_engine *engine, uint64_t seed, const char *folder)
{
	struct world w = {.seed = seed, .engine = engine, .env = *env_linux(), .next_id = 100};
	char *graves = mr_asprintf("%s/graves", folder);
	struct timespec now;
	w.root = mr_asprintf("%s/tables", folder);
	mkdir(w.root, 0700);
	mkdir(graves, 0700);
	rng_seed(&w.rng, seed);
	clock_gettime(CLOCK_REALTIME, &now);
	sim_clock_init(&w.clock, now.tv_sec * 1000000);
	w.cut = real_cut_new(w.root, graves, &w.rng);
	w.env.clock = &w.clock.base;
	w.env.disk = real_cut_disk(w.cut);
	w.env.rng = &w.rng;
	CHECK_OK(sql_connect(engine, &w.conn, &w.err), w.err);
	start(&w);
	create(&w);
	for (int i = 0; i < CUTS_A_TABLE - 1; i++)
		step(&w);
	convert(&w);
	stop(&w);
	real_cut_after(w.cut, 0, false); /* the graves are emptied */
	for (size_t i = 0; i < w.versions.len; i++)
		free(w.versions.items[i].rows);
	mr_vec_release(&w.versions);
	CHECK(disk_remove_all(env_linux()->disk, w.root, NULL) == 0);
	sql_disconnect(w.conn);
	real_cut_free(w.cut);
	free(w.now);
	free(w.root);
	free(graves);
}

TEST(delta_survives_power_cuts_and_kills)
{
	struct sql_engine *engine;
	struct mr_error err;
	struct sql_engine_options options = {.threads = 1, .memory_bytes_max = 256 << 20};
	CHECK_OK(sql_engine_open(&options, &engine, &err), err);
	int cuts = test_rounds(24);
	const char *seed = getenv("MR_TEST_SEED");
	for (int i = 0; i < cuts; i += CUTS_A_TABLE)
		play(engine, seed ? strtoull(seed, NULL, 10) : 20000 + (uint64_t)i, test_folder());
	sql_engine_close(engine);
}

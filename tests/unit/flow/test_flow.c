/* Freshness and exactness of tables, streaming tables and views under any interleaving. */
#include "ingest/bed.h"

#include "base/mem.h"
#include "env/rng.h"
#include "flow/batch.h"
#include "flow/runner.h"
#include "query/session.h"
#include "stream/pipeline.h"

#include <stdlib.h>
#include <time.h>

static const char flows_text[] =
    "CREATE STREAMING TABLE silver.even PARTITIONED BY (date) AS SELECT n, date FROM STREAM bronze.t WITH "
    "(maxFilesPerTrigger = 2) WHERE n % 2 = 0;\n"
    "CREATE STREAMING TABLE silver.fourth AS SELECT n FROM STREAM silver.even "
    "WITH ('maxfilespertrigger' '1') WHERE n % 4 = 0;\n"
    "CREATE TEMPORARY VIEW low AS SELECT n FROM bronze.t WHERE n < 100;\n"
    "CREATE MATERIALIZED VIEW gold.sums AS SELECT n % 3 AS k, count(*) AS c FROM silver.even GROUP BY 1;\n";

struct stage {
	struct bed bed;
	struct pipeline *pipeline;
	struct catalog *catalog;
	struct session_pool *sessions;
	struct sql_conn *conn;
	int put; /* events 0 .. put-1 are in the topic */
};

static void stage_open(struct stage *s, const char *dir)
{
	static const mr_str known[] = {{"bronze.t", 8}};
	struct pipeline_file file = {"flows.sql", mr_str_from(flows_text)};
	struct mr_error err;
	bed_open(&s->bed, dir, 2, BED_SCHEMA);
	bed_open_ingest(&s->bed);
	struct catalog_options options = {.env = env_linux(),
					  .engine = s->bed.engine,
					  .broker = s->bed.broker,
					  .tables_dir = test_path("%s/tables", dir)};
	CHECK_OK(catalog_new(&options, &s->catalog, &err), err);
	CHECK_OK(catalog_add_ingest(s->catalog, s->bed.ingest, &err), err);
	CHECK_OK(pipeline_load(&file, 1, known, 1, &s->pipeline, &err), err);
	const struct flow *const *flows;
	size_t count = pipeline_flows(s->pipeline, &flows);
	CHECK_INT(count, 4);
	for (size_t i = 0; i < count; i++)
		CHECK_OK(catalog_add_flow(s->catalog, flows[i], &err), err);
	CHECK_OK(session_pool_new(s->catalog, 2, &s->sessions, &err), err);
	CHECK_OK(sql_connect(s->bed.engine, &s->conn, &err), err);
}

static void stage_close(struct stage *s, bool crash)
{
	session_pool_free(s->sessions);
	sql_disconnect(s->conn);
	catalog_free(s->catalog);
	pipeline_free(s->pipeline);
	bed_close(&s->bed, crash);
}

static int64_t ask(struct stage *s, const char *sql)
{
	struct session *session;
	struct sql_result *result;
	struct mr_error err;
	mr_str text = mr_str_from(sql);
	CHECK_OK(session_take(s->sessions, &session, &err), err);
	int rc = session_run(session, &text, &result, &err);
	if (rc != 1)
		test_fail(__FILE__, __LINE__, "%s: %s", sql, err.message);
	CHECK_INT(sql_next(result, &err), 1);
	int64_t value = sql_int(result, 0);
	sql_result_free(result);
	session_give(s->sessions, session);
	return value;
}

/* What every table must say when events 0 .. put-1 are acknowledged. */
static void check_fresh(struct stage *s)
{
	int even = (s->put + 1) / 2, fourth = (s->put + 3) / 4;
	CHECK_INT(ask(s, "SELECT count(*) FROM bronze.t"), s->put);
	CHECK_INT(ask(s, "SELECT count(DISTINCT n) FROM bronze.t"), s->put);
	CHECK_INT(ask(s, "SELECT count(*) FROM silver.even"), even);
	CHECK_INT(ask(s, "SELECT count(DISTINCT n) FROM silver.even"), even);
	CHECK_INT(ask(s, "SELECT count(*) FROM silver.fourth"), fourth);
	CHECK_INT(ask(s, "SELECT count(*) FROM low"), s->put < 100 ? s->put : 100);
	CHECK_INT(ask(s, "SELECT count(*) FROM silver.fourth f JOIN bronze.t b USING (n) JOIN silver.even e "
			 "USING (n)"),
		  fourth);
	CHECK_INT(ask(s, "SELECT count(*) FROM t"), s->put);
}

static int batch(struct stage *s, const char *name)
{
	struct mr_error err;
	struct flow_batch_result result;
	int rc =
	    flow_batch(s->catalog, catalog_find(s->catalog, mr_str_from(name)), s->conn, NULL, &result, &err);
	if (rc < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", name, err.message);
	return rc;
}

TEST(tables_are_fresh_and_exact_under_any_interleaving)
{
	struct stage s = {0};
	struct mr_rng rng;
	const char *dir = test_folder();
	rng_seed(&rng, 7);
	stage_open(&s, dir);
	check_fresh(&s);
	int rounds = test_rounds(60);
	for (int i = 0; i < rounds; i++) {
		int count = 1 + (int)rng_below(&rng, 30);
		switch (rng_below(&rng, 6)) {
		case 0:
		case 1:
			bed_put(&s.bed, (int32_t)rng_below(&rng, 2), s.put, count);
			s.put += count;
			break;
		case 2:
			CHECK(ingest_step(s.bed.ingest, &s.bed.err) >= 0);
			break;
		case 3:
			batch(&s, "silver.even");
			break;
		case 4:
			batch(&s, "silver.fourth");
			break;
		case 5:
			batch(&s, "gold.sums");
			break;
		}
		if (rng_below(&rng, 12) == 0) { /* a crash at any point changes nothing */
			int put = s.put;
			stage_close(&s, true);
			stage_open(&s, dir);
			s.put = put;
		}
		check_fresh(&s);
	}
	stage_close(&s, false);
}

TEST(runner_drains_and_views_follow)
{
	struct stage s = {0};
	struct mr_error err;
	stage_open(&s, test_folder());
	bed_put(&s.bed, 0, 0, 500);
	bed_put(&s.bed, 1, 500, 500);
	s.put = 1000;
	CHECK_OK(ingest_drain(s.bed.ingest, &err), err);
	struct runner_options options = {
	    .env = env_linux(), .catalog = s.catalog, .stream_every_ms = 10, .materialize_every_ms = 10};
	struct runner *runner;
	CHECK_OK(runner_new(&options, &runner, &err), err);
	CHECK_OK(runner_drain(runner, &err), err);
	CHECK_INT(ask(&s, "SELECT sum(c) FROM gold.sums"), 500);
	CHECK_INT(batch(&s, "silver.even"), 0); /* nothing is left, and nothing is done twice */
	CHECK_INT(batch(&s, "gold.sums"), 0);
	check_fresh(&s);

	/* With its threads: a commit upstream runs all the way down by itself. */
	runner_start(runner);
	bed_put(&s.bed, 0, 1000, 100);
	s.put = 1100;
	CHECK_OK(ingest_drain(s.bed.ingest, &err), err);
	runner_table_moved(runner, MR_STR("bronze.t"));
	for (int tries = 0; ask(&s, "SELECT sum(c) FROM gold.sums") != 550; tries++) {
		CHECK(tries < 1000);
		struct timespec nap = {0, 10000000};
		nanosleep(&nap, NULL);
	}
	runner_free(runner);
	stage_close(&s, false);
}

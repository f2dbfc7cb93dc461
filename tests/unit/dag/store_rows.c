#include "dag/store_rows.h"

#include "base/buf.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

const char store_rows_yaml[] =
    "d0: {schedule: null, start_date: 2026-01-01, tags: [a, b], tasks: {t0: {operator: EmptyOperator}, "
    "t1: {operator: EmptyOperator, dependencies: [t0]}, t2: {operator: EmptyOperator}}}\n"
    "d1: {schedule: '@daily', start_date: 2026-01-01, catchup: false, tasks: {t0: {operator: EmptyOperator, "
    "outlets: ['delta://lake/a']}, t1: {operator: EmptyOperator}, t2: {operator: EmptyOperator}}}\n"
    "d2: {schedule: ['delta://lake/a'], start_date: 2026-01-01, tasks: {t0: {operator: EmptyOperator}, "
    "t1: {operator: EmptyOperator}, t2: {operator: EmptyOperator}}}\n"
    "d3: {schedule: null, start_date: 2026-01-01, tasks: {t0: {operator: EmptyOperator}, "
    "t1: {operator: EmptyOperator}, t2: {operator: EmptyOperator}}}\n";

#define NOON INT64_C(1767268800000000)

static mr_str pick(struct mr_rng *rng, const char *const *words, size_t count)
{
	return mr_str_from(words[rng_below(rng, count)]);
}

static mr_str wild(struct mr_rng *rng)
{
	static const char *const words[] = {"",
					    "plain",
					    "it's \"quoted\"",
					    "50% of_it \\ back",
					    "line\nline\ttab",
					    "?1 $1 :x @y -- /* */",
					    "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
					    "NULL",
					    "a|b",
					    "{\"k\": [1, null]}"};
	return pick(rng, words, MR_COUNT(words));
}

static int64_t moment(struct mr_rng *rng)
{
	return rng_below(rng, 4)
		   ? NOON + (int64_t)rng_below(rng, 400) * 3600000000 + (int64_t)rng_below(rng, 3)
		   : NO_TIME;
}

static mr_str dag_name(struct mr_rng *rng)
{
	static const char *const names[STORE_ROWS_DAGS] = {"d0", "d1", "d2", "d3"};
	return pick(rng, names, STORE_ROWS_DAGS);
}

static void put_task(struct mr_rng *rng, struct store_batch *batch, int64_t run_no, int i, int32_t map_index)
{
	static const char *const operators[] = {"BashOperator", "EmptyOperator", ""};
	static const char *const queues[] = {"", "q"};
	static const char *const pools[] = {"default_pool", "p0", "p1"};
	struct store_task task = {
	    .run_no = run_no,
	    .task_id = arena_printf(&batch->arena, "t%d", i),
	    .map_index = map_index,
	    .state = (enum task_state)rng_below(rng, TASK_STATES),
	    .try_number = (int32_t)rng_below(rng, 3),
	    .max_tries = 2,
	    .operator_name = pick(rng, operators, 3),
	    .pool = pick(rng, pools, 3),
	    .queue = pick(rng, queues, 2),
	    .hostname = MR_STR("here"),
	    .reason = wild(rng),
	    .pid = (int64_t)rng_below(rng, 2) * 4711,
	    .pool_slots = 1 + (int32_t)rng_below(rng, 2),
	    .priority_weight = (int32_t)rng_below(rng, 5) - 2,
	    .exit_code = (int32_t)rng_below(rng, 3) - 1,
	    .scheduled_us = moment(rng),
	    .queued_us = moment(rng),
	    .start_us = moment(rng),
	    .end_us = moment(rng),
	    .first_start_us = moment(rng),
	    .due_us = moment(rng),
	    .event = wild(rng),
	    .resume_json = MR_STR("{}"),
	    .map_json = rng_below(rng, 2) ? MR_STR("{\"a\":1}") : MR_STR(""),
	    .cleared = rng_below(rng, 2),
	};
	if (rng_below(rng, 2)) {
		char id[37];
		rng_uuid(rng, id);
		task.id = arena_copy(&batch->arena, mr_str_from(id));
	}
	mr_vec_push(&batch->tasks, task);
	if (rng_below(rng, 3) == 0)
		mr_vec_push(&batch->tries, task);
	for (uint64_t n = rng_below(rng, 3); n > 0; n--) {
		struct store_xcom xcom = {.run_no = run_no,
					  .task_id = task.task_id,
					  .map_index = map_index,
					  .key = arena_printf(&batch->arena, "k%d", (int)n),
					  .json = MR_STR("[1, \"two\"]"),
					  .remove = rng_below(rng, 8) == 0};
		mr_vec_push(&batch->xcoms, xcom);
	}
}

static void put_run(struct mr_rng *rng, struct store_batch *batch, int64_t run_no)
{
	static const char *const types[] = {"manual", "scheduled", "backfill", "asset_triggered"};
	struct store_run run = {
	    .run_no = run_no,
	    .dag_id = dag_name(rng),
	    .run_id = arena_printf(&batch->arena, "run %lld+%%_'x", (long long)run_no),
	    .run_type = pick(rng, types, 4),
	    .version = MR_STR("0123456789abcdef"),
	    .state = (enum run_state)rng_below(rng, RUN_STATES),
	    .logical_date_us = moment(rng),
	    .interval_start_us = moment(rng),
	    .interval_end_us = moment(rng),
	    .run_after_us = NOON + run_no,
	    .queued_at_us = moment(rng),
	    .start_us = moment(rng),
	    .end_us = moment(rng),
	    .conf_json = MR_STR("{\"x\": 1}"),
	    .asset_events_json = MR_STR(""),
	    .backfill_id = rng_below(rng, 4) ? MR_STR("") : MR_STR("back"),
	    .clear_number = (int32_t)rng_below(rng, 3),
	};
	mr_vec_push(&batch->runs, run);
	for (int i = 0; i < 3; i++) {
		put_task(rng, batch, run_no, i, -1);
		if (i == 2)
			put_task(rng, batch, run_no, i, 1 + (int32_t)rng_below(rng, 2));
	}
	struct store_note note = {run.dag_id, run.run_id, rng_below(rng, 2) ? MR_STR("t0") : MR_STR(""),
				  wild(rng), -1};
	mr_vec_push(&batch->notes, note);
}

static void put_rest(struct mr_rng *rng, struct store_batch *batch)
{
	static const char *const uris[] = {"delta://lake/a", "s3://b/c", "x"};
	for (int i = 0; i < STORE_ROWS_DAGS; i++) {
		struct store_dag dag = {.dag_id = arena_printf(&batch->arena, "d%d", i),
					.version =
					    arena_printf(&batch->arena, "%016x", (int)rng_below(rng, 3)),
					.file = MR_STR("x.yml"),
					.source = mr_str_from(store_rows_yaml),
					.paused = rng_below(rng, 2),
					.active = rng_below(rng, 4) != 0,
					.last_start_us = moment(rng),
					.last_end_us = moment(rng),
					.next_run_us = moment(rng),
					.version_at_us = NOON};
		mr_vec_push(&batch->dags, dag);
	}
	struct store_backfill backfill = {MR_STR("back"), MR_STR("d0"), 3 + (int32_t)rng_below(rng, 3)};
	mr_vec_push(&batch->backfills, backfill);
	struct store_asset_event event = {
	    pick(rng, uris, 3), MR_STR("{\"v\":1}"),           dag_name(rng), wild(rng), MR_STR("t0"),
	    moment(rng),        (int64_t)rng_below(rng, 9) - 1};
	mr_vec_push(&batch->asset_events, event);
	struct store_asset_wait wait = {MR_STR("d2"), pick(rng, uris, 3), NOON, wild(rng),
					rng_below(rng, 5) == 0};
	mr_vec_push(&batch->asset_waits, wait);
	struct store_event audit = {MR_STR("trigger"), dag_name(rng), wild(rng), MR_STR(""),
				    wild(rng),         wild(rng),     -1,        moment(rng)};
	mr_vec_push(&batch->events, audit);
	struct store_pool pool = {rng_below(rng, 2) ? MR_STR("p0") : MR_STR("p1"), wild(rng),
				  (int32_t)rng_below(rng, 9)};
	mr_vec_push(&batch->pools, pool);
}

struct store_batch *store_rows(struct mr_rng *rng, uint64_t epoch, uint64_t number, int64_t run_no, int runs)
{
	struct store_batch *batch = store_batch_new();
	batch->epoch = epoch;
	batch->number = number;
	put_rest(rng, batch);
	for (int i = 0; i < runs; i++)
		put_run(rng, batch, run_no + i);
	if (run_no > 1) { /* and an older one changes */
		put_task(rng, batch, run_no - 1, 0, -1);
		struct store_task gone = {.run_no = run_no - 1, .task_id = MR_STR("t1"), .map_index = -1};
		mr_vec_push(&batch->removed, gone);
	}
	return batch;
}

void store_rows_dump(struct dag_store *store, struct mr_buf *out)
{
	static const char *const queries[] = {
	    "SELECT * FROM dag ORDER BY dag_id",
	    "SELECT dag_id, dag_version, source, created_at FROM dag_version ORDER BY dag_id, dag_version",
	    "SELECT * FROM backfill ORDER BY backfill_id",
	    "SELECT * FROM dag_run ORDER BY run_no",
	    "SELECT * FROM task_instance ORDER BY run_no, task_id, map_index",
	    "SELECT * FROM task_instance_history ORDER BY run_no, task_id, map_index, try_number, id",
	    "SELECT * FROM xcom ORDER BY run_no, task_id, map_index, key",
	    "SELECT uri, extra, source_dag_id, source_run_id, timestamp, version FROM asset_event ORDER BY "
	    "id",
	    "SELECT dag_id, uri, timestamp, extra FROM asset_dag_run_queue ORDER BY id",
	    "SELECT event, dag_id, run_id, owner, extra, dttm FROM log ORDER BY id",
	    "SELECT * FROM slot_pool ORDER BY pool",
	    "SELECT * FROM note ORDER BY dag_id, run_id, task_id, map_index",
	    "SELECT epoch, batch, beat, watched, attended FROM leader",
	};
	struct mr_error err;
	for (size_t i = 0; i < MR_COUNT(queries); i++)
		CHECK_OK(store->ops->query(store, queries[i], NULL, 0, out, &err), err);
}

/* ---- a server ---- */

static void run_script(const char *command, struct mr_buf *out)
{
	char piece[4096];
	FILE *pipe = popen(command, "r");
	CHECK(pipe != NULL);
	for (size_t n; (n = fread(piece, 1, sizeof piece, pipe)) > 0;)
		mr_buf_append(out, piece, n);
	int status = pclose(pipe);
	if (status != 0)
		test_fail(__FILE__, __LINE__, "%s: status %d", command, status);
}

const char *test_postgres_start(const char *folder)
{
	struct mr_buf out = {0};
	run_script(test_path(TEST_GOLDEN "/../postgres.sh start %s", folder), &out);
	const char *url = test_path("%.*s", (int)strcspn(out.ptr, "\n"), out.ptr);
	mr_buf_release(&out);
	return url;
}

void test_postgres_run(const char *folder, const char *sql)
{
	struct mr_buf out = {0};
	run_script(test_path(TEST_GOLDEN "/../postgres.sh run %s '%s'", folder, sql), &out);
	mr_buf_release(&out);
}

void test_postgres_stop(const char *folder, const char *mode)
{
	struct mr_buf out = {0};
	run_script(test_path(TEST_GOLDEN "/../postgres.sh stop %s %s", folder, mode), &out);
	mr_buf_release(&out);
}

/* app/system_dags.c - system.dags, system.dag_runs, system.task_instances: out of the scheduler's store. */
#include "app/system.h"

#include "api/dags.h"
#include "codec/json.h"
#include "dag/timetable.h"

#include <stdlib.h>

#define PAGE_ROWS 20000

#define COLUMN(column_name, column_type) \
	{ \
		.name = {column_name, sizeof(column_name) - 1}, .type = column_type \
	}

static const struct column_def dags_columns[] = {
    COLUMN("dag_id", COL_STRING),
    COLUMN("is_paused", COL_BOOLEAN),
    COLUMN("is_active", COL_BOOLEAN),
    COLUMN("schedule", COL_STRING),
    COLUMN("next_run_after", COL_TIMESTAMP),
    COLUMN("last_state", COL_STRING),
    COLUMN("last_start_date", COL_TIMESTAMP),
    COLUMN("running_runs", COL_LONG),
    COLUMN("file", COL_STRING),
    COLUMN("version", COL_STRING),
};

static const struct column_def dag_runs_columns[] = {
    COLUMN("dag_id", COL_STRING),
    COLUMN("run_id", COL_STRING),
    COLUMN("run_type", COL_STRING),
    COLUMN("state", COL_STRING),
    COLUMN("logical_date", COL_TIMESTAMP),
    COLUMN("run_after", COL_TIMESTAMP),
    COLUMN("start_date", COL_TIMESTAMP),
    COLUMN("end_date", COL_TIMESTAMP),
    COLUMN("conf", COL_STRING),
};

static const struct column_def task_instances_columns[] = {
    COLUMN("dag_id", COL_STRING),         COLUMN("run_id", COL_STRING),
    COLUMN("task_id", COL_STRING),        COLUMN("map_index", COL_INTEGER),
    COLUMN("state", COL_STRING),          COLUMN("try_number", COL_INTEGER),
    COLUMN("operator", COL_STRING),       COLUMN("pool", COL_STRING),
    COLUMN("queued_date", COL_TIMESTAMP), COLUMN("start_date", COL_TIMESTAMP),
    COLUMN("end_date", COL_TIMESTAMP),    COLUMN("reason", COL_STRING),
};

/* Only the file knows it. */
static void put_schedule(struct dags *dags, mr_str dag_id, struct system_rows *rows)
{
	struct dag *dag = dags_find(dags, dag_id);
	mr_str text = dag ? timetable_text(dag->timetable) : MR_STR_NULL;
	if (dag && dag->assets)
		system_cstr(rows, "assets");
	else if (dag && text.len)
		system_str(rows, text);
	else
		system_null(rows);
	dag_unref(dag);
}

/* The columns of the query are those of the table, in order. */
static void put_row(struct dags *dags, struct json_value row, struct system_rows *rows)
{
	for (struct json_iter it = json_iter(row); json_next(&it);) {
		if (mr_str_is(it.key, "schedule"))
			put_schedule(dags, json_str(json_get(row, "dag_id")), rows);
		else if (json_type(it.value) == JSON_NULL)
			system_null(rows);
		else if (json_type(it.value) == JSON_STRING)
			system_str(rows, json_str(it.value));
		else
			system_int(rows, json_int(it.value));
	}
}

static int fill_page(struct dags *dags, const char *sql, size_t offset, size_t *count,
		     struct system_rows *rows, struct mr_error *err)
{
	struct mr_buf lines = {0};
	struct json_parser *parser = json_parser_new();
	struct dag_store *store = dags_store(dags);
	char *page = mr_asprintf("%s LIMIT %d OFFSET %zu", sql, PAGE_ROWS, offset);
	int rc = store->ops->query(store, page, NULL, 0, &lines, err);
	mr_str left = mr_buf_view(&lines);
	for (*count = 0; rc == 0 && left.len; ++*count) {
		const char *end = memchr(left.ptr, '\n', left.len);
		mr_str line = mr_str_n(left.ptr, end ? (size_t)(end - left.ptr) : left.len);
		struct json_value row;
		rc = json_parse(parser, line, &row, err);
		if (rc == 0)
			put_row(dags, row, rows);
		left = mr_str_tail(left, line.len + 1);
	}
	free(page);
	json_parser_free(parser);
	mr_buf_release(&lines);
	return rc;
}

/* In pages: one answer of the store has a limit. */
static int fill(struct app *app, const char *sql, struct system_rows *rows, struct mr_error *err)
{
	struct dags *dags = app_dags(app);
	size_t count = PAGE_ROWS;
	int rc = 0;
	for (size_t offset = 0; dags && rc == 0 && count == PAGE_ROWS; offset += count)
		rc = fill_page(dags, sql, offset, &count, rows, err);
	return rc;
}

#define LAST(column) \
	"(SELECT " column \
	" FROM dag_run r WHERE r.dag_id = d.dag_id ORDER BY run_after DESC LIMIT 1) AS last_" column

static int fill_dags(void *arg, struct system_rows *rows, struct mr_error *err)
{
	return fill(
	    arg,
	    "SELECT dag_id, is_paused, is_active, NULL AS schedule, next_dagrun_run_after, " LAST(
		"state") ", " LAST("start_date") ", (SELECT count(*) FROM dag_run r WHERE r.dag_id = "
						 "d.dag_id "
						 "AND state IN ('queued', 'running')) AS open, fileloc, "
						 "dag_version FROM dag d ORDER BY dag_id",
	    rows, err);
}

static int fill_dag_runs(void *arg, struct system_rows *rows, struct mr_error *err)
{
	return fill(arg,
		    "SELECT dag_id, run_id, run_type, state, logical_date, run_after, start_date, end_date, "
		    "conf FROM dag_run ORDER BY run_no DESC",
		    rows, err);
}

static int fill_task_instances(void *arg, struct system_rows *rows, struct mr_error *err)
{
	return fill(arg,
		    "SELECT dag_id, run_id, task_id, map_index, t.state, try_number, operator, pool, "
		    "queued_dttm, t.start_date, t.end_date, reason FROM task_instance t JOIN dag_run r "
		    "ON r.run_no = t.run_no ORDER BY t.run_no DESC, task_id, map_index",
		    rows, err);
}

#define TABLE(table_name) \
	{ \
#table_name, table_name##_columns, MR_COUNT(table_name##_columns), fill_##table_name, NULL \
	}

const struct system_table *app_dag_tables(size_t *count)
{
	static const struct system_table tables[] = {TABLE(dags), TABLE(dag_runs), TABLE(task_instances)};
	*count = MR_COUNT(tables);
	return tables;
}

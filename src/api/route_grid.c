/* api/route_grid.c - GET /grid?dag_id=…&limit=…: the last runs of a DAG, task by task, in one compact
 * answer for a page that draws them. Not Airflow's.
 *
 *   {"dag_id": "x", "version": "…",
 *    "tasks": [{"task_id", "label", "group_id", "operator", "is_mapped", "upstream": [0, …]}, …],
 *    "groups": [{"group_id", "label", "parent_id"}, …],
 *    "runs": [{"dag_run_id", "run_type", "state", …,
 *              "states": ["success", null, {"success": 9990, "failed": 10}, …],
 *              "starts": […], "ends": […]}, …]}      newest first; arrays are by task
 *
 * A mapped task's cell counts its instances by state: ten thousand of them are one group of the query. */
#include "api/list.h"
#include "api/routes.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNS_DEFAULT 25
#define RUNS_MAX 365

struct cell {
	int64_t counts[TASK_STATES];
	int64_t start_us, end_us; /* the first start, the last end */
	int32_t tries;
	bool any;
};

struct grid_run {
	int64_t run_no;
	mr_str head; /* the members that come from the run's row, as JSON */
	struct cell *cells;
};

struct grid {
	struct api_call *call;
	const struct dag *dag;
	struct mr_map index; /* task id: index + 1 */
	MR_VEC(struct grid_run) runs;
};

/* ---- reading ---- */

static int64_t time_of(struct json_value v)
{
	return json_type(v) == JSON_NULL ? NO_TIME : json_int(v);
}

static int take_run(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct grid *grid = arg;
	struct mr_buf head = {0};
	struct json_writer w = json_writer(&head);
	static const char *const texts[] = {"dag_run_id", "run_type", "state", "version"};
	static const char *const times[] = {"logical_date", "run_after", "queued_at", "start_date",
					    "end_date"};
	for (size_t i = 0; i < MR_COUNT(texts); i++)
		json_member_str(&w, texts[i], json_str(json_get(row, texts[i])));
	for (size_t i = 0; i < MR_COUNT(times); i++)
		put_time(&w, times[i], time_of(json_get(row, times[i])));
	struct grid_run run = {
	    .run_no = json_int(json_get(row, "run_no")),
	    .head = arena_copy(&grid->call->arena, mr_buf_view(&head)),
	    .cells = arena_calloc(&grid->call->arena, grid->dag->task_count + 1, sizeof(struct cell))};
	mr_vec_push(&grid->runs, run);
	mr_buf_release(&head);
	return 0;
}

static struct cell *cell_of(struct grid *grid, int64_t run_no, mr_str task_id)
{
	size_t index = (size_t)mr_map_get(&grid->index, task_id);
	for (size_t i = 0; index && i < grid->runs.len; i++) {
		if (grid->runs.items[i].run_no == run_no)
			return &grid->runs.items[i].cells[index - 1];
	}
	return NULL;
}

static int take_cell(void *arg, struct json_value row, struct mr_error *err)
{
	(void)err;
	struct cell *cell =
	    cell_of(arg, json_int(json_get(row, "run_no")), json_str(json_get(row, "task_id")));
	enum task_state state;
	if (!cell || !task_state_parse(json_str(json_get(row, "state")), &state))
		return 0;
	int64_t start = time_of(json_get(row, "start")), end = time_of(json_get(row, "end"));
	cell->counts[state] = json_int(json_get(row, "n"));
	cell->start_us = !cell->any || start < cell->start_us ? start : cell->start_us;
	cell->end_us = !cell->any ? end : mr_max_i64(cell->end_us, end);
	cell->tries = (int32_t)mr_max_i64(cell->tries, json_int(json_get(row, "tries")));
	cell->any = true;
	return 0;
}

static int read_grid(struct grid *grid, int64_t limit, struct mr_error *err)
{
	struct api_call *call = grid->call;
	mr_str params[] = {grid->dag->id, arena_printf(&call->arena, "%lld", (long long)limit)};
	int rc =
	    api_query(call,
		      "SELECT run_no, run_id AS dag_run_id, run_type, state, dag_version AS version, "
		      "logical_date, run_after, queued_at, start_date, end_date FROM dag_run WHERE dag_id = "
		      "?1 ORDER BY run_after DESC, run_no DESC LIMIT CAST(?2 AS BIGINT)",
		      params, 2, take_run, grid, err);
	for (size_t i = 0; rc == 0 && i < grid->runs.len; i++) {
		mr_str run_no = arena_printf(&call->arena, "%lld", (long long)grid->runs.items[i].run_no);
		rc = api_query(
		    call,
		    "SELECT run_no, task_id, state, count(*) AS n, min(start_date) AS start, "
		    "max(end_date) AS end, max(try_number) AS tries FROM task_instance WHERE run_no = "
		    "CAST(?1 AS BIGINT) GROUP BY run_no, task_id, state",
		    &run_no, 1, take_cell, grid, err);
	}
	return rc;
}

/* ---- writing ---- */

static void put_state(struct json_writer *w, const struct cell *cell, bool mapped)
{
	enum task_state only = TASK_NONE;
	for (int s = 0; s < TASK_STATES; s++) {
		if (cell->counts[s])
			only = (enum task_state)s;
	}
	if (!mapped || !cell->any) {
		only == TASK_NONE ? json_put_null(w) : json_put_cstr(w, task_state_name(only));
		return;
	}
	json_begin_object(w);
	for (int s = 0; s < TASK_STATES; s++) {
		if (cell->counts[s])
			json_member_int(w, task_state_name((enum task_state)s), cell->counts[s]);
	}
	json_end_object(w);
}

static void put_run(struct grid *grid, const struct grid_run *run)
{
	struct json_writer *w = &grid->call->w;
	const struct dag *dag = grid->dag;
	json_begin_object(w);
	json_put_raw(w, run->head);
	json_key(w, "states");
	json_begin_array(w);
	for (size_t t = 0; t < dag->task_count; t++)
		put_state(w, &run->cells[t], dag_task_mapped(&dag->tasks[dag->order[t]]));
	json_end_array(w);
	json_key(w, "starts");
	json_begin_array(w);
	for (size_t t = 0; t < dag->task_count; t++)
		put_time_value(w, run->cells[t].any ? run->cells[t].start_us : NO_TIME);
	json_end_array(w);
	json_key(w, "ends");
	json_begin_array(w);
	for (size_t t = 0; t < dag->task_count; t++)
		put_time_value(w, run->cells[t].any ? run->cells[t].end_us : NO_TIME);
	json_end_array(w);
	json_key(w, "tries");
	json_begin_array(w);
	for (size_t t = 0; t < dag->task_count; t++)
		json_put_int(w, run->cells[t].tries);
	json_end_array(w);
	json_end_object(w);
}

static void put_tasks(struct grid *grid)
{
	struct json_writer *w = &grid->call->w;
	const struct dag *dag = grid->dag;
	json_key(w, "tasks");
	json_begin_array(w);
	for (size_t t = 0; t < dag->task_count; t++) {
		const struct dag_task *task = &dag->tasks[dag->order[t]];
		json_begin_object(w);
		json_member_str(w, "task_id", task->id);
		json_member_str(w, "label", task->name);
		put_text(w, "group_id", task->group >= 0 ? dag->groups[task->group].id : MR_STR_NULL);
		json_member_cstr(w, "operator", task->operator->name);
		json_member_bool(w, "is_mapped", dag_task_mapped(task));
		json_key(w, "upstream");
		json_begin_array(w);
		for (size_t u = 0; u < task->upstream.count; u++)
			json_put_int(w, (int64_t)(size_t)mr_map_get(&grid->index,
								    dag->tasks[task->upstream.items[u]].id) -
					    1);
		json_end_array(w);
		json_end_object(w);
	}
	json_end_array(w);
	json_key(w, "groups");
	json_begin_array(w);
	for (size_t g = 0; g < dag->group_count; g++) {
		const struct dag_group *group = &dag->groups[g];
		json_begin_object(w);
		json_member_str(w, "group_id", group->id);
		json_member_str(w, "label", group->name);
		put_text(w, "parent_id", group->parent >= 0 ? dag->groups[group->parent].id : MR_STR_NULL);
		put_text(w, "tooltip", group->tooltip);
		json_end_object(w);
	}
	json_end_array(w);
}

int api_grid(struct api_call *call, struct mr_error *err)
{
	struct grid grid = {.call = call};
	struct dag *dag;
	int64_t limit = RUNS_DEFAULT, offset;
	if (api_param(call, "limit").len)
		list_page(call, &limit, &offset);
	if (!api_param(call, "dag_id").len)
		api_fault(call, "missing", "query", "dag_id", "Field required", (struct json_value){0});
	if (api_faulty(call))
		return 0;
	int rc = api_dag(call, api_param(call, "dag_id"), &dag, err);
	if (rc < 0)
		return rc;
	grid.dag = dag;
	for (size_t t = 0; t < dag->task_count; t++)
		mr_map_put(&grid.index, dag->tasks[dag->order[t]].id, (void *)(t + 1));
	rc = read_grid(&grid, mr_min_i64(limit, RUNS_MAX), err);
	if (rc == 0) {
		json_begin_object(&call->w);
		json_member_str(&call->w, "dag_id", dag->id);
		json_member_cstr(&call->w, "version", dag->version);
		put_tasks(&grid);
		json_key(&call->w, "runs");
		json_begin_array(&call->w);
		for (size_t i = 0; i < grid.runs.len; i++)
			put_run(&grid, &grid.runs.items[i]);
		json_end_array(&call->w);
		json_end_object(&call->w);
	}
	mr_map_release(&grid.index);
	mr_vec_release(&grid.runs);
	dag_unref(dag);
	return rc;
}

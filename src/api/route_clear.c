/* api/route_clear.c - POST /dags/{dag_id}/clearTaskInstances: which instances run again; with dry_run
 * only what they would be. Airflow's defaults: dry_run and only_failed are true. */
#include "api/list.h"
#include "api/routes.h"

#include "dag/civil.h"

#include <stdio.h>

#define RUNS_MAX 10000

struct chosen_task {
	mr_str id;
	int32_t map_index; /* -1: all */
};

struct clear {
	struct api_call *call;
	mr_str dag_id;
	MR_VEC(mr_str) runs;
	MR_VEC(struct chosen_task) tasks; /* none: all */
	bool upstream, downstream, only_failed, only_running;
};

/* ---- which runs ---- */

static int take_run(void *arg, struct json_value row, struct mr_error *err)
{
	struct clear *clear = arg;
	if (clear->runs.len >= RUNS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "more than %d runs at once", RUNS_MAX);
	mr_vec_push(&clear->runs, arena_copy(&clear->call->arena, json_str(json_get(row, "run_id"))));
	return 0;
}

static mr_str number(struct api_call *call, int64_t n)
{
	return arena_printf(&call->arena, "%lld", (long long)n);
}

static int choose_runs(struct clear *clear, struct mr_error *err)
{
	struct api_call *call = clear->call;
	mr_str run_id = api_body_str(call, "dag_run_id", false);
	int64_t from = api_body_time(call, "start_date", false), to = api_body_time(call, "end_date", false);
	bool future = api_body_bool(call, "include_future", false);
	bool past = api_body_bool(call, "include_past", false);
	if (api_faulty(call))
		return 0;
	mr_str params[] = {clear->dag_id, run_id, number(call, from == NO_TIME ? 0 : from),
			   number(call, to == NO_TIME ? INT64_MAX : to)};
	const char *condition = "logical_date BETWEEN CAST(?3 AS BIGINT) AND CAST(?4 AS BIGINT)";
	if (run_id.len && (future || past))
		condition = future && past ? "TRUE"
			    : future ? "run_after >= (SELECT run_after FROM dag_run WHERE dag_id = ?1 AND "
				       "run_id = ?2)"
				     : "run_after <= (SELECT run_after FROM dag_run WHERE dag_id = ?1 AND "
				       "run_id = ?2)";
	else if (run_id.len)
		condition = "run_id = ?2";
	mr_str sql = arena_printf(&call->arena,
				  "SELECT run_id FROM dag_run WHERE dag_id = ?1 AND (%s) ORDER BY run_after",
				  condition);
	int rc = api_query(call, sql.ptr, params, 4, take_run, clear, err);
	if (rc == 0 && run_id.len && !clear->runs.len)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "Dag Run id %.*s not found in dag %.*s", MR_FMT(run_id),
			     MR_FMT(clear->dag_id));
	return rc;
}

/* ---- which tasks ---- */

/* "make" or ["each", 3] */
static int choose_tasks(struct clear *clear, const struct dag *dag, struct mr_error *err)
{
	struct json_value ids = json_get(clear->call->body, "task_ids");
	for (struct json_iter it = json_iter(ids); json_next(&it);) {
		bool pair = json_type(it.value) == JSON_ARRAY;
		struct chosen_task task = {json_str(pair ? json_at(it.value, 0) : it.value),
					   pair ? (int32_t)json_int(json_at(it.value, 1)) : -1};
		if (!dag_task_find(dag, task.id))
			return mr_fail(err, MR_ERR_NOT_FOUND,
				       "Task with id: `%.*s` was not found in DAG `%.*s`", MR_FMT(task.id),
				       MR_FMT(dag->id));
		mr_vec_push(&clear->tasks, task);
	}
	return 0;
}

/* ---- the answer: the instances, before they are cleared ---- */

static void put_task_condition(const struct clear *clear, const struct dag *dag, struct mr_buf *where)
{
	bool *chosen = mr_calloc(dag->task_count, sizeof *chosen);
	const char *before = " AND (FALSE";
	mr_buf_cstr(where, before);
	for (size_t i = 0; i < clear->tasks.len; i++) {
		const struct chosen_task *task = &clear->tasks.items[i];
		const struct dag_task *spec = dag_task_find(dag, task->id);
		memset(chosen, 0, dag->task_count);
		if (clear->downstream)
			dag_mark_downstream(dag, spec->index, chosen);
		if (clear->upstream)
			dag_mark_upstream(dag, spec->index, chosen);
		chosen[spec->index] = true;
		for (size_t t = 0; t < dag->task_count; t++) {
			if (!chosen[t])
				continue;
			mr_buf_cstr(where, " OR (t.task_id = '");
			for (size_t c = 0; c < dag->tasks[t].id.len; c++)
				mr_buf_printf(where, dag->tasks[t].id.ptr[c] == '\'' ? "''" : "%c",
					      dag->tasks[t].id.ptr[c]);
			mr_buf_char(where, '\'');
			if (task->map_index >= 0 && t == (size_t)spec->index)
				mr_buf_printf(where, " AND t.map_index = %d", task->map_index);
			mr_buf_char(where, ')');
		}
	}
	mr_buf_char(where, ')');
	free(chosen);
}

static int put_affected(struct clear *clear, const struct dag *dag, struct mr_error *err)
{
	struct api_call *call = clear->call;
	struct mr_buf where = {0};
	int64_t total = 0, count;
	int rc = 0;
	mr_buf_cstr(&where, "r.dag_id = ?1 AND r.run_id = ?2");
	if (clear->tasks.len)
		put_task_condition(clear, dag, &where);
	if (clear->only_failed)
		mr_buf_cstr(&where, " AND t.state IN ('failed', 'upstream_failed')");
	if (clear->only_running)
		mr_buf_cstr(&where, " AND t.state = 'running'");
	api_begin_list(call, api_instances.key);
	for (size_t i = 0; rc == 0 && i < clear->runs.len; i++) {
		struct sql_params params = {{clear->dag_id, clear->runs.items[i]}, 2};
		rc = list_rows(call, &api_instances, where.ptr, &params, &count, err);
		total += rc == 0 ? count : 0;
	}
	list_end(call, &api_instances, total);
	mr_buf_release(&where);
	return rc;
}

/* ---- clearing ---- */

static int clear_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct clear *clear = arg;
	int rc = 0;
	for (size_t r = 0; rc == 0 && r < clear->runs.len; r++) {
		for (size_t t = 0; rc == 0 && t < mr_max_size(clear->tasks.len, 1); t++) {
			const struct chosen_task *task = clear->tasks.len ? &clear->tasks.items[t] : NULL;
			size_t count;
			struct core_select select = {.dag_id = clear->dag_id,
						     .run_id = clear->runs.items[r],
						     .task_ids = task ? &task->id : NULL,
						     .task_count = task != NULL,
						     .map_index = task ? task->map_index : -1,
						     .upstream = clear->upstream,
						     .downstream = clear->downstream,
						     .only_failed = clear->only_failed,
						     .only_running = clear->only_running,
						     .who = API_USER};
			rc = core_clear(core, &select, &count, err);
		}
	}
	return rc;
}

int api_clear(struct api_call *call, struct mr_error *err)
{
	struct clear clear = {.call = call, .dag_id = call->path[0]};
	struct dag *dag = NULL;
	bool dry_run = api_body_bool(call, "dry_run", true);
	clear.only_failed = api_body_bool(call, "only_failed", true);
	clear.only_running = api_body_bool(call, "only_running", false);
	clear.upstream = api_body_bool(call, "include_upstream", false);
	clear.downstream = api_body_bool(call, "include_downstream", false);
	int rc = api_dag(call, clear.dag_id, &dag, err);
	if (rc == 0)
		rc = choose_runs(&clear, err);
	if (rc == 0)
		rc = choose_tasks(&clear, dag, err);
	if (rc == 0 && !api_faulty(call))
		rc = put_affected(&clear, dag, err);
	if (rc == 0 && !api_faulty(call) && !dry_run)
		rc = dags_call(call->dags, clear_in_core, &clear, err);
	dag_unref(dag);
	mr_vec_release(&clear.runs);
	mr_vec_release(&clear.tasks);
	return rc;
}

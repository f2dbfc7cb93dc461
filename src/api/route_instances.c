/* api/route_instances.c - taskInstances: list, get, mapped ones, tries, mark. */
#include "api/list.h"
#include "api/routes.h"

#include <stdlib.h>

#define INSTANCE_FIELDS \
	{"task_id", "t.task_id", FIELD_STRING}, {"dag_id", "r.dag_id", FIELD_STRING}, \
	    {"dag_run_id", "r.run_id", FIELD_STRING}, {"map_index", "t.map_index", FIELD_INT}, \
	    {"start_date", "t.start_date", FIELD_TIME}, {"end_date", "t.end_date", FIELD_TIME}, \
	    {"duration", "t.end_date - t.start_date", FIELD_SECONDS}, {"state", "t.state", FIELD_STATE}, \
	    {"try_number", "t.try_number", FIELD_INT}, {"max_tries", "t.max_tries", FIELD_INT}, \
	    {"task_display_name", "t.task_id", FIELD_STRING}, \
	    {"dag_display_name", "r.dag_id", FIELD_STRING}, {"hostname", "t.hostname", FIELD_STRING}, \
	    {"unixname", "null", FIELD_RAW}, {"pool", "t.pool", FIELD_STRING}, \
	    {"pool_slots", "t.pool_slots", FIELD_INT}, \
	    {"queue", "coalesce(nullif(t.queue, ''), 'default')", FIELD_STRING}, \
	    {"priority_weight", "t.priority_weight", FIELD_INT}, {"operator", "t.operator", FIELD_TEXT}, \
	    {"operator_name", "t.operator", FIELD_TEXT}, {"queued_when", "t.queued_dttm", FIELD_TIME}, \
	    {"scheduled_when", "t.scheduled_dttm", FIELD_TIME}, \
	    {"pid", "CASE WHEN t.pid > 0 THEN t.pid END", FIELD_INT}, \
	    {"executor", "t.executor", FIELD_TEXT}, \
	    {"executor_config", "CASE WHEN t.executor_config = '' THEN '{}' ELSE t.executor_config END", \
	     FIELD_STRING}, \
	    {"dag_version", LIST_VERSION_OF("r"), FIELD_VERSION}, {"exit_code", "t.exit_code", FIELD_INT}, \
	{ \
		"reason", "t.reason", FIELD_TEXT \
	}

static const struct field fields[] = {
    {"id", "json_array(t.id, t.run_no, t.map_index, t.task_id)", FIELD_TRY},
    INSTANCE_FIELDS,
    {"logical_date", "r.logical_date", FIELD_TIME},
    {"run_after", "r.run_after", FIELD_TIME},
    {"note", "n.content", FIELD_TEXT},
    {"rendered_map_index", "CASE WHEN t.map_index >= 0 THEN CAST(t.map_index AS TEXT) END", FIELD_TEXT},
    {"rendered_fields", "CASE WHEN t.map_args = '' THEN '{}' ELSE t.map_args END", FIELD_JSON},
    {"trigger", "null", FIELD_RAW},
    {"triggerer_job", "null", FIELD_RAW},
};

static const struct filter filters[] = {
    {"task_id", "t.task_id", FILTER_TEXT},
    {"dag_id", "r.dag_id", FILTER_TEXT},
    {"run_id", "r.run_id", FILTER_TEXT},
    {"task_display_name_pattern", "t.task_id", FILTER_PATTERN},
    {"state", "t.state", FILTER_STATE},
    {"pool", "t.pool", FILTER_TEXT},
    {"queue", "t.queue", FILTER_TEXT},
    {"executor", "t.executor", FILTER_TEXT},
    {"operator", "t.operator", FILTER_TEXT},
    {"map_index", "t.map_index", FILTER_INT},
    {"try_number", "t.try_number", FILTER_INT},
    {"run_id_pattern", "r.run_id", FILTER_PATTERN},
    {"dag_id_pattern", "r.dag_id", FILTER_PATTERN},
    {"logical_date", "r.logical_date", FILTER_TIME},
    {"run_after", "r.run_after", FILTER_TIME},
    {"start_date", "t.start_date", FILTER_TIME},
    {"end_date", "t.end_date", FILTER_TIME},
    {"duration", "(t.end_date - t.start_date)", FILTER_SECONDS},
};

static const char *const orders[] = {"id", "t.run_no", "run_id", "r.run_id", NULL};

const struct resource api_instances = {
    .key = "task_instances",
    .cursors = true,
    .from = "task_instance t JOIN dag_run r ON r.run_no = t.run_no LEFT JOIN note n ON n.dag_id = r.dag_id "
	    "AND n.run_id = r.run_id AND n.task_id = t.task_id AND n.map_index = t.map_index",
    .fields = fields,
    .field_count = MR_COUNT(fields),
    .filters = filters,
    .filter_count = MR_COUNT(filters),
    .order = "t.run_no, t.task_id, t.map_index",
    .orders = orders,
    .tie = "t.run_no, t.task_id, t.map_index",
};

static const struct field try_fields[] = {INSTANCE_FIELDS};

/* Tries that are over, and the one that is not: a try that ended is in both tables. */
#define TRY_COLUMNS \
	"run_no, task_id, map_index, try_number, id, state, max_tries, operator, pool, queue, hostname, " \
	"pid, " \
	"reason, exit_code, pool_slots, priority_weight, scheduled_dttm, queued_dttm, start_date, " \
	"end_date, " \
	"executor, executor_config"
static const struct resource tries = {
    .key = "task_instances",
    .from =
	"(SELECT " TRY_COLUMNS " FROM task_instance_history UNION ALL SELECT " TRY_COLUMNS
	" FROM task_instance i WHERE i.try_number > 0 AND NOT EXISTS (SELECT 1 FROM task_instance_history h "
	"WHERE h.run_no = i.run_no AND h.task_id = i.task_id AND h.map_index = i.map_index AND "
	"h.try_number = i.try_number)) t JOIN dag_run r ON r.run_no = t.run_no",
    .fields = try_fields,
    .field_count = MR_COUNT(try_fields),
    .order = "t.try_number",
    .tie = "t.end_date NULLS FIRST",
};

static const char *no_instance(struct api_call *call)
{
	return arena_printf(&call->arena,
			    "The Task Instance with dag_id: `%.*s`, run_id: `%.*s` and task_id: `%.*s` was "
			    "not found",
			    MR_FMT(call->path[0]), MR_FMT(call->path[1]), MR_FMT(call->path[2]))
	    .ptr;
}

static int check_run(struct api_call *call, struct mr_error *err)
{
	struct mr_buf row = {0};
	bool any_dag = mr_str_is(call->path[0], "~"), any_run = mr_str_is(call->path[1], "~");
	struct dag *dag;
	if (!any_dag) {
		int rc = api_dag(call, call->path[0], &dag, err);
		if (rc < 0)
			return rc;
		dag_unref(dag);
	}
	if (any_run)
		return 0;
	struct dag_store *store = dags_store(call->dags);
	int rc = store->ops->query(
	    store, "SELECT 1 FROM dag_run WHERE (dag_id = ?1 OR ?1 = '~') AND run_id = ?2 LIMIT 1",
	    call->path, 2, &row, err);
	if (rc == 0 && !row.len)
		rc = mr_fail(err, MR_ERR_NOT_FOUND,
			     "The DagRun with dag_id: `%.*s` and run_id: `%.*s` was not found",
			     MR_FMT(call->path[0]), MR_FMT(call->path[1]));
	mr_buf_release(&row);
	return rc;
}

int api_instance_list(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{call->path[0], call->path[1]}, 2};
	int rc = check_run(call, err);
	static const char *const columns[] = {"r.dag_id", "r.run_id"};
	return rc < 0 ? rc
		      : list_answer(call, &api_instances, list_path_where(call, columns, MR_COUNT(columns)),
				    &params, err);
}

#define ONE "r.dag_id = ?1 AND r.run_id = ?2 AND t.task_id = ?3"
#define ONE_MAPPED ONE " AND t.map_index = CAST(?4 AS BIGINT)"

int api_instance_get(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{call->path[0], call->path[1], call->path[2]}, 3};
	return list_one(call, &api_instances, ONE " AND t.map_index = -1", &params, no_instance(call), err);
}

int api_instance_mapped_list(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{call->path[0], call->path[1], call->path[2]}, 3};
	int rc = check_run(call, err);
	return rc < 0 ? rc : list_answer(call, &api_instances, ONE " AND t.map_index >= 0", &params, err);
}

int api_instance_mapped_get(struct api_call *call, struct mr_error *err)
{
	struct sql_params params = {{call->path[0], call->path[1], call->path[2], api_number(call->path[3])},
				    4};
	return list_one(call, &api_instances, ONE_MAPPED, &params, no_instance(call), err);
}

/* ---- tries ---- */

static int list_tries(struct api_call *call, mr_str map_index, struct mr_error *err)
{
	struct sql_params params = {{call->path[0], call->path[1], call->path[2], api_number(map_index)}, 4};
	int64_t count;
	int rc = check_run(call, err);
	if (rc < 0)
		return rc;
	api_begin_list(call, tries.key);
	rc = list_rows(call, &tries, ONE_MAPPED, &params, &count, err);
	api_end_list(call, count);
	return rc;
}

int api_instance_tries(struct api_call *call, struct mr_error *err)
{
	return list_tries(call, MR_STR("-1"), err);
}

int api_instance_mapped_tries(struct api_call *call, struct mr_error *err)
{
	return list_tries(call, call->path[3], err);
}

static int one_try(struct api_call *call, mr_str map_index, mr_str number, struct mr_error *err)
{
	struct sql_params params = {
	    {call->path[0], call->path[1], call->path[2], api_number(map_index), api_number(number)}, 5};
	return list_one(call, &tries, ONE_MAPPED " AND t.try_number = CAST(?5 AS BIGINT)", &params,
			no_instance(call), err);
}

int api_instance_try(struct api_call *call, struct mr_error *err)
{
	return one_try(call, MR_STR("-1"), call->path[3], err);
}

int api_instance_mapped_try(struct api_call *call, struct mr_error *err)
{
	return one_try(call, call->path[3], call->path[4], err);
}

/* ---- mark, note ---- */

struct mark {
	struct core_select select;
	enum task_state state;
	bool marked, noted;
	struct store_note note;
};

static int mark_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct mark *mark = arg;
	size_t count;
	int rc = mark->marked ? core_mark(core, &mark->select, mark->state, &count, err) : 0;
	if (rc == 0 && mark->noted)
		core_note(core, &mark->note);
	return rc;
}

static bool read_mark(struct api_call *call, struct mark *mark)
{
	mr_str state = api_body_str(call, "new_state", false);
	if (!state.len)
		state = api_body_str(call, "state", false);
	mark->marked = state.len > 0;
	if (mark->marked &&
	    (!task_state_parse(state, &mark->state) ||
	     (mark->state != TASK_SUCCESS && mark->state != TASK_FAILED && mark->state != TASK_SKIPPED)))
		api_fault(call, "enum", "body", "new_state",
			  "Input should be 'success', 'failed' or 'skipped'",
			  json_get(call->body, "new_state"));
	mark->select.upstream = api_body_bool(call, "include_upstream", false);
	mark->select.downstream = api_body_bool(call, "include_downstream", false);
	mark->note.text = api_body_str(call, "note", false);
	mark->noted = mark->note.text.ptr != NULL;
	return !api_faulty(call);
}

static int patch(struct api_call *call, int32_t map_index, struct mr_error *err)
{
	const mr_str *path = call->path;
	struct mark mark = {.select = {.dag_id = path[0],
				       .run_id = path[1],
				       .task_ids = &call->path[2],
				       .task_count = 1,
				       .map_index = map_index,
				       .who = API_USER}};
	if (!read_mark(call, &mark))
		return 0;
	mark.note.dag_id = path[0];
	mark.note.run_id = path[1];
	mark.note.task_id = path[2];
	mark.note.map_index = map_index;
	struct sql_params params = {{path[0], path[1], path[2], arena_printf(&call->arena, "%d", map_index)},
				    4};
	int rc = check_run(call, err);
	if (rc == 0)
		rc = dags_call(call->dags, mark_in_core, &mark, err);
	if (rc < 0)
		return rc;
	int64_t count;
	api_begin_list(call, api_instances.key);
	rc = list_rows(call, &api_instances, map_index < 0 ? ONE " AND ?4 = ?4" : ONE_MAPPED, &params, &count,
		       err);
	list_end(call, &api_instances, count);
	return rc;
}

int api_instance_patch(struct api_call *call, struct mr_error *err)
{
	return patch(call, -1, err);
}

int api_instance_mapped_patch(struct api_call *call, struct mr_error *err)
{
	return patch(call, (int32_t)strtol(call->path[3].ptr, NULL, 10), err);
}

int api_put_instances(struct api_call *call, mr_str dag_id, mr_str run_id, const char *condition,
		      struct mr_error *err)
{
	struct sql_params params = {{dag_id, run_id}, 2};
	int64_t count;
	mr_str where = arena_printf(&call->arena, "r.dag_id = ?1 AND r.run_id = ?2 AND %s", condition);
	api_begin_list(call, api_instances.key);
	int rc = list_rows(call, &api_instances, where.ptr, &params, &count, err);
	list_end(call, &api_instances, count);
	return rc;
}

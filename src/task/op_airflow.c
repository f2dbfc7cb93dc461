/* AirflowOperator: a task of an Airflow DAG file. The helper (airflow_helper.py) is the supervisor of
 * Airflow's own task runner; it gets a job as JSON, with what the tasks above pushed, and leaves the XComs
 * and the tasks to skip in $MILLRACE_XCOM. Exit code 99: skipped; 98: failed for good.
 *
 * A task's XComs under other keys than return_value are listed under KEYS, so that they are found again.
 */
#include "task/op.h"

#include "dag/civil.h"
#include "task/airflow.h"

#include <stdlib.h>

enum { EXIT_FAIL_FINAL = 98, EXIT_SKIP = 99 };

#define KEYS "_keys"
#define RETURNED "return_value"

static void put_time(struct json_writer *w, const char *name, int64_t us)
{
	char text[CIVIL_ISO_BYTES];
	json_key(w, name);
	if (us == NO_TIME)
		json_put_null(w);
	else
		json_put_cstr(w, civil_iso(text, us));
}

static void put_run(const struct dag_try *try, struct json_writer *w)
{
	const struct dag_run_context *run = &try->run;
	json_key(w, "dag_run");
	json_begin_object(w);
	json_member_str(w, "dag_id", try->dag->id);
	json_member_str(w, "run_id", run->run_id);
	json_member_str(w, "run_type", run->run_type);
	json_member_cstr(w, "state", "running");
	put_time(w, "logical_date", run->logical_date_us);
	put_time(w, "data_interval_start", run->data_interval_start_us);
	put_time(w, "data_interval_end", run->data_interval_end_us);
	put_time(w, "run_after", run->run_after_us == NO_TIME ? run->start_date_us : run->run_after_us);
	put_time(w, "start_date", run->start_date_us);
	put_time(w, "end_date", NO_TIME);
	json_key(w, "conf");
	json_put_raw(w, run->conf_json.len ? run->conf_json : MR_STR("{}"));
	json_key(w, "consumed_asset_events");
	json_put_raw(w, MR_STR("[]"));
	json_key(w, "partition_key");
	json_put_null(w);
	json_end_object(w);
}

/* 1: there is none. */
static int put_xcom(struct op_call *call, struct json_writer *w, mr_str task_id, mr_str key,
		    struct mr_error *err)
{
	struct mr_buf json = {0};
	int rc = dag_sink_xcom(call->services->sink, call->try, task_id, -1, key, &json, err);
	if (rc == 0) {
		json_key_str(w, key);
		json_put_raw(w, mr_buf_view(&json));
	}
	mr_buf_release(&json);
	return rc;
}

static int put_task_xcoms(struct op_call *call, struct json_writer *w, const struct dag_task *task,
			  struct mr_error *err)
{
	struct mr_buf keys = {0};
	json_key_str(w, task->id);
	json_begin_object(w);
	int rc = put_xcom(call, w, task->id, MR_STR(RETURNED), err);
	if (rc >= 0 && !dag_task_mapped(task))
		rc = dag_sink_xcom(call->services->sink, call->try, task->id, -1, MR_STR(KEYS), &keys, err);
	if (rc == 0 && keys.len) {
		struct json_parser *parser = json_parser_new();
		struct json_value list;
		rc = json_parse(parser, mr_buf_view(&keys), &list, err);
		for (struct json_iter it = json_iter(list); rc >= 0 && json_next(&it);)
			rc = put_xcom(call, w, task->id, json_str(it.value), err);
		json_parser_free(parser);
	}
	json_end_object(w);
	mr_buf_release(&keys);
	return rc < 0 ? rc : 0;
}

static int put_xcoms(struct op_call *call, struct json_writer *w, struct mr_error *err)
{
	const struct dag *dag = call->try->dag;
	bool *above = arena_calloc(&call->arena, dag->task_count, sizeof *above);
	int rc = 0;
	dag_mark_upstream(dag, (int32_t)(call->try->task - dag->tasks), above);
	json_key(w, "xcoms");
	json_begin_object(w);
	for (size_t i = 0; rc == 0 && i < dag->task_count; i++)
		if (above[i])
			rc = put_task_xcoms(call, w, &dag->tasks[i], err);
	json_end_object(w);
	json_key(w, "mapped");
	json_begin_array(w);
	for (size_t i = 0; i < dag->task_count; i++)
		if (above[i] && dag_task_mapped(&dag->tasks[i]))
			json_put_str(w, dag->tasks[i].id);
	json_end_array(w);
	return rc;
}

static int put_job(struct op_call *call, struct mr_buf *json, struct mr_error *err)
{
	const struct dag_try *try = call->try;
	struct json_writer w = json_writer(json);
	json_begin_object(&w);
	char *folder = realpath(call->services->dags_folder, NULL);
	json_member_cstr(&w, "folder", folder ? folder : call->services->dags_folder);
	free(folder);
	json_member_str(&w, "file", op_str(call, "dag_file"));
	json_member_cstr(&w, "id", try->id);
	json_member_str(&w, "dag_id", try->dag->id);
	json_member_str(&w, "task_id", try->task->id);
	json_member_str(&w, "run_id", try->run.run_id);
	json_member_int(&w, "map_index", try->map_index);
	json_member_int(&w, "try_number", try->try_number);
	json_member_int(&w, "max_tries", try->max_tries);
	put_time(&w, "start_date", clock_wall_us(call->services->env->clock));
	put_run(try, &w);
	int rc = put_xcoms(call, &w, err);
	json_end_object(&w);
	return rc;
}

int airflow_command(struct op_call *call, struct op_command *out, struct mr_error *err)
{
	struct mr_buf json = {0};
	struct mr_file *file;
	char *path = (char *)arena_printf(&call->arena, "%s/job.json", call->folder).ptr;
	int rc = put_job(call, &json, err);
	if (rc == 0)
		rc = disk_open(call->services->env->disk, path,
			       FILE_WRITE | FILE_CREATE | FILE_TRUNCATE | FILE_PRIVATE, &file, err);
	if (rc == 0) {
		rc = file_write_at(file, json.ptr, json.len, 0, err);
		file_close(file);
	}
	mr_buf_release(&json);
	if (rc < 0)
		return rc;
	char *found = airflow_python(call->services->dags_folder);
	const char *python = arena_strdup(&call->arena, found);
	free(found);
	const char *const argv[] = {python, "-u", "-c", airflow_helper, "run", path};
	for (size_t i = 0; i < MR_COUNT(argv); i++)
		mr_vec_push(&out->argv, (char *)argv[i]);
	return 0;
}

/* ---- its end ---- */

static void take_xcoms(struct op_call *call, struct json_value xcoms, struct op_result *out)
{
	struct mr_buf keys = {0};
	struct json_writer w = json_writer(&keys);
	size_t count = json_count(xcoms);
	out->xcoms = arena_calloc(&call->arena, count + 1, sizeof *out->xcoms);
	json_begin_array(&w);
	for (struct json_iter it = json_iter(xcoms); json_next(&it);) {
		struct mr_buf json = {0};
		json_write_value(&json, it.value);
		out->xcoms[out->xcom_count++] = (struct dag_xcom){
		    arena_copy(&call->arena, it.key), arena_copy(&call->arena, mr_buf_view(&json))};
		if (!mr_str_is(it.key, RETURNED))
			json_put_str(&w, it.key);
		mr_buf_release(&json);
	}
	json_end_array(&w);
	if (keys.len > 2)
		out->xcoms[out->xcom_count++] =
		    (struct dag_xcom){MR_STR(KEYS), arena_copy(&call->arena, mr_buf_view(&keys))};
	mr_buf_release(&keys);
}

static bool names(struct json_value list, mr_str id)
{
	for (struct json_iter it = json_iter(list); json_next(&it);)
		if (mr_str_eq(json_str(it.value), id))
			return true;
	return false;
}

/* What the task skips, as whom it leaves standing. */
static void take_skips(struct op_call *call, struct json_value skip, struct op_result *out)
{
	const struct dag *dag = call->try->dag;
	const struct dag_indexes *below = &call->try->task->downstream;
	if (!json_count(skip))
		return;
	out->follow_ids = arena_calloc(&call->arena, below->count + 1, sizeof *out->follow_ids);
	for (size_t i = 0; i < below->count; i++)
		if (!names(skip, dag->tasks[below->items[i]].id))
			out->follow_ids[out->follow_count++] = dag->tasks[below->items[i]].id;
	out->follow = out->follow_count                 ? DAG_FOLLOW_ONLY
		      : json_count(skip) > below->count ? DAG_FOLLOW_NOTHING_BELOW
							: DAG_FOLLOW_NONE;
}

int airflow_finish(struct op_call *call, const struct op_end *end, struct op_result *out,
		   struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct json_value left;
	int rc = json_parse(parser, end->file.len ? end->file : MR_STR("{}"), &left, err);
	if (rc == 0) {
		take_xcoms(call, json_get(left, "xcoms"), out);
		take_skips(call, json_get(left, "skip"), out);
		out->outcome = end->exit_code == 0                 ? DAG_SUCCEEDED
			       : end->exit_code == EXIT_SKIP       ? DAG_SKIPPED
			       : end->exit_code == EXIT_FAIL_FINAL ? DAG_FAILED_FINAL
								   : DAG_FAILED;
		if (out->outcome != DAG_SUCCEEDED)
			out->reason = arena_printf(&call->arena, "exit code %d", end->exit_code);
	}
	json_parser_free(parser);
	return rc;
}

/* AirflowOperator: a task of an Airflow DAG file. The helper (airflow_supervisor.py) is the supervisor of
 * Airflow's own task runner; it gets a job as JSON, asks for the rest with the try's token
 * (api/task_channel.h), and leaves in $MILLRACE_XCOM what its end means: XComs, tasks to skip, events of
 * assets, or when to be resumed. Exit code 97: to be resumed; 98: failed for good; 99: skipped.
 */
#include "task/op.h"

#include "dag/civil.h"
#include "task/airflow.h"

#include <stdlib.h>
#include <string.h>

enum { EXIT_DEFERRED = 97, EXIT_FAIL_FINAL = 98, EXIT_SKIP = 99 };

#define UUID_CHARS (DAG_UUID_BYTES - 1)
#define TOKEN_BYTES (2 * UUID_CHARS + 1)
#define TOKEN_FILE "token"

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
	json_key(w, "asset_events");
	json_put_raw(w, run->asset_events_json.len ? run->asset_events_json : MR_STR("{}"));
	json_key(w, "partition_key");
	json_put_null(w);
	json_end_object(w);
}

/* Two uuids of 122 random bits each, in a file of the try's folder: who can read it is the try. */
static int make_token(struct op_call *call, char out[TOKEN_BYTES], struct mr_error *err)
{
	const struct env *env = call->services->env;
	char *path = (char *)arena_printf(&call->arena, "%s/" TOKEN_FILE, call->folder).ptr;
	struct mr_file *file;
	rng_uuid(env->rng, out);
	rng_uuid(env->rng, out + UUID_CHARS);
	int rc =
	    disk_open(env->disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE | FILE_PRIVATE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_write_at(file, out, TOKEN_BYTES - 1, 0, err);
	file_close(file);
	return rc;
}

static bool is_uuid(mr_str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!strchr("0123456789abcdef-", id.ptr[i]))
			return false;
	return id.len == UUID_CHARS;
}

bool airflow_token_is(struct mr_disk *disk, const char *work, mr_str id, mr_str token)
{
	struct mr_buf kept = {0};
	if (!is_uuid(id) || token.len != TOKEN_BYTES - 1)
		return false;
	char *path = mr_asprintf("%s/%.*s/" TOKEN_FILE, work, MR_FMT(id));
	int rc = disk_read_file(disk, path, TOKEN_BYTES, &kept, NULL);
	unsigned differ = rc != 0 || kept.len != token.len;
	for (size_t i = 0; !rc && i < token.len && i < kept.len;
	     i++) /* in the same time, wherever it differs */
		differ |= (unsigned char)(kept.ptr[i] ^ token.ptr[i]);
	mr_buf_release(&kept);
	free(path);
	return !differ;
}

static int put_job(struct op_call *call, struct mr_buf *json, struct mr_error *err)
{
	const struct dag_try *try = call->try;
	struct json_writer w = json_writer(json);
	char token[TOKEN_BYTES];
	int rc = make_token(call, token, err);
	if (rc < 0)
		return rc;
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
	put_time(&w, "first_start_date", try->poke ? try->first_start_us : NO_TIME);
	json_member_int(&w, "poke", try->poke);
	json_key(&w, "resume");
	json_put_raw(&w, try->resume_json.len ? try->resume_json : MR_STR("{}"));
	json_member_cstr(&w, "channel", call->services->folder);
	json_member_cstr(&w, "token", token);
	put_run(try, &w);
	json_end_object(&w);
	return 0;
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
	char *python = arena_strdup(&call->arena, found);
	free(found);
	if (call->try->task->memory_bytes_max >
	    0) { /* it is watched by its session: not a fork of another's */
		const char *const cold[] = {python, "-u", "-c", airflow_helper, "run", path};
		for (size_t i = 0; i < MR_COUNT(cold); i++)
			mr_vec_push(&out->argv, (char *)cold[i]);
		return 0;
	}
	char *name = airflow_warm_socket(python);
	airflow_warm_start(python, call->services->folder, name, call->services->dags_folder);
	const char *socket = arena_printf(&call->arena, "%s/%s", call->services->folder, name).ptr;
	free(name);
	const char *const argv[] = {python, "-ISu", "-c", airflow_stub, socket, path, airflow_helper};
	for (size_t i = 0; i < MR_COUNT(argv); i++)
		mr_vec_push(&out->argv, (char *)argv[i]);
	return 0;
}

/* ---- its end ---- */

static mr_str json_text(struct op_call *call, struct json_value v)
{
	struct mr_buf text = {0};
	json_write_value(&text, v);
	mr_str copy = arena_copy(&call->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

static void take_xcoms(struct op_call *call, struct json_value xcoms, struct op_result *out)
{
	out->xcoms = arena_calloc(&call->arena, json_count(xcoms) + 1, sizeof *out->xcoms);
	for (struct json_iter it = json_iter(xcoms); json_next(&it);)
		out->xcoms[out->xcom_count++] =
		    (struct dag_xcom){arena_copy(&call->arena, it.key), json_text(call, it.value)};
}

static void take_events(struct op_call *call, struct json_value events, struct op_result *out)
{
	out->events = arena_calloc(&call->arena, json_count(events) + 1, sizeof *out->events);
	for (struct json_iter it = json_iter(events); json_next(&it);)
		out->events[out->event_count++] =
		    (struct dag_asset_event){arena_copy(&call->arena, json_str(json_get(it.value, "uri"))),
					     json_text(call, json_get(it.value, "extra"))};
}

static int take_reschedule(struct json_value at, struct op_result *out, struct mr_error *err)
{
	if (!civil_parse(json_str(at), NULL, &out->until_us))
		return mr_fail(err, MR_ERR_INVALID,
			       "Airflow's runner asks to be resumed at '%.*s', which is no time",
			       MR_FMT(json_str(at)));
	out->deferred = out->reschedule = true;
	return 0;
}

/* Its trigger runs in the triggerer; see airflow_triggerer.py. */
static void take_defer(struct op_call *call, struct json_value defer, struct op_result *out)
{
	struct json_value patience = json_get(defer, "seconds");
	out->deferred = true;
	out->event =
	    arena_printf(&call->arena, "airflow-trigger:%.*s", MR_FMT(json_str(json_get(defer, "name"))));
	out->resume_json = json_text(call, defer);
	if (json_present(patience) && json_type(patience) != JSON_NULL)
		out->until_us =
		    clock_wall_us(call->services->env->clock) + (int64_t)(json_double(patience) * 1e6);
	airflow_triggers_start(call->services->folder, call->services->dags_folder);
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
		take_events(call, json_get(left, "events"), out);
		struct json_value delay = json_get(left, "retry_delay");
		out->retry_delay_given = json_present(delay) && json_type(delay) != JSON_NULL;
		if (out->retry_delay_given)
			out->retry_delay_us = (int64_t)(json_double(delay) * 1e6);
		if (json_present(json_get(left, "defer")))
			take_defer(call, json_get(left, "defer"), out);
		else if (end->exit_code == EXIT_DEFERRED)
			rc = take_reschedule(json_get(left, "reschedule"), out, err);
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

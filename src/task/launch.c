#include "task/launch.h"

#include "base/map.h"
#include "dag/civil.h"
#include "task/procfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what it runs ---- */

/* K=V into the environment under construction; a later one of a name replaces an earlier. */
static void put_entry(struct mr_map *env, const char *entry)
{
	const char *equals = strchr(entry, '=');
	if (equals)
		free(mr_map_put(env, mr_str_n(entry, (size_t)(equals - entry)), mr_strdup(entry)));
}

static void put_variable(struct mr_map *env, const char *name, mr_str value)
{
	char *entry = mr_asprintf("%s=%.*s", name, MR_FMT(value));
	put_entry(env, entry);
	free(entry);
}

/* What every process of a task finds in its environment: Airflow's names, and ours. */
static void put_context(const struct op_call *call, struct mr_map *env)
{
	const struct dag_try *try = call->try;
	char logical[CIVIL_ISO_BYTES] = "", number[16];
	if (try->run.logical_date_us != NO_TIME)
		civil_iso(logical, try->run.logical_date_us);
	snprintf(number, sizeof number, "%d", (int)try->try_number);
	put_variable(env, "AIRFLOW_CTX_DAG_ID", try->dag->id);
	put_variable(env, "AIRFLOW_CTX_TASK_ID", try->task->id);
	put_variable(env, "AIRFLOW_CTX_DAG_RUN_ID", try->run.run_id);
	put_variable(env, "AIRFLOW_CTX_LOGICAL_DATE", mr_str_from(logical));
	put_variable(env, "AIRFLOW_CTX_TRY_NUMBER", mr_str_from(number));
	put_variable(env, "AIRFLOW_CTX_DAG_OWNER", try->dag->owner);
	put_variable(env, TASK_ID_VARIABLE, mr_str_from(try->id));
	char *xcom = mr_asprintf("%s/xcom.json", call->folder);
	put_variable(env, "MILLRACE_XCOM", mr_str_from(xcom));
	free(xcom);
}

static void make_environment(struct launch *launch, bool own_env)
{
	struct mr_map env = {0};
	for (char **entry = environ; own_env && !launch->command.only_env && *entry; entry++)
		put_entry(&env, *entry);
	for (size_t i = 0; i < launch->command.env.len; i++)
		put_entry(&env, launch->command.env.items[i]);
	put_context(&launch->call, &env);
	mr_map_each (&env, entry) {
		mr_vec_push(&launch->env,
			    (char *)arena_copy(&launch->call.arena, mr_str_from(entry->value)).ptr);
		free(entry->value);
	}
	mr_map_release(&env);
}

static int make_command(struct launch *launch, struct work_folders *folders, struct mr_error *err)
{
	struct op_call *call = &launch->call;
	const char *name = call->try->task->operator->name;
	const struct task_op *op = op_find(name);
	if (!op || !op->command)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "%s does not run as a process", name);
	int rc = work_folder_take(folders, call->try->id, err);
	return rc == 0 ? op->command(call, &launch->command, err) : rc;
}

int launch_prepare(struct launch *launch, const struct task_services *services, struct dag_try *try,
		   struct work_folders *folders, bool own_env, struct mr_error *err)
{
	struct mr_buf log = {0};
	*launch = (struct launch){0};
	int rc = op_call_init(&launch->call, services, try, false, err);
	struct op_call *call = &launch->call;
	if (rc == 0)
		rc = make_command(launch, folders, err);
	if (rc < 0) {
		task_log_line(&call->log, "ERROR", "%s%s%s", err->message, err->hint[0] ? ": " : "",
			      err->hint);
		launch->reason = op_masked(call, mr_str_from(err->message));
		return rc;
	}
	make_environment(launch, own_env);
	launch->cwd = launch->command.cwd ? launch->command.cwd : call->folder;
	task_log_path(services->logs, try->dag->id, try->run.run_id, try->task->id, try->map_index,
		      try->try_number, &log);
	launch->log = arena_copy(&call->arena, mr_buf_view(&log)).ptr;
	mr_buf_release(&log);
	return 0;
}

void launch_release(struct launch *launch)
{
	mr_vec_release(&launch->command.argv);
	mr_vec_release(&launch->command.env);
	mr_vec_release(&launch->env);
	op_call_release(&launch->call);
}

/* ---- what its end means ---- */

/* The XCom file that the task may have written. */
static int read_xcom_file(struct op_call *call, mr_str *out, struct mr_error *err)
{
	struct mr_buf text = {0};
	char *path = mr_asprintf("%s/xcom.json", call->folder);
	int rc = disk_read_file(call->services->env->disk, path, DAG_XCOM_BYTES_MAX, &text, err);
	*out = MR_STR("");
	if (rc == 0)
		*out = arena_copy(&call->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	free(path);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static int conclude(struct op_call *call, const struct launch_end *end, struct op_result *result,
		    struct mr_error *err)
{
	const struct task_op *op = op_find(call->try->task->operator->name);
	struct op_end own = {.exit_code = end->exit_code, .line = end->line};
	if (end->reason.len) {
		result->outcome = DAG_FAILED;
		result->reason = end->reason;
		return 0;
	}
	int rc = read_xcom_file(call, &own.file, err);
	return rc == 0 ? op->finish(call, &own, result, err) : rc;
}

static void log_end(struct task_log *log, const struct op_result *result)
{
	const char *what = result->deferred                   ? "waits to be resumed"
			   : result->outcome == DAG_SUCCEEDED ? "succeeded"
			   : result->outcome == DAG_SKIPPED   ? "skipped"
							      : "failed";
	task_log_line(log, !result->deferred && result->outcome == DAG_FAILED ? "ERROR" : "INFO", "%s%s%.*s",
		      what, result->reason.len ? ": " : "", MR_FMT(result->reason));
}

static struct dag_report report_of(const struct dag_try *try, const struct launch_end *end,
				   const struct op_result *result)
{
	return (struct dag_report){
	    .kind = result->deferred ? DAG_REPORT_DEFERRED : DAG_REPORT_FINISHED,
	    .id = try->id,
	    .at_us = end->at_us,
	    .outcome = result->outcome,
	    .exit_code = end->exit_code,
	    .signal = end->signal,
	    .reason = result->reason,
	    .follow = result->follow,
	    .follow_ids = result->follow_ids,
	    .follow_count = result->follow_count,
	    .xcoms = result->xcoms,
	    .xcom_count = result->xcom_count,
	    .asset_events = result->events,
	    .asset_event_count = result->event_count,
	    .retry_delay_given = result->retry_delay_given,
	    .retry_delay_us = result->retry_delay_us,
	    .until_us = result->until_us,
	    .event = result->event,
	    .resume_json = result->resume_json,
	    .reschedule = result->reschedule,
	};
}

void launch_report_end(const struct task_services *services, struct dag_try *try,
		       const struct launch_end *end)
{
	struct op_call call;
	struct op_result result = {.until_us = NO_TIME};
	struct mr_error err = {0};
	int rc = op_call_init(&call, services, try, true, &err);
	if (rc == 0)
		rc = conclude(&call, end, &result, &err);
	if (rc < 0) {
		result.outcome = DAG_FAILED;
		result.reason = mr_str_from(err.message);
	}
	result.reason = op_masked(&call, result.reason);
	struct dag_report report = report_of(try, end, &result);
	struct dag_xcom xcom = {MR_STR("return_value"), result.xcom_json};
	if (!result.xcom_count && result.outcome == DAG_SUCCEEDED && xcom.json.len &&
	    try->task->do_xcom_push) {
		report.xcoms = &xcom;
		report.xcom_count = 1;
	}
	log_end(&call.log, &result);
	dag_sink_report(services->sink, &report);
	op_call_release(&call);
}

/* ---- the other reports ---- */

void launch_report_started(const struct task_services *services, const char *id, int64_t at_us, mr_str host,
			   int64_t pid)
{
	struct dag_report report = {
	    .kind = DAG_REPORT_STARTED, .id = id, .at_us = at_us, .host = host, .pid = pid};
	dag_sink_report(services->sink, &report);
}

void launch_report_failed(const struct task_services *services, const char *id, mr_str reason)
{
	struct dag_report report = {
	    .kind = DAG_REPORT_FINISHED, .id = id, .at_us = NO_TIME, .outcome = DAG_FAILED, .reason = reason};
	dag_sink_report(services->sink, &report);
}

void launch_report_lost(const struct task_services *services, const char *id, mr_str reason)
{
	struct dag_report report = {.kind = DAG_REPORT_LOST, .id = id, .at_us = NO_TIME, .reason = reason};
	dag_sink_report(services->sink, &report);
}

/* The process executor: renders a try's command on its own threads, has the keeper run it, and turns
 * its end into a report.
 *
 * A try is in `tries` from submit (or reattach) to its last report; whoever takes it out reports it,
 * so there is one such report. Lock order: sending, then lock. A message about a try is sent with
 * `sending` held and the try still there, so that one that was given up with a dead keeper is never
 * started by the next.
 */
#include "base/log.h"

#include "base/map.h"
#include "dag/civil.h"
#include "task/keeper_client.h"
#include "task/op.h"
#include "task/pool.h"
#include "task/procfs.h"
#include "task/work_folders.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RENDER_THREADS 2
#define GRACE_MS 10000 /* between SIGTERM and SIGKILL */

struct process_executor {
	struct dag_executor base;
	const struct task_services *services;
	struct keeper_client *keeper;
	struct pool *pool;
	struct work_folders *folders;
	pthread_mutex_t sending, lock;
	struct mr_map tries; /* id → struct running */
};

struct running {
	struct pool_job job;
	struct process_executor *executor;
	struct dag_try *try;
	bool sent, cancelled;
	bool reattached;
};

static struct process_executor *executor_of(struct dag_executor *base)
{
	return MR_CONTAINER_OF(base, struct process_executor, base);
}

/* Out of the table: the caller reports it and frees it. NULL: somebody else did. */
static struct running *take(struct process_executor *executor, const char *id)
{
	pthread_mutex_lock(&executor->lock);
	struct running *running = mr_map_remove(&executor->tries, mr_str_from(id));
	pthread_mutex_unlock(&executor->lock);
	return running;
}

static void free_running(struct running *running)
{
	dag_try_unref(running->try);
	free(running);
}

static void remove_folder(struct process_executor *executor, const char *id)
{
	struct mr_error err;
	if (work_folder_give(executor->folders, id, &err) != 0)
		mr_log_error("task", &err);
}

static void report_lost(struct process_executor *executor, struct running *running, const char *why)
{
	struct dag_report report = {
	    .kind = DAG_REPORT_LOST, .id = running->try->id, .at_us = NO_TIME, .reason = mr_str_from(why)};
	dag_sink_report(executor->services->sink, &report);
	remove_folder(executor, running->try->id);
	free_running(running);
}

static void report_failed(struct process_executor *executor, struct running *running, const char *reason)
{
	struct dag_report report = {.kind = DAG_REPORT_FINISHED,
				    .id = running->try->id,
				    .at_us = NO_TIME,
				    .outcome = DAG_FAILED,
				    .reason = mr_str_from(reason)};
	dag_sink_report(executor->services->sink, &report);
	remove_folder(executor, running->try->id);
	free_running(running);
}

/* ---- starting ---- */

static void put_strings(struct json_writer *w, const char *key, char *const *items, size_t count)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < count; i++)
		json_put_cstr(w, items[i]);
	json_end_array(w);
}

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
static void put_environment(const struct op_call *call, const struct op_command *command,
			    struct json_writer *w)
{
	const struct dag_try *try = call->try;
	char logical[CIVIL_ISO_BYTES] = "", number[16];
	struct mr_map env = {0};
	for (char **entry = environ; !command->only_env && *entry; entry++)
		put_entry(&env, *entry);
	for (size_t i = 0; i < command->env.len; i++)
		put_entry(&env, command->env.items[i]);
	if (try->run.logical_date_us != NO_TIME)
		civil_iso(logical, try->run.logical_date_us);
	snprintf(number, sizeof number, "%d", (int)try->try_number);
	put_variable(&env, "AIRFLOW_CTX_DAG_ID", try->dag->id);
	put_variable(&env, "AIRFLOW_CTX_TASK_ID", try->task->id);
	put_variable(&env, "AIRFLOW_CTX_DAG_RUN_ID", try->run.run_id);
	put_variable(&env, "AIRFLOW_CTX_LOGICAL_DATE", mr_str_from(logical));
	put_variable(&env, "AIRFLOW_CTX_TRY_NUMBER", mr_str_from(number));
	put_variable(&env, "AIRFLOW_CTX_DAG_OWNER", try->dag->owner);
	put_variable(&env, TASK_ID_VARIABLE, mr_str_from(try->id));
	char *xcom = mr_asprintf("%s/xcom.json", call->folder);
	put_variable(&env, "MILLRACE_XCOM", mr_str_from(xcom));
	free(xcom);
	json_key(w, "env");
	json_begin_array(w);
	mr_map_each (&env, entry) {
		json_put_cstr(w, entry->value);
		free(entry->value);
	}
	json_end_array(w);
	mr_map_release(&env);
}

static void put_start(const struct op_call *call, struct op_command *command, struct mr_buf *json)
{
	const struct dag_try *try = call->try;
	struct json_writer w = json_writer(json);
	struct mr_buf log = {0};
	json_begin_object(&w);
	json_member_cstr(&w, "do", "start");
	json_member_cstr(&w, "id", try->id);
	put_strings(&w, "argv", command->argv.items, command->argv.len);
	put_environment(call, command, &w);
	json_member_cstr(&w, "cwd", command->cwd ? command->cwd : call->folder);
	task_log_path(call->services->logs, try->dag->id, try->run.run_id, try->task->id, try->map_index,
		      try->try_number, &log);
	json_member_str(&w, "log", mr_buf_view(&log));
	json_member_int(&w, "timeout_ms", (try->task->execution_timeout_us + 999) / 1000);
	json_member_int(&w, "grace_ms", GRACE_MS);
	json_member_int(&w, "memory", try->task->memory_bytes_max);
	json_key(&w, "secrets");
	json_begin_array(&w);
	for (size_t i = 0; i < call->secret_count; i++)
		json_put_str(&w, call->secrets[i]);
	json_end_array(&w);
	json_end_object(&w);
	mr_buf_release(&log);
}

static int prepare(struct process_executor *executor, struct op_call *call, struct mr_buf *json,
		   struct mr_error *err)
{
	const struct task_op *op = op_find(call->try->task->operator->name);
	struct op_command command = {0};
	if (!op || !op->command)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "%s does not run as a process",
			       call->try->task->operator->name);
	int rc = work_folder_take(executor->folders, call->try->id, err);
	if (rc == 0)
		rc = op->command(call, &command, err);
	if (rc == 0)
		put_start(call, &command, json);
	mr_vec_release(&command.argv);
	mr_vec_release(&command.env);
	return rc;
}

/* Send it unless the try was cancelled or given up meanwhile. 1: there is nothing to send. */
static int send_start(struct process_executor *executor, const char *id, mr_str json, struct mr_error *err)
{
	pthread_mutex_lock(&executor->sending);
	pthread_mutex_lock(&executor->lock);
	struct running *running = mr_map_get(&executor->tries, mr_str_from(id));
	bool go = running && !running->cancelled;
	if (go)
		running->sent = true;
	pthread_mutex_unlock(&executor->lock);
	int rc = go ? keeper_client_send(executor->keeper, json, err) : 1;
	pthread_mutex_unlock(&executor->sending);
	return rc;
}

static void start_job(struct pool_job *job)
{
	struct running *running = MR_CONTAINER_OF(job, struct running, job);
	struct process_executor *executor = running->executor;
	char id[DAG_UUID_BYTES];
	struct op_call call;
	struct mr_error err = {0};
	struct mr_buf json = {0};
	memcpy(id, running->try->id, sizeof id);
	int rc = op_call_init(&call, executor->services, running->try, false, &err);
	if (rc == 0)
		rc = prepare(executor, &call, &json, &err);
	if (rc < 0)
		task_log_line(&call.log, "ERROR", "%s%s%s", err.message, err.hint[0] ? ": " : "", err.hint);
	bool bad = rc < 0;
	char reason[sizeof err.message];
	snprintf(reason, sizeof reason, "%.*s", MR_FMT(op_masked(&call, mr_str_from(err.message))));
	if (rc == 0)
		rc = send_start(executor, id, mr_buf_view(&json), &err);
	op_call_release(&call);
	mr_buf_release(&json);
	if (rc == 0)
		return; /* the try may be over already */
	running = take(executor, id);
	if (running && rc < 0 && !bad)
		report_lost(executor, running, err.message);
	else if (running)
		report_failed(executor, running, bad ? reason : "stopped before it began");
}

static struct running *add(struct process_executor *executor, struct dag_try *try)
{
	struct running *running = NULL;
	pthread_mutex_lock(&executor->lock);
	if (!mr_map_get(&executor->tries, mr_str_from(try->id))) {
		running = mr_calloc(1, sizeof *running);
		*running =
		    (struct running){.job.run = start_job, .executor = executor, .try = dag_try_ref(try)};
		mr_map_put(&executor->tries, mr_str_from(try->id), running);
	}
	pthread_mutex_unlock(&executor->lock);
	return running;
}

static int process_submit(struct dag_executor *base, struct dag_try *try, struct mr_error *err)
{
	struct process_executor *executor = executor_of(base);
	struct running *running = add(executor, try);
	if (running)
		pool_put(executor->pool, &running->job);
	return 0;
}

/* ---- ends ---- */

static void put_end_reason(const struct dag_try *try, struct json_value message, struct mr_buf *out)
{
	mr_str why = json_str(json_get(message, "why"));
	int signal = (int)json_int(json_get(message, "signal"));
	if (mr_str_is(why, "timeout"))
		mr_buf_printf(out, "timed out after %.10g s", (double)try->task->execution_timeout_us / 1e6);
	else if (mr_str_is(why, "memory"))
		mr_buf_printf(out, "out of memory (limit %lld MiB)",
			      (long long)(try->task->memory_bytes_max >> 20));
	else if (mr_str_is(why, "lease"))
		mr_buf_cstr(out, "stopped: its server was not heard of for its lease");
	else if (mr_str_is(why, "stopped"))
		mr_buf_cstr(out, "stopped");
	else if (mr_str_is(why, "start"))
		mr_buf_str(out, json_str(json_get(message, "line")));
	else if (signal)
		mr_buf_printf(out, "killed by signal %d (SIG%s)", signal, sigabbrev_np(signal));
}

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

static int conclude(struct op_call *call, struct json_value message, struct op_result *result,
		    struct mr_error *err)
{
	const struct task_op *op = op_find(call->try->task->operator->name);
	struct op_end end = {.exit_code = (int)json_int(json_get(message, "exit")),
			     .line = json_str(json_get(message, "line"))};
	struct mr_buf reason = {0};
	put_end_reason(call->try, message, &reason);
	int rc = 0;
	if (reason.len) {
		result->outcome = DAG_FAILED;
		result->reason = arena_copy(&call->arena, mr_buf_view(&reason));
	} else {
		rc = read_xcom_file(call, &end.file, err);
		if (rc == 0)
			rc = op->finish(call, &end, result, err);
	}
	mr_buf_release(&reason);
	return rc;
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

static void report_end(struct process_executor *executor, struct running *running, struct json_value message)
{
	struct op_call call;
	struct op_result result = {.until_us = NO_TIME};
	struct mr_error err = {0};
	int rc = op_call_init(&call, executor->services, running->try, true, &err);
	if (rc == 0)
		rc = conclude(&call, message, &result, &err);
	if (rc < 0) {
		result.outcome = DAG_FAILED;
		result.reason = mr_str_from(err.message);
	}
	result.reason = op_masked(&call, result.reason);
	struct dag_xcom xcom = {MR_STR("return_value"), result.xcom_json};
	bool push =
	    result.outcome == DAG_SUCCEEDED && result.xcom_json.len && running->try->task->do_xcom_push;
	struct dag_report report = {
	    .kind = result.deferred ? DAG_REPORT_DEFERRED : DAG_REPORT_FINISHED,
	    .id = running->try->id,
	    .at_us = json_int(json_get(message, "at")),
	    .outcome = result.outcome,
	    .exit_code = (int)json_int(json_get(message, "exit")),
	    .signal = (int)json_int(json_get(message, "signal")),
	    .reason = result.reason,
	    .follow = result.follow,
	    .follow_ids = result.follow_ids,
	    .follow_count = result.follow_count,
	    .xcoms = result.xcom_count ? result.xcoms : &xcom,
	    .xcom_count = result.xcom_count ? result.xcom_count : push,
	    .asset_events = result.events,
	    .asset_event_count = result.event_count,
	    .retry_delay_given = result.retry_delay_given,
	    .retry_delay_us = result.retry_delay_us,
	    .until_us = result.until_us,
	    .event = result.event,
	    .resume_json = result.resume_json,
	    .reschedule = result.reschedule,
	};
	log_end(&call.log, &result);
	dag_sink_report(executor->services->sink, &report);
	op_call_release(&call);
	remove_folder(executor, running->try->id);
	free_running(running);
}

static void report_started(struct process_executor *executor, const char *id, struct json_value message)
{
	struct dag_report report = {
	    .kind = DAG_REPORT_STARTED,
	    .id = id,
	    .at_us = json_int(json_get(message, "at")),
	    .host = mr_str_from(executor->services->hostname),
	    .pid = json_int(json_get(message, "pid")),
	};
	pthread_mutex_lock(&executor->lock);
	bool ours = mr_map_get(&executor->tries, mr_str_from(id)) != NULL;
	pthread_mutex_unlock(&executor->lock);
	if (ours)
		dag_sink_report(executor->services->sink, &report);
}

static void on_message(void *arg, struct json_value message)
{
	struct process_executor *executor = arg;
	mr_str what = json_str(json_get(message, "say")), id = json_str(json_get(message, "id"));
	char text[DAG_UUID_BYTES];
	snprintf(text, sizeof text, "%.*s", MR_FMT(id));
	if (mr_str_is(what, "started")) {
		report_started(executor, text, message);
		return;
	}
	bool ended = mr_str_is(what, "ended");
	if (!ended && !mr_str_is(what, "unknown"))
		return;
	struct running *running = take(executor, text);
	if (!running)
		return;
	if (ended) {
		report_end(executor, running, message);
	} else {
		procfs_kill_task(text);
		report_lost(executor, running, "the keeper knows nothing of it");
	}
}

/* What the dead keeper had is over: its first processes died with it, the rest is killed here. */
static void on_gone(void *arg)
{
	struct process_executor *executor = arg;
	MR_VEC(struct running *) lost = {0};
	pthread_mutex_lock(&executor->sending);
	pthread_mutex_lock(&executor->lock);
	mr_map_each (&executor->tries, entry) {
		struct running *running = entry->value;
		if (running->sent || running->reattached)
			mr_vec_push(&lost, running);
	}
	for (size_t i = 0; i < lost.len; i++)
		mr_map_remove(&executor->tries, mr_str_from(lost.items[i]->try->id));
	pthread_mutex_unlock(&executor->lock);
	pthread_mutex_unlock(&executor->sending);
	mr_warn("task", "the keeper died; %zu tries are lost", lost.len);
	for (size_t i = 0; i < lost.len; i++) {
		procfs_kill_task(lost.items[i]->try->id);
		report_lost(executor, lost.items[i], "its keeper died");
	}
	mr_vec_release(&lost);
}

/* ---- the rest of the executor ---- */

static int send_about(struct process_executor *executor, const char *what, const char *id,
		      struct mr_error *err)
{
	char json[128];
	int n = snprintf(json, sizeof json, "{\"do\":\"%s\",\"id\":\"%s\"}", what, id);
	return keeper_client_send(executor->keeper, mr_str_n(json, (size_t)n), err);
}

static void process_cancel(struct dag_executor *base, const char *id, enum dag_cancel why)
{
	struct process_executor *executor = executor_of(base);
	struct mr_error err;
	pthread_mutex_lock(&executor->lock);
	struct running *running = mr_map_get(&executor->tries, mr_str_from(id));
	bool send = running && (running->sent || running->reattached);
	if (running)
		running->cancelled = true;
	pthread_mutex_unlock(&executor->lock);
	if (send && send_about(executor, "stop", id, &err) != 0)
		mr_log_error("task", &err); /* the keeper is gone: so is the task */
}

static int process_reattach(struct dag_executor *base, struct dag_try *const *tries, size_t count,
			    struct mr_error *err)
{
	struct process_executor *executor = executor_of(base);
	for (size_t i = 0; i < count; i++) {
		struct running *running = add(executor, tries[i]);
		if (!running)
			continue;
		pthread_mutex_lock(&executor->sending);
		running->reattached = true;
		int rc = send_about(executor, "ask", tries[i]->id, err);
		pthread_mutex_unlock(&executor->sending);
		running = rc != 0 ? take(executor, tries[i]->id) : NULL;
		if (running) {
			procfs_kill_task(tries[i]->id);
			report_lost(executor, running, "its keeper died");
		}
	}
	return 0;
}

static void process_free(struct dag_executor *base)
{
	struct process_executor *executor = executor_of(base);
	pool_free(executor->pool);
	keeper_client_free(executor->keeper);
	mr_map_each (&executor->tries, entry)
		free_running(entry->value); /* they run on; the next server asks after them */
	mr_map_release(&executor->tries);
	work_folders_free(executor->folders);
	pthread_mutex_destroy(&executor->sending);
	pthread_mutex_destroy(&executor->lock);
	free(executor);
}

int process_executor_lease(struct dag_executor *base, int64_t until_us, struct mr_error *err)
{
	char json[64];
	int n = snprintf(json, sizeof json, "{\"do\":\"lease\",\"until\":%lld}", (long long)until_us);
	return keeper_client_send(executor_of(base)->keeper, mr_str_n(json, (size_t)n), err);
}

static const struct dag_executor_ops process_ops = {process_submit, process_cancel, process_reattach,
						    process_free};

int process_executor_new(const struct task_services *services, int32_t slots, struct dag_executor **out,
			 struct mr_error *err)
{
	struct process_executor *executor = mr_calloc(1, sizeof *executor);
	executor->base = (struct dag_executor){&process_ops, "process", slots};
	executor->services = services;
	pthread_mutex_init(&executor->sending, NULL);
	pthread_mutex_init(&executor->lock, NULL);
	char *keeper_folder = mr_asprintf("%s/keeper", services->folder);
	char *work = mr_asprintf("%s/work", services->folder);
	struct keeper_client_options options = {
	    .folder = keeper_folder,
	    .program = services->keeper_program,
	    .message = on_message,
	    .gone = on_gone,
	    .arg = executor,
	};
	int rc = work_folders_new(work, (size_t)slots, &executor->folders, err);
	if (rc == 0)
		rc = keeper_client_new(&options, &executor->keeper, err);
	if (rc == 0)
		rc = pool_new(RENDER_THREADS, &executor->pool, err);
	free(keeper_folder);
	free(work);
	if (rc != 0) {
		process_free(&executor->base);
		return rc;
	}
	*out = &executor->base;
	return 0;
}

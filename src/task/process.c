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
#include "task/keeper_client.h"
#include "task/launch.h"
#include "task/pool.h"
#include "task/procfs.h"

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
	launch_report_lost(executor->services, running->try->id, mr_str_from(why));
	remove_folder(executor, running->try->id);
	free_running(running);
}

static void report_failed(struct process_executor *executor, struct running *running, mr_str reason)
{
	launch_report_failed(executor->services, running->try->id, reason);
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

static void put_start(const struct launch *launch, struct mr_buf *json)
{
	const struct dag_try *try = launch->call.try;
	struct json_writer w = json_writer(json);
	json_begin_object(&w);
	json_member_cstr(&w, "do", "start");
	json_member_cstr(&w, "id", try->id);
	put_strings(&w, "argv", launch->command.argv.items, launch->command.argv.len);
	put_strings(&w, "env", launch->env.items, launch->env.len);
	json_member_cstr(&w, "cwd", launch->cwd);
	json_member_cstr(&w, "log", launch->log);
	json_member_int(&w, "timeout_ms", (try->task->execution_timeout_us + 999) / 1000);
	json_member_int(&w, "grace_ms", GRACE_MS);
	json_member_int(&w, "memory", try->task->memory_bytes_max);
	json_key(&w, "secrets");
	json_begin_array(&w);
	for (size_t i = 0; i < launch->call.secret_count; i++)
		json_put_str(&w, launch->call.secrets[i]);
	json_end_array(&w);
	json_end_object(&w);
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
	struct launch launch;
	struct mr_error err = {0};
	struct mr_buf json = {0};
	memcpy(id, running->try->id, sizeof id);
	int rc = launch_prepare(&launch, executor->services, running->try, executor->folders, true, &err);
	bool bad = rc < 0;
	if (rc == 0) {
		put_start(&launch, &json);
		rc = send_start(executor, id, mr_buf_view(&json), &err);
	}
	mr_buf_release(&json);
	running = rc == 0 ? NULL : take(executor, id); /* started, it may be over already */
	if (running && rc < 0 && !bad)
		report_lost(executor, running, err.message);
	else if (running)
		report_failed(executor, running, bad ? launch.reason : MR_STR("stopped before it began"));
	launch_release(&launch);
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

static void report_end(struct process_executor *executor, struct running *running, struct json_value message)
{
	struct mr_buf reason = {0};
	put_end_reason(running->try, message, &reason);
	struct launch_end end = {.at_us = json_int(json_get(message, "at")),
				 .exit_code = (int)json_int(json_get(message, "exit")),
				 .signal = (int)json_int(json_get(message, "signal")),
				 .reason = mr_buf_view(&reason),
				 .line = json_str(json_get(message, "line"))};
	launch_report_end(executor->services, running->try, &end);
	mr_buf_release(&reason);
	remove_folder(executor, running->try->id);
	free_running(running);
}

static void report_started(struct process_executor *executor, const char *id, struct json_value message)
{
	pthread_mutex_lock(&executor->lock);
	bool ours = mr_map_get(&executor->tries, mr_str_from(id)) != NULL;
	pthread_mutex_unlock(&executor->lock);
	if (ours)
		launch_report_started(executor->services, id, json_int(json_get(message, "at")),
				      mr_str_from(executor->services->hostname),
				      json_int(json_get(message, "pid")));
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
	struct mr_error gone; /* and with the keeper what it ran */
	(void)!keeper_client_send(executor->keeper, MR_STR("{\"do\":\"stop_others\"}"), &gone);
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

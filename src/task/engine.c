/* The engine executor: operators that run here, each a job on a thread of the pool.
 *
 * A watcher thread ends what takes too long (execution_timeout) and what is cancelled by interrupting
 * its SQL; steps that cannot be interrupted (HTTP) have limits of their own. What was running when the
 * server died is lost: after a restart reattach says so.
 */
#include "base/log.h"
#include "base/map.h"
#include "dag/civil.h"
#include "broker/broker.h"
#include "query/catalog.h"
#include "query/session.h"
#include "task/op.h"
#include "task/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct engine_executor {
	struct dag_executor base;
	const struct task_services *services;
	struct pool *pool;
	struct topic_watch *topics; /* NULL: there is no log */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t watcher;
	bool watching, closing;
	struct mr_map steps; /* id → struct step */
};

struct step {
	struct pool_job job;
	struct engine_executor *executor;
	struct dag_try *try;
	struct session *session; /* to interrupt; NULL */
	int64_t deadline_us;     /* monotonic; INT64_MAX */
	const char *ended;       /* why it was interrupted; NULL */
};

static struct engine_executor *executor_of(struct dag_executor *base)
{
	return MR_CONTAINER_OF(base, struct engine_executor, base);
}

void op_interruptible(struct op_call *call, struct session *session)
{
	struct step *step = call->execution;
	if (!step)
		return;
	pthread_mutex_lock(&step->executor->lock);
	step->session = session;
	if (session && step->ended)
		session_interrupt(session);
	pthread_cond_broadcast(&step->executor->changed);
	pthread_mutex_unlock(&step->executor->lock);
}

bool op_stopped(struct op_call *call)
{
	struct step *step = call->execution;
	if (!step)
		return false;
	pthread_mutex_lock(&step->executor->lock);
	bool stopped = step->ended != NULL;
	pthread_mutex_unlock(&step->executor->lock);
	return stopped;
}

static void *watch(void *arg)
{
	struct engine_executor *executor = arg;
	pthread_mutex_lock(&executor->lock);
	while (!executor->closing) {
		int64_t now = clock_mono_us(executor->services->env->clock), next = INT64_MAX;
		mr_map_each (&executor->steps, entry) {
			struct step *step = entry->value;
			if (step->deadline_us <= now && !step->ended) {
				step->ended = "timed out";
				if (step->session)
					session_interrupt(step->session);
			} else if (!step->ended) {
				next = mr_min_i64(next, step->deadline_us);
			}
		}
		if (next == INT64_MAX) {
			pthread_cond_wait(&executor->changed, &executor->lock);
			continue;
		}
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		int64_t ns = until.tv_nsec + (next - now) % SECOND_US * 1000;
		until.tv_sec += (next - now) / SECOND_US + ns / 1000000000;
		until.tv_nsec = ns % 1000000000;
		pthread_cond_timedwait(&executor->changed, &executor->lock, &until);
	}
	pthread_mutex_unlock(&executor->lock);
	return NULL;
}

/* ---- a step ---- */

static void report_started(struct engine_executor *executor, const struct dag_try *try)
{
	struct dag_report report = {.kind = DAG_REPORT_STARTED,
				    .id = try->id,
				    .at_us = NO_TIME,
				    .host = mr_str_from(executor->services->hostname),
				    .pid = getpid()};
	dag_sink_report(executor->services->sink, &report);
}

static void report_result(struct engine_executor *executor, const struct dag_try *try,
			  const struct op_result *result)
{
	struct dag_xcom xcom = {MR_STR("return_value"), result->xcom_json};
	struct dag_report report = {
	    .kind = result->deferred ? DAG_REPORT_DEFERRED : DAG_REPORT_FINISHED,
	    .id = try->id,
	    .at_us = NO_TIME,
	    .outcome = result->outcome,
	    .reason = result->reason,
	    .follow = result->follow,
	    .follow_ids = result->follow_ids,
	    .follow_count = result->follow_count,
	    .xcoms = &xcom,
	    .xcom_count = !result->deferred && result->outcome == DAG_SUCCEEDED && result->xcom_json.len &&
			  try->task->do_xcom_push,
	    .until_us = result->until_us,
	    .event = result->event,
	    .resume_json = result->resume_json,
	    .reschedule = result->reschedule,
	};
	dag_sink_report(executor->services->sink, &report);
}

static int run_op(struct op_call *call, struct op_result *result, struct mr_error *err)
{
	const char *name = call->try->task->operator->name;
	const struct task_op *op = op_find(name);
	if (op && op->poke)
		return sensor_run(call, op, result, err);
	if (op && op->run)
		return op->run(call, result, err);
	return mr_fail(err, MR_ERR_UNSUPPORTED, "%s does not run in the server", name);
}

static const char *take_ended(struct step *step)
{
	pthread_mutex_lock(&step->executor->lock);
	const char *ended = step->ended;
	mr_map_remove(&step->executor->steps, mr_str_from(step->try->id));
	pthread_mutex_unlock(&step->executor->lock);
	return ended;
}

static void run_step(struct pool_job *job)
{
	struct step *step = MR_CONTAINER_OF(job, struct step, job);
	struct engine_executor *executor = step->executor;
	struct op_call call;
	struct op_result result = {.until_us = NO_TIME};
	struct mr_error err = {0};
	report_started(executor, step->try);
	int rc = op_call_init(&call, executor->services, step->try, false, &err);
	call.execution = step;
	if (rc == 0)
		rc = run_op(&call, &result, &err);
	const char *ended = take_ended(step);
	if (rc < 0 || (ended && result.deferred)) {
		result = (struct op_result){.outcome = DAG_FAILED, .until_us = NO_TIME};
		result.reason = ended ? mr_str_from(ended) : mr_str_from(err.message);
		if (!ended && err.hint[0])
			task_log_line(&call.log, "ERROR", "%s", err.hint);
	}
	result.reason = op_masked(&call, result.reason);
	if (!result.deferred)
		task_log_line(&call.log, result.outcome == DAG_SUCCEEDED ? "INFO" : "ERROR", "%s%s%.*s",
			      result.outcome == DAG_SUCCEEDED ? "succeeded"
			      : result.outcome == DAG_SKIPPED ? "skipped"
							      : "failed",
			      result.reason.len ? ": " : "", MR_FMT(result.reason));
	report_result(executor, step->try, &result);
	const struct task_op *op = op_find(step->try->task->operator->name);
	if (result.deferred && result.event.len && op && op->arm)
		op->arm(&call, executor->topics, &result);
	op_call_release(&call);
	dag_try_unref(step->try);
	free(step);
}

/* ---- the executor ---- */

static int engine_submit(struct dag_executor *base, struct dag_try *try, struct mr_error *err)
{
	struct engine_executor *executor = executor_of(base);
	pthread_mutex_lock(&executor->lock);
	bool known = mr_map_get(&executor->steps, mr_str_from(try->id)) != NULL;
	if (!known) {
		struct step *step = mr_calloc(1, sizeof *step);
		int64_t limit = try->task->execution_timeout_us;
		*step = (struct step){.job.run = run_step, .executor = executor, .try = dag_try_ref(try)};
		step->deadline_us =
		    limit > 0 ? clock_mono_us(executor->services->env->clock) + limit : INT64_MAX;
		mr_map_put(&executor->steps, mr_str_from(try->id), step);
		if (limit > 0)
			pthread_cond_broadcast(&executor->changed);
		pool_put(executor->pool, &step->job);
	}
	pthread_mutex_unlock(&executor->lock);
	return 0;
}

static void engine_cancel(struct dag_executor *base, const char *id, enum dag_cancel why)
{
	struct engine_executor *executor = executor_of(base);
	pthread_mutex_lock(&executor->lock);
	struct step *step = mr_map_get(&executor->steps, mr_str_from(id));
	if (step && !step->ended) {
		step->ended = why == DAG_CANCEL_TIMEOUT ? "timed out" : "stopped";
		if (step->session)
			session_interrupt(step->session);
	}
	pthread_mutex_unlock(&executor->lock);
}

static int engine_reattach(struct dag_executor *base, struct dag_try *const *tries, size_t count,
			   struct mr_error *err)
{
	struct engine_executor *executor = executor_of(base);
	for (size_t i = 0; i < count; i++) {
		struct dag_report report = {.kind = DAG_REPORT_LOST,
					    .id = tries[i]->id,
					    .at_us = NO_TIME,
					    .reason = MR_STR("the server ended while it ran")};
		pthread_mutex_lock(&executor->lock);
		bool here = mr_map_get(&executor->steps, mr_str_from(tries[i]->id)) != NULL;
		pthread_mutex_unlock(&executor->lock);
		if (!here)
			dag_sink_report(executor->services->sink, &report);
	}
	return 0;
}

static void engine_free(struct dag_executor *base)
{
	struct engine_executor *executor = executor_of(base);
	pthread_mutex_lock(&executor->lock);
	mr_map_each (&executor->steps, entry) {
		struct step *step = entry->value;
		step->ended = "the server ends";
		if (step->session)
			session_interrupt(step->session);
	}
	executor->closing = true;
	pthread_cond_broadcast(&executor->changed);
	pthread_mutex_unlock(&executor->lock);
	pool_free(executor->pool);
	topic_watch_free(executor->topics);
	if (executor->watching)
		pthread_join(executor->watcher, NULL);
	mr_map_release(&executor->steps);
	pthread_cond_destroy(&executor->changed);
	pthread_mutex_destroy(&executor->lock);
	free(executor);
}

static const struct dag_executor_ops engine_ops = {engine_submit, engine_cancel, engine_reattach,
						   engine_free};

int engine_executor_new(const struct task_services *services, int32_t slots, size_t threads,
			struct dag_executor **out, struct mr_error *err)
{
	struct engine_executor *executor = mr_calloc(1, sizeof *executor);
	executor->base = (struct dag_executor){&engine_ops, "engine", slots};
	executor->services = services;
	struct broker *broker = services->catalog ? catalog_broker(services->catalog) : NULL;
	if (broker)
		executor->topics = topic_watch_new(broker_store(broker), services->sink);
	pthread_mutex_init(&executor->lock, NULL);
	pthread_cond_init(&executor->changed, NULL);
	int rc = pool_new(threads, &executor->pool, err);
	if (rc == 0 && pthread_create(&executor->watcher, NULL, watch, executor) != 0)
		rc = mr_fail(err, MR_ERR_IO, "cannot start a thread");
	executor->watching = rc == 0;
	if (rc != 0) {
		engine_free(&executor->base);
		return rc;
	}
	*out = &executor->base;
	return 0;
}

#include "kafka/admin_job.h"

#include "broker/group_config.h"

#include <pthread.h>
#include <stdlib.h>

struct admin_worker {
	struct kafka_core *core;
	void (*wake)(void *arg, const void *key);
	void *wake_arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct admin_job *first, *last; /* lock */
	bool stopping;                  /* lock */
};

/* ---- the operations ---- */

static int create_topic(struct admin_job *job, struct admin_op *op, struct mr_error *err)
{
	struct topic_create create = {
	    .name = op->topic,
	    .partitions = op->partitions,
	    .configs = op->changes,
	    .config_count = op->change_count,
	    .validate_only = op->validate_only,
	};
	return broker_topic_create(job->core->broker, &create, &job->arena, &op->config, err);
}

static int delete_topic(struct admin_job *job, struct admin_op *op, struct mr_error *err)
{
	int rc = log_topic_delete(job->core->store, op->topic, err);
	return rc == 0 ? groups_topic_deleted(job->core->groups, op->topic, err) : rc;
}

static int widen_topic(struct admin_job *job, struct admin_op *op, struct mr_error *err)
{
	return broker_topic_widen(job->core->broker, op->topic, op->partitions, op->validate_only, err);
}

static int configure_topic(struct admin_job *job, struct admin_op *op, struct mr_error *err)
{
	return broker_topic_configure(job->core->broker, op->topic, op->changes, op->change_count,
				      op->replace, op->validate_only, err);
}

static int configure_broker(struct admin_job *job, struct admin_op *op, struct mr_error *err)
{
	return broker_configure(job->core->broker, op->scope, op->changes, op->change_count, op->replace,
				op->validate_only, err);
}

static int configure_group(struct admin_job *job, struct admin_op *op, struct mr_error *err)
{
	return group_config_alter(broker_group_configs(job->core->broker), op->topic, op->changes,
				  op->change_count, op->replace, op->validate_only, err) == 0
		   ? 0
		   : BROKER_INVALID_CONFIG;
}

static int delete_records(struct admin_job *job, struct admin_op *op, struct mr_error *err)
{
	return log_delete_records(op->partition, op->offset, &op->low_watermark, err);
}

static const struct {
	int (*run)(struct admin_job *job, struct admin_op *op, struct mr_error *err);
	enum error_context context;
} kinds[ADMIN_KINDS] = {
    [ADMIN_CREATE_TOPIC] = {create_topic, ON_TOPIC},
    [ADMIN_DELETE_TOPIC] = {delete_topic, ON_TOPIC},
    [ADMIN_WIDEN_TOPIC] = {widen_topic, ON_TOPIC},
    [ADMIN_CONFIGURE_TOPIC] = {configure_topic, ON_TOPIC},
    [ADMIN_CONFIGURE_BROKER] = {configure_broker, ON_TOPIC},
    [ADMIN_CONFIGURE_GROUP] = {configure_group, ON_TOPIC},
    [ADMIN_DELETE_RECORDS] = {delete_records, ON_READ},
};

static void run_job(struct admin_job *job)
{
	for (size_t i = 0; i < job->count; i++) {
		struct admin_op *op = &job->ops[i];
		struct mr_error err = {0};
		if (op->kind == ADMIN_NOTHING)
			continue;
		int rc = kinds[op->kind].run(job, op, &err);
		op->code = kafka_error_of(rc, kinds[op->kind].context);
		if (rc == MR_ERR_UNSUPPORTED)
			op->code = KE_INVALID_REQUEST;
		if (rc != 0)
			op->message = arena_printf(&job->arena, "%s%s%s%s", err.message,
						   err.hint[0] ? " (" : "", err.hint, err.hint[0] ? ")" : "");
	}
}

/* ---- jobs ---- */

static void job_free(struct admin_job *job)
{
	arena_release(&job->arena);
	free(job);
}

static void job_release(struct request *r)
{
	struct admin_job *job = r->progress;
	struct admin_worker *worker = job->core->admin;
	if (worker)
		pthread_mutex_lock(&worker->lock);
	bool ours = !job->running || job->done;
	job->abandoned = true;
	if (worker)
		pthread_mutex_unlock(&worker->lock);
	if (ours)
		job_free(job);
}

struct admin_job *admin_job_new(struct request *r, size_t count)
{
	struct admin_job *job = mr_calloc(1, sizeof *job);
	job->core = request_core(r);
	job->count = count;
	job->ops = arena_calloc(&job->arena, mr_max_size(count, 1), sizeof *job->ops);
	r->progress = job;
	r->release = job_release;
	return job;
}

mr_str admin_job_copy(struct admin_job *job, mr_str s)
{
	return s.ptr ? arena_copy(&job->arena, s) : s;
}

void admin_refuse(struct admin_op *op, int16_t code, mr_str message)
{
	op->kind = ADMIN_NOTHING;
	op->code = code;
	op->message = message;
}

static void submit(struct admin_worker *worker, struct admin_job *job)
{
	pthread_mutex_lock(&worker->lock);
	job->running = true;
	if (worker->last)
		worker->last->next = job;
	else
		worker->first = job;
	worker->last = job;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

static bool nothing_to_do(const struct admin_job *job)
{
	for (size_t i = 0; i < job->count; i++) {
		if (job->ops[i].kind != ADMIN_NOTHING)
			return false;
	}
	return true;
}

enum step admin_job_await(struct request *r, struct admin_job *job)
{
	struct admin_worker *worker = job->core->admin;
	if (!worker) {
		run_job(job);
		return STEP_DONE;
	}
	if (!job->running) {
		if (nothing_to_do(job))
			return STEP_DONE;
		request_wait_key(r, job, NULL);
		submit(worker, job);
		return STEP_WAIT;
	}
	pthread_mutex_lock(&worker->lock);
	bool done = job->done;
	pthread_mutex_unlock(&worker->lock);
	return done ? STEP_DONE : STEP_WAIT;
}

/* ---- the worker ---- */

/* The lock is held. */
static void do_next(struct admin_worker *worker)
{
	struct admin_job *job = worker->first;
	worker->first = job->next;
	if (!worker->first)
		worker->last = NULL;
	bool wanted = !job->abandoned;
	pthread_mutex_unlock(&worker->lock);
	if (wanted)
		run_job(job);
	pthread_mutex_lock(&worker->lock);
	job->done = true;
	if (job->abandoned)
		job_free(job);
	else
		worker->wake(worker->wake_arg, job);
}

static void *work(void *arg)
{
	struct admin_worker *worker = arg;
	pthread_mutex_lock(&worker->lock);
	while (!worker->stopping) {
		if (worker->first)
			do_next(worker);
		else
			pthread_cond_wait(&worker->changed, &worker->lock);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

int admin_worker_start(struct kafka_core *core, void (*wake)(void *arg, const void *key), void *arg,
		       struct admin_worker **out, struct mr_error *err)
{
	struct admin_worker *worker = mr_calloc(1, sizeof *worker);
	*worker = (struct admin_worker){.core = core, .wake = wake, .wake_arg = arg};
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->changed, NULL);
	int failed = pthread_create(&worker->thread, NULL, work, worker);
	if (failed) {
		free(worker);
		return mr_fail(err, MR_ERR_IO, "cannot start a thread: %s", strerror(failed));
	}
	*out = worker;
	return 0;
}

void admin_worker_stop(struct admin_worker *worker)
{
	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stopping = true;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	/* What it did not come to: their requests may still hold them, and free them then. */
	for (struct admin_job *job = worker->first, *next; job; job = next) {
		next = job->next;
		job->done = true;
		if (job->abandoned)
			job_free(job);
	}
	worker->core->admin = NULL;
	pthread_mutex_destroy(&worker->lock);
	pthread_cond_destroy(&worker->changed);
	free(worker);
}
